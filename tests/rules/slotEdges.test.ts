/** What lies at the edges of slots: days of which some is over, entries for a day beside others, parties, prices. */
import { describe, expect } from '@jest/globals';
import { advanceTo, at, call, createUser, entry, insert } from '../support/factories.ts';
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
  refused,
  revise,
  rule,
  type Scene,
  statusOf,
} from './rule.ts';

const TUESDAY = '2030-06-04';

/** A walk at 10:00 and one at 14:00 on Tuesday, with eight places each. */
async function twoSlots({ db, world }: Scene) {
  const tour = await createTour(db, world);
  const schedule = await createSchedule(db, world, tour.offering, { local_start: '14:00' });
  const [later] = await generate(db, world, schedule, TUESDAY, TUESDAY);
  return { tour, morning: tour.slots[0], afternoon: later?.slot_id ?? '' };
}

describe('Waiting for a day', () => {
  rule('is possible when only a slot that has begun has places left', async (scene) => {
    const { db } = scene;
    const { tour, afternoon } = await twoSlots(scene);
    const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
    await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
    await advanceTo(db, at('10:30', 1));
    const waiting = await waitFor(db, ann, tour, { day: TUESDAY });
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
  });

  rule('is not possible twice, also while a slot of the day is offered', async (scene) => {
    const { db, world } = scene;
    const { tour, morning, afternoon } = await twoSlots(scene);
    const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
    const held = await bookSlot(db, holder, tour, morning, { party_size: 8 });
    await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
    const waiting = await waitFor(db, ann, tour, { day: TUESDAY, party_size: 8 });
    await cancel(db, holder, held.id);
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
    await refused(db, 'RSDUP', ann, 'join_waitlist', { offering_id: tour.offering, day: TUESDAY });
    await call(db, world.manager, 'close_slot', { slot_id: morning, reason: 'Snow' });
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
  });

  rule('is for parties as large as can book, and for the whole day', async (scene) => {
    const { db, world } = scene;
    await revise(db, world, { min_party: 2 });
    const { tour, morning, afternoon } = await twoSlots(scene);
    const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
    await bookSlot(db, holder, tour, morning, { party_size: 8 });
    await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
    const day = { offering_id: tour.offering, day: TUESDAY };
    await refused(db, 'RSLIM', ann, 'join_waitlist', { ...day, party_size: 1 });
    const part = { starts_at: at('10:00', 1), ends_at: at('12:00', 1) };
    await refused(db, 'RSARG', ann, 'join_waitlist', { ...day, ...part, party_size: 2 });
  });

  rule(
    'goes on with another slot when the one offered to the same person is cancelled',
    async (scene) => {
      const { db, world } = scene;
      const { tour, morning, afternoon } = await twoSlots(scene);
      const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
      const first = await bookSlot(db, holder, tour, morning, { party_size: 8 });
      const second = await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
      const one = await waitFor(db, ann, tour, { slot_id: morning });
      const day = await waitFor(db, ann, tour, { day: TUESDAY });
      await cancel(db, holder, first.id);
      await cancel(db, holder, second.id);
      expect(await statusOf(db, one.id, day.id)).toEqual(['offered', 'waiting']);
      await call(db, world.manager, 'cancel_slot', { slot_id: morning, reason: 'Snow' });
      expect(await entry(db, one.id)).toMatchObject({ status: 'closed', hold_id: null });
      expect(await entry(db, day.id)).toMatchObject({ status: 'offered', slot_id: afternoon });
    },
  );

  rule('goes on when the same person gets something else for a part of it', async (scene) => {
    const { db, world } = scene;
    const { tour, morning, afternoon } = await twoSlots(scene);
    const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
    await bookSlot(db, holder, tour, morning, { party_size: 8 });
    const held = await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
    const day = await waitFor(db, ann, tour, { day: TUESDAY });
    const other = await createTour(db, world);
    const theirs = await bookSlot(db, holder, other, other.slots[0], { party_size: 8 });
    const one = await waitFor(db, ann, other, { slot_id: other.slots[0] });
    await cancel(db, holder, theirs.id);
    await claim(db, ann, one.id);
    expect(await statusOf(db, one.id, day.id)).toEqual(['claimed', 'waiting']);
    await cancel(db, holder, held.id);
    expect(await entry(db, day.id)).toMatchObject({ status: 'offered', slot_id: afternoon });
  });

  rule('ends when what the same person gets leaves no other slot of it', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const other = await createTour(db, world);
    const [holder, ann] = await createUsers(db, 'Holder', 'Ann');
    await bookSlot(db, holder, tour, tour.slots[0], { party_size: 8 });
    const theirs = await bookSlot(db, holder, other, other.slots[0], { party_size: 8 });
    const day = await waitFor(db, ann, tour, { day: TUESDAY });
    const one = await waitFor(db, ann, other, { slot_id: other.slots[0] });
    await cancel(db, holder, theirs.id);
    await claim(db, ann, one.id);
    expect(await statusOf(db, one.id, day.id)).toEqual(['claimed', 'closed']);
  });
});

