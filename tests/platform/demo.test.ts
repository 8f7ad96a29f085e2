import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hashPassword, passwordMatches } from '../../src/auth/passwords.ts';
import { parseConfig } from '../../src/config.ts';
import { DEMO_PASSWORD, EMAIL } from '../../src/database/demo/people.ts';
import { OFFERINGS } from '../../src/database/demo/places.ts';
import { fillWithDemo, loadDemo } from '../../src/database/demo.ts';
import { demoData } from '../../src/parts.ts';
import {
  type ClonedDatabase,
  checkInvariants,
  cloneDatabase,
  inTransaction,
} from '../support/database.ts';

let database: ClonedDatabase;
let lines: [string, string][];

async function rows<T extends object>(sql: string, values: unknown[] = []): Promise<T[]> {
  return (await database.pool('owner').query<T>(sql, values)).rows;
}

async function count(sql: string, values: unknown[] = []): Promise<number> {
  return (await rows(sql, values)).length;
}

beforeAll(async () => {
  database = await cloneDatabase();
  lines = await loadDemo(database.pool('admin'));
});

afterAll(() => database.drop());

test('no invariant is broken', async () => {
  expect(await rows('select * from app_private.check_invariants()')).toEqual([]);
});

test('the wall clock counts again', async () => {
  expect(await count('select from app_private.simulated_clock')).toBe(0);
});

test('there are two organisations, in three time zones, and nothing left of the first one', async () => {
  const names = await rows('select name from app_public.organizations order by name');
  expect(names).toEqual([{ name: 'Meridian Venues' }, { name: 'Riverside Halls' }]);
  expect(await count('select distinct time_zone from app_public.resources')).toBe(3);
});

test('the hall is divisible: three offerings over two rooms', async () => {
  const uses = await rows(
    `select f.name, count(*)::integer as rooms from app_public.offering_resources x
     join app_public.offerings f on f.id = x.offering_id
     where f.id = any ($1) group by f.name order by f.name`,
    [[OFFERINGS.townHall, OFFERINGS.leftHalf, OFFERINGS.rightHalf]],
  );
  expect(uses).toEqual([
    { name: 'Town Hall', rooms: 2 },
    { name: 'Town Hall, left half', rooms: 1 },
    { name: 'Town Hall, right half', rooms: 1 },
  ]);
});

test('there is a tour, with a slot every morning and two more at weekends, for two months', async () => {
  const slots = await rows<{ starts: string; found: number }>(
    `select to_char(s.starts_at at time zone 'Europe/Vienna', 'HH24:MI') as starts, count(*)::integer as found
     from app_public.slots s where s.offering_id = $1 group by 1 order by 1`,
    [OFFERINGS.oldTownWalk],
  );
  expect(slots.map(({ starts }) => starts)).toEqual(['10:00', '15:00']);
  expect(slots[0]?.found).toBe(58);
  expect(slots[1]?.found).toBeGreaterThan(14);
});

test('there are services: a lesson by either of two, and a visit by one of them', async () => {
  const services = await rows(
    `select f.name, array_agg(r.name order by r.name) as providers, f.at_customer,
       (select count(*)::integer from app_public.bookings b where b.offering_id = f.id and b.provider_id = any (array_agg(r.id))) as booked
     from app_public.offerings f
     join app_public.offering_resources x on x.offering_id = f.id and x.in_pool
     join app_public.resources r on r.id = x.resource_id
     where f.kind = 'service' group by f.id order by f.name`,
  );
  expect(services).toEqual([
    { name: 'Piano Lesson', providers: ['Nora Blum', 'Paul Egger'], at_customer: false, booked: 0 },
    { name: 'Piano Tuning', providers: ['Paul Egger'], at_customer: true, booked: 1 },
  ]);
  const [paul] = await rows<{ name: string }>(
    `select r.name from app_public.memberships m join app_public.users u on u.id = m.user_id and u.email = $1
     join app_public.resources r on r.id = m.resource_id`,
    [EMAIL('paul')],
  );
  expect(paul?.name).toBe('Paul Egger');
});

test('there is somebody in each role, and the printed lines say who', async () => {
  const roles = await rows(
    'select role::text, all_offerings from app_public.memberships group by 1, 2 order by 1, 2',
  );
  expect(roles).toEqual([
    { role: 'manager', all_offerings: false },
    { role: 'manager', all_offerings: true },
    { role: 'owner', all_offerings: true },
    { role: 'provider', all_offerings: true },
  ]);
  const printed = lines.map(([, line]) => line).join('\n');
  expect(printed).toContain(DEMO_PASSWORD);
  expect(printed).toContain('admin@demo.example');
});

