/** Waiting for places: of a slot, or of any slot of a day; with parties of different sizes. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  booking,
  call,
  createUser,
  deliverMail,
  entry,
} from '../support/factories.ts';
import {
  bookSlot,
  createSchedule,
  createTour,
  generate,
  slotRow,
  waitFor,
} from '../support/tours.ts';
import {
  cancel,
  claim,
  createUsers,
  decline,
  leave,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

/** A tour whose first slot Holder has wholly booked. */
async function fullTour({ db, world }: Scene, days = 1, schedule: Record<string, unknown> = {}) {
  const tour = await createTour(db, world, { days, schedule });
  const holder = await createUser(db, 'Holder');
  const held = await bookSlot(db, holder, tour, tour.slots[0], { party_size: 8 });
  return { tour, holder, held, slot: tour.slots[0] };
}

/** So many of the places of a booking are given up at once, as when a part of the party stays away. */
async function partStaysAway(db: TestDatabase, holder: string, bookings: string[]): Promise<void> {
  for (const id of bookings) await cancel(db, holder, id);
}

describe('Waiting for a slot', () => {
  rule('is for places that are taken', async (scene) => {
    const { db } = scene;
    const { tour, slot } = await fullTour(scene, 2);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const free = { offering_id: tour.offering, slot_id: tour.slots[1] };
    await refused(db, 'RSAVL', ann, 'join_waitlist', free);
    const waiting = await waitFor(db, ann, tour, { slot_id: slot, party_size: 3 });
    expect(waiting).toMatchObject({ status: 'waiting', slot_id: slot, places: 3, adults: 3 });
    await refused(db, 'RSDUP', ann, 'join_waitlist', { offering_id: tour.offering, slot_id: slot });
    const large = { offering_id: tour.offering, slot_id: slot, party_size: 9 };
    await refused(db, 'RSLIM', bob, 'join_waitlist', large);
  });

  rule('ends with an offer, in the transaction that frees places', async (scene) => {
    const { db } = scene;
    const { tour, slot, holder, held } = await fullTour(scene);
    const ann = await createUser(db, 'Ann');
    const waiting = await waitFor(db, ann, tour, { slot_id: slot, adults: 2, children: 1 });
    await cancel(db, holder, held.id);
    const offered = await entry(db, waiting.id);
    expect(offered.status).toBe('offered');
    expect(await booking(db, offered.hold_id ?? '')).toMatchObject({
      ...{ status: 'held', slot_id: slot, places: 3, adults: 2, children: 1 },
    });
    expect(await slotRow(db, slot)).toMatchObject({ taken: 3 });
    expect((await deliverMail(db)).map(({ kind }) => kind)).toContain('slot_available');
    const claimed = await claim(db, ann, waiting.id);
    expect(claimed).toMatchObject({ id: offered.hold_id, status: 'confirmed', places: 3 });
  });

  rule('lets a smaller party pass one that does not fit, and keeps its place', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const [slot] = tour.slots;
    const [holder, large, small] = await createUsers(db, 'Holder', 'Large', 'Small');
    const bookings: string[] = [];
    for (const party_size of [2, 3, 3]) {
      bookings.push((await bookSlot(db, holder, tour, slot, { party_size })).id);
    }
    const five = await waitFor(db, large, tour, { slot_id: slot, party_size: 5 });
    const two = await waitFor(db, small, tour, { slot_id: slot, party_size: 2 });
    await partStaysAway(db, holder, bookings.slice(0, 1));
    expect(await statusOf(db, five.id, two.id)).toEqual(['waiting', 'offered']);
    await partStaysAway(db, holder, bookings.slice(1, 2));
    expect(await statusOf(db, five.id)).toEqual(['waiting']);
    await decline(db, small, two.id);
    expect(await statusOf(db, five.id, two.id)).toEqual(['offered', 'declined']);
  });

  rule('serves as many as fit, in their order', async (scene) => {
    const { db } = scene;
    const { tour, slot, holder, held } = await fullTour(scene);
    const users = await createUsers(db, 'Ann', 'Bob', 'Cem', 'Dan');
    const entries: string[] = [];
    for (const [n, party_size] of [3, 4, 2, 1].entries()) {
      const waiting = await waitFor(db, users[n] ?? '', tour, { slot_id: slot, party_size });
      entries.push(waiting.id);
    }
    await cancel(db, holder, held.id);
    expect(await statusOf(db, ...entries)).toEqual(['offered', 'offered', 'waiting', 'offered']);
  });

  rule('goes on to the next when an offer runs out', async (scene) => {
    const { db } = scene;
    const { tour, slot, holder, held } = await fullTour(scene);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const first = await waitFor(db, ann, tour, { slot_id: slot, party_size: 8 });
    const second = await waitFor(db, bob, tour, { slot_id: slot, party_size: 8 });
    await cancel(db, holder, held.id);
    await advanceTo(db, at('08:20'));
    expect(await statusOf(db, first.id, second.id)).toEqual(['expired', 'offered']);
    await leave(db, bob, second.id);
    expect(await slotRow(db, slot)).toMatchObject({ taken: 0 });
  });

  rule('ends in the last call: the first to claim gets it', async (scene) => {
    const { db } = scene;
    const { tour, slot, holder, held } = await fullTour(scene);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const first = await waitFor(db, ann, tour, { slot_id: slot, party_size: 5 });
    const second = await waitFor(db, bob, tour, { slot_id: slot, party_size: 4 });
    await call(db, holder, 'confirm_booking', { booking_id: held.id });
    await advanceTo(db, at('09:40', 1));
    await cancel(db, holder, held.id);
    await advanceTo(db, at('09:41', 1));
    expect(await told(db, ann)).toContain('last_call');
    await claim(db, bob, second.id);
    await refused(db, 'RSFUL', ann, 'claim_slot', { entry_id: first.id });
    await advanceTo(db, at('10:30', 1));
    expect(await statusOf(db, first.id)).toEqual(['lapsed']);
  });

  rule('is not served by a slot in a blackout, but by its end', async (scene) => {
    const { db, world } = scene;
    const { tour, slot, holder, held } = await fullTour(scene);
    const ann = await createUser(db, 'Ann');
    const waiting = await waitFor(db, ann, tour, { slot_id: slot, party_size: 2 });
    const blackout = await call<{ id: string }>(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, offering_id: tour.offering, reason: 'Storm' },
      ...{ starts_at: at('00:00', 1), ends_at: at('00:00', 2), cancel_bookings: true },
    });
    expect(await statusOf(db, held.id, waiting.id)).toEqual(['cancelled', 'waiting']);
    expect(await told(db, holder)).toContain('message_blackout');
    await call(db, world.manager, 'lift_blackout', { blackout_id: blackout.id });
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
  });
});

