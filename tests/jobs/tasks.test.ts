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
  test.each(['dispatch', 'cleanup', 'deliveries__send', 'invariants__check', 'slots__generate'])(
    '%s ends well with nothing to do',
    async (task) => {
      await addJob(task, {});
      await eventually(async () => (await job(task)) === undefined);
    },
  );

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

  test('all have a name that the queue knows, and the queue knows no other', async () => {
    const { rows } = await owner.query(`select prosrc from pg_proc where proname like 'queue\\_%'`);
    const queued = rows.flatMap(({ prosrc }) =>
      [...prosrc.matchAll(/'task', '(\w+)'/g)].map((m) => m[1]),
    );
    expect(new Set(queued)).toEqual(new Set(['deadlines__carry_out', 'deliveries__send']));
  });
});
