/**
 * Brings a database to the schema of this version: roles, extensions, the job queue's schema, then
 * our own migrations. Any number of processes may do this at once; one does it, the others wait.
 */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Logger, migrate, type Settings, watch } from 'graphile-migrate';
import { runMigrations, Logger as WorkerLogger } from 'graphile-worker';
import pg from 'pg';
import { log } from '../log.ts';
import { createPool, urlWithRole } from './pools.ts';
import { createRoles, type LoginPasswords } from './roles.ts';

export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url));

const SETTINGS_FILE = new URL('../../.gmrc', import.meta.url);

const OLDEST_SERVER = 180_000;
const NOT_ALLOWED = '42501';
const PREPARE_LOCK = 'reslot:prepare';

/** A server tells from the record of migrations whether its database is ready. */
const READABLE_RECORD = `
  grant usage on schema graphile_migrate to reslot_app, reslot_worker;
  grant select on graphile_migrate.migrations to reslot_app, reslot_worker`;

export interface PrepareOptions {
  /** The administrator's connection. */
  adminUrl: string;
  passwords: Partial<LoginPasswords>;
  /** Apply the migration that is still being written as well; for development and tests. */
  current: boolean;
  migrationsFolder?: string;
}

export async function prepareDatabase(options: PrepareOptions): Promise<void> {
  const client = await connect(options.adminUrl);
  try {
    await checkVersion(client);
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [PREPARE_LOCK]);
    await createRoles(client, options.passwords).catch((error) => {
      throw whoItTakes(client, error);
    });
    await migrateQueue(client, options.adminUrl);
    await migrateSchema(client, options);
    await client.query(READABLE_RECORD);
  } finally {
    // Closing the session gives the lock back.
    await client.end();
  }
}

async function connect(connectionString: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString, application_name: 'reslot-prepare' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    const { host, port, database } = client;
    const reason = (error as Error).message || (error as { code?: string }).code;
    throw new Error(`The database ${database} at ${host}:${port} cannot be reached: ${reason}`, {
      cause: error,
    });
  }
}

function whoItTakes(client: pg.Client, error: Error & { code?: string }): Error {
  if (error.code !== NOT_ALLOWED) return error;
  return new Error(
    `The user ${client.user} of DATABASE_URL may not prepare the database (${error.message}). ` +
      'It takes a superuser, or the user who made the roles of Reslot on this server and may create extensions.',
    { cause: error },
  );
}

async function checkVersion(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ number: number; name: string }>(
    `select current_setting('server_version_num')::int as number,
            current_setting('server_version') as name`,
  );
  assertServerVersion(rows[0]?.number ?? 0, rows[0]?.name ?? 'unknown');
}

export function assertServerVersion(number: number, name: string): void {
  if (number >= OLDEST_SERVER) return;
  throw new Error(
    `Reslot needs PostgreSQL 18 or newer, and DATABASE_URL leads to version ${name}. ` +
      'Leave DATABASE_URL empty to use the PostgreSQL that comes with Reslot.',
  );
}

/** The queue's tables can be used by their owner alone, so the worker's login has to own them. */
async function migrateQueue(client: pg.ClientBase, adminUrl: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select quote_ident(current_database()) as name',
  );
  const name = rows[0]?.name;
  const pool = createPool(urlWithRole(adminUrl, 'reslot_worker'), {
    name: 'reslot-prepare',
    max: 1,
  });
  await client.query(`grant create on database ${name} to reslot_worker`);
  try {
    await runMigrations({ pgPool: pool, logger: new WorkerLogger(() => () => undefined) });
  } finally {
    await client.query(`revoke create on database ${name} from reslot_worker`);
    await pool.end();
  }
}

async function migrateSchema(client: pg.ClientBase, options: PrepareOptions): Promise<void> {
  const name = `reslot-migrate-${randomBytes(4).toString('hex')}`;
  const url = new URL(options.adminUrl);
  url.searchParams.set('application_name', name);
  const folder = options.migrationsFolder ?? MIGRATIONS_FOLDER;
  const settings = await migrateSettings(url.toString(), folder);
  try {
    await migrate(settings).catch((error) => {
      throw inWords('The migrations cannot be applied', error);
    });
    if (options.current && (await hasCurrentMigration(folder))) {
      await applyCurrent(client, settings);
    }
  } finally {
    await waitForConnectionsToClose(client, name);
  }
}

/** The library notices by itself if nothing has changed since it was applied. */
async function applyCurrent(client: pg.ClientBase, settings: Settings): Promise<void> {
  const { rowCount } = await client.query('select from graphile_migrate.current');
  const hint = rowCount
    ? '\nIt has changed since it was applied to this database; a new database (another DATA_DIR) takes it whole.'
    : '';
  await watch(settings, true).catch((error) => {
    throw inWords('migrations/current.sql cannot be applied', error, hint);
  });
}

/** The library adds the place in the SQL to an error where it knows it. */
function inWords(what: string, error: Error & { _gmMessageOverride?: string }, hint = ''): Error {
  return new Error(`${what}: ${error._gmMessageOverride ?? error.message}${hint}`, {
    cause: error,
  });
}

/**
 * The migration library keeps its connections a little longer than its work takes, and ends the
 * whole process if the database goes away in that time.
 */
async function waitForConnectionsToClose(client: pg.ClientBase, name: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const { rowCount } = await client.query(
      'select from pg_stat_activity where application_name = $1',
      [name],
    );
    if (rowCount === 0) return;
    await sleep(25);
  }
}

/** What .gmrc says, for the library's own commands and for ours. */
export async function migrateSettings(
  connectionString: string,
  migrationsFolder: string,
): Promise<Settings> {
  const shared = JSON.parse(await readFile(SETTINGS_FILE, 'utf8')) as Settings;
  return { ...shared, connectionString, migrationsFolder, logger: migrateLogger() };
}

async function hasCurrentMigration(folder: string): Promise<boolean> {
  const text = await readFile(`${folder}/current.sql`, 'utf8').catch(() => '');
  return text.replace(/^--(?! *! *include).*$/gm, '').trim() !== '';
}

function migrateLogger(): Logger {
  return new Logger(() => (level, message) => {
    // What it calls an error is thrown as well, and told by whoever catches it.
    log.debug(message, { level: String(level) });
  });
}
