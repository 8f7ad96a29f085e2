/**
 * Turns migrations/current.sql into a record in migrations/committed. It is tried on a database of
 * its own first, in a server that lives only for this.
 */
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { commit } from 'graphile-migrate';
import pg from 'pg';
import { type Cluster, startCluster } from './embedded.ts';
import { MIGRATIONS_FOLDER, migrateSettings, prepareDatabase } from './migrate.ts';

export async function commitMigration(message: string): Promise<void> {
  await withScratchCluster(async (cluster) => {
    await prepareTemplate(cluster);
    const settings = await migrateSettings(cluster.url('reslot'), MIGRATIONS_FOLDER);
    await commit(
      {
        ...settings,
        shadowConnectionString: cluster.url('reslot_shadow'),
        rootConnectionString: cluster.url('postgres'),
        databaseOwner: 'reslot_owner',
      },
      message || undefined,
    );
  });
  await makeReadable();
}

/**
 * Connections close a little later than those who used them say; the migration library even ends
 * the whole process if the database goes away in that time.
 */
async function waitUntilUnused(cluster: Cluster): Promise<void> {
  const client = new pg.Client({ connectionString: cluster.url('postgres') });
  await client.connect();
  try {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { rowCount } = await client.query(OTHER_CLIENTS);
      if (rowCount === 0) return;
      await sleep(50);
    }
  } finally {
    await client.end();
  }
}

const OTHER_CLIENTS = `
  select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`;

/** The library lets only the owner read a record; an image is built by one user and run by another. */
async function makeReadable(): Promise<void> {
  const folder = join(MIGRATIONS_FOLDER, 'committed');
  for (const file of await readdir(folder)) await chmod(join(folder, file), 0o644);
}

/** A server with nothing in it, gone afterwards. */
export async function withScratchCluster<T>(action: (cluster: Cluster) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'reslot-scratch-'));
  try {
    const cluster = await startCluster({ directory, durable: false });
    try {
      const result = await action(cluster);
      await waitUntilUnused(cluster);
      return result;
    } finally {
      await cluster.stop();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The library makes its trial database from template1, which therefore gets what migrations need. */
async function prepareTemplate(cluster: Cluster): Promise<void> {
  const empty = await mkdtemp(join(tmpdir(), 'reslot-no-migrations-'));
  try {
    await prepareDatabase({
      adminUrl: cluster.url('template1'),
      passwords: {},
      current: false,
      migrationsFolder: empty,
    });
  } finally {
    await rm(empty, { recursive: true, force: true });
  }
  const client = new pg.Client({ connectionString: cluster.url('postgres') });
  await client.connect();
  try {
    await client.query('alter role reslot_owner createdb');
    await client.query('create database reslot owner reslot_owner');
  } finally {
    await client.end();
  }
}
