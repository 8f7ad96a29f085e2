/**
 * Two ways to a database. `inTransaction` rolls everything back: quick, for rules and access.
 * `cloneDatabase` gives a database of one's own: for races, workers and servers, because rows that
 * are not committed cannot race.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from '@jest/globals';
import pg from 'pg';
import { createPool, urlFor, urlWithRole } from '../../src/database/pools.ts';
import { derivePasswords } from '../../src/database/roles.ts';

export interface Caller {
  role: 'reslot_anonymous' | 'reslot_user' | 'reslot_admin' | 'reslot_owner' | 'reslot_worker';
  userId?: string | null;
  via?: 'graphql' | 'link' | 'job' | 'sql';
}

export interface DatabaseFailure {
  code: string;
  message: string;
  detail?: string;
  hint?: string;
  constraint?: string;
}

type Row = pg.QueryResultRow;
type Parameters = readonly unknown[];

export interface TestDatabase {
  client: pg.ClientBase;
  query(sql: string, params?: Parameters): Promise<pg.QueryResult>;
  rows<T extends Row = Row>(sql: string, params?: Parameters): Promise<T[]>;
  /** The one row the query returns; any other number of rows is an error. */
  one<T extends Row = Row>(sql: string, params?: Parameters): Promise<T>;
  /** The one column of the one row. */
  value<T>(sql: string, params?: Parameters): Promise<T>;
  /** Runs `action` as somebody else. */
  as<T>(caller: Caller, action: () => Promise<T>): Promise<T>;
  /** Sets the simulated time, or with null goes back to the real one. */
  setClock(at: Date | string | null): Promise<void>;
  /** Returns the error with which the statement fails; it is an error if it does not. */
  fails(sql: string, params?: Parameters): Promise<DatabaseFailure>;
}

export type PoolRole = 'admin' | 'owner' | 'app' | 'worker';

export interface ClonedDatabase {
  name: string;
  url(role: PoolRole): string;
  pool(role: PoolRole, max?: number): pg.Pool;
  drop(): Promise<void>;
}

// Counts are numbers in tests; none of them comes near 2^53.
const INT8 = 20;
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    Number(oid) === INT8 ? Number : pg.types.getTypeParser(Number(oid), format as 'text'),
};

/** What a connection has once read and planned it remembers, so the tests of a file follow each other on one. */
const idle: pg.Client[] = [];
afterAll(() => Promise.all(idle.splice(0).map((client) => client.end())));

export async function inTransaction<T>(action: (db: TestDatabase) => Promise<T>): Promise<T> {
  const client = idle.pop() ?? (await connectAsOwner());
  try {
    await client.query('begin');
    const db = testDatabase(client);
    const result = await action(db);
    await checkInvariants(db);
    return result;
  } finally {
    await client.query('rollback').then(
      () => idle.push(client),
      () => client.end(),
    );
  }
}

async function connectAsOwner(): Promise<pg.Client> {
  const url = urlWithRole(adminUrl(await databaseOfThisProcess()), 'reslot_owner');
  const client = new pg.Client({ connectionString: url, types });
  await client.connect();
  return client;
}

export function testDatabase(client: pg.ClientBase): TestDatabase {
  const query: TestDatabase['query'] = (sql, params = []) => client.query(sql, [...params]);
  const rows: TestDatabase['rows'] = async <R extends Row>(sql: string, params?: Parameters) =>
    (await query(sql, params)).rows as R[];
  const one: TestDatabase['one'] = async <R extends Row>(sql: string, params?: Parameters) => {
    const found = await rows<R>(sql, params);
    if (found.length !== 1 || !found[0]) throw new Error(`${found.length} rows, not 1: ${sql}`);
    return found[0];
  };
  return {
    client,
    query,
    rows,
    one,
    value: async <V>(sql: string, params?: Parameters) =>
      Object.values(await one(sql, params))[0] as V,
    as: (caller, action) => actAs(client, caller, action),
    setClock: async (at) => {
      await query('select app_private.set_clock($1::timestamptz)', [at]);
    },
    fails: (sql, params) => expectFailure(client, sql, params ?? []),
  };
}

const CALLER_SETTINGS = ['role', 'reslot.user_id', 'reslot.via'] as const;

async function actAs<T>(
  client: pg.ClientBase,
  caller: Caller,
  action: () => Promise<T>,
): Promise<T> {
  const read = CALLER_SETTINGS.map((name) => `current_setting('${name}', true)`).join(', ');
  const before = await client.query({ text: `select ${read}`, rowMode: 'array' });
  const previous = before.rows[0] as (string | null)[];
  const set = (values: readonly (string | null | undefined)[]) =>
    client.query(
      'select set_config(name, value, true) from unnest($1::text[], $2::text[]) as s(name, value)',
      [[...CALLER_SETTINGS], values.map((value) => value ?? '')],
    );
  await client.query('savepoint caller');
  await set([caller.role, caller.userId, caller.via]);
  try {
    const result = await action();
    await set(previous);
    await client.query('release savepoint caller');
    return result;
  } catch (error) {
    await client.query('rollback to savepoint caller');
    throw error;
  }
}

async function expectFailure(
  client: pg.ClientBase,
  sql: string,
  params: Parameters,
): Promise<DatabaseFailure> {
  await client.query('savepoint failure');
  try {
    await client.query(sql, [...params]);
  } catch (error) {
    await client.query('rollback to savepoint failure');
    if (error instanceof pg.DatabaseError && error.code) return error as DatabaseFailure;
    throw error;
  }
  await client.query('rollback to savepoint failure');
  throw new Error(`The statement succeeded, although it should not: ${sql}`);
}

