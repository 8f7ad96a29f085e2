import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import { type ClonedDatabase, cloneDatabase } from '../support/database.ts';
import { eventually, startTestWorker, type TaskFolder, taskFolder } from '../support/worker.ts';

const TASKS = {
  // Leaves a trace of what it was given.
  trace: `export default async (payload, { services, withPgClient }) => {
    await services.pool.query('insert into trace values ($1)', [payload.note]);
    await withPgClient((client) => client.query('insert into trace values ($1)', [services.publicUrl]));
  };`,
  via: `export default async (_payload, { withPgClient }) => {
    await withPgClient((client) => client.query(
      "insert into trace values (current_setting('reslot.via') || ' as ' || current_user)"));
  };`,
  slow: `export default async (payload, { services }) => {
    await services.pool.query("insert into trace values ('started')");
    await new Promise((resolve) => setTimeout(resolve, payload.ms));
    await services.pool.query("insert into trace values ('ended')");
  };`,
  told: `export default async (_payload, { abortSignal, services }) => {
    await new Promise((resolve) => abortSignal.addEventListener('abort', resolve));
    await services.pool.query("insert into trace values ('told')");
    await new Promise(() => undefined);
  };`,
};

let database: ClonedDatabase;
let folder: TaskFolder;
let worker: pg.Pool;

beforeEach(async () => {
  database = await cloneDatabase();
  folder = await taskFolder(TASKS);
  const admin = database.pool('admin', 1);
  await admin.query(REPLACE_DISPATCH);
  await admin.query(
    `create table public.trace (note text, at timestamptz default clock_timestamp())`,
  );
  await admin.query('grant all on public.trace to reslot_worker, reslot_owner');
  worker = database.pool('worker', 2);
});

afterEach(async () => {
  await database.drop();
  await folder.remove();
});

/** The real one is tested elsewhere; here it only must not interfere. */
const REPLACE_DISPATCH = `
do $$
declare
  v_function regprocedure;
begin
  for v_function in select oid from pg_proc
                     where proname = 'dispatch' and pronamespace = 'app_private'::regnamespace loop
    execute 'drop function ' || v_function || ' cascade';
  end loop;
end $$;
create function app_private.dispatch(recover boolean default false) returns integer
  language sql as 'select 0';
grant usage on schema app_private to reslot_worker;
grant execute on function app_private.dispatch(boolean) to reslot_worker`;

const addJob = (task: string, payload: object) =>
  worker.query('select graphile_worker.add_job($1, $2)', [task, JSON.stringify(payload)]);

const notes = async () =>
  (await worker.query<{ note: string }>('select note from trace order by at')).rows.map(
    ({ note }) => note,
  );

const jobs = async () =>
  (await worker.query('select attempts, last_error, locked_by from graphile_worker.jobs')).rows;

describe('the worker', () => {
  test('gives a task its payload and the services', async () => {
    const running = await startTestWorker(database, folder);
    await addJob('trace', { note: 'hello' });
    await eventually(async () => (await notes()).length === 2);
    expect(await notes()).toEqual(['hello', 'http://localhost']);
    await running.stop();
    expect(await jobs()).toEqual([]);
  });

  test('says in the database that a job is at work', async () => {
    const running = await startTestWorker(database, folder);
    await addJob('via', {});
    expect(await eventually(async () => (await notes())[0])).toBe('job as reslot_worker');
    await running.stop();
  });

  test('waits for a job under way when it stops, and the job is not run again', async () => {
    const running = await startTestWorker(database, folder);
    await addJob('slow', { ms: 400 });
    await eventually(async () => (await notes()).includes('started'));
    await running.stop();
    expect(await notes()).toEqual(['started', 'ended']);
    expect(await jobs()).toEqual([]);
  });

  test('goes on with another runner when a job’s end could not be written down, and stops all the same', async () => {
    await database.pool('admin', 1).query(`
      create sequence public.ends; grant all on sequence public.ends to reslot_worker;
      create function public.fail_once() returns trigger language plpgsql as $$
      begin
        if nextval('public.ends') = 1 then raise exception 'once'; end if;
        return old;
      end $$;
      create trigger fail_once before delete on graphile_worker._private_jobs
        for each row execute function public.fail_once()`);
    const running = await startTestWorker(database, folder);
    const { id } = running;
    await addJob('slow', { ms: 1_000 });
    await eventually(async () => (await notes()).includes('started'));
    await addJob('trace', { note: 'hello' });
    await eventually(async () => running.id !== id);
    await addJob('trace', { note: 'again' });
    await eventually(async () => (await notes()).includes('again'));
    await running.stop();
  });

  test('gives a job up that takes too long, tells it, and tries again later', async () => {
    const running = await startTestWorker(database, { ...folder, jobTimeLimitMs: 300 });
    await addJob('told', {});
    const [job] = await eventually(async () => {
      const found = await jobs();
      return found[0]?.last_error && found;
    });
    expect(job).toMatchObject({ attempts: 1, locked_by: null });
    expect(job.last_error).toContain('The job ran longer than 0.3 seconds and was given up.');
    expect(await notes()).toEqual(['told']);
    await running.stop();
  });

  test('dispatches again and again, and goes on after an error', async () => {
    await database.pool('admin', 1).query(`
      create or replace function app_private.dispatch(recover boolean default false) returns integer
      language plpgsql as $$
      begin
        perform nextval('public.dispatches');
        if currval('public.dispatches') = 2 then raise exception 'once'; end if;
        return 0;
      end $$;
      create sequence public.dispatches; grant all on sequence public.dispatches to reslot_worker`);
    const running = await startTestWorker(database, folder);
    const count = async () =>
      Number((await worker.query('select last_value from public.dispatches')).rows[0].last_value);
    await eventually(async () => (await count()) >= 5);
    await running.stop();
    const last = await count();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await count()).toBe(last);
  });
});

describe('a worker that was killed', () => {
  test('has its jobs run by another one within seconds', async () => {
    const module = new URL('../support/worker.ts', import.meta.url).href;
    const script = `
      const { startTestWorker } = await import(${JSON.stringify(module)});
      const database = { url: () => ${JSON.stringify(database.url('worker'))} };
      await startTestWorker(database, ${JSON.stringify(folder)});
      console.log('ready');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    await once(child.stdout, 'data');
    await addJob('slow', { ms: 1_500 });
    await eventually(async () => (await notes()).includes('started'));
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect((await jobs())[0].locked_by).toMatch(/^pool-/);
    const running = await startTestWorker(database, { ...folder, sweepMs: 300 });
    await eventually(async () => (await notes()).includes('ended'));
    expect(await notes()).toEqual(['started', 'started', 'ended']);
    await running.stop();
    expect(await jobs()).toEqual([]);
  });

  test('is told apart from one that is only busy', async () => {
    const busy = await startTestWorker(database, { ...folder, sweepMs: 100 });
    await addJob('slow', { ms: 1_500 });
    await eventually(async () => (await notes()).includes('started'));
    const other = await startTestWorker(database, { ...folder, sweepMs: 100 });
    await eventually(async () => (await notes()).includes('ended'));
    expect(await notes()).toEqual(['started', 'ended']);
    await Promise.all([busy.stop(), other.stop()]);
  });
});
