/** A world to be tried out, and the people who do it: each wave has its own. */
import { randomUUID } from 'node:crypto';
import { hashPassword } from '../../src/auth/passwords.ts';
import { createTokens, hashToken } from '../../src/auth/tokens.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import {
  book,
  call,
  createMember,
  createOffering,
  createUser,
  createWorld,
  join,
  unique,
  type World,
} from '../support/factories.ts';
import type { Served } from './served.ts';
import type { Known } from './values.ts';

export const ROLES = ['anonymous', 'user', 'manager', 'owner', 'admin'] as const;

export interface Actor {
  role: (typeof ROLES)[number];
  token: string | null;
}

export interface Scene {
  known: Known;
  /** Two of a kind where one may lose their account to what is tried. */
  actors: Actor[];
  /** Somebody of the same role takes the place of one whose session is over. */
  replace(actor: Actor): Promise<void>;
}

/** Works in the database as its owner, in one transaction that is kept. */
export type Change = <T>(action: (db: TestDatabase) => Promise<T>) => Promise<T>;

export function changeOf(served: Served): Change {
  const pool = served.database.pool('owner', 2);
  return async (action) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const result = await action(testDatabase(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  };
}

const UNLIMITED = {
  max_bookings_per_day: 1000,
  max_entries_per_day: 1000,
  max_mails_per_day: 1000,
};

const POLICIES = [
  UNLIMITED,
  { ...UNLIMITED, requires_approval: true },
  { ...UNLIMITED, buffer_before: '10 minutes', buffer_after: '20 minutes' },
  { ...UNLIMITED, quiet_from: '22:00', quiet_until: '07:00', auto_cancel: 'dry_run' },
];

const PASSWORD = hashPassword('correct horse');
const DAY_MS = 86_400_000;
/** Tables of which a wave knows some rows. */
const OF_ORGANIZATION = new Set([
  ...['offerings', 'resources', 'policies', 'policy_versions', 'bookings', 'waitlist_entries'],
  ...['customers', 'memberships', 'notifications', 'deliveries', 'blackouts', 'opening_hours'],
]);
const TABLES = ['organizations', 'users', ...OF_ORGANIZATION];

export async function createScene(change: Change, wave: number): Promise<Scene> {
  const world = await change(async (db) => {
    const other = await createWorld(db);
    const made = await createWorld(db, POLICIES[wave % POLICIES.length]);
    await startClock(db, -3);
    await bookIn(db, made, other.owner, 2);
    await startClock(db, 0);
    return made;
  });
  const actors = await change(async (db) => {
    const made: (Actor & { userId: string })[] = [];
    for (const role of [...ROLES, 'user', 'manager'] as const) {
      made.push({ role, ...(await signIn(db, world, role)) });
    }
    return made;
  });
  const users = actors.filter(({ role }) => role === 'user').map(({ userId }) => userId);
  const tokens = await change(async (db) => {
    await live(db, world, users);
    return tokensOf(db, users);
  });
  return {
    known: await change((db) => knownOf(db, world, tokens)),
    actors,
    replace: async (actor) => {
      actor.token = (await change((db) => signIn(db, world, actor.role))).token;
    },
  };
}

/** Time goes on by itself from here; `days` in the past, it stands still there. */
async function startClock(db: TestDatabase, days: number): Promise<void> {
  await db.setClock(days === 0 ? null : new Date(Date.now() + days * DAY_MS));
}

async function signIn(
  db: TestDatabase,
  world: World,
  role: Actor['role'],
): Promise<{ userId: string; token: string | null }> {
  if (role === 'anonymous') return { userId: '', token: null };
  const userId = await createUser(db, `fuzz-${role}`, { is_admin: role === 'admin' });
  await db.query('insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)', [
    userId,
    await PASSWORD,
  ]);
  if (role === 'manager' || role === 'owner') {
    await createMember(db, world.organizationId, userId, role);
  }
  const sessionId = randomUUID();
  await db.query(
    `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
     values ($1, $2, $3, app_private.clock() + interval '1 hour')`,
    [sessionId, userId, hashToken(sessionId)],
  );
  const tokens = createTokens(process.env.RESLOT_TEST_SECRET_KEY ?? '');
  return { userId, token: (await tokens.issueAccess({ userId, sessionId })).token };
}

/** An hour or two that many want. */
function popular(day: number, from: number): [string, string] {
  const date = new Date(Date.now() + day * DAY_MS).toISOString().slice(0, 10);
  return [`${date}T${String(from).padStart(2, '0')}:00:00Z`, `${date}T${from + 2}:00:00Z`];
}

function bookIn(db: TestDatabase, world: World, userId: string, inDays: number) {
  const at = (hours: number) =>
    new Date(Date.now() + (inDays - 3) * DAY_MS + hours * 3_600_000).toISOString();
  return book(db, userId, world.left, [at(0), at(1)]);
}

/** At least one, to an address that takes it. */
export async function oweMail(change: Change): Promise<void> {
  await change(async (db) => {
    const world = await createWorld(db);
    await startClock(db, 0);
    await bookIn(db, world, world.owner, 5);
  });
}

/** Bookings, queues, an offer, a guest, a blackout, an offering nobody uses, and a mail that cannot be delivered. */
async function live(db: TestDatabase, world: World, [one = '', two = '']: string[]): Promise<void> {
  for (const from of [8, 12, 16]) {
    const time = popular(2, from);
    const made = await book(db, one, world.left, time);
    await join(db, two, world.left, time);
    await join(db, world.owner, world.hall, time);
    if (from === 16) await call(db, one, 'cancel_booking', { booking_id: made.id });
  }
  // Each of the two has an offer.
  const given = await book(db, two, world.right, popular(3, 10));
  await join(db, one, world.right, popular(3, 10));
  await call(db, two, 'cancel_booking', { booking_id: given.id });
  const guest = { name: 'At the door', email: `${unique('guest')}@example.com` };
  const [startsAt, endsAt] = popular(3, 16);
  await call(db, world.manager, 'create_booking_for', {
    offering_id: world.right,
    starts_at: startsAt,
    ends_at: endsAt,
    ...guest,
  });
  const [from, to] = popular(4, 12);
  await call(db, world.manager, 'create_blackout', {
    organization_id: world.organizationId,
    resource_id: world.rightRoom,
    starts_at: from,
    ends_at: to,
    kind: 'maintenance',
    reason: 'Floor',
  });
  const { organizationId, policyId, rightRoom } = world;
  await createOffering(db, { organizationId, policyId, name: 'Unused', resourceIds: [rightRoom] });
  await db.query(
    `update app_public.deliveries set status = 'dead', last_error = 'no such mailbox'
     where id = (select max(id::text)::uuid from app_public.deliveries where organization_id = $1)`,
    [world.organizationId],
  );
}

/** Mostly what belongs to the world, and something of others. */
async function knownOf(db: TestDatabase, world: World, tokens: string[]): Promise<Known> {
  const ids: Known['ids'] = {};
  for (const table of TABLES) {
    const own = OF_ORGANIZATION.has(table) ? 'organization_id = $1' : 'id = $1';
    const rows = await db.rows<{ id: string; own: boolean }>(
      `(select id, true as own from app_public.${table} where ${own} order by id desc limit 12)
       union all (select id, false from app_public.${table} where not (${own}) order by id desc limit 1)`,
      [world.organizationId],
    );
    const owned = rows.filter((row) => row.own).map(({ id }) => id);
    ids[table] = [...owned, ...owned, ...owned, ...rows.map(({ id }) => id)];
  }
  const texts = (sql: string) =>
    db
      .rows<{ text: string }>(sql, [world.organizationId])
      .then((rows) => rows.map(({ text }) => text));
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
  return {
    ids,
    tokens,
    references: await texts(
      'select reference as text from app_public.bookings where organization_id = $1',
    ),
    emails: await texts(
      `select email as text from app_public.users where $1::uuid is not null order by id desc limit 12`,
    ),
    slugs: await texts('select slug as text from app_public.organizations where id = $1'),
    nodeIds: Object.entries(ids).flatMap(([table, of]) =>
      of.slice(0, 3).flatMap((id) => [encoded([table, id]), encoded([typeOf(table), id])]),
    ),
    cursors: [world.left, world.organizationId].flatMap((id) => [
      encoded(['primary_key_asc', [id]]),
      encoded(['PRIMARY_KEY_ASC', [id]]),
      encoded(['natural', 1]),
    ]),
  };
}

function typeOf(table: string): string {
  const words = table.replace(/ies$/, 'y').replace(/s$/, '').split('_');
  return words.map((word) => `${word[0]?.toUpperCase()}${word.slice(1)}`).join('');
}

/** From the mails of somebody who signs up, and of somebody who has forgotten the password; and of sessions. */
async function tokensOf(db: TestDatabase, users: string[]): Promise<string[]> {
  const [user] = await db.rows<{ email: string }>(
    'select email from app_public.users where id = any ($1) order by id desc limit 1',
    [users],
  );
  const fresh = `${unique('fresh')}@example.com`;
  await db.query('select app_private.sign_up($1, $2, null, null, null)', [fresh, await PASSWORD]);
  for (const kind of ['account_magic_link', 'account_reset']) {
    await db.query('select app_private.request_account_link($1, $2, null)', [user?.email, kind]);
  }
  const session = randomUUID();
  await db.query(
    `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
     values ($1, $2, $3, app_private.clock() + interval '1 hour')`,
    [session, users[0], hashToken(session)],
  );
  const tokens: string[] = ['A'.repeat(22), session];
  for (let n = 0; n < 20; n++) {
    const leased = await db.rows<Mail>(
      'select delivery_id, attempt, kind, model from app_private.lease_deliveries(50)',
    );
    if (leased.length === 0) break;
    for (const { delivery_id: id, attempt, kind, model } of leased) {
      if (kind.startsWith('account_')) tokens.push(...Object.values(model.tokens ?? {}));
      await db.query('select app_private.mark_delivery_sent($1, $2)', [id, attempt]);
    }
  }
  return tokens;
}

interface Mail {
  delivery_id: string;
  attempt: number;
  kind: string;
  model: { tokens?: Record<string, string> };
}