describe('Waiting for a day', () => {
  const afternoon = { local_start: '14:00', name: 'Afternoons', capacity: 4 };

  /** Two slots on Tuesday, both full. */
  async function fullDay(scene: Scene) {
    const { db, world } = scene;
    const full = await fullTour(scene);

    const schedule = await createSchedule(db, world, full.tour.offering, afternoon);
    const [later] = await generate(db, world, schedule, '2030-06-04', '2030-06-04');
    const laterSlot = later?.slot_id ?? '';
    const other = await createUser(db, 'Other');
    const laterBooking = await bookSlot(db, other, full.tour, laterSlot, { party_size: 4 });
    return { ...full, laterSlot, other, laterBooking };
  }

  rule('is for any slot of the date, and about the one that is offered', async (scene) => {
    const { db } = scene;
    const { tour, other, laterBooking, laterSlot } = await fullDay(scene);
    const ann = await createUser(db, 'Ann');
    const waiting = await waitFor(db, ann, tour, { day: '2030-06-04', party_size: 3 });
    expect(waiting).toMatchObject({ starts_at: new Date(at('00:00', 1)), slot_id: null });
    await cancel(db, other, laterBooking.id);
    expect(await entry(db, waiting.id)).toMatchObject({
      ...{ status: 'offered', slot_id: laterSlot, starts_at: new Date(at('14:00', 1)) },
    });
    await deliverMail(db);
    const claimed = await claim(db, ann, waiting.id);
    expect(claimed).toMatchObject({ slot_id: laterSlot, places: 3 });
  });

  rule('goes on for the whole day when an offer falls through', async (scene) => {
    const { db, world } = scene;
    const { tour, slot, holder, held, other, laterBooking } = await fullDay(scene);
    const ann = await createUser(db, 'Ann');
    const waiting = await waitFor(db, ann, tour, { day: '2030-06-04', party_size: 3 });
    await cancel(db, other, laterBooking.id);
    await call(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, offering_id: tour.offering, reason: 'Storm' },
      ...{ starts_at: at('13:00', 1), ends_at: at('15:00', 1), cancel_bookings: true },
    });
    expect(await entry(db, waiting.id)).toMatchObject({
      ...{ status: 'waiting', slot_id: null, starts_at: new Date(at('00:00', 1)) },
    });
    await cancel(db, holder, held.id);
    expect(await entry(db, waiting.id)).toMatchObject({ status: 'offered', slot_id: slot });
  });

  rule('can be beside waiting for one of its slots', async (scene) => {
    const { db } = scene;
    const { tour, slot, holder, held } = await fullDay(scene);
    const ann = await createUser(db, 'Ann');
    const day = await waitFor(db, ann, tour, { day: '2030-06-04' });
    const one = await waitFor(db, ann, tour, { slot_id: slot });
    await cancel(db, holder, held.id);
    expect(await statusOf(db, day.id, one.id)).toEqual(['offered', 'waiting']);
    await deliverMail(db);
    await claim(db, ann, day.id);
    expect(await statusOf(db, day.id, one.id)).toEqual(['claimed', 'closed']);
  });

  rule('is answered by a slot that is made later', async (scene) => {
    const { db, world } = scene;
    const { tour } = await fullDay(scene);

    const ann = await createUser(db, 'Ann');
    const waiting = await waitFor(db, ann, tour, { day: '2030-06-04', party_size: 2 });
    const evening = { local_start: '18:00', name: 'Evenings' };
    const schedule = await createSchedule(db, world, tour.offering, evening);
    await generate(db, world, schedule, '2030-06-04', '2030-06-04');
    expect(await entry(db, waiting.id)).toMatchObject({
      ...{ status: 'offered', starts_at: new Date(at('18:00', 1)) },
    });
  });

  rule('lapses when the day is over, and in its last calls takes what is free', async (scene) => {
    const { db } = scene;
    const { tour, holder, held, other, laterBooking, laterSlot } = await fullDay(scene);
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const first = await waitFor(db, ann, tour, { day: '2030-06-04' });
    const second = await waitFor(db, bob, tour, { day: '2030-06-04', party_size: 4 });
    await call(db, holder, 'confirm_booking', { booking_id: held.id });
    await call(db, other, 'confirm_booking', { booking_id: laterBooking.id });
    await advanceTo(db, at('13:45', 1));
    await cancel(db, other, laterBooking.id);
    await advanceTo(db, at('13:46', 1));
    expect(await told(db, ann)).toContain('last_call');
    expect(await claim(db, ann, first.id)).toMatchObject({ slot_id: laterSlot });
    await refused(db, 'RSFUL', bob, 'claim_slot', { entry_id: second.id });
    await advanceTo(db, at('00:30', 2));
    expect(await statusOf(db, second.id)).toEqual(['lapsed']);
  });

  rule('is refused where there is nothing, or something free', async (scene) => {
    const { db } = scene;
    const { tour, slot } = await fullTour(scene, 2);
    const ann = await createUser(db, 'Ann');
    const join = (args: object) => ({ offering_id: tour.offering, ...args });
    await refused(db, 'RSTIM', ann, 'join_waitlist', join({ day: '2031-06-04' }));
    await refused(db, 'RSAVL', ann, 'join_waitlist', join({ day: '2030-06-05' }));
    await refused(db, 'RSARG', ann, 'join_waitlist', join({ day: '2030-06-04', slot_id: slot }));
    await refused(db, 'RSLIM', ann, 'join_waitlist', join({ day: '2030-06-04', party_size: 9 }));
  });
});
