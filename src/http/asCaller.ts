/** Requests beside GraphQL: what they do, they do as whoever sent them, with no more rights than over GraphQL. */
import type { Request, Response } from 'express';
import type { Pool, PoolClient } from 'pg';
import type { Caller } from '../auth/index.ts';
import { inAppTransaction } from '../auth/transaction.ts';
import { ERRORS, type ErrorCode, isErrorCode } from '../errors.ts';
import { sendRefusal } from '../graphql/respond.ts';

export type Sender = (request: Request) => { caller: Caller | null; ip: string | null };

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

export function refusal(code: ErrorCode, sentence: string = ERRORS[code].sentence): Error {
  return Object.assign(new Error(sentence), { code });
}

/** The id in the path. Errors: RSAUT nobody is signed in, RSNTF it is none. */
export function idFor(sender: Sender, request: Request, name: string): string {
  if (!sender(request).caller) throw refusal('RSAUT');
  const id = String(request.params[name]);
  if (!UUID.test(id)) throw refusal('RSNTF');
  return id;
}

/** Runs in a transaction in which it is the caller who asks. */
export async function asCaller<T>(
  pool: Pool,
  sender: Sender,
  request: Request,
  action: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const { caller, ip } = sender(request);
  if (!caller) throw refusal('RSAUT');
  const origin = { userId: caller.userId, ip, userAgent: request.get('user-agent') };
  return inAppTransaction(pool, origin, async (client) => {
    await client.query(`select set_config('role', $1, true)`, [caller.role]);
    return action(client);
  });
}

/** Tells of an error that clients may see; any other is thrown on. */
export function sendError(
  response: Response,
  error: unknown,
  statuses: Partial<Record<ErrorCode, number>>,
): void {
  const { code, message } = error as { code?: unknown; message: string };
  const status = isErrorCode(code) && statuses[code];
  if (!status) throw error;
  sendRefusal(response, status, code, message);
}
