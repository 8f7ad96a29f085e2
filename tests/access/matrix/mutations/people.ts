/** What is done to members, customers and accounts. */
import { hashPassword } from '../../../../src/auth/passwords.ts';
import { createTokens, hashToken } from '../../../../src/auth/tokens.ts';
import type { TestDatabase } from '../../../support/database.ts';
import { at, book, createMember, createUser, insert, unique } from '../../../support/factories.ts';
import { ACCOUNTS, EVERYBODY, may, type Rule, SIGNED_IN } from '../callers.ts';
import { one } from '../fill.ts';
import type { Scene } from '../scene.ts';
import { booked, type Deed, freshHour, HEAD, MANAGER } from './support.ts';

const PASSWORD = 'correct horse battery';
/** Of the same password, made once. */
let hash: Promise<string> | undefined;

async function withPassword(db: TestDatabase, userId: string | undefined): Promise<void> {
  hash ??= hashPassword(PASSWORD);
  await db.query(
    `insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)
     on conflict (user_id) do update set password_hash = excluded.password_hash`,
    [userId, await hash],
  );
}

/** A link of an account, and its owner. */
async function accountLink(db: TestDatabase, { organizationId }: Scene, action: string) {
  const proven = action === 'verify' ? { email_verified_at: null } : {};
  const userId = await createUser(db, 'Linus', proven);
  return db.value<string>(`select app_private.issue_link($1, $2, null, $3, null, null, null, $4)`, [
    action,
    organizationId,
    userId,
    at('12:00'),
  ]);
}

async function refreshToken(db: TestDatabase): Promise<string> {
  const token = createTokens('any').newRefresh();
  await db.query(
    `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
     values (uuidv7(), $1, $2, app_private.clock() + interval '1 hour')`,
    [await createUser(db, 'Rita'), hashToken(token)],
  );
  return token;
}

const emailOf = (db: TestDatabase, userId: string) =>
  db.value<string>('select email from app_public.users where id = $1', [userId]);

const addressOf = async (db: TestDatabase) => emailOf(db, await createUser(db, 'Adam'));

/** Operators have to hand over first. */
const LEAVES = may(ACCOUNTS.replace(' admin', ''), 'RSSTA');

const byAddress = (more: object = {}): Deed => ({
  rule: EVERYBODY,
  discreet: true,
  input: async (db) => ({ email: await addressOf(db), ...more }),
});
const byLink = (action: string, more: object = {}): Deed => ({
  rule: EVERYBODY,
  secret: 'RSEXP',
  input: async (db, scene) => ({ token: await accountLink(db, scene, action), ...more }),
});
const toOneself = (rule: Rule, input: object = {}): Deed => ({
  rule,
  byTwin: true,
  input: async () => input,
});

export const PEOPLE: Record<string, Deed> = {
  setMember: {
    rule: HEAD,
    input: async (db, { organizationId }) => ({
      organizationId,
      email: await addressOf(db),
      role: 'PROVIDER',
    }),
  },
  removeMember: {
    rule: HEAD,
    input: async (db, { organizationId }) => ({
      membershipId: await createMember(db, organizationId, await createUser(db, 'Pia'), 'provider'),
    }),
  },
  eraseCustomer: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      customerId: await insert(db, 'app_public.customers', {
        organization_id: organizationId,
        name: 'Gone soon',
      }),
    }),
  },
  clearOffences: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      customerId: await insert(db, 'app_public.customers', {
        organization_id: organizationId,
        name: 'Was ill',
      }),
      reason: 'Was ill',
    }),
  },
  markNotificationsRead: {
    rule: may('customer'),
    counts: true,
    input: async (db, scene) => {
      const id = await booked(db, scene);
      return { ids: [await one(db, 'notifications', `booking_id = '${id}'`)] };
    },
  },
  updateProfile: { rule: SIGNED_IN, input: async () => ({ phone: unique('+43 ') }) },
  changePassword: {
    rule: SIGNED_IN,
    input: async (db, _scene, userId) => {
      if (userId) await withPassword(db, userId);
      return { oldPassword: PASSWORD, newPassword: PASSWORD };
    },
  },
  deactivateAccount: toOneself(LEAVES),
  eraseMe: toOneself(LEAVES),
  signOutEverywhere: toOneself(SIGNED_IN),
  signOut: { rule: EVERYBODY, byTwin: true, input: async () => ({}) },

  signUp: byAddress({ password: PASSWORD }),
  requestMagicLink: byAddress(),
  requestPasswordReset: byAddress(),
  sendLinksAgain: {
    rule: EVERYBODY,
    discreet: true,
    input: async (db, { left }) => {
      const userId = await createUser(db, 'Lena');
      await book(db, userId, left, freshHour());
      return { email: await emailOf(db, userId) };
    },
  },
  requestBookingByMail: {
    rule: EVERYBODY,
    input: async (_db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      return {
        offeringId: left,
        startsAt,
        endsAt,
        name: 'Gina',
        email: `${unique('g')}@example.org`,
      };
    },
  },
  lookUpBooking: {
    rule: EVERYBODY,
    secret: 'RSNTF',
    input: async (db, { left }) => {
      const userId = await createUser(db, 'Lena');
      const { reference } = await book(db, userId, left, freshHour());
      return { reference, email: await emailOf(db, userId) };
    },
  },
  verifyEmail: byLink('verify'),
  signInWithMagicLink: byLink('magic'),
  resetPassword: byLink('reset', { password: PASSWORD }),
  refreshSession: {
    rule: EVERYBODY,
    secret: 'RSAUT',
    input: async (db) => ({ refreshToken: await refreshToken(db) }),
  },
  signIn: {
    rule: EVERYBODY,
    secret: 'RSCRD',
    input: async (db) => {
      const userId = await createUser(db, 'Ines');
      await withPassword(db, userId);
      return { email: await emailOf(db, userId), password: PASSWORD };
    },
  },
};
