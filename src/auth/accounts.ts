/** What people do with their accounts, from the outside in: rules of input, hashing, then SQL. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { checkNewPassword, hashPassword, passwordMatches } from './passwords.ts';
import { Refusal } from './refusal.ts';
import { type AccessToken, hashToken, type Session, type Tokens } from './tokens.ts';
import { inAppTransaction, type Origin } from './transaction.ts';

export interface SignedIn {
  userId: string;
  access: AccessToken;
  refreshToken: string;
}

export interface Accounts {
  signUp(origin: Origin, input: SignUpInput): Promise<void>;
  verifyEmail(origin: Origin, token: string): Promise<void>;
  signIn(origin: Origin, email: string, password: string): Promise<SignedIn>;
  requestLink(origin: Origin, kind: LinkKind, input: AddressInput): Promise<void>;
  signInWithMagicLink(origin: Origin, token: string): Promise<SignedIn>;
  refreshSession(origin: Origin, refreshToken: string): Promise<SignedIn>;
  signOut(origin: Origin, refreshToken?: string, sessionId?: string): Promise<void>;
  signOutEverywhere(origin: Origin, userId: string): Promise<void>;
  resetPassword(origin: Origin, token: string, password: string): Promise<void>;
  changePassword(origin: Origin, session: Session, input: ChangePasswordInput): Promise<void>;
  sendLinksAgain(origin: Origin, input: AddressInput): Promise<void>;
  lookUpBooking(origin: Origin, input: LookUpInput): Promise<object>;
  requestBookingByMail(origin: Origin, input: object): Promise<void>;
}

export interface AddressInput {
  email: string;
  organizationSlug?: string | null;
}

export interface LookUpInput extends AddressInput {
  reference: string;
}

export interface SignUpInput extends AddressInput {
  password: string;
  name?: string | null;
  locale?: string | null;
}

export interface ChangePasswordInput {
  oldPassword: string;
  newPassword: string;
}

export type LinkKind = 'account_magic_link' | 'account_reset';

interface SessionRow {
  outcome: 'ok' | 'again' | 'over';
  user_id: string;
  session_id: string;
}

interface CheckRow {
  retry_after: number | null;
  user_id: string | null;
  password_hash: string | null;
}

interface LookUpRow {
  retry_after: number | null;
  booking: object | null;
}

/** Longer than the slowest of the ways through these functions, whoever has the address. */
const EVEN_MS = 250;
const LONGEST_CHAIN = 10;
const WRONG_CREDENTIALS =
  'The e-mail address and the password do not belong together, or the address has not been verified yet.';
const NO_SUCH_BOOKING = 'There is no booking with this reference and this e-mail address.';
const SESSION_OVER = 'Your session is over. Please sign in again.';

type Sql = <T>(origin: Origin, text: string, values: unknown[]) => Promise<T>;

/** What the actions are made of: one statement in a transaction of its own, and what follows it. */
interface Means {
  sql: Sql;
  tokens: Tokens;
  signedIn(row: SessionRow, refreshToken: string): Promise<SignedIn>;
}

export function createAccounts(pool: Pool, tokens: Tokens): Accounts {
  const means: Means = {
    tokens,
    sql: (origin, text, values) =>
      inAppTransaction(pool, origin, async (client) => (await client.query(text, values)).rows[0]),
    signedIn: async (row, refreshToken) => {
      const session = { userId: row.user_id, sessionId: row.session_id };
      return { userId: row.user_id, access: await tokens.issueAccess(session), refreshToken };
    },
  };
  return { ...addressActions(means), ...sessionActions(means), ...passwordActions(means) };
}

/** What is asked for by address, and answered the same whoever has it. */
function addressActions({ sql }: Means) {
  return {
    signUp: async (origin: Origin, input: SignUpInput) => {
      checkText(input);
      const passwordHash = await hashPassword(input.password);
      const { email, name, locale, organizationSlug } = input;
      const values = [email, passwordHash, name, locale, organizationSlug];
      await evenly(sql(origin, 'select app_private.sign_up($1, $2, $3, $4, $5)', values));
    },
    verifyEmail: async (origin: Origin, token: string) => {
      checkText({ token });
      await sql(origin, 'select app_private.verify_email($1)', [token]);
    },
    requestLink: async (origin: Origin, kind: LinkKind, input: AddressInput) => {
      checkText(input);
      const values = [input.email, kind, input.organizationSlug];
      await evenly(sql(origin, 'select app_private.request_account_link($1, $2, $3)', values));
    },
    sendLinksAgain: async (origin: Origin, input: AddressInput) => {
      checkText(input);
      const values = [input.email, input.organizationSlug];
      await evenly(sql(origin, 'select app_private.send_links_again($1, $2)', values));
    },
    requestBookingByMail: async (origin: Origin, input: object) => {
      checkText(input);
      await evenly(sql(origin, 'select app_private.request_booking_by_mail($1)', [input]));
    },
    lookUpBooking: async (origin: Origin, input: LookUpInput) => {
      checkText(input);
      const values = [input.reference, input.email, input.organizationSlug];
      const text = 'select * from app_private.look_up_booking($1, $2, $3)';
      const found = await evenly(sql<LookUpRow>(origin, text, values));
      if (found.retry_after !== null)
        throw tooMany(found.retry_after, 'have your links sent again');
      if (!found.booking) throw new Refusal('RSNTF', NO_SUCH_BOOKING);
      return found.booking;
    },
  };
}