describe('A slot', () => {
  rule('that was cancelled is not cancelled again for its size', async ({ db, world }) => {
    await revise(db, world, { under_minimum: 'cancel' });
    const tour = await createTour(db, world, { schedule: { min_size: 4 } });
    const [slot] = tour.slots;
    await call(db, world.manager, 'cancel_slot', { slot_id: slot, reason: 'Snow' });
    await db.setClock(at('11:00'));
    // As a job does that waited for the manager's transaction.
    await db.query('select app_private.check_minimum($1)', [slot]);
    expect(await slotRow(db, slot)).toMatchObject({
      ...{ cancelled_reason: 'Snow', minimum_checked_at: null },
      ended_at: new Date(at('08:00')),
    });
  });

  rule('has at least as many places as it needs to take place', async ({ db, world }) => {
    const tour = await createTour(db, world, { schedule: { min_size: 4 } });
    const [slot] = tour.slots;
    const alter = { slot_id: slot, capacity: 3 };
    await refused(db, 'RSARG', world.manager, 'alter_slot', alter);
    await refused(db, 'RSARG', world.manager, 'alter_slot', { slot_id: slot, min_size: 9 });
    await call(db, world.manager, 'alter_slot', { ...alter, min_size: 2 });
    expect(await slotRow(db, slot)).toMatchObject({ capacity: 3, min_size: 2 });
  });

  rule('needs a resource: without one nothing could be locked', async ({ db, world }) => {
    const offering = await insert(db, 'app_public.offerings', {
      ...{ organization_id: world.organizationId, policy_id: world.policyId, name: 'Nowhere' },
      ...{ kind: 'tour', allocation: 'capacity', price: 20 },
    });
    const schedule = await createSchedule(db, world, offering);
    for (const name of ['planned_slots', 'generate_slots'] as const) {
      const failure = await generate(db, world, schedule, TUESDAY, TUESDAY, name).catch(
        (e: unknown) => e,
      );
      expect(failure).toMatchObject({ code: 'RSSTA' });
    }
    const nightly = 'select * from app_private.fill_schedule($1, $2, $2)';
    expect(await db.rows(nightly, [schedule, TUESDAY])).toEqual([]);
  });
});

/** Ann waits for the morning and for the day; she has declined the morning, and Bob has booked a part of it. */
async function declined(scene: Scene) {
  const { db } = scene;
  const { tour, morning, afternoon } = await twoSlots(scene);
  const [holder, ann, bob] = await createUsers(db, 'Holder', 'Ann', 'Bob');
  const held = await bookSlot(db, holder, tour, morning, { party_size: 8 });
  await bookSlot(db, holder, tour, afternoon, { party_size: 8 });
  const one = await waitFor(db, ann, tour, { slot_id: morning });
  const day = await waitFor(db, ann, tour, { day: TUESDAY });
  await cancel(db, holder, held.id);
  await decline(db, ann, one.id);
  expect(await statusOf(db, one.id, day.id)).toEqual(['declined', 'waiting']);
  const made = await bookSlot(db, bob, tour, morning, { adults: 2 });
  return { day, made, bob, morning };
}

describe('Places that nobody has given up', () => {
  rule('are not offered again to who let go of them, when a party changes', async (scene) => {
    const { db } = scene;
    const { day, made, bob } = await declined(scene);
    for (const party of [{ adults: 1, children: 1 }, { adults: 3 }]) {
      await call(db, bob, 'modify_booking', { booking_id: made.id, ...party });
      expect(await statusOf(db, day.id)).toEqual(['waiting']);
    }
    await call(db, bob, 'modify_booking', { booking_id: made.id, adults: 1 });
    expect(await statusOf(db, day.id)).toEqual(['offered']);
  });

  rule(
    'are not offered again when the price of a slot changes, but when it has more',
    async (scene) => {
      const { db, world } = scene;
      const { day, morning } = await declined(scene);
      await call(db, world.manager, 'alter_slot', { slot_id: morning, price: 30 });
      expect(await statusOf(db, day.id)).toEqual(['waiting']);
      await call(db, world.manager, 'alter_slot', { slot_id: morning, capacity: 9 });
      expect(await statusOf(db, day.id)).toEqual(['offered']);
    },
  );
});

describe('A schedule', () => {
  rule('that changes while its slots are being made counts as it is then', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    // As a job does that worked the starts out, and then waited for the room.
    const make = (start: string) =>
      db.rows('select * from app_private.make_slots($1, array[$2::timestamp])', [
        ...[tour.schedule, start],
      ]);
    await db.query(`update app_public.schedules set local_start = '13:00' where id = $1`, [
      tour.schedule,
    ]);
    expect(await make('2030-06-05 10:00')).toEqual([]);
    expect(await make('2030-06-05 13:00')).toMatchObject([{ outcome: 'made' }]);
    await db.query('update app_public.schedules set active = false where id = $1', [tour.schedule]);
    expect(await make('2030-06-06 13:00')).toEqual([]);
  });
});

describe('A booking', () => {
  rule('of places grows no larger than a party may be, with infants either', async (scene) => {
    const { db, world } = scene;
    await revise(db, world, { infants_take_places: false, max_party: 4 });
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], { adults: 2 });
    await refused(db, 'RSLIM', ann, 'modify_booking', {
      ...{ booking_id: made.id, adults: 2, infants: 50 },
    });
  });

  rule(
    'of a range of time has no party to change: it is said, not passed over',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const made = await call<{ id: string }>(db, ann, 'create_booking', {
        ...{ offering_id: world.left, starts_at: at('10:00', 1), ends_at: at('11:00', 1) },
      });
      await refused(db, 'RSARG', ann, 'modify_booking', {
        ...{
          booking_id: made.id,
          starts_at: at('12:00', 1),
          ends_at: at('13:00', 1),
          party_size: 3,
        },
      });
    },
  );
});

describe('Rounding', () => {
  rule('is to amounts that there are', async (scene) => {
    const { db, world } = scene;
    await refused(db, 'RSARG', world.owner, 'revise_policy', {
      ...{ policy_id: world.policyId, changes: JSON.stringify({ rounding: 0.125 }) },
    });
    await revise(db, world, { rounding: 1.5 });
    await db.query(`update app_public.organizations set currency = 'JPY'`);
    const tour = await createTour(db, world, { price: 100 });
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0]);
    expect(made).toMatchObject({ price: '100.00' });
  });
});
