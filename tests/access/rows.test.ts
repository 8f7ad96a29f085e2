/**
 * Who sees which rows: for every exposed table, every kind of caller sees exactly the rows that the
 * rule picks, and nobody is asked about a table that is not in the list.
 */
import { describe, expect, test } from '@jest/globals';
import { type Caller, inTransaction, type TestDatabase } from '../support/database.ts';
import {
  book,
  call,
  createMember,
  createOffering,
  createOrganization,
  createResource,
  createUser,
  createWorld,
  deliverMail,
  insert,
  join,
  range,
} from '../support/factories.ts';
import { bookSeries } from '../support/series.ts';

/** Two organisations, and people at every distance from them. */
async function createScene(db: TestDatabase) {
  const world = await createWorld(db);
  const other = await createOrganization(db, {}, { name: 'Other' });
  const otherRoom = await createResource(db, other.organizationId, 'Other room');
  const otherHall = await createOffering(db, {
    ...other,
    name: 'Other hall',
    resourceIds: [otherRoom],
  });
  const otherOwner = await createUser(db, 'Otto');
  await createMember(db, other.organizationId, otherOwner, 'owner');
  const closed = await createOrganization(db, {}, { name: 'Closed' });
  await db.query('update app_public.organizations set archived_at = now() where id = $1', [
    closed.organizationId,
  ]);
  const keeper = await createUser(db, 'Kim');
  await createMember(db, world.organizationId, keeper, 'manager', [world.right]);
  const provider = await createUser(db, 'Pia');
  await createMember(db, world.organizationId, provider, 'provider');
  const ann = await createUser(db, 'Ann');
  const bob = await createUser(db, 'Bob');
  await book(db, ann, world.left, range('10:00', '11:00'));
  await book(db, bob, world.right, range('10:00', '11:00'));
  await book(db, bob, otherHall, range('14:00', '15:00'));
  await join(db, bob, world.left, range('10:00', '11:00'));
  await join(db, ann, otherHall, range('14:00', '15:00'));
  await call(db, world.manager, 'create_blackout', {
    organization_id: world.organizationId,
    starts_at: range('10:00', '11:00', 20)[0],
    ends_at: range('10:00', '11:00', 20)[1],
    reason: 'Floor is varnished',
    resource_id: world.leftRoom,
  });
  await insert(db, 'app_public.blackouts', {
    organization_id: world.organizationId,
    offering_id: world.right,
    starts_at: range('10:00', '11:00', 21)[0],
    ends_at: range('10:00', '11:00', 21)[1],
    reason: 'Lifted meanwhile',
    lifted_at: range('10:00', '11:00', 1)[0],
  });
  await bookSeries(db, bob, world.left, { first_date: '2030-07-02' });
  await deliverMail(db);
  const stranger = await createUser(db, 'Stan');
  const gone = await createUser(db, 'Gus', { deactivated_at: range('10:00', '11:00', -1)[0] });
  const admin = await createUser(db, 'Ada', { is_admin: true });
  return { ...world, otherHall, otherOwner, keeper, provider, ann, bob, stranger, gone, admin };
}

type Scene = Awaited<ReturnType<typeof createScene>>;
type Who =
  | 'anonymous'
  | 'stranger'
  | 'gone'
  | 'ann'
  | 'bob'
  | 'provider'
  | 'keeper'
  | 'manager'
  | 'owner'
  | 'otherOwner'
  | 'admin';

const EVERYBODY: Who[] = [
  'anonymous',
  'stranger',
  'gone',
  'ann',
  'bob',
  'provider',
  'keeper',
  'manager',
  'owner',
  'otherOwner',
  'admin',
];

function callerOf(scene: Scene, who: Who): Caller {
  if (who === 'anonymous') return { role: 'reslot_anonymous' };
  return { role: who === 'admin' ? 'reslot_admin' : 'reslot_user', userId: scene[who] };
}

// What follows reads like the rules: `me` is the caller, `managed` the offerings he or she manages,
// `run` the organisations managed as a whole, `mine` the customers that are the caller.
const SETS = `
  with me as (select id from app_public.users where id = $1 and deactivated_at is null),
  memberships as (
    select m.* from app_public.memberships m where m.user_id in (select id from me)),
  managing as (select * from memberships where role in ('owner', 'manager')),
  run as (select organization_id as id from managing where all_offerings),
  managed as (
    select f.id from app_public.offerings f where f.organization_id in (select id from run)
    union
    select x.offering_id from app_public.membership_offerings x
    where x.membership_id in (select id from managing)),
  mine as (select id from app_public.customers where user_id in (select id from me)),
  seen_bookings as (
    select id from app_public.bookings
    where customer_id in (select id from mine) or offering_id in (select id from managed)),
  managed_bookings as (
    select id from app_public.bookings where offering_id in (select id from managed)),
  managed_entries as (
    select id from app_public.waitlist_entries where offering_id in (select id from managed)),
  seen_notifications as (
    select n.id from app_public.notifications n
    where n.user_id in (select id from me) or n.customer_id in (select id from mine)
       or n.customer_id is not null and (
         n.booking_id in (select id from managed_bookings)
         or n.entry_id in (select id from managed_entries)))`;

interface Rule {
  /** What a signed-in user sees. */
  user: string;
  /** What somebody sees who has not signed in; left out: the table is not for them. */
  anonymous?: string;
  key?: string;
}

const PUBLIC: Rule = { user: 'true', anonymous: 'true' };

