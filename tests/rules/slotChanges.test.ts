/** Moving a booking of places to another slot, and changing its party. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { advanceTo, at, booking, call, createUser, deliverMail } from '../support/factories.ts';
import { bookSlot, createTour, slotRow, waitFor } from '../support/tours.ts';
import { confirm, createUsers, refused, rule, statusOf, told } from './rule.ts';

const modify = (db: TestDatabase, userId: string, id: string, changes: Record<string, unknown>) =>
  call(db, userId, 'modify_booking', { booking_id: id, ...changes });

describe('A booking of places', () => {
  rule('moves to another slot, and its places go to who waits for them', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 3 });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookSlot(db, ann, tour, tour.slots[2], { party_size: 8 });
    await confirm(db, ann, made.id);
    const waiting = await waitFor(db, bob, tour, { slot_id: tour.slots[2], party_size: 3 });
    const moved = await modify(db, ann, made.id, { slot_id: tour.slots[1] });
    expect(moved).toMatchObject({
      ...{ slot_id: tour.slots[1], starts_at: new Date(at('10:00', 2)), places: 8, sequence: 1 },
      attendance_confirmed_at: null,
    });
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
    expect(await slotRow(db, tour.slots[2])).toMatchObject({ taken: 3 });
    expect(await slotRow(db, tour.slots[1])).toMatchObject({ taken: 8 });
  });

  rule('shrinks, and a smaller party behind a larger one is served', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 8 });
    const large = await waitFor(db, bob, tour, { slot_id: tour.slots[0], party_size: 4 });
    const small = await waitFor(db, cem, tour, { slot_id: tour.slots[0], party_size: 2 });
    const smaller = await modify(db, ann, made.id, { party_size: 6 });
    expect(smaller).toMatchObject({ places: 6, sequence: 0, price: '120.00' });
    expect(await statusOf(db, large.id, small.id)).toEqual(['waiting', 'offered']);
  });

  rule('grows where there is room, and stays as it is where there is none', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 2 });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { adults: 1, children: 1 });
    await bookSlot(db, bob, tour, tour.slots[0], { party_size: 5 });
    await bookSlot(db, bob, tour, tour.slots[1], { party_size: 6 });
    const grown = await modify(db, ann, made.id, { adults: 2, children: 1 });
    expect(grown).toMatchObject({ party_size: 3, places: 3 });
    for (const more of [{ party_size: 4 }, { slot_id: tour.slots[1] }]) {
      await refused(db, 'RSFUL', ann, 'modify_booking', { booking_id: made.id, ...more });
    }
    expect(await booking(db, made.id)).toMatchObject({ slot_id: tour.slots[0], places: 3 });
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 8 });
  });

  rule('changes slot and party at once, and the mail says both', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 3 });
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[2], { party_size: 2 });
    await deliverMail(db);
    await modify(db, ann, made.id, { slot_id: tour.slots[1], adults: 1, children: 2 });
    const told = await db.value<Record<string, unknown>>(
      `select data -> 'previous' from app_public.notifications where kind = 'booking_modified'`,
    );
    expect(told).toMatchObject({ partySize: 2, price: 40 });
    expect(await booking(db, made.id)).toMatchObject({ price: '48.00', party_size: 3 });
    const log = await db.rows('select * from app_public.booking_modifications');
    expect(log).toMatchObject([
      {
        ...{ booking_id: made.id, modified_by: ann, from_slot_id: tour.slots[2] },
        ...{ to_slot_id: tour.slots[1], from_party_size: 2, to_party_size: 3 },
        ...{ from_price: '40.00', to_price: '48.00' },
      },
    ]);
  });

  rule('that is changed to what it is already is not changed', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 2 });
    await modify(db, ann, made.id, { slot_id: tour.slots[0], party_size: 2 });
    expect(await told(db, ann)).not.toContain('booking_modified');
  });

  rule('may shrink after the cutoff, and nothing else', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 2 });
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 2 });
    const changes = JSON.stringify({ booking_cutoff: '04:00:00' });
    await call(db, world.manager, 'revise_policy', { policy_id: world.policyId, changes });
    await call(db, world.manager, 'apply_policy', { policy_id: world.policyId });
    await confirm(db, ann, made.id);
    await advanceTo(db, at('07:00', 1));
    const grown = { booking_id: made.id, party_size: 3 };
    await refused(db, 'RSTIM', ann, 'modify_booking', grown);
    expect(await modify(db, ann, made.id, { party_size: 1 })).toMatchObject({ places: 1 });
  });

  rule('of a range of time has no slot and no ages', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const tour = await createTour(db, world);
    const [starts_at, ends_at] = [at('10:00', 1), at('12:00', 1)];
    const made = await call<{ id: string }>(db, ann, 'create_booking', {
      ...{ offering_id: world.left, starts_at, ends_at, adults: 2, children: 1 },
    });
    expect(made).toMatchObject({ party_size: 3, adults: null, person_price: null });
    for (const change of [{ slot_id: tour.slots[0] }, { party_size: 4 }]) {
      await refused(db, 'RSARG', ann, 'modify_booking', { booking_id: made.id, ...change });
    }
  });
});
