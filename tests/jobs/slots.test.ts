/** The nightly job that makes the slots of schedules, in the real worker. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Stack, startStack } from '../support/stack.ts';
import { eventually } from '../support/worker.ts';

let stack: Stack;

const owner = () => stack.database.pool('owner', 2);

async function count(schedule: string): Promise<number> {
  const { rows } = await owner().query<{ n: number }>(
    `select count(*)::int as n from app_public.slots s join app_public.schedules h on h.id = s.schedule_id
     where h.name = $1`,
    [schedule],
  );
  return rows[0]?.n ?? 0;
}

beforeAll(async () => {
  stack = await startStack();
  await owner().query(`
    with g as (select id from app_public.organizations limit 1),
    r as (insert into app_public.resources (organization_id, name, time_zone, shared)
          select id, 'Square', 'Europe/Vienna', true from g returning id, organization_id),
    f as (insert into app_public.offerings (organization_id, policy_id, kind, allocation, name)
          select g.id, p.id, 'tour', 'capacity', 'Walk' from g join app_public.policies p on p.organization_id = g.id
          returning id, organization_id),
    x as (insert into app_public.offering_resources (offering_id, resource_id, organization_id)
          select f.id, r.id, f.organization_id from f, r)
    insert into app_public.schedules (organization_id, offering_id, name, local_start, duration, recurrence, rrule,
      capacity, valid_from)
    select f.organization_id, f.id, v.name, '10:00', '2 hours', v.recurrence::app_public.recurrence, v.rrule, 8,
      (app_private.clock() at time zone 'Europe/Vienna')::date + 1
    from f, (values ('broken', 'custom', 'FREQ=DAILY;INTERVAL=X'), ('daily', 'daily', null),
      ('by a rule', 'custom', 'FREQ=DAILY;INTERVAL=2')) v (name, recurrence, rrule)`);
});
afterAll(() => stack.stop());

test('it fills them all, also those after one whose rule cannot be used, and again changes nothing', async () => {
  const worker = stack.database.pool('worker', 1);
  const run = () =>
    worker.query(`select graphile_worker.add_job('slots__generate', '{}', job_key := 'slots')`);
  const failure = () =>
    eventually(async () => {
      const { rows } = await worker.query(
        `select last_error from graphile_worker.jobs where key = 'slots' and last_error is not null`,
      );
      return rows[0]?.last_error as string | undefined;
    });
  await run();
  // An operator sees it among the failed jobs.
  expect(await failure()).toContain('could not be filled');
  expect(await count('daily')).toBe(60);
  expect(await count('by a rule')).toBe(30);
  expect(await count('broken')).toBe(0);
  await owner().query(`update app_public.schedules set active = false where name = 'broken'`);
  await run();
  await eventually(async () => {
    const { rows } = await worker.query(`select from graphile_worker.jobs where key = 'slots'`);
    return rows.length === 0;
  });
  expect(await count('daily')).toBe(60);
  expect(await count('by a rule')).toBe(30);
});