const RULES: Record<string, Rule> = {
  organizations: {
    anonymous: 't.archived_at is null',
    user: `t.archived_at is null or t.id in (select organization_id from memberships)`,
  },
  users: { user: 't.id in (select id from me)' },
  memberships: {
    user: 't.user_id in (select id from me) or t.organization_id in (select id from run)',
  },
  membership_offerings: {
    user: `t.membership_id in (select id from app_public.memberships
      where user_id in (select id from me) or organization_id in (select id from run))`,
    key: 't.membership_id::text || t.offering_id',
  },
  policies: PUBLIC,
  policy_versions: PUBLIC,
  offerings: PUBLIC,
  offering_resources: { ...PUBLIC, key: 't.offering_id::text || t.resource_id' },
  resources: PUBLIC,
  reviews: PUBLIC,
  schedules: PUBLIC,
  slots: PUBLIC,
  opening_hours: PUBLIC,
  blackouts: {
    anonymous: 't.lifted_at is null and t.ends_at > app_private.clock()',
    user: `t.lifted_at is null and t.ends_at > app_private.clock()
      or t.organization_id in (select id from run) or t.offering_id in (select id from managed)`,
  },
  customers: {
    user: `t.id in (select id from mine) or t.organization_id in (select id from run)
      or t.id in (select customer_id from app_public.bookings where id in (select id from managed_bookings))
      or t.id in (select customer_id from app_public.waitlist_entries where id in (select id from managed_entries))`,
  },
  bookings: { user: 't.id in (select id from seen_bookings)' },
  recurring_bookings: {
    user: 't.id in (select b.series_id from app_public.bookings b join seen_bookings s on s.id = b.id)',
  },
  booking_photos: { user: 't.booking_id in (select id from seen_bookings)' },
  booking_modifications: { user: 't.booking_id in (select id from seen_bookings)' },
  automation_events: { user: 't.booking_id in (select id from seen_bookings)' },
  payments: { user: 't.booking_id in (select id from seen_bookings)' },
  waitlist_entries: {
    user: 't.customer_id in (select id from mine) or t.id in (select id from managed_entries)',
  },
  notifications: { user: 't.id in (select id from seen_notifications)' },
  deliveries: { user: 't.notification_id in (select id from seen_notifications)' },
  audit_log: {
    user: `t.customer_id in (select id from mine) or t.organization_id in (select id from run)
      or t.record_id in (select id from managed_bookings)
      or t.record_id in (select id from managed_entries)
      or t.record_id in (select id from managed)`,
  },
};

async function seen(db: TestDatabase, caller: Caller, table: string): Promise<string[] | 'denied'> {
  const key = RULES[table]?.key ?? 't.id::text';
  try {
    const rows = await db.as(caller, () =>
      db.rows<{ key: string }>(`select ${key} as key from app_public.${table} t order by key`),
    );
    return rows.map((row) => row.key);
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return 'denied';
    throw error;
  }
}

async function allowed(
  db: TestDatabase,
  who: Who,
  userId: string | null,
  table: string,
): Promise<string[] | 'denied'> {
  const rule = RULES[table];
  const predicate =
    who === 'admin' ? 'true' : who === 'anonymous' ? rule?.anonymous : (rule?.user ?? 'false');
  if (predicate === undefined) return 'denied';
  const rows = await db.rows<{ key: string }>(
    `${SETS} select ${rule?.key ?? 't.id::text'} as key from app_public.${table} t
     where $1::uuid is not distinct from $1 and (${predicate}) order by key`,
    [userId],
  );
  return rows.map((row) => row.key);
}

test('there is a rule for every exposed table', () =>
  inTransaction(async (db) => {
    const tables = await db.rows<{ name: string }>(
      `select relname as name from pg_class
       where relnamespace = 'app_public'::regnamespace and relkind in ('r', 'p') order by 1`,
    );
    expect(tables.map(({ name }) => name)).toEqual(Object.keys(RULES).sort());
  }));

describe('the rows that are seen are those of the rule', () => {
  test('for everybody, in every table', () =>
    inTransaction(async (db) => {
      const scene = await createScene(db);
      const differing: unknown[] = [];
      for (const table of Object.keys(RULES)) {
        for (const who of EVERYBODY) {
          const caller = callerOf(scene, who);
          const found = await seen(db, caller, table);
          const expected = await allowed(db, who, caller.userId ?? null, table);
          if (JSON.stringify(found) !== JSON.stringify(expected)) {
            differing.push({ table, who, found, expected });
          }
        }
      }
      expect(differing).toEqual([]);
    }));

  test('and the scene has enough in it to tell', () =>
    inTransaction(async (db) => {
      const scene = await createScene(db);
      const count = async (who: Who, table: string) =>
        (await seen(db, callerOf(scene, who), table)).length;
      for (const table of ['bookings', 'waitlist_entries', 'notifications', 'deliveries']) {
        expect(await count('ann', table)).toBeGreaterThan(0);
        expect(await count('bob', table)).toBeGreaterThan(0);
        expect(await count('manager', table)).toBeLessThan(await count('admin', table));
        expect(await count('stranger', table)).toBe(0);
        expect(await count('gone', table)).toBe(0);
      }
      expect(await count('keeper', 'bookings')).toBe(1);
      expect(await count('keeper', 'customers')).toBe(1);
      expect(await count('manager', 'customers')).toBe(2);
    }));
});
