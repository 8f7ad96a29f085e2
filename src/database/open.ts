/** Finds or starts the database of this installation and brings it up to date. */
import { join } from 'node:path';
import pg from 'pg';
import type { Config } from '../config.ts';
import { log } from '../log.ts';
import { startCluster } from './embedded.ts';
import { prepareDatabase } from './migrate.ts';
import { urlFor } from './pools.ts';
import { derivePasswords } from './roles.ts';

export interface OpenDatabase {
  adminUrl: string;
  appUrl: string;
  workerUrl: string;
  /** Where it is, in words and without a password. */
  place: string;
  stop(): Promise<void>;
}

const DATABASE_NAME = 'reslot';
const COPY_LOCK = 'reslot:copy';
const COPY_NAME = 'reslot-start';

export async function openDatabase(config: Config): Promise<OpenDatabase> {
  const found = config.databaseUrl ? external(config.databaseUrl) : await embedded(config.dataDir);
  try {
    const derived = derivePasswords(config.secretKey);
    await prepareDatabase({
      adminUrl: found.adminUrl,
      passwords: {
        ...(config.databaseAppUrl ? {} : { app: derived.app }),
        ...(config.databaseWorkerUrl ? {} : { worker: derived.worker }),
      },
      current: config.environment !== 'production',
    });
    const login = (name: 'app' | 'worker') =>
      urlFor(found.adminUrl, `reslot_${name}`, derived[name]);
    return {
      ...found,
      appUrl: config.databaseAppUrl ?? login('app'),
      workerUrl: config.databaseWorkerUrl ?? login('worker'),
    };
  } catch (error) {
    await found.stop();
    throw error;
  }
}

type Found = Pick<OpenDatabase, 'adminUrl' | 'place' | 'stop'>;

function external(databaseUrl: string): Found {
  const { hostname, port, pathname } = new URL(databaseUrl);
  const place = `PostgreSQL at ${hostname}:${port || 5432}${pathname}`;
  return { adminUrl: databaseUrl, place, stop: async () => undefined };
}

async function embedded(dataDir: string): Promise<Found> {
  const cluster = await startCluster({ directory: dataDir });
  // The lock goes with the connection, and so with the process, however that ends.
  const copy = new pg.Client({
    connectionString: cluster.url(),
    application_name: `${COPY_NAME} ${process.pid}`,
    keepAlive: true,
  });
  copy.on('error', () => undefined);
  await copy.connect();
  const { rows } = await copy.query<{ free: boolean }>(
    'select pg_try_advisory_lock(hashtextextended($1, 0)) as free',
    [COPY_LOCK],
  );
  if (!rows[0]?.free) {
    const other = await otherCopy(copy);
    await copy.end();
    throw new Error(
      `Another copy of Reslot (process ${other}) is running with the data in ${dataDir}. ` +
        'Stop it first, or set DATA_DIR to another directory.',
    );
  }
  if (cluster.adopted) {
    log.info('took over the PostgreSQL that was already running', { pid: cluster.pid });
  }
  await createDatabase(copy);
  return {
    adminUrl: cluster.url(DATABASE_NAME),
    place: `embedded PostgreSQL on port ${cluster.port}, data in ${join(dataDir, 'postgres')}`,
    stop: async () => {
      await copy.end().catch(() => undefined);
      await cluster.stop();
    },
  };
}

async function otherCopy(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: string }>(
    `select split_part(a.application_name, ' ', 2) as pid
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and starts_with(a.application_name, $1)`,
    [`${COPY_NAME} `],
  );
  return rows[0]?.pid ?? 'unknown';
}

async function createDatabase(client: pg.Client): Promise<void> {
  const { rowCount } = await client.query('select from pg_database where datname = $1', [
    DATABASE_NAME,
  ]);
  if (rowCount === 0) await client.query(`create database ${DATABASE_NAME} template template0`);
}
