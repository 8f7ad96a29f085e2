/** What was cancelled, released or has expired, booked again in one step. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';

const TIME = factory.range('18:00', '20:00', 3);

interface Scene {
  world: factory.World;
  alice: string;
  tour: Tour;
}

const scene = (
  action: (db: TestDatabase, scene: Scene) => Promise<void>,
  policy: Record<string, unknown> = {},
) =>
  inTransaction(async (db) => {
    const world = await factory.createWorld(db, policy);
    const alice = await factory.createUser(db, 'Alice');
    await action(db, { world, alice, tour: await createTour(db, world, { days: 2 }) });
  });

type Row = factory.BookingRow & Record<string, unknown>;

const again = (db: TestDatabase, userId: string, id: string, more: object = {}): Promise<Row> =>
  factory.call(db, userId, 'rebook_booking', { booking_id: id, ...more });

const refused = async (db: TestDatabase, userId: string, id: string, more: object = {}) =>
  factory.refusal(db, userId, 'rebook_booking', { booking_id: id, ...more });

async function cancelled(db: TestDatabase, userId: string, offering: string): Promise<Row> {
  const { id } = await factory.book(db, userId, offering, TIME);
  return factory.call(db, userId, 'cancel_booking', { booking_id: id });
}

describe('a booking that has ended', () => {
  test('is booked again as it was: party, needs, slot, at the price of today', () =>
    scene(async (db, { alice, tour }) => {
      const party = { adults: 2, children: 1, dietary_needs: 'No nuts' };
      const { id } = await bookSlot(db, alice, tour, tour.slots[1], party);
      await factory.call(db, alice, 'cancel_booking', { booking_id: id });
      await db.query('update app_public.offerings set price = 30 where id = $1', [tour.offering]);
      const made = await again(db, alice, id);
      expect(made).toMatchObject({
        ...{ status: 'confirmed', slot_id: tour.slots[1], adults: 2, children: 1, places: 3 },
        ...{ dietary_needs: 'No nuts', price: '81.00', created_by: alice, refund: null },
      });
      expect(made.id).not.toBe(id);
      expect(await factory.booking(db, id)).toMatchObject({ status: 'cancelled', refund: '54.00' });
      const told = await db.rows(
        'select kind from app_public.notifications where booking_id = $1',
        [made.id],
      );
      expect(told).toEqual([{ kind: 'booking_received' }]);
    }));

  test('is booked again after it was released, if nobody else has it by now', () =>
    scene(async (db, { world, alice }) => {
      const { id } = await factory.book(db, alice, world.left, TIME);
      await factory.advanceTo(db, factory.at('16:30', 3));
      expect(await factory.booking(db, id)).toMatchObject({ status: 'auto_cancelled' });
      expect(await again(db, alice, id)).toMatchObject({
        ...{ status: 'confirmed', attendance_confirmed_how: 'booking' },
        ...{ starts_at: new Date(TIME[0]), ends_at: new Date(TIME[1]) },
      });
    }));

  test('is booked again after its request has expired, as a request again', () =>
    scene(
      async (db, { world, alice }) => {
        const { id } = await factory.book(db, alice, world.left, TIME);
        await factory.advanceTo(db, factory.at('09:00', 1));
        expect(await factory.booking(db, id)).toMatchObject({ status: 'expired' });
        expect(await again(db, alice, id)).toMatchObject({ status: 'pending' });
      },
      { requires_approval: true },
    ));

  test('is booked again at another time or slot that is named', () =>
    scene(async (db, { world, alice, tour }) => {
      const { id } = await cancelled(db, alice, world.left);
      const [starts_at, ends_at] = factory.range('12:00', '14:00', 5);
      expect(await again(db, alice, id, { starts_at, ends_at })).toMatchObject({
        starts_at: new Date(starts_at),
      });
      const walk = await bookSlot(db, alice, tour, tour.slots[0]);
      await factory.call(db, alice, 'cancel_booking', { booking_id: walk.id });
      const slot_id = tour.slots[1];
      expect(await again(db, alice, walk.id, { slot_id })).toMatchObject({ slot_id });
      expect((await refused(db, alice, walk.id, { starts_at, ends_at })).code).toBe('RSARG');
      expect((await refused(db, alice, id, { slot_id })).code).toBe('RSARG');
    }));

  test('is refused with alternatives if it is taken, and past, over or live it is not booked again', () =>
    scene(async (db, { world, alice, tour }) => {
      const walk = await bookSlot(db, alice, tour, tour.slots[0], { adults: 4 });
      expect((await refused(db, alice, walk.id)).code).toBe('RSSTA');
      await factory.call(db, alice, 'cancel_booking', { booking_id: walk.id });
      await bookSlot(db, await factory.createUser(db, 'Bea'), tour, tour.slots[0], { adults: 6 });
      const full = await refused(db, alice, walk.id);
      expect(full.code).toBe('RSFUL');
      expect(JSON.parse(full.detail ?? '')).toMatchObject({
        ...{ placesLeft: 2, mayWait: true, alternatives: [{ slotId: tour.slots[1] }] },
      });
      const { id } = await cancelled(db, alice, world.left);
      await db.setClock(factory.at('18:00', 3));
      expect((await refused(db, alice, id)).code).toBe('RSTIM');
    }));

  test('is booked once by one key, and again by another where there is room', () =>
    scene(async (db, { alice, tour }) => {
      const { id } = await bookSlot(db, alice, tour, tour.slots[0]);
      await factory.call(db, alice, 'cancel_booking', { booking_id: id });
      const first = await again(db, alice, id, { idempotency_key: 'a' });
      expect((await again(db, alice, id, { idempotency_key: 'a' })).id).toBe(first.id);
      const other = { idempotency_key: 'a', slot_id: tour.slots[1] };
      expect((await refused(db, alice, id, other)).code).toBe('RSARG');
      expect((await again(db, alice, id, { idempotency_key: 'b' })).id).not.toBe(first.id);
    }));

  test('counts against the limits of its customer, and not if a manager books it again for them', () =>
    scene(
      async (db, { world, alice }) => {
        const { id } = await cancelled(db, alice, world.left);
        await factory.book(db, alice, world.right, TIME);
        expect((await refused(db, alice, id)).code).toBe('RSLIM');
        expect(await again(db, world.manager, id)).toMatchObject({
          ...{ status: 'confirmed', created_by: world.manager },
          customer_id: (await factory.booking(db, id)).customer_id,
        });
      },
      { max_bookings_per_day: 1 },
    ));

  test('of somebody without an address is not to be confirmed the second time either', () =>
    scene(async (db, { world }) => {
      const [starts_at, ends_at] = TIME;
      const { id } = await factory.call<Row>(db, world.manager, 'create_booking_for', {
        ...{
          offering_id: world.left,
          starts_at,
          ends_at,
          name: 'Walk-in',
          needs_confirmation: false,
        },
      });
      await factory.call(db, world.manager, 'cancel_booking', { booking_id: id, reason: 'Ill' });
      expect(await again(db, world.manager, id)).toMatchObject({
        attendance_confirmed_how: 'not_needed',
        confirm_by: null,
      });
    }));

  test('of somebody else, or that was only ever an offer, is none', () =>
    scene(async (db, { world, alice }) => {
      const { id } = await cancelled(db, alice, world.left);
      const bea = await factory.createUser(db, 'Bea');
      expect((await refused(db, bea, id)).code).toBe('RSNTF');
      const made = await factory.book(db, alice, world.left, TIME);
      const { id: entry } = await factory.join(db, bea, world.left, TIME);
      await factory.call(db, alice, 'cancel_booking', { booking_id: made.id });
      const { hold_id: hold } = await factory.entry(db, entry);
      await factory.call(db, bea, 'decline_slot', { entry_id: entry });
      expect((await refused(db, bea, hold ?? '')).code).toBe('RSNTF');
    }));
});
