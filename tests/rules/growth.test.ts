/**
 * Nothing gets slower by what is over: with a history behind it, nothing reads a good part of a growing table.
 * The history is small, so that it is quickly made; it is long enough for the planner to prefer an index if there is one.
 */
import { expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase, usualPlans } from '../support/database.ts';
import {
  at,
  book,
  call,
  createMember,
  createUser,
  createWorld,
  deliverMail,
  join,
  range,
  type World,
} from '../support/factories.ts';
import { GROWING, readMuch } from '../support/history.ts';
import { cancel, claim, revise } from './rule.ts';

const TABLES = GROWING.map((name) => `app_public.${name}`);
const TIME = range('18:00', '20:00', 3);

/** Ten thousand bookings that are over, each with an entry, two messages and two lines in the log; and more like it. */
async function addHistory(db: TestDatabase, world: World): Promise<void> {
  for (const table of TABLES) await db.query(`alter table ${table} disable trigger user`);
  await db.query(
    `insert into app_public.blackouts (organization_id, starts_at, ends_at, reason)
     select $1, $2::timestamptz - g * interval '12 hours', $2::timestamptz - g * interval '12 hours' + interval '1 hour',
       'Works' from generate_series(1, 3000) g`,
    [world.organizationId, at('00:00', -2)],
  );
  await db.query(
    `insert into app_public.notifications (organization_id, user_id, kind, created_at, published_at, read_at)
     select $1, $2, 'account_magic_link', t.at, t.at, t.at
     from generate_series(1, 3000) g, lateral (select $3::timestamptz - g * interval '3 hours' as at) t`,
    [world.organizationId, world.owner, at('00:00', -2)],
  );
  await db.query(
    `with people as (
       insert into app_public.customers (organization_id, name)
       select $1, 'Customer ' || n from generate_series(1, 50) n returning id
     ), past as (
       select g, p.id as customer_id, $3::timestamptz - g * interval '1 hour' as at
       from (select id, row_number() over () as n from people) p
       join generate_series(1, 10000) g on g % 50 + 1 = p.n
     ), version as (
       select id from app_public.policy_versions where organization_id = $1
     ), booked as (
       insert into app_public.bookings (organization_id, offering_id, customer_id, policy_version_id, reference,
         status, starts_at, ends_at, room, currency, created_at, made_at, ended_at)
       select $1, $2, p.customer_id, v.id, 'RS-' || p.g, 'completed', p.at, p.at + interval '1 hour',
         tstzrange(p.at, p.at + interval '1 hour'), 'EUR', p.at, p.at, p.at + interval '1 hour'
       from past p, version v returning id, customer_id, made_at
     ), waited as (
       insert into app_public.waitlist_entries (organization_id, offering_id, customer_id, policy_version_id,
         status, starts_at, ends_at, room, last_call_at, joined_at, ended_at)
       select $1, $2, p.customer_id, v.id, 'lapsed', p.at, p.at + interval '1 hour',
         tstzrange(p.at, p.at + interval '1 hour'), p.at, p.at, p.at
       from past p, version v
     ), told as (
       insert into app_public.notifications (organization_id, customer_id, kind, booking_id, created_at,
         published_at, read_at)
       select $1, b.customer_id, k, b.id, b.made_at, b.made_at, b.made_at
       from booked b, unnest('{booking_received,booking_reminder}'::text[]) k returning id, booking_id, created_at
     ), logged as (
       insert into app_public.audit_log (organization_id, at, actor_role, via, table_name, record_id, customer_id,
         operation, new_values)
       select $1, b.made_at, 'reslot_app', 'graphql', 'bookings', b.id, b.customer_id, 'insert', '{}'
       from booked b, generate_series(1, 2)
     )
     insert into app_public.deliveries (organization_id, notification_id, subject_id, address, status, sent_at,
       followed_up_at, created_at, attempts)
     select $1, t.id, t.booking_id, 'customer@example.com', 'sent', t.created_at, t.created_at, t.created_at, 1
     from told t`,
    [world.organizationId, world.left, at('00:00', -2)],
  );
  for (const table of TABLES) {
    await db.query(`alter table ${table} enable trigger user`);
    await db.query(`analyze ${table}`);
  }
}

