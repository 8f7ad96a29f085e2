import { readdir } from 'node:fs/promises';
import type { Pool } from 'pg';
import { MIGRATIONS_FOLDER } from '../database/migrate.ts';
import { isWorkerPresent } from '../reaper.ts';

export interface Readiness {
  ready: boolean;
  reason?: string;
  database?: boolean;
  migrations?: boolean;
  worker?: boolean;
}

const ANSWER_WITHIN_MS = 2_000;

/** Ready means: the database answers, has this version's schema (or a later one), and a worker lives. */
export async function checkReadiness(pool: Pool): Promise<Readiness> {
  const late = Promise.withResolvers<Readiness>();
  const timer = setTimeout(
    () => late.resolve({ ready: false, reason: 'the database does not answer', database: false }),
    ANSWER_WITHIN_MS,
  );
  try {
    return await Promise.race([check(pool), late.promise]);
  } catch {
    return { ready: false, reason: 'the database cannot be reached', database: false };
  } finally {
    clearTimeout(timer);
  }
}

async function check(pool: Pool): Promise<Readiness> {
  const migrations = await hasMigrations(pool);
  const worker = await isWorkerPresent(pool);
  const ready = migrations && worker;
  const reason = migrations ? 'no worker is running' : 'the database is not migrated';
  return { ready, ...(ready ? {} : { reason }), database: true, migrations, worker };
}

async function hasMigrations(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query<{ last: string | null }>(
    'select max(filename) as last from graphile_migrate.migrations',
  );
  const files = await readdir(`${MIGRATIONS_FOLDER}/committed`).catch(() => []);
  // 000001-first.sql is recorded as 000001.sql.
  const needed = files.flatMap((file) => /^(\d+).*\.sql$/.exec(file)?.[1] ?? []).sort();
  return (rows[0]?.last ?? '') >= (needed.at(-1) ?? '');
}
