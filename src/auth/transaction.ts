import type { Pool, PoolClient } from 'pg';
import { log } from '../log.ts';
import { Refusal } from './refusal.ts';

/** Where a request comes from; the audit log and the list of sessions keep it. */
export interface Origin {
  userId?: string | null | undefined;
  ip?: string | null | undefined;
  userAgent?: string | null | undefined;
}

/** Somebody else was faster (deadlock, serialisation) or slower (lock timeout): worth one more try. */
const TRANSIENT = new Set(['55P03', '40P01', '40001']);

const SETTINGS = `select set_config('reslot.via', 'graphql', true),
  set_config('reslot.user_id', $1, true), set_config('reslot.ip', $2, true),
  set_config('reslot.user_agent', $3, true),
  set_config('statement_timeout', '5s', true), set_config('lock_timeout', '2s', true)`;

/**
 * Runs the statements of `action` in one transaction as the application's own login, which may call
 * the functions about accounts that no caller of the API may.
 */
export async function inAppTransaction<T>(
  pool: Pool,
  origin: Origin,
  action: (client: PoolClient) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptOnce(pool, origin, action);
    } catch (error) {
      const { code } = error as { code?: string };
      if (!code || !TRANSIENT.has(code)) throw error;
      if (attempt === 2) {
        log.warn('account change given up after a retry', { error });
        throw new Refusal('RSBSY', 'The server is busy. Please try again in a moment.');
      }
    }
  }
}

async function attemptOnce<T>(
  pool: Pool,
  origin: Origin,
  action: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    await client.query(SETTINGS, [
      origin.userId ?? '',
      origin.ip ?? '',
      (origin.userAgent ?? '').slice(0, 400),
    ]);
    const result = await action(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    // A connection that could not even roll back is not given to anybody else.
    client.release(broken);
  }
}
