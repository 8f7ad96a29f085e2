/** Booking places of a slot, and what becomes of such a booking. */
import { describe, expect } from '@jest/globals';
import { advanceTo, at, booking, call, createUser, range } from '../support/factories.ts';
import { bookSlot, createTour, slotRow, type Tour } from '../support/tours.ts';
import { cancel, confirm, createUsers, deadlineOf, refused, rule, statusOf, told } from './rule.ts';

const places = (tour: Tour, more: Record<string, unknown> = {}) => ({
  offering_id: tour.offering,
  slot_id: tour.slots[0],
  ...more,
});

describe('Booking places', () => {
  rule('takes them of the slot, and no more than there are', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 5 });
    expect(made).toMatchObject({
      ...{ status: 'confirmed', slot_id: tour.slots[0], party_size: 5, places: 5 },
      ...{ adults: 5, children: 0, infants: 0, starts_at: new Date(at('10:00', 1)) },
    });
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 5 });
    await refused(db, 'RSFUL', bob, 'create_booking', places(tour, { party_size: 4 }));
    await bookSlot(db, bob, tour, tour.slots[0], { party_size: 3 });
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 8 });
  });

  rule('is for adults, children and infants together', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const party = { adults: 2, children: 1, infants: 1 };
    const made = await bookSlot(db, ann, tour, tour.slots[0], party);
    expect(made).toMatchObject({ ...party, party_size: 4, places: 4 });
    for (const wrong of [{ infants: 2 }, { adults: -1, children: 3 }, { adults: 2 ** 31 - 1 }]) {
      await refused(db, 'RSARG', ann, 'create_booking', places(tour, wrong));
    }
  });

  rule(
    'leaves infants out of the count, where the policy says so',
    async ({ db, world }) => {
      const tour = await createTour(db, world, { schedule: { capacity: 2 } });
      const ann = await createUser(db, 'Ann');
      const made = await bookSlot(db, ann, tour, tour.slots[0], { adults: 2, infants: 2 });
      expect(made).toMatchObject({ party_size: 4, places: 2 });
      expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 2 });
    },
    { infants_take_places: false },
  );

  rule('that are full names the nearest slots that fit', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 6 });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    await bookSlot(db, ann, tour, tour.slots[2], { party_size: 6 });
    await bookSlot(db, ann, tour, tour.slots[1], { party_size: 7 });
    const details = await refused(db, 'RSFUL', bob, 'create_booking', {
      ...places(tour, { slot_id: tour.slots[2], party_size: 3 }),
    });
    expect(details).toMatchObject({
      placesLeft: 2,
      mayWait: true,
      alternatives: [
        { slotId: tour.slots[3], placesLeft: 8 },
        { slotId: tour.slots[0], placesLeft: 8 },
        { slotId: tour.slots[4], placesLeft: 8 },
      ],
    });
  });

  rule(
    'keeps to the policy: size of a party, cutoff, days ahead',
    async ({ db, world }) => {
      const tour = await createTour(db, world, { days: 3 });
      const [first, second, third] = tour.slots;
      const ann = await createUser(db, 'Ann');
      for (const [code, values] of [
        ['RSLIM', { slot_id: second, party_size: 1 }],
        ['RSLIM', { slot_id: second, party_size: 5 }],
        ['RSTIM', { slot_id: first, party_size: 2 }],
        ['RSTIM', { slot_id: third, party_size: 2 }],
      ] as const) {
        await refused(db, code, ann, 'create_booking', places(tour, values));
      }
      await bookSlot(db, ann, tour, second, { party_size: 2 });
      const late = await call(db, world.manager, 'create_booking_for', {
        ...{ offering_id: tour.offering, slot_id: first, name: 'Gina', needs_confirmation: false },
      });
      expect(late).toMatchObject({ places: 1 });
    },
    { min_party: 2, max_party: 4, booking_cutoff: '30 hours', max_days_ahead: 3 },
  );

  rule('is not made by the hour, nor a range by the place', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const hours = { starts_at: at('10:00', 1), ends_at: at('12:00', 1) };
    await refused(db, 'RSARG', ann, 'create_booking', { offering_id: tour.offering, ...hours });
    await refused(db, 'RSARG', ann, 'create_booking', places(tour, hours));
    const elsewhere = { offering_id: world.left, slot_id: tour.slots[0] };
    await refused(db, 'RSARG', ann, 'create_booking', elsewhere);
    const other = await createTour(db, world);
    const foreign = { offering_id: other.offering, slot_id: tour.slots[0] };
    await refused(db, 'RSNTF', ann, 'create_booking', foreign);
  });

  rule('is refused in a blackout and once something is archived', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 2 });
    const ann = await createUser(db, 'Ann');
    await call(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, offering_id: tour.offering, reason: 'Storm' },
      ...{ starts_at: at('00:00', 1), ends_at: at('00:00', 2) },
    });
    await refused(db, 'RSBLK', ann, 'create_booking', places(tour));
    await call(db, world.manager, 'archive_resource', { resource_id: tour.guide });
    const second = places(tour, { slot_id: tour.slots[1] });
    await refused(db, 'RSTIM', ann, 'create_booking', second);
  });
});

