/** What a booking is once it is made, and bookings that managers make for others. */
import { describe, expect } from '@jest/globals';
import {
  at,
  book,
  call,
  createMember,
  createUser,
  createWorld,
  insert,
  range,
} from '../support/factories.ts';
import { createUsers, refused, rule } from './rule.ts';

const times = (startsAt: unknown, endsAt: unknown) => ({ starts_at: startsAt, ends_at: endsAt });

describe('A booking that is made', () => {
  rule('has a reference that can be read out, and counts its price', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await db.query('update app_public.offerings set price = 120 where id = $1', [world.left]);
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    expect(made.reference).toMatch(/^RS-20300603-[0-9A-HJKMNP-TV-Z]{6}$/);
    expect(made).toMatchObject({ status: 'confirmed', price: '120.00', currency: 'EUR' });
  });

  rule('has a reference of its own, also when chance repeats itself', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await db.query('create sequence app_private.chance start 2');
    await db.query(`do $$ begin execute replace(
      pg_get_functiondef('app_private.new_reference(uuid, timestamptz)'::regprocedure), 'gen_random_uuid()',
      $r$(lpad(to_hex(nextval('app_private.chance') / 2), 12, '0') || repeat('0', 20))::uuid$r$); end $$`);
    const first = await book(db, alice, world.left, range('10:00', '12:00'));
    const second = await book(db, alice, world.right, range('10:00', '12:00'));
    expect([first.reference, second.reference]).toEqual([
      'RS-20300603-000001',
      'RS-20300603-000002',
    ]);
    expect(await db.value(`select last_value from app_private.chance`)).toBe(4);
  });

  rule('takes its room, and gives it to nobody else', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, alice, world.left, range('10:00', '12:00'));
    await refused(db, 'RSFUL', bea, 'create_booking', {
      offering_id: world.left,
      ...times(at('11:00', 1), at('13:00', 1)),
    });
    await book(db, bea, world.right, range('10:00', '12:00'));
  });

  rule('stays apart from those of another organisation', async ({ db, world }) => {
    const other = await createWorld(db);
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    await book(db, alice, other.left, range('10:00', '12:00'));
    const customers = await db.rows('select id from app_public.customers where user_id = $1', [
      alice,
    ]);
    expect(customers).toHaveLength(2);
  });

  rule('of a tour is not made by the hour', async ({ db, world }) => {
    const tour = await insert(db, 'app_public.offerings', {
      organization_id: world.organizationId,
      policy_id: world.policyId,
      kind: 'tour',
      allocation: 'capacity',
      name: 'Old town',
    });
    const alice = await createUser(db, 'Alice');
    await refused(db, 'RSARG', alice, 'create_booking', {
      offering_id: tour,
      ...times(at('10:00', 1), at('12:00', 1)),
    });
  });
});

describe('A manager books for somebody', () => {
  const someday = times(at('10:00', 1), at('12:00', 1));

  rule('with an address: it is asked for confirmation like any other', async ({ db, world }) => {
    const made = await call(db, world.manager, 'create_booking_for', {
      offering_id: world.left,
      ...times(at('10:00', 3), at('12:00', 3)),
      name: 'Guest',
      email: 'Guest@Example.com',
    });
    expect(made).toMatchObject({ confirm_by: new Date(at('08:00', 3)), created_by: world.manager });
    const again = await call(db, world.manager, 'create_booking_for', {
      offering_id: world.right,
      ...someday,
      email: ' guest@example.COM',
    });
    expect(again.customer_id).toBe(made.customer_id);
  });

  rule('without an address only as needing no confirmation', async ({ db, world }) => {
    const guest = { offering_id: world.left, ...someday, name: 'Guest' };
    await refused(db, 'RSARG', world.manager, 'create_booking_for', guest);
    await refused(db, 'RSARG', world.manager, 'create_booking_for', {
      ...guest,
      needs_confirmation: null,
    });
    const made = await call(db, world.manager, 'create_booking_for', {
      ...guest,
      needs_confirmation: false,
    });
    expect(made).toMatchObject({ confirm_by: null, attendance_confirmed_how: 'not_needed' });
    const listed = await call(db, world.manager, 'bookings_needing_no_confirmation', {});
    expect(listed).toMatchObject({ id: made.id });
  });

  rule('with some contact that can be right', async ({ db, world }) => {
    const booking = { offering_id: world.left, ...someday, needs_confirmation: false };
    for (const contact of [{}, { email: 'nobody' }, { name: 'a\nb' }, { name: 'A', locale: '!' }]) {
      await refused(db, 'RSARG', world.manager, 'create_booking_for', { ...booking, ...contact });
    }
  });

  rule('only where they manage', async ({ db, world }) => {
    const [alice, half] = await createUsers(db, 'Alice', 'Half');
    await createMember(db, world.organizationId, half, 'manager', [world.right]);
    const guest = { ...someday, name: 'Guest', needs_confirmation: false };
    for (const user of [alice, half]) {
      await refused(db, 'RSNTF', user, 'create_booking_for', { offering_id: world.left, ...guest });
    }
    await call(db, half, 'create_booking_for', { offering_id: world.right, ...guest });
  });
});
