/** The four scenarios of the product, on a simulated clock. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  createWorld,
  entry,
  join,
  range,
  refusal,
} from '../support/factories.ts';

describe('The chain', () => {
  test('a booking confirmed in time stays', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      expect(made).toMatchObject({ status: 'confirmed', attendance_confirmed_at: null });
      await advanceTo(db, at('18:30', 2));
      expect((await booking(db, made.id)).reminder_sent_at).not.toBeNull();
      await call(db, alice, 'confirm_booking', { booking_id: made.id });
      await advanceTo(db, at('21:00', 3));
      expect(await booking(db, made.id)).toMatchObject({
        status: 'completed',
        attendance_confirmed_how: 'account',
      });
    }));

  test('a ghost booking is released and the next person claims it', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const [ghost, bea] = [await createUser(db, 'Ghost'), await createUser(db, 'Bea')];
      const time = range('18:00', '20:00', 3);
      const made = await book(db, ghost, world.left, time);
      const waiting = await join(db, bea, world.left, time);
      await advanceTo(db, at('15:59', 3));
      expect((await booking(db, made.id)).status).toBe('confirmed');
      await advanceTo(db, at('16:01', 3));
      expect(await booking(db, made.id)).toMatchObject({ status: 'auto_cancelled' });
      expect(await entry(db, waiting.id)).toMatchObject({ status: 'offered' });
      const claimed = await call(db, bea, 'claim_slot', { entry_id: waiting.id });
      expect(claimed).toMatchObject({ status: 'confirmed', attendance_confirmed_how: 'booking' });
      expect(await entry(db, waiting.id)).toMatchObject({
        status: 'claimed',
        booking_id: claimed.id,
      });
    }));

  test('an offer nobody claims expires, and the next person claims', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const [ann, bea, cem] = [
        await createUser(db, 'Ann'),
        await createUser(db, 'Bea'),
        await createUser(db, 'Cem'),
      ];
      const time = range('18:00', '20:00', 3);
      const made = await book(db, ann, world.left, time);
      const first = await join(db, bea, world.left, time);
      const second = await join(db, cem, world.left, time);
      await call(db, ann, 'cancel_booking', { booking_id: made.id });
      expect(await entry(db, first.id)).toMatchObject({ status: 'offered' });
      expect(await entry(db, second.id)).toMatchObject({ status: 'waiting' });
      await advanceTo(db, at('08:16'));
      expect(await entry(db, first.id)).toMatchObject({ status: 'expired' });
      expect(await entry(db, second.id)).toMatchObject({ status: 'offered' });
      expect(await refusal(db, bea, 'claim_slot', { entry_id: first.id })).toMatchObject({
        code: 'RSEXP',
      });
      const claimed = await call(db, cem, 'claim_slot', { entry_id: second.id });
      expect(claimed).toMatchObject({ status: 'confirmed' });
    }));
});