describe('A booking of places', () => {
  rule('gives them back when it is cancelled', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 5 });
    await cancel(db, ann, made.id);
    await cancel(db, ann, made.id);
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 0 });
  });

  rule('is reminded, and released if nobody confirms', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 3 });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const silent = await bookSlot(db, ann, tour, tour.slots[2], { party_size: 5 });
    const answered = await bookSlot(db, bob, tour, tour.slots[2], { party_size: 3 });
    await confirm(db, bob, answered.id);
    await advanceTo(db, at('08:30', 3));
    expect(await statusOf(db, silent.id, answered.id)).toEqual(['auto_cancelled', 'confirmed']);
    expect(await slotRow(db, tour.slots[2])).toMatchObject({ taken: 3 });
    expect(await told(db, ann)).toContain('booking_auto_cancelled');
  });

  rule('begins and ends with its slot, whose guide is then free', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0]);
    await confirm(db, ann, made.id);
    expect(await deadlineOf(db, tour.slots[0] ?? '')).toMatchObject({ action: 'end_slot' });
    await advanceTo(db, at('11:00', 1));
    expect(await statusOf(db, made.id)).toEqual(['in_progress']);
    await advanceTo(db, at('13:00', 1));
    expect(await statusOf(db, made.id)).toEqual(['completed']);
    expect(await slotRow(db, tour.slots[0])).toMatchObject({
      ...{ taken: 0, ended_at: new Date(at('12:00', 1)) },
    });
    const noShow = { booking_id: made.id };
    expect(await call(db, world.manager, 'mark_no_show', noShow)).toMatchObject({
      status: 'no_show',
    });
  });

  rule('keeps its time: hours and buffers are not what it is about', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0]);
    const [starts_at, ends_at] = range('12:00', '14:00');
    const moved = { booking_id: made.id, starts_at, ends_at };
    await refused(db, 'RSARG', ann, 'modify_booking', moved);
    await db.as({ role: 'reslot_user', userId: world.manager }, () =>
      db.query(`select * from app_public.set_opening_hours($1, '[]')`, [tour.guide]),
    );
    const changes = JSON.stringify({ buffer_before: '01:00:00' });
    await call(db, world.manager, 'revise_policy', { policy_id: world.policyId, changes });
    await call(db, world.manager, 'apply_policy', { policy_id: world.policyId });
    expect(await booking(db, made.id)).toMatchObject({ room: made.room, status: 'confirmed' });
  });

  rule('is cancelled by a blackout that is told to', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0]);
    const storm = {
      ...{ organization_id: world.organizationId, resource_id: tour.guide, reason: 'Storm' },
      ...{ starts_at: at('00:00', 1), ends_at: at('00:00', 2) },
    };
    const details = await refused(db, 'RSBLK', world.manager, 'create_blackout', storm);
    expect(details).toMatchObject({ bookings: [{ id: made.id }] });
    await call(db, world.manager, 'create_blackout', { ...storm, cancel_bookings: true });
    expect(await statusOf(db, made.id)).toEqual(['cancelled']);
  });
});

const minimum = { schedule: { min_size: 4 }, days: 3 };

describe('A slot under its minimum size at the cutoff', () => {
  rule('is reported to its managers, once, and stays', async ({ db, world }) => {
    const tour = await createTour(db, world, minimum);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const few = await bookSlot(db, ann, tour, tour.slots[1], { party_size: 3 });
    await confirm(db, ann, few.id);
    await bookSlot(db, bob, tour, tour.slots[2], { party_size: 4 });
    await advanceTo(db, at('11:00', 2));
    const kinds = (await told(db, world.manager)).filter((kind) => kind === 'slot_under_minimum');
    expect(kinds).toHaveLength(1);
    expect(await slotRow(db, tour.slots[1])).toMatchObject({
      ...{ minimum_checked_at: new Date(at('10:00', 1)), cancelled_reason: null, taken: 3 },
    });
  });

  rule(
    'is cancelled, where the policy says so, and its guide is free',
    async ({ db, world }) => {
      const tour = await createTour(db, world, { ...minimum, guide: world.leftRoom });
      const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
      const made = await bookSlot(db, ann, tour, tour.slots[1], { party_size: 3 });
      await advanceTo(db, at('12:00', 1));
      expect(await statusOf(db, made.id)).toEqual(['cancelled']);
      expect(await told(db, ann)).toContain('booking_cancelled');
      expect(await slotRow(db, tour.slots[1])).toMatchObject({
        ...{ cancelled_reason: 'Too few people have booked.', taken: 0 },
      });
      const second = places(tour, { slot_id: tour.slots[1] });
      await refused(db, 'RSBLK', bob, 'create_booking', second);
      const [starts_at, ends_at] = range('10:00', '12:00', 2);
      await call(db, bob, 'create_booking', { offering_id: world.left, starts_at, ends_at });
    },
    { under_minimum: 'cancel' },
  );
});