test('the printed password opens the accounts', async () => {
  const [secret] = await rows<{ password_hash: string }>(
    `select s.password_hash from app_private.user_secrets s
     join app_public.users u on u.id = s.user_id where u.email = $1`,
    [EMAIL('anna')],
  );
  expect(await passwordMatches(secret?.password_hash ?? null, DEMO_PASSWORD)).toBe(true);
});

test('each interesting moment is there', async () => {
  const moments = await rows<{ moment: string; found: number }>(`
    select moment, count(*)::integer as found from (
      select 'spared' as moment from app_public.bookings where spared_at is not null
      union all select 'rehearsed' from app_public.bookings where would_auto_cancel_at is not null
      union all select 'released' from app_public.bookings where status = 'auto_cancelled'
      union all select 'completed' from app_public.bookings where status = 'completed'
      union all select 'requested' from app_public.bookings where status = 'pending'
      union all select 'not asked' from app_public.bookings where attendance_confirmed_how = 'not_needed'
      union all select 'offered' from app_public.waitlist_entries where status = 'offered'
      union all select 'waiting' from app_public.waitlist_entries where status = 'waiting'
      union all select 'closed' from app_public.blackouts
      union all select 'undeliverable' from app_public.bookings b where exists (
        select from app_public.deliveries d join app_public.notifications n on n.id = d.notification_id
        where n.booking_id = b.id and d.status = 'dead' and n.kind = 'booking_reminder')
      union all select 'released soon' from app_public.bookings
        where status = 'confirmed' and confirm_by < (select app_private.clock()) + interval '5 minutes'
          and confirm_by > (select app_private.clock())
      union all select 'reminded soon' from app_private.deadlines
        where action = 'remind' and due_at < (select app_private.clock()) + interval '3 minutes'
          and due_at > (select app_private.clock()) + interval '1 minute'
    ) m group by moment order by moment`);
  expect(Object.fromEntries(moments.map(({ moment, found }) => [moment, found]))).toEqual({
    spared: 1,
    rehearsed: 1,
    released: 1,
    completed: 1,
    requested: 1,
    'not asked': 1,
    offered: 1,
    waiting: 2,
    closed: 1,
    undeliverable: 1,
    'released soon': 1,
    'reminded soon': 1,
  });
});

test('loading again changes nothing and says the same', async () => {
  const before = await count('select from app_public.audit_log');
  expect(await loadDemo(database.pool('admin'))).toEqual(lines);
  expect(await count('select from app_public.audit_log')).toBe(before);
});

test('two starts at the same moment load it once', async () => {
  const fresh = await cloneDatabase();
  try {
    const pool = fresh.pool('admin', 2);
    const both = await Promise.all([loadDemo(pool), loadDemo(pool)]);
    expect(both[0]).toEqual(both[1]);
    const { rows: people } = await pool.query('select from app_public.users');
    expect(people).toHaveLength(10);
  } finally {
    await fresh.drop();
  }
});

test('without demo data there is one organisation with the usual rules, and nobody', async () => {
  const fresh = await cloneDatabase();
  try {
    const config = parseConfig({
      NODE_ENV: 'test',
      SECRET_KEY: 'x'.repeat(32),
      DEMO_DATA: 'false',
    });
    expect(await demoData(config, fresh.url('admin'))).toEqual([]);
    const { rows: found } = await fresh.pool('owner').query(`
      select g.name, p.is_default, v.version, (select count(*)::integer from app_public.users) as users
      from app_public.organizations g
      join app_public.policies p on p.organization_id = g.id
      join app_public.policy_versions v on v.policy_id = p.id`);
    expect(found).toEqual([{ name: 'My organisation', is_default: true, version: 1, users: 0 }]);
    expect(await demoData({ ...config, demoData: true }, fresh.url('admin'))).toEqual(lines);
  } finally {
    await fresh.drop();
  }
});

test('a database that somebody has begun to use is left alone', async () => {
  const used = await cloneDatabase();
  try {
    const pool = used.pool('owner');
    await pool.query(`insert into app_public.users (email) values ('first@example.com')`);
    expect(await loadDemo(used.pool('admin'))).toEqual([]);
    const { rows: people } = await pool.query('select from app_public.users');
    expect(people).toHaveLength(1);
  } finally {
    await used.drop();
  }
});

test.each([0, 5, 9, 13, 18, 23])('it can be loaded at %i:59 as well', async (hour) => {
  const secret = await hashPassword(DEMO_PASSWORD);
  await inTransaction(async (db) => {
    // Clocks change in the night after the second date.
    for (const day of ['2030-06-03', '2030-10-26']) {
      await db.query('savepoint empty');
      await db.setClock(`${day}T${String(hour).padStart(2, '0')}:59:59Z`);
      await fillWithDemo(db.client, secret);
      await checkInvariants(db);
      await db.query('rollback to savepoint empty');
    }
  });
});
