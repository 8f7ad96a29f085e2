/** Beneath the locks stand constraints: what a function might forget, the table refuses. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import { at, book, createUser, createWorld, entry, join, range } from '../support/factories.ts';
import { cancel, createUsers, rule, type Scene } from './rule.ts';

const TIME = range('10:00', '12:00');

async function offer({ db, world }: Scene) {
  const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
  const made = await book(db, holder, world.left, TIME);
  const waits = await join(db, bea, world.left, TIME);
  await cancel(db, holder, made.id);
  return entry(db, waits.id);
}

describe('A resource', () => {
  rule('is in one place only, buffers included, whoever inserts', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, TIME);
    const other = await book(db, alice, world.right, TIME);
    const failure = await db.fails(
      `insert into app_private.occupancies (organization_id, resource_id, booking_id, during)
       values ($1, $2, $3, tstzrange($4, $5))`,
      [world.organizationId, world.leftRoom, other.id, at('11:59', 1), at('13:00', 1)],
    );
    expect(failure).toMatchObject({ code: '23P01', constraint: 'occupancies_do_not_overlap' });
    expect(made.id).not.toBe(other.id);
  });

  rule('is not taken where it is not free: take_room fails as a whole', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const half = await book(db, alice, world.right, TIME);
    const failure = await db.fails(
      `with whole as (
         insert into app_public.bookings (
           organization_id, offering_id, customer_id, policy_version_id, reference, status,
           starts_at, ends_at, room, currency)
         select organization_id, $2, customer_id, policy_version_id, 'RS-X', 'confirmed',
           starts_at, ends_at, room, currency
         from app_public.bookings where id = $1
         returning *)
       select app_private.take_room(w::app_public.bookings) from whole w`,
      [half.id, world.hall],
    );
    expect(failure.code).toBe('23P01');
  });
});

describe('A customer', () => {
  rule('waits once for the same', async (scene) => {
    const { db, world } = scene;
    const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
    await book(db, holder, world.left, TIME);
    const waits = await join(db, bea, world.left, TIME);
    const failure = await db.fails(
      `insert into app_public.waitlist_entries (
         organization_id, offering_id, customer_id, policy_version_id, starts_at, ends_at, room, last_call_at)
       select organization_id, offering_id, customer_id, policy_version_id, starts_at, ends_at, room, last_call_at
       from app_public.waitlist_entries where id = $1`,
      [waits.id],
    );
    expect(failure).toMatchObject({ code: '23505' });
  });
});

describe('A row that makes no sense is refused', () => {
  test.each([
    ['an offer without a hold', `update app_public.waitlist_entries set hold_id = null`],
    ['a waiting entry with a hold', `update app_public.waitlist_entries set status = 'waiting'`],
    ['an offer without a window', `update app_public.waitlist_entries set claim_window = null`],
    [
      'a claim without a booking',
      `update app_public.waitlist_entries set status = 'claimed', hold_id = null, ended_at = joined_at`,
    ],
    ['an end that is none', `update app_public.waitlist_entries set ended_at = joined_at`],
    [
      'a live entry that has ended',
      `update app_public.waitlist_entries set status = 'left', hold_id = null`,
    ],
    [
      'a hold without a deadline',
      `update app_public.bookings set hold_expires_at = null where status = 'held'`,
    ],
    [
      'a hold that was claimed',
      `update app_public.bookings set unclaimed = false where status = 'held'`,
    ],
    [
      'a booking with a hold’s deadline',
      `update app_public.bookings set hold_expires_at = starts_at where status <> 'held'`,
    ],
    [
      'a release without a reason',
      `update app_public.bookings set auto_cancelled_at = starts_at where status <> 'held'`,
    ],
    [
      'an override without a reason',
      `update app_public.bookings set override_at = starts_at where status <> 'held'`,
    ],
    [
      'a confirmation without a source',
      `update app_public.bookings set attendance_confirmed_at = starts_at where status <> 'held'`,
    ],
    [
      'a live booking that has ended',
      `update app_public.bookings set ended_at = starts_at where status = 'held'`,
    ],
    [
      'an ended booking that lives',
      `update app_public.bookings set ended_at = null where status <> 'held'`,
    ],
    [
      'a booking outside its room',
      `update app_public.bookings set ends_at = ends_at + interval '1 hour'`,
    ],
    [
      'a booking without an end',
      `update app_public.bookings set ends_at = 'infinity', room = tstzrange(starts_at, null)`,
    ],
    ['a party of none', `update app_public.bookings set party_size = 0`],
    ['a delivery sent at no time', `update app_public.deliveries set status = 'sent'`],
    [
      'a delivery on its way without a lease',
      `update app_public.deliveries set status = 'sending'`,
    ],
    ['a delivery owed to nowhere', `update app_public.deliveries set address = null`],
    [
      'a second delivery of one message',
      `insert into app_public.deliveries (organization_id, notification_id, subject_id, address)
      select organization_id, notification_id, subject_id, address from app_public.deliveries limit 1`,
    ],
    ['a message to nobody', `update app_public.notifications set customer_id = null`],
  ])('%s', (_, sql) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      await offer({ db, world });
      // Also where the triggers that would object are out of the way.
      await db.query('savepoint triggers');
      await db.query('alter table app_public.bookings disable trigger user');
      await db.query('alter table app_public.waitlist_entries disable trigger user');
      const failure = await db.fails(sql);
      expect(['23514', '23505']).toContain(failure.code);
      expect(failure.constraint).toMatch(/^[a-z_]+$/);
      await db.query('rollback to savepoint triggers');
    }),
  );
});

describe('The simulated clock', () => {
  rule('belongs to the owner: nobody else can set it, and no setting moves it', async ({ db }) => {
    for (const role of [
      'reslot_user',
      'reslot_admin',
      'reslot_worker',
      'reslot_anonymous',
    ] as const) {
      await db.as({ role }, async () => {
        for (const sql of [
          `select app_private.set_clock('2040-01-01Z')`,
          `update app_private.simulated_clock set now_at = '2040-01-01Z'`,
        ]) {
          expect(await db.fails(sql)).toMatchObject({ code: '42501' });
        }
        await db.query(`select set_config('reslot.now', '2040-01-01Z', true)`);
        expect(await db.value('select app_private.clock()')).toEqual(new Date(at('08:00')));
      });
    }
  });

  rule(
    'is empty unless somebody sets it; then time is the wall clock’s, and runs',
    async ({ db }) => {
      await db.setClock(null);
      const [first, second] = [
        await db.value<Date>('select app_private.clock()'),
        await db.value<Date>('select app_private.clock() from pg_sleep(0.01)'),
      ];
      expect(Math.abs(first.getTime() - Date.now())).toBeLessThan(5_000);
      expect(second.getTime()).toBeGreaterThan(first.getTime());
    },
  );
});
