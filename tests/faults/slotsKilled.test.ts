/** A worker that is killed while it makes slots leaves whole schedules behind, and the next one makes the rest. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { eventually, type FaultWorld, openWorld } from './world.ts';

jest.setTimeout(180_000);

let world: FaultWorld;

beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

/** A daily walk with a guide of its own, from tomorrow on. */
async function createWalk(name: string): Promise<string> {
  const add = async (text: string, ...values: unknown[]) =>
    String((await world.query<{ id: string }>(text, [world.organizationId, ...values]))[0]?.id);
  const guide = await add(
    `insert into app_public.resources (organization_id, name, time_zone) values ($1, $2, 'UTC') returning id`,
    name,
  );
  const walk = await add(
    `insert into app_public.offerings (organization_id, policy_id, kind, allocation, name)
     select $1, id, 'tour', 'capacity', $2 from app_public.policies where organization_id = $1 returning id`,
    name,
  );
  await add(
    `insert into app_public.offering_resources (organization_id, offering_id, resource_id)
     values ($1, $2, $3) returning offering_id as id`,
    walk,
    guide,
  );
  return add(
    `insert into app_public.schedules (organization_id, offering_id, name, local_start, duration, recurrence, capacity,
       valid_from)
     values ($1, $2, $3, '10:00', '2 hours', 'daily', 8, (app_private.clock() at time zone 'UTC')::date + 1)
     returning id`,
    walk,
    name,
  );
}

const count = async (schedule: string) =>
  (await world.query('select from app_public.slots where schedule_id = $1', [schedule])).length;

/** Whoever makes the slot of that day as well waits to see whether this one is made. */
async function makeSlotSlowly(schedule: string, inDays: number) {
  const client = await world.owner.connect();
  await client.query('begin');
  await client.query(
    `insert into app_public.slots (organization_id, offering_id, schedule_id, policy_version_id, day, starts_at, ends_at,
       room, capacity)
     select h.organization_id, h.offering_id, h.id, v.id, s.at::date, s.at, s.at + h.duration,
       tstzrange(s.at, s.at + h.duration), h.capacity
     from app_public.schedules h
     join app_public.policy_versions v on v.organization_id = h.organization_id
     cross join lateral (
       select ((app_private.clock() at time zone 'UTC')::date + $2::integer + h.local_start) at time zone 'UTC' as at) s
     where h.id = $1`,
    [schedule, inDays],
  );
  return async () => {
    await client.query('rollback');
    client.release();
  };
}

const whoWaits = async () =>
  (
    await world.admin.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and wait_event_type = 'Lock' and query like '%fill_schedule%'
         and pid <> pg_backend_pid()`,
    )
  ).rows[0]?.pid;

const generate = () =>
  world.admin.query(
    `set role reslot_worker; select graphile_worker.add_job('slots__generate', '{}', job_key := 'slots'); reset role`,
  );

test('no schedule is half made, whatever is killed, and all are made in the end', async () => {
  const [first, second] = [await createWalk('First'), await createWalk('Second')];
  const giveUp = await makeSlotSlowly(second, 30);
  const worker = await world.startWorker();
  await generate();
  const backend = await eventually(whoWaits);
  worker.kill('SIGKILL');
  // With its machine its connection is gone as well.
  await world.admin.query('select pg_terminate_backend($1)', [backend]);
  await giveUp();
  await eventually(async () => (await whoWaits()) === undefined);
  expect([await count(first), await count(second)]).toEqual([60, 0]);

  await world.startWorker();
  await eventually(async () => (await count(second)) > 0);
  expect([await count(first), await count(second)]).toEqual([60, 60]);
  expect(await world.broken()).toEqual([]);
});
