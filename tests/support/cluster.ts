/**
 * One PostgreSQL for all test runs of this working copy. Runs may overlap: each holds a shared
 * advisory lock, whoever comes last stops the server, and what a killed run left is dropped by the
 * next one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type Cluster, startCluster } from '../../src/database/embedded.ts';
import { MIGRATIONS_FOLDER, prepareDatabase } from '../../src/database/migrate.ts';
import { derivePasswords } from '../../src/database/roles.ts';

export const TEST_SECRET_KEY = 'a secret for tests alone, known to everybody';

const RUNS_LOCK = 'reslot-test:runs';
const TEMPLATES_KEPT = 3;
const DATABASE_DIRECTORY = fileURLToPath(new URL('../../src/database', import.meta.url));

export interface Run {
  cluster: Cluster;
  id: string;
  /** Holds the locks that tell other runs of this one. */
  client: pg.Client;
}

function clusterDirectory(): string {
  const copy = createHash('sha256').update(MIGRATIONS_FOLDER).digest('hex').slice(0, 8);
  return join(tmpdir(), `reslot-test-${process.getuid?.() ?? 0}-${copy}`);
}

export async function beginRun(): Promise<Run> {
  for (let attempt = 1; ; attempt++) {
    try {
      const cluster = await startCluster({
        directory: clusterDirectory(),
        durable: false,
        settings: { max_connections: '600' },
      });
      const client = new pg.Client({ connectionString: cluster.url() });
      client.on('error', () => undefined);
      await client.connect();
      const id = `${process.pid.toString(36)}${Date.now().toString(36).slice(-4)}`;
      await client.query('select pg_advisory_lock_shared(hashtext($1))', [RUNS_LOCK]);
      await client.query('select pg_advisory_lock(hashtext($1))', [runLock(id)]);
      return { cluster, id, client };
    } catch (error) {
      // Another run may be stopping the server just now.
      if (attempt === 5) throw error;
      await sleep(300);
    }
  }
}

export async function endRun(run: Run): Promise<void> {
  await dropDatabases(run.client, `reslot_test_${run.id}_`);
  await run.client.query('select pg_advisory_unlock_shared(hashtext($1))', [RUNS_LOCK]);
  const { rows } = await run.client.query<{ last: boolean }>(
    'select pg_try_advisory_lock(hashtext($1)) as last',
    [RUNS_LOCK],
  );
  if (rows[0]?.last) await run.cluster.stop();
  await run.client.end().catch(() => undefined);
}

function runLock(id: string): string {
  return `reslot-test:run:${id}`;
}

/** Returns the name of a database to clone, built from the migrations as they are now. */
export async function ensureTemplate(run: Run): Promise<string> {
  const name = `reslot_template_${await hashOfSources()}`;
  await run.client.query('select pg_advisory_lock(hashtext($1))', [name]);
  try {
    const { rowCount } = await run.client.query('select from pg_database where datname = $1', [
      name,
    ]);
    if (rowCount === 0) await buildTemplate(run, name);
  } finally {
    await run.client.query('select pg_advisory_unlock(hashtext($1))', [name]);
  }
  await dropOldTemplates(run.client, name);
  return name;
}

async function buildTemplate(run: Run, name: string): Promise<void> {
  const work = `${name}_building`;
  await dropDatabases(run.client, work);
  await run.client.query(`create database ${work} template template0`);
  await prepareDatabase({
    adminUrl: run.cluster.url(work),
    passwords: derivePasswords(TEST_SECRET_KEY),
    current: true,
  });
  // The migration library closes its connections a little later than it says.
  await waitUntilUnused(run.client, work);
  await run.client.query(`alter database ${work} rename to ${name}`);
}

async function waitUntilUnused(client: pg.Client, database: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { rowCount } = await client.query('select from pg_stat_activity where datname = $1', [
      database,
    ]);
    if (rowCount === 0) return;
    await sleep(50);
  }
  throw new Error(`Somebody stays connected to ${database}.`);
}

async function hashOfSources(): Promise<string> {
  const hash = createHash('sha256');
  const files = [...(await filesIn(MIGRATIONS_FOLDER)), join(DATABASE_DIRECTORY, 'roles.ts')];
  for (const file of [...files, join(DATABASE_DIRECTORY, 'migrate.ts')].sort()) {
    hash.update(file).update(await readFile(file));
  }
  return hash.digest('hex').slice(0, 12);
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sql'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Templates of earlier states of the migrations: the newest stay, for switching between branches. */
async function dropOldTemplates(client: pg.Client, current: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    String.raw`select datname from pg_database
      where datname like 'reslot\_template\_%' and datname !~ '_building$' and datname <> $1
      order by oid desc offset $2`,
    [current, TEMPLATES_KEPT],
  );
  for (const { datname } of rows) await dropDatabase(client, datname);
}

/** Drops the databases of runs that are no more. */
export async function dropLeftovers(run: Run): Promise<void> {
  const { rows } = await run.client.query<{ id: string }>(
    String.raw`select distinct split_part(datname, '_', 3) as id
      from pg_database where datname like 'reslot\_test\_%'`,
  );
  for (const { id } of rows.filter((row) => row.id !== run.id)) {
    const lock = await run.client.query<{ free: boolean }>(
      'select pg_try_advisory_lock(hashtext($1)) as free',
      [runLock(id)],
    );
    if (!lock.rows[0]?.free) continue;
    await dropDatabases(run.client, `reslot_test_${id}_`);
    await run.client.query('select pg_advisory_unlock(hashtext($1))', [runLock(id)]);
  }
}

async function dropDatabases(client: pg.Client, prefix: string): Promise<void> {
  const { rows } = await client.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1)',
    [prefix],
  );
  for (const { datname } of rows) await dropDatabase(client, datname);
}

/** A database that is still in use stays, and is a left-over of the next run. */
async function dropDatabase(client: pg.Client, name: string): Promise<void> {
  await client.query(`drop database if exists "${name}"`).catch(() => undefined);
}