/** Fails if any rule that always holds is broken (see app_private.check_invariants). */
export async function checkInvariants(db: {
  query(sql: string): Promise<{ rows: unknown[] }>;
}): Promise<void> {
  const { rows } = await db.query('select * from app_private.check_invariants()');
  if (rows.length > 0) throw new Error(`Invariants are broken:\n${JSON.stringify(rows, null, 2)}`);
}

/** What dispatch marks in the background, while nobody does anything. */
const MARKS: Readonly<Record<string, string>> = {
  notifications: 'published_at',
  deadlines: 'queued_at',
};

/** One hash for every table of ours; on a server with dispatch, but for its marks. */
export async function tableHashes(
  db: TestDatabase,
  options: { marks: boolean } = { marks: true },
): Promise<Record<string, string>> {
  const tables = await db.rows<{ schema: string; name: string }>(
    `select schemaname as schema, tablename as name from pg_tables
     where schemaname in ('app_public', 'app_private')`,
  );
  const hashes = tables.map(({ schema, name }) => {
    const mark = options.marks ? undefined : MARKS[name];
    const row = mark ? `(to_jsonb(t) - '${mark}')::text` : 't::text';
    return `select '${name}' as name, sum(hashtextextended(${row}, 0))::text as hash from ${schema}.${name} t`;
  });
  const rows = await db.rows<{ name: string; hash: string }>(hashes.join(' union all '));
  return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
}

let cloneCount = 0;

export async function cloneDatabase(): Promise<ClonedDatabase> {
  const name = uniqueName();
  await createFromTemplate(name);
  return handle(name);
}

/** A database without anything in it, for tests of the preparation itself. */
export async function createEmptyDatabase(): Promise<ClonedDatabase> {
  const name = uniqueName();
  await withAdmin((client) => client.query(`create database ${name} template template0`));
  return handle(name);
}

function uniqueName(): string {
  cloneCount += 1;
  const unique = `${process.pid.toString(36)}${Date.now().toString(36)}${cloneCount}`;
  return `reslot_test_${environment('RESLOT_TEST_RUN')}_${unique}`;
}

function handle(name: string): ClonedDatabase {
  const pools: pg.Pool[] = [];
  return {
    name,
    url: (role) => urlOf(name, role),
    pool: (role, max = 10) => {
      const pool = createPool(urlOf(name, role), { name: `reslot-test-${role}`, max });
      pools.push(pool);
      return pool;
    },
    drop: async () => {
      await Promise.all(pools.filter((pool) => !pool.ended).map((pool) => pool.end()));
      await dropWhenUnused(name);
    },
  };
}

function urlOf(database: string, role: PoolRole): string {
  const admin = adminUrl(database);
  if (role === 'admin') return admin;
  if (role === 'owner') return urlWithRole(admin, 'reslot_owner');
  const passwords = derivePasswords(environment('RESLOT_TEST_SECRET_KEY'));
  return urlFor(admin, `reslot_${role}`, passwords[role]);
}

/** Each jest process has a database for its transactions; they leave nothing behind. */
async function databaseOfThisProcess(): Promise<string> {
  const name = `reslot_test_${environment('RESLOT_TEST_RUN')}_w${process.env.JEST_WORKER_ID ?? 0}`;
  const known = await withAdmin((client) =>
    client.query('select from pg_database where datname = $1', [name]),
  );
  if (known.rowCount === 0) await createFromTemplate(name);
  return name;
}

export async function usualPlans(db: TestDatabase): Promise<void> {
  await db.query('set local plan_cache_mode = auto');
}

async function createFromTemplate(name: string): Promise<void> {
  const failure = process.env.RESLOT_TEST_TEMPLATE_ERROR;
  if (failure) throw new Error(failure);
  const template = environment('RESLOT_TEST_TEMPLATE');
  await withAdmin(async (client) => {
    await client.query(`create database ${name} template ${template}`);
    // Rights on the database itself are not copied from the template.
    await client.query(`grant create, temporary on database ${name} to reslot_owner`);
    // Otherwise the first five calls of a statement are each planned anew, on every connection; that takes
    // longer than all the calls of a test. Where plans are looked at, `usualPlans` undoes it.
    await client.query(`alter database ${name} set plan_cache_mode = force_generic_plan`);
  });
}

async function dropWhenUnused(name: string): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      await withAdmin((client) => client.query(`drop database if exists ${name}`));
      return;
    } catch {
      // A connection is still closing. What cannot be dropped here is dropped after the run.
      await sleep(50);
    }
  }
}

/** What the migrations have written, and nothing changes. */
const SEEDS = /^notification_kinds$|_transitions$/;

/**
 * As if nobody had ever been there, by a connection of `admin`; connections stay open, and remember what
 * they have planned, which they would not after `truncate`.
 */
export async function emptyDatabase(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables
     where schemaname in ('app_public', 'app_private') and tablename !~ $1`,
    [SEEDS.source],
  );
  const all = [...rows.map(({ name }) => name), 'graphile_worker._private_jobs'];
  const deletes = all.map((name) => `delete from ${name};`).join(' ');
  await client.query(`begin; set local session_replication_role = replica; ${deletes} commit`);
}

async function withAdmin<T>(action: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: environment('RESLOT_TEST_ADMIN_URL') });
  await client.connect();
  try {
    return await action(client);
  } finally {
    await client.end();
  }
}

function adminUrl(database: string): string {
  const url = new URL(environment('RESLOT_TEST_ADMIN_URL'));
  url.pathname = `/${database}`;
  return url.toString();
}

function environment(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: tests run by jest with the global setup.`);
  return value;
}
