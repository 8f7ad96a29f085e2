/** The link functions of the database, each in a transaction of its own. */
import { isIP } from 'node:net';
import type { Pool, PoolClient } from 'pg';
import { Refusal } from '../../auth/refusal.ts';
import { clean } from '../../mail/clean.ts';
import type { Evidence } from './evidence.ts';
import type { Link } from './model.ts';

export type Caller = { ip: string; userAgent: string };

export type Choice = {
  action: string;
  startsAt: string | null;
  price: number | null;
  reason: string | null;
};

/** Locked by others for too long, also at the second try. */
export class Busy extends Error {}

const TRY_AGAIN = new Set(['55P03', '40P01', '40001']);
const TOO_SLOW = '57014';

export function readLink(pool: Pool, caller: Caller, token: string): Promise<Link> {
  // Read only: the database itself holds GET and HEAD to changing nothing.
  return inTransaction(pool, caller, 'begin read only', (client) =>
    link(client, 'select app_private.read_link($1)', [token]),
  );
}

export function followLink(
  pool: Pool,
  caller: Caller,
  token: string,
  choice: Choice,
  evidence: Evidence,
): Promise<Link> {
  return inTransaction(pool, caller, 'begin', (client) =>
    link(client, 'select app_private.follow_link($1, $2, $3)', [token, choice, evidence]),
  );
}

export async function inTransaction<T>(
  pool: Pool,
  caller: Caller,
  begin: 'begin' | 'begin read only',
  action: (client: PoolClient) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(pool, caller, begin, action);
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      if (typeof code !== 'string') throw error;
      if (code.startsWith('RS')) throw new Refusal(code, message);
      if (code === TOO_SLOW) throw new Busy(message, { cause: error });
      if (!TRY_AGAIN.has(code)) throw error;
      if (attempt === 2) throw new Busy(message, { cause: error });
    }
  }
}

async function once<T>(
  pool: Pool,
  caller: Caller,
  begin: string,
  action: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query(begin);
    await client.query(SETTINGS, [plainAddress(caller.ip), plainLine(caller.userAgent)]);
    const result = await action(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

const SETTINGS = `select
  set_config('reslot.via', 'link', true),
  set_config('reslot.user_id', '', true),
  set_config('reslot.ip', $1, true),
  set_config('reslot.user_agent', $2, true),
  set_config('lock_timeout', '2000', true),
  set_config('statement_timeout', '5000', true)`;

/** As in mails: no word of it turns the words around it back to front. */
async function link(client: PoolClient, sql: string, params: unknown[]): Promise<Link> {
  const { rows } = await client.query({ text: sql, values: params, rowMode: 'array' });
  return clean(rows[0]?.[0] as Link);
}

function plainAddress(ip: string): string {
  const plain = ip.replace(/^::ffff:(?=\d)/i, '').replace(/%.*$/, '');
  return isIP(plain) ? plain : '';
}

function plainLine(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ').slice(0, 300);
}
