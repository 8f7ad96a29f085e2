/**
 * How the API talks to PostgreSQL. Each step of a request (a query, or one mutation field) is one
 * transaction, begun with the settings that say who is calling.
 *
 * Why not the adaptor of PostGraphile alone: whoever loses against a concurrent transaction (lock
 * timeout, deadlock, serialisation) is worth one more try, and this is the only place where a
 * transaction can be repeated as a whole. The callback it is given only sends SQL, so running it
 * again is safe. Statements are sent without names, for those that a pooler in transaction mode
 * would take to another connection would not be found there.
 */
import type { Pool, PoolClient } from 'pg';
import type { PgClientQuery, WithPgClient } from 'postgraphile/@dataplan/pg';
import { makePgService, type NodePostgresPgClient } from 'postgraphile/adaptors/pg';
import { Refusal } from '../auth/refusal.ts';
import { ERRORS } from '../errors.ts';
import type { NotificationListener } from './listener.ts';

type Settings = Record<string, string | undefined> | null;

const TRANSIENT = new Set(['55P03', '40P01', '40001']);
const NOT_ALLOWED = '42501';

export function createPgService(pool: Pool, pgSubscriber: NotificationListener | null) {
  const service = makePgService({ pool, schemas: ['app_public'], pubsub: false });
  return {
    ...service,
    pgSubscriber,
    adaptor: { makePgService, createWithPgClient: () => createWithPgClient(pool) },
  };
}

function createWithPgClient(pool: Pool): WithPgClient<NodePostgresPgClient> {
  return async (settings, callback) => {
    try {
      return await inTransaction(pool, settings, callback);
    } catch (error) {
      if (!TRANSIENT.has(codeOf(error))) throw explained(error, settings);
    }
    return inTransaction(pool, settings, callback);
  };
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '');
}

/** Somebody who has not signed in is told to, rather than that there is nothing to be seen. */
function explained(error: unknown, settings: Settings): unknown {
  const anonymous = settings?.role === 'reslot_anonymous';
  if (!anonymous || codeOf(error) !== NOT_ALLOWED) return error;
  return new Refusal('RSAUT', ERRORS.RSAUT.sentence);
}

async function inTransaction<T>(
  pool: Pool,
  settings: Settings,
  callback: (client: NodePostgresPgClient) => T | Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query('begin');
    await client.query(
      'select set_config(s.name, s.value, true) from json_each_text($1) as s(name, value)',
      [JSON.stringify(settings ?? {})],
    );
    const result = await callback(wrap(client));
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

function wrap(rawClient: PoolClient): NodePostgresPgClient {
  const wrapped: NodePostgresPgClient = {
    rawClient,
    query: async <TData>({ text, values, arrayMode }: PgClientQuery) => {
      const { rows, rowCount } = arrayMode
        ? await rawClient.query({ text, values: [...(values ?? [])], rowMode: 'array' })
        : await rawClient.query({ text, values: [...(values ?? [])] });
      // An update by id that meets no row: it is not there, or not the caller's.
      if (rowCount === 0 && /^\s*update\b/i.test(text)) {
        throw new Refusal('RSNTF', ERRORS.RSNTF.sentence);
      }
      return { rows: rows as TData[], rowCount, notices: [] };
    },
    // Already in one.
    withTransaction: async (callback) => callback(wrapped),
  };
  return wrapped;
}
