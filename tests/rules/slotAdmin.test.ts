/** What managers do to single slots, and what there is to book. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { at, call, createUser, deliverMail, entry } from '../support/factories.ts';
import {
  bookSlot,
  createSchedule,
  createTour,
  generate,
  slotRow,
  type Tour,
  waitFor,
} from '../support/tours.ts';
import { cancel, createUsers, refused, rule, type Scene, statusOf, told } from './rule.ts';

const alter = (scene: Scene, slot: string | undefined, changes: Record<string, unknown>) =>
  call(scene.db, scene.world.manager, 'alter_slot', { slot_id: slot, ...changes });

describe('The capacity of a slot', () => {
  rule('that grows goes to the people waiting', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    await bookSlot(db, ann, tour, tour.slots[0], { party_size: 8 });
    const four = await waitFor(db, bob, tour, { slot_id: tour.slots[0], party_size: 4 });
    const two = await waitFor(db, cem, tour, { slot_id: tour.slots[0], party_size: 2 });
    await alter(scene, tour.slots[0], { capacity: 11 });
    expect(await statusOf(db, four.id, two.id)).toEqual(['waiting', 'offered']);
    await alter(scene, tour.slots[0], { capacity: 14 });
    expect(await statusOf(db, four.id, two.id)).toEqual(['offered', 'offered']);
  });

  rule('that shrinks is refused below what is booked, and takes offers back', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const large = await bookSlot(db, ann, tour, tour.slots[0], { party_size: 5 });
    await bookSlot(db, ann, tour, tour.slots[0], { party_size: 3 });
    const first = await waitFor(db, bob, tour, { slot_id: tour.slots[0], party_size: 2 });
    const second = await waitFor(db, cem, tour, { slot_id: tour.slots[0], party_size: 3 });
    await cancel(db, ann, large.id);
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'offered']);
    await alter(scene, tour.slots[0], { capacity: 6 });
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
    expect(await slotRow(db, tour.slots[0])).toMatchObject({
      ...{ capacity: 6, taken: 5, closed_at: null },
    });
    const below = { slot_id: tour.slots[0], capacity: 2 };
    const details = await refused(db, 'RSBLK', world.manager, 'alter_slot', below);
    expect(details).toMatchObject({ bookings: [{ partySize: 3 }] });
  });

  rule('that was changed by hand is left alone by its schedule', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    await alter(scene, tour.slots[0], { capacity: 3, min_size: 2, price: 9.5 });
    const made = await generate(db, world, tour.schedule, '2030-06-04', '2030-06-04');
    expect(made).toMatchObject([{ outcome: 'exists' }]);
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ capacity: 3, price: '9.50' });
  });

  rule('is for managers, within reason', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const change = { slot_id: tour.slots[0], capacity: 3 };
    await refused(db, 'RSNTF', ann, 'alter_slot', change);
    for (const wrong of [{ capacity: -1 }, { min_size: -1 }, { price: -1 }, { price: 1.005 }]) {
      await refused(db, 'RSARG', world.manager, 'alter_slot', { ...change, ...wrong });
    }
  });
});

describe('A slot that is closed', () => {
  rule('is not sold, keeps its bookings, and takes offers back', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [slot_id] = tour.slots;
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const four = await bookSlot(db, ann, tour, slot_id, { party_size: 4 });
    const other = await bookSlot(db, ann, tour, slot_id, { party_size: 4 });
    const waiting = await waitFor(db, bob, tour, { slot_id, party_size: 4 });
    await cancel(db, ann, other.id);
    await refused(db, 'RSARG', world.manager, 'close_slot', { slot_id, reason: ' ' });
    await call(db, world.manager, 'close_slot', { slot_id, reason: 'A private group' });
    expect(await statusOf(db, four.id, waiting.id)).toEqual(['confirmed', 'waiting']);
    await refused(db, 'RSBLK', bob, 'create_booking', { offering_id: tour.offering, slot_id });
    await call(db, world.manager, 'open_slot', { slot_id });
    await call(db, world.manager, 'open_slot', { slot_id });
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
  });
});

describe('A slot that is cancelled', () => {
  rule(
    'first shows who is affected; on request it cancels them and names others',
    async (scene) => {
      const { db, world } = scene;
      const tour = await createTour(db, world, { days: 3, guide: world.leftRoom });
      const slot_id = tour.slots[1];
      const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
      const made = await bookSlot(db, ann, tour, slot_id, { party_size: 8 });
      const forSlot = await waitFor(db, bob, tour, { slot_id });
      const forDay = await waitFor(db, cem, tour, { day: '2030-06-05' });
      const asked = { slot_id, reason: 'The guide is ill' };
      const details = await refused(db, 'RSBLK', world.manager, 'cancel_slot', asked);
      expect(details).toMatchObject({ bookings: [{ id: made.id, partySize: 8 }] });
      await deliverMail(db);
      await call(db, world.manager, 'cancel_slot', { ...asked, cancel_bookings: true });
      expect(await statusOf(db, made.id, forSlot.id, forDay.id)).toEqual([
        ...['cancelled', 'closed', 'waiting'],
      ]);
      expect(await told(db, ann)).toContain('booking_cancelled');
      const alternatives = await db.value(
        `select jsonb_path_query_array(data, '$.alternatives[*].slotId') from app_public.notifications
       where kind = 'booking_cancelled'`,
      );
      expect(alternatives).toEqual([tour.slots[0], tour.slots[2]]);
      expect(
        await db.value('select refund from app_public.bookings where id = $1', [made.id]),
      ).toBe('160.00');
      // Its guide is free.
      const [starts_at, ends_at] = [at('10:00', 2), at('12:00', 2)];
      await call(db, bob, 'create_booking', { offering_id: world.left, starts_at, ends_at });
      const again = await call(db, world.manager, 'cancel_slot', asked);
      expect(again.cancelled_reason).toBe('The guide is ill');
      const opened = { slot_id };
      await refused(db, 'RSSTA', world.manager, 'open_slot', opened);
      const [made_again] = await generate(db, world, tour.schedule, '2030-06-05', '2030-06-05');
      expect(made_again).toMatchObject({ outcome: 'exists', slot_id });
    },
  );

  rule('takes offers of it back: who waits for the day goes on waiting', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [slot_id] = tour.slots;
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const made = await bookSlot(db, ann, tour, slot_id, { party_size: 8 });
    const forDay = await waitFor(db, bob, tour, { day: '2030-06-04', party_size: 4 });
    const forSlot = await waitFor(db, cem, tour, { slot_id, party_size: 4 });
    await cancel(db, ann, made.id);
    expect(await statusOf(db, forDay.id, forSlot.id)).toEqual(['offered', 'offered']);
    await call(db, world.manager, 'cancel_slot', { slot_id, reason: 'Storm' });
    expect(await statusOf(db, forDay.id, forSlot.id)).toEqual(['waiting', 'closed']);
    expect(await entry(db, forDay.id)).toMatchObject({ slot_id: null, hold_id: null });
    expect(await told(db, cem)).toContain('entry_ended');
    expect(await told(db, bob)).not.toContain('entry_ended');
  });
});

interface Choice extends Record<string, unknown> {
  slot_id: string;
  reason: string | null;
}

const choices = (db: TestDatabase, tour: Tour, day: string, more: Record<string, unknown> = {}) => {
  const args = { offering_id: tour.offering, day, ...more };
  const list = Object.keys(args).map((name, n) => `${name} => $${n + 1}`);
  return db.as({ role: 'reslot_anonymous' }, () =>
    db.rows<Choice>(
      `select * from app_public.check_availability(${list.join(', ')})`,
      Object.values(args),
    ),
  );
};

describe('What there is on a day', () => {
  rule('says of each slot what it costs, why not, and whether to wait', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 4 });
    const ann = await createUser(db, 'Ann');
    await bookSlot(db, ann, tour, tour.slots[0], { party_size: 6 });
    const reason = async (day: string, more = {}) =>
      (await choices(db, tour, day, more)).map((choice) => choice.reason);
    expect(await choices(db, tour, '2030-06-04', { party_size: 2 })).toMatchObject([
      { slot_id: tour.slots[0], places_left: 2, price: '40.00', available: true, may_wait: false },
    ]);
    expect(await choices(db, tour, '2030-06-04', { party_size: 3 })).toMatchObject([
      { places_left: 2, price: '60.00', available: false, reason: 'full', may_wait: true },
    ]);
    expect(await choices(db, tour, '2030-06-04', { party_size: 9 })).toMatchObject([
      { reason: 'full', may_wait: false },
    ]);
    const close = { slot_id: tour.slots[1], reason: 'Private' };
    await call(db, world.manager, 'close_slot', close);
    await call(db, world.manager, 'cancel_slot', { ...close, slot_id: tour.slots[2] });
    await call(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, offering_id: tour.offering, reason: 'Storm' },
      ...{ starts_at: at('11:00', 4), ends_at: at('11:30', 4) },
    });
    expect(await reason('2030-06-05')).toEqual(['closed']);
    expect(await reason('2030-06-06')).toEqual(['cancelled']);
    expect(await reason('2030-06-07')).toEqual(['blacked_out']);
    expect(await reason('2030-06-08')).toEqual([]);
    await db.setClock(at('11:00', 1));
    expect(await reason('2030-06-04')).toEqual(['over']);
  });

  rule(
    'keeps to the policy as booking does',
    async ({ db, world }) => {
      const tour = await createTour(db, world, { days: 3 });
      const reason = async (day: string, party_size: number) =>
        (await choices(db, tour, day, { party_size }))[0]?.reason;
      expect(await reason('2030-06-04', 2)).toBe('too_late');
      expect(await reason('2030-06-05', 1)).toBe('party');
      expect(await reason('2030-06-05', 2)).toBeNull();
      expect(await reason('2030-06-06', 2)).toBe('too_early');
    },
    { booking_cutoff: '30 hours', max_days_ahead: 3, min_party: 2 },
  );

  rule('is in the order of a wished time, if there is one', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const evening = await createSchedule(db, world, tour.offering, { local_start: '18:00' });
    await generate(db, world, evening, '2030-06-04', '2030-06-04');
    const starts = async (more = {}) =>
      (await choices(db, tour, '2030-06-04', more)).map(({ starts_at }) =>
        (starts_at as Date).getUTCHours(),
      );
    expect(await starts()).toEqual([10, 18]);
    expect(await starts({ local_time: '17:00' })).toEqual([18, 10]);
  });

  rule('is not asked of what is booked by the hour', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const args = { offering_id: world.left, day: '2030-06-04' };
    await refused(db, 'RSARG', ann, 'check_availability', args);
    const month = { offering_id: world.left, month: '2030-06-04' };
    await refused(db, 'RSARG', ann, 'availability_by_day', month);
  });
});

describe('What there is in a month', () => {
  rule('is summed up by day, without what is not on sale', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 5 });
    const ann = await createUser(db, 'Ann');
    await bookSlot(db, ann, tour, tour.slots[1], { party_size: 6 });
    await call(db, world.manager, 'close_slot', { slot_id: tour.slots[2], reason: 'Private' });
    await call(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, offering_id: tour.offering, reason: 'Storm' },
      ...{ starts_at: at('11:00', 4), ends_at: at('11:30', 4) },
    });
    const days = await db.as({ role: 'reslot_anonymous' }, () =>
      db.rows(
        `select to_char(day, 'DD') as day, slots, places_left, has_availability
         from app_public.availability_by_day($1, '2030-06-15', 4)`,
        [tour.offering],
      ),
    );
    expect(days).toEqual([
      { day: '04', slots: 1, places_left: 8, has_availability: true },
      { day: '05', slots: 1, places_left: 2, has_availability: false },
      { day: '08', slots: 1, places_left: 8, has_availability: true },
    ]);
  });
});