test('nothing reads the history', () =>
  inTransaction(async (db) => {
    await usualPlans(db);
    const world = await createWorld(db);
    const { owner, organizationId: organization_id } = world;
    const [alice, bea] = [await createUser(db, 'Alice'), await createUser(db, 'Bea')];
    const half = await createUser(db, 'Half');
    await createMember(db, organization_id, half, 'manager', [world.left]);
    await addHistory(db, world);
    const found: Record<string, string[]> = {};
    const look = async <T>(what: string, action: () => Promise<T>): Promise<T> => {
      const result: { value?: T } = {};
      const much = await readMuch(db, async () => {
        result.value = await action();
      });
      if (much.length > 0) found[what] = much;
      return result.value as T;
    };
    const admin = (sql: string) => db.as({ role: 'reslot_admin' }, () => db.rows(sql));
    const user = (id: string, sql: string) =>
      db.as({ role: 'reslot_user', userId: id }, () => db.rows(sql));

    const made = await look('booking', () => book(db, alice, world.left, TIME));
    const waits = await look('joining', () => join(db, bea, world.left, TIME));
    await look('sending', () => deliverMail(db));
    await look('dispatching', () => db.query('select app_private.dispatch(true)'));
    for (const [id, sql] of [
      [alice, 'select * from app_public.my_bookings(true)'],
      [alice, 'select * from app_public.my_notifications()'],
      [alice, 'select app_public.mark_notifications_read()'],
      [bea, 'select app_public.waitlist_entries_position(w) from app_public.my_waitlist() w'],
      [owner, `select * from app_public.waitlist('${world.left}')`],
      [owner, 'select * from app_public.waitlist_lengths()'],
      [owner, 'select * from app_public.spared_bookings()'],
      [owner, 'select * from app_public.failed_deliveries()'],
      ...['bookings', 'waitlist_entries', 'customers', 'notifications'].map(
        (table) => [half, `select * from app_public.${table} order by id desc limit 20`] as const,
      ),
      [half, 'select id from app_public.deliveries order by id desc limit 20'],
      [half, 'select id, reason from app_public.audit_log order by id desc limit 20'],
      [half, `select * from app_public.customers where id = '${made.customer_id}'`],
    ] as const) {
      await look(sql, () => user(id, sql));
    }
    await look('job_health', () => admin('select * from app_public.job_health()'));
    await look('expire_due', () => admin('select app_public.expire_due()'));
    await look('auto_cancel_now', () => admin('select * from app_public.auto_cancel_now()'));
    await revise(db, world, { confirm_deadline: '03:00:00' });
    await look('apply_policy', () =>
      call(db, owner, 'apply_policy', { policy_id: world.policyId }),
    );
    const elsewhere = { starts_at: at('18:00', 9), ends_at: at('20:00', 9), reason: 'Works' };
    await look('create_blackout', () =>
      call(db, owner, 'create_blackout', {
        organization_id,
        offering_id: world.left,
        ...elsewhere,
      }),
    );
    await look('asking for a link', async () => {
      const email = await db.value('select email from app_public.users where id = $1', [owner]);
      await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [email]);
    });
    await look('cancelling', () => cancel(db, alice, made.id));
    await look('archiving', () =>
      call(db, owner, 'archive_resource', { resource_id: world.rightRoom }),
    );
    const claimed = await look('claiming', () => claim(db, bea, waits.id));
    await look('opening hours', () =>
      call(db, owner, 'set_opening_hours', {
        resource_id: world.leftRoom,
        hours: JSON.stringify([{ weekday: 1, opens: '00:00', closes: '24:00' }]),
        keep_bookings: true,
      }),
    );
    await look('moving', () =>
      call(db, bea, 'modify_booking', {
        booking_id: claimed.id,
        starts_at: at('18:00', 7),
        ends_at: at('20:00', 7),
      }),
    );
    await look('confirming', () => call(db, bea, 'confirm_booking', { booking_id: claimed.id }));
    expect(found).toEqual({});
  }));

test('a backlog of mails, of which the statistics know nothing, is not read for each of them', () =>
  inTransaction(async (db) => {
    await usualPlans(db);
    const world = await createWorld(db);
    await createUser(db, 'Alice');
    await db.query('analyze app_public.deliveries');
    await db.query(
      `with told as (
         insert into app_public.notifications (organization_id, user_id, kind)
         select $1, u.id, 'account_magic_link' from app_public.users u, generate_series(1, 3000) returning id
       )
       insert into app_public.deliveries (organization_id, notification_id, subject_id, address)
       select $1, t.id, t.id, 'customer@example.com' from told t`,
      [world.organizationId],
    );
    await db.query('analyze app_public.notifications');
    const leased: unknown[] = [];
    const much = await readMuch(db, async () => {
      leased.push(...(await db.rows('select * from app_private.lease_deliveries(3)')));
    });
    expect(leased).toHaveLength(3);
    expect(much).toEqual([]);
  }));