function sessionActions({ sql, tokens, signedIn }: Means) {
  return {
    signIn: async (origin: Origin, email: string, password: string) => {
      checkText({ email });
      const begin = 'select * from app_private.begin_sign_in($1)';
      const found = await checkPassword(await sql<CheckRow>(origin, begin, [email]), password);
      if (!found) throw new Refusal('RSCRD', WRONG_CREDENTIALS);
      const refresh = tokens.newRefresh();
      const finish = 'select * from app_private.finish_sign_in($1, $2, $3)';
      const values = [found.userId, found.passwordHash, hashToken(refresh)];
      return signedIn(await sql<SessionRow>(origin, finish, values), refresh);
    },
    signInWithMagicLink: async (origin: Origin, token: string) => {
      checkText({ token });
      const refresh = tokens.newRefresh();
      const use = 'select * from app_private.use_magic_link($1, $2)';
      return signedIn(await sql<SessionRow>(origin, use, [token, hashToken(refresh)]), refresh);
    },
    refreshSession: async (origin: Origin, refreshToken: string) => {
      const rotate = 'select * from app_private.rotate_session($1, $2)';
      let token = refreshToken;
      for (let step = 0; step < LONGEST_CHAIN; step++) {
        const successor = tokens.successorOf(token);
        const hashes = [hashToken(token), hashToken(successor)];
        const row = await sql<SessionRow>(origin, rotate, hashes);
        if (row.outcome === 'ok') return signedIn(row, successor);
        if (row.outcome === 'over') break;
        // Used a moment ago, and so was its successor: another tab is ahead by more than one.
        token = successor;
      }
      throw new Refusal('RSAUT', SESSION_OVER);
    },
    signOut: async (origin: Origin, refreshToken?: string, sessionId?: string) => {
      const hash = refreshToken === undefined ? null : hashToken(refreshToken);
      await sql(origin, 'select app_private.sign_out($1, $2)', [hash, sessionId]);
    },
    signOutEverywhere: async (origin: Origin, userId: string) => {
      await sql(origin, 'select app_private.sign_out_everywhere($1)', [userId]);
    },
  };
}

function passwordActions({ sql }: Means) {
  return {
    resetPassword: async (origin: Origin, token: string, password: string) => {
      checkText({ token });
      checkNewPassword(password);
      // Hashing is dear: whoever has no link must not be able to ask for it.
      await sql(origin, 'select app_private.check_reset_link($1)', [token]);
      const passwordHash = await hashPassword(password);
      await sql(origin, 'select app_private.reset_password($1, $2)', [token, passwordHash]);
    },
    changePassword: async (origin: Origin, session: Session, input: ChangePasswordInput) => {
      checkNewPassword(input.newPassword);
      const begin = 'select * from app_private.begin_password_check($1)';
      const check = await sql<CheckRow>(origin, begin, [session.userId]);
      const found = await checkPassword(check, input.oldPassword);
      if (!found) throw new Refusal('RSCRD', 'The old password is not right.');
      // Only now: a locked account must not be a way to keep the server hashing.
      const newHash = await hashPassword(input.newPassword);
      const values = [session.userId, found.passwordHash, newHash, session.sessionId];
      await sql(origin, 'select app_private.change_password($1, $2, $3, $4)', values);
    },
  };
}

/** Compares, unless the address has to wait; wrong passwords and unknown addresses look the same. */
async function checkPassword(check: CheckRow, password: string) {
  const { retry_after: seconds, user_id: userId, password_hash: passwordHash } = check;
  if (seconds !== null) {
    throw tooMany(seconds, 'sign in by a link in a mail');
  }
  const matches = await passwordMatches(passwordHash, password);
  return matches && userId !== null && passwordHash !== null ? { userId, passwordHash } : null;
}

function tooMany(seconds: number, otherwise: string): Refusal {
  const message = `There were too many attempts. Please wait ${inWords(seconds)}, or ${otherwise}.`;
  return new Refusal('RSRAT', message, { retryAfterSeconds: seconds });
}

/** The answer comes after the same time, so that the time does not tell whether an address is known. */
async function evenly<T>(action: Promise<T>): Promise<T> {
  const [outcome] = await Promise.allSettled([action, sleep(EVEN_MS)]);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/** PostgreSQL cannot hold NUL or half a surrogate pair in a text; say so before it does. */
function checkText(values: object): void {
  for (const value of Object.values(values)) {
    if (typeof value !== 'string') continue;
    if (value.includes('\0') || !value.isWellFormed() || value.length > 1_000) {
      throw new Refusal(
        'RSARG',
        'A text is too long or contains characters that cannot be stored.',
      );
    }
  }
}

function inWords(seconds: number): string {
  if (seconds < 90) return `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}
