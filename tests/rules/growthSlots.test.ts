/** As growth.test.ts, for places: behind a tour lie ten thousand slots that are over. */
import { expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase, usualPlans } from '../support/database.ts';
import {
  advanceTo,
  at,
  call,
  createUser,
  createWorld,
  deliverMail,
  type World,
} from '../support/factories.ts';
import { readMuch } from '../support/history.ts';
import {
  bookSlot,
  createSchedule,
  createTour,
  generate,
  type Tour,
  waitFor,
} from '../support/tours.ts';
import { cancel, claim, decline, refused } from './rule.ts';

const TABLES = ['slots', 'bookings', 'waitlist_entries'].map((name) => `app_public.${name}`);

/** Ten thousand slots that are over, each with a booking and an entry. */
async function addHistory(db: TestDatabase, world: World, tour: Tour): Promise<void> {
  for (const table of TABLES) await db.query(`alter table ${table} disable trigger user`);
  await db.query(
    `with version as (
       select id from app_public.policy_versions where organization_id = $1
     ), people as (
       insert into app_public.customers (organization_id, name)
       select $1, 'Customer ' || n from generate_series(1, 50) n returning id
     ), past as (
       select g, p.id as customer_id, $4::timestamptz - g * interval '1 hour' as at
       from (select id, row_number() over () as n from people) p
       join generate_series(1, 10000) g on g % 50 + 1 = p.n
     ), held as (
       insert into app_public.slots (organization_id, offering_id, schedule_id, policy_version_id, day, starts_at,
         ends_at, room, capacity, ended_at)
       select $1, $2, $3, v.id, (p.at at time zone 'UTC')::date, p.at, p.at + interval '1 hour',
         tstzrange(p.at, p.at + interval '1 hour'), 8, p.at + interval '1 hour'
       from past p, version v returning id, starts_at, ends_at, room, day
     ), booked as (
       insert into app_public.bookings (organization_id, offering_id, slot_id, customer_id, policy_version_id, reference,
         status, starts_at, ends_at, room, adults, children, infants, person_price, adult_price, child_price,
         infant_price, subtotal, discount, tax, tax_included, currency, created_at, made_at, ended_at)
       select $1, $2, h.id, p.customer_id, v.id, 'RS-' || p.g, 'completed', h.starts_at, h.ends_at, h.room, 1, 0, 0, 0, 0,
         0, 0, 0, 0, 0, true, 'EUR', p.at, p.at, h.ends_at
       from held h join past p on p.at = h.starts_at, version v
     )
     insert into app_public.waitlist_entries (organization_id, offering_id, slot_id, day, customer_id, policy_version_id,
       status, starts_at, ends_at, room, last_call_at, joined_at, ended_at, adults, children, infants)
     select $1, $2, h.id, case when p.g % 2 = 0 then h.day end, p.customer_id, v.id, 'lapsed', h.starts_at, h.ends_at,
       h.room, h.starts_at, h.starts_at, h.starts_at, 1, 0, 0
     from held h join past p on p.at = h.starts_at, version v`,
    [world.organizationId, tour.offering, tour.schedule, at('00:00', -2)],
  );
  for (const table of TABLES) {
    await db.query(`alter table ${table} enable trigger user`);
    await db.query(`analyze ${table}`);
  }
}

test('nothing reads the slots that are over', () =>
  inTransaction(async (db) => {
    await usualPlans(db);
    const world = await createWorld(db);
    const { manager, organizationId: organization_id } = world;
    const tour = await createTour(db, world, { days: 3 });
    const [first, second, third] = tour.slots;
    const [alice, bea] = [await createUser(db, 'Alice'), await createUser(db, 'Bea')];
    await addHistory(db, world, tour);
    const found: Record<string, string[]> = {};
    const look = async <T>(what: string, action: () => Promise<T>): Promise<T> => {
      const result: { value?: T } = {};
      const much = await readMuch(db, async () => {
        result.value = await action();
      });
      if (much.length > 0) found[what] = much;
      return result.value as T;
    };
    const { offering } = tour;

    for (const sql of [
      `select * from app_public.check_availability('${offering}', '2030-06-04')`,
      `select * from app_public.availability_by_day('${offering}', '2030-06-01')`,
      `select * from app_public.quote('${first}')`,
      `select * from app_private.schedules_to_fill()`,
      `select * from app_private.fill_schedule('${tour.schedule}', '2030-06-04', '2030-07-04')`,
    ]) {
      await look(sql, () => db.rows(sql));
    }
    const made = await look('booking', () => bookSlot(db, alice, tour, first, { party_size: 8 }));
    const full = { offering_id: offering, slot_id: first };
    await look('what is full', () => refused(db, 'RSFUL', bea, 'create_booking', full));
    const slot = await look('joining', () => waitFor(db, bea, tour, { slot_id: first }));
    const day = await look('joining for a day', () =>
      waitFor(db, bea, tour, { day: '2030-06-04' }),
    );
    await look('shrinking', () =>
      call(db, alice, 'modify_booking', { booking_id: made.id, party_size: 7 }),
    );
    await look('declining', () => decline(db, bea, slot.id));
    await look('moving', () =>
      call(db, alice, 'modify_booking', { booking_id: made.id, slot_id: second }),
    );
    await deliverMail(db);
    await look('claiming', () => claim(db, bea, day.id));
    for (const [name, args] of [
      ['close_slot', { slot_id: second, reason: 'Snow' }],
      ['open_slot', { slot_id: second }],
      ['alter_slot', { slot_id: second, capacity: 9 }],
      ['cancel_slot', { slot_id: second, reason: 'Snow', cancel_bookings: true }],
    ] as const) {
      await look(name, () => call(db, manager, name, args));
    }
    const blackout = await look('blackout', () =>
      call<{ id: string }>(db, manager, 'create_blackout', {
        ...{ organization_id, offering_id: offering, reason: 'Storm', cancel_bookings: true },
        ...{ starts_at: at('00:00', 1), ends_at: at('00:00', 2) },
      }),
    );
    await look('lifting', () => call(db, manager, 'lift_blackout', { blackout_id: blackout.id }));
    await look('archiving', () =>
      call(db, manager, 'archive_resource', { resource_id: tour.guide }),
    );
    await look('back in use', () =>
      call(db, manager, 'archive_resource', { resource_id: tour.guide, archived: false }),
    );
    const evening = await createSchedule(db, world, offering, { local_start: '18:00' });
    await look('generating', () => generate(db, world, evening, '2030-06-05', '2030-06-20'));
    await look('the last call', async () => {
      const held = await bookSlot(db, alice, tour, third, { party_size: 8 });
      await call(db, alice, 'confirm_booking', { booking_id: held.id });
      const late = await waitFor(db, bea, tour, { slot_id: third });
      await advanceTo(db, at('09:45', 3));
      await cancel(db, alice, held.id);
      await advanceTo(db, at('09:46', 3));
      await claim(db, bea, late.id);
    });
    expect(found).toEqual({});
  }));
