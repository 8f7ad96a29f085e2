import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { type Stack, startStack } from '../support/stack.ts';
import { eventually } from '../support/worker.ts';

let stack: Stack;
let owner: pg.Pool;

beforeAll(async () => {
  stack = await startStack();
  owner = stack.database.pool('owner', 2);
});
afterAll(() => stack.stop());

const addJob = (task: string, payload: object) =>
  stack.database
    .pool('worker', 1)
    .query('select graphile_worker.add_job($1, $2, job_key := $1)', [
      task,
      JSON.stringify(payload),
    ]);

const job = async (task: string) =>
  (
    await stack.database
      .pool('worker', 1)
      .query('select attempts, last_error from graphile_worker.jobs where task_identifier = $1', [
        task,
      ])
  ).rows[0];

describe('the tasks', () => {
  test.each([
    'dispatch',
    'cleanup',
    'deliveries__send',
    'invariants__check',
    'slots__generate',
    'photo_files__remove',
  ])('%s ends well with nothing to do', async (task) => {
    await addJob(task, {});
    await eventually(async () => (await job(task)) === undefined);
  });

  test('deadlines__carry_out ends well when its subject is gone', async () => {
    await addJob('deadlines__carry_out', { subjectId: '019363a0-0000-7000-8000-000000000000' });
    await eventually(async () => (await job('deadlines__carry_out')) === undefined);
  });

  test('deadlines__carry_out refuses a payload without a subject', async () => {
    await addJob('deadlines__carry_out', {});
    const { last_error } = await eventually(async () => {
      const found = await job('deadlines__carry_out');
      return found?.last_error && found;
    });
    expect(last_error).toContain('subjectId');
  });

  test('deadlines__carry_out leaves a line on the booking when it fails, which ends when it is done', async () => {
    await owner.query(`
      create function app_private.breaks() returns trigger language plpgsql as $$
      begin raise exception 'a secret of the house' using errcode = '55P03'; end $$;
      create trigger breaks before update on app_public.bookings execute function app_private.breaks()`);
    await owner.query(`
      with g as (select id from app_public.organizations limit 1),
      f as (insert into app_public.offerings (organization_id, policy_id, kind, name)
            select g.id, p.id, 'venue', 'Hall' from g join app_public.policies p on p.organization_id = g.id
            returning id, organization_id, policy_id),
      c as (insert into app_public.customers (organization_id, name) select id, 'Ann' from g returning id)
      insert into app_public.bookings (organization_id, offering_id, customer_id, policy_version_id, reference, status,
        starts_at, ends_at, room, currency, request_expires_at, created_at, made_at)
      select f.organization_id, f.id, c.id, v.id, 'T-1', 'pending', t.at, t.at + interval '1 hour',
        tstzrange(t.at, t.at + interval '1 hour'), 'EUR', app_private.clock(), t.at - interval '49 hours', t.at - interval '49 hours'
      from f join app_public.policy_versions v on v.policy_id = f.policy_id, c,
        (select app_private.clock() + interval '24 hours' as at) t`);
    const line = (outcome: string) =>
      eventually(async () => {
        const { rows } = await owner.query(
          'select what, attempts, done_at, error from app_public.automation_events where outcome = $1',
          [outcome],
        );
        return rows[0];
      });
    const failed = { what: 'expire_request', done_at: null, error: 'The database was busy.' };
    expect(await line('failed')).toMatchObject(failed);
    await owner.query('drop function app_private.breaks() cascade');
    const done = await line('done');
    expect(done).toMatchObject({ what: 'expire_request', done_at: expect.any(Date) });
    expect(done?.attempts).toBeGreaterThan(1);
  });

  test('all have a name that the queue knows, and the queue knows no other', async () => {
    const { rows } = await owner.query(`select prosrc from pg_proc where proname like 'queue\\_%'`);
    const queued = rows.flatMap(({ prosrc }) =>
      [...prosrc.matchAll(/'task', '(\w+)'/g)].map((m) => m[1]),
    );
    expect(new Set(queued)).toEqual(new Set(['deadlines__carry_out', 'deliveries__send']));
  });
});
