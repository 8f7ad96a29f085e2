/** Who is calling, and the tokens that say so. */
import type { IncomingMessage } from 'node:http';
import type { Pool } from 'pg';
import { type Accounts, createAccounts } from './accounts.ts';
import type { CookieOptions } from './cookies.ts';
import { Refusal } from './refusal.ts';
import { createTokens, type Session } from './tokens.ts';

export interface Caller extends Session {
  role: 'reslot_user' | 'reslot_admin';
}

export interface Auth {
  accounts: Accounts;
  cookies: CookieOptions;
  /**
   * The bearer of an access token, or null if the request carries none. One that is not valid, or
   * whose session or account is over, is an error (RSAUT) and never somebody anonymous.
   */
  contextFromRequest(request: Pick<IncomingMessage, 'headers'>): Promise<Caller | null>;
  /** The same for a value of the header that came in another way (websockets). */
  callerOf(authorization: string | undefined): Promise<Caller | null>;
}

export interface AuthOptions {
  pool: Pool;
  secretKey: string;
  /** Whether cookies go over HTTPS only. */
  secure: boolean;
}

export function createAuth(options: AuthOptions): Auth {
  const tokens = createTokens(options.secretKey);

  const callerOf = async (authorization: string | undefined): Promise<Caller | null> => {
    if (authorization === undefined || authorization === '') return null;
    const token = /^Bearer +([\w.-]+)$/i.exec(authorization)?.[1];
    if (!token) {
      throw new Refusal(
        'RSAUT',
        'The Authorization header has to be "Bearer" and an access token.',
      );
    }
    const session = await tokens.readAccess(token);
    const { rows } = await options.pool.query<{ role: Caller['role'] | null }>(
      'select app_private.session_role($1, $2) as role',
      [session.userId, session.sessionId],
    );
    const role = rows[0]?.role;
    if (!role) throw new Refusal('RSAUT', 'Your session is over. Please sign in again.');
    return { ...session, role };
  };

  return {
    accounts: createAccounts(options.pool, tokens),
    cookies: { secure: options.secure },
    callerOf,
    contextFromRequest: (request) => callerOf(request.headers.authorization),
  };
}
