/** Ending a booking by hand: cancelling, and nobody having come. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createMember,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { cancel, createUsers, deadlineOf, refused, rule, told } from './rule.ts';

describe('A customer cancels', () => {
  rule('until the start, not after', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const soon = await book(db, alice, world.left, range('09:00', '10:00', 0));
    const later = await book(db, alice, world.right, range('09:00', '10:00', 0));
    await db.setClock(at('08:59:59'));
    expect(await cancel(db, alice, soon.id)).toMatchObject({
      status: 'cancelled',
      ended_at: new Date(at('08:59:59')),
    });
    await db.setClock(at('09:00'));
    await refused(db, 'RSTIM', alice, 'cancel_booking', { booking_id: later.id });
    await advanceTo(db, at('09:30'));
    await refused(db, 'RSSTA', alice, 'cancel_booking', { booking_id: later.id });
  });

  rule('twice with one result and one message', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const first = await cancel(db, alice, made.id);
    await db.setClock(at('08:05'));
    expect(await cancel(db, alice, made.id)).toEqual(first);
    expect(await told(db, alice)).toEqual(['booking_received', 'booking_cancelled']);
  });

  rule('and time has nothing more to do to the booking', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00', 3));
    expect(await deadlineOf(db, made.id)).toMatchObject({ action: 'remind' });
    await cancel(db, alice, made.id);
    expect(await deadlineOf(db, made.id)).toBeUndefined();
  });

  rule('and the place can be booked, or is held for who waits', async ({ db, world }) => {
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const free = await book(db, alice, world.left, range('10:00', '12:00'));
    await cancel(db, alice, free.id);
    await book(db, bea, world.left, range('10:00', '12:00'));
    const wanted = await book(db, alice, world.right, range('10:00', '12:00'));
    const waiting = await join(db, cem, world.right, range('10:00', '12:00'));
    await cancel(db, alice, wanted.id);
    expect((await entry(db, waiting.id)).status).toBe('offered');
    const [starts_at, ends_at] = range('10:00', '12:00');
    await refused(db, 'RSFUL', bea, 'create_booking', {
      offering_id: world.right,
      starts_at,
      ends_at,
    });
  });

  rule('with a reason that is not too long', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const args = { booking_id: made.id, reason: 'x'.repeat(501) };
    await refused(db, 'RSARG', alice, 'cancel_booking', args);
    const ended = await call(db, alice, 'cancel_booking', { ...args, reason: ' ill ' });
    expect(ended).toMatchObject({ ended_reason: 'ill' });
  });

  rule('only what is theirs', async ({ db, world }) => {
    const [alice, eve, provider, half] = await createUsers(db, 'Alice', 'Eve', 'Pro', 'Half');
    await createMember(db, world.organizationId, provider, 'provider');
    await createMember(db, world.organizationId, half, 'manager', [world.right]);
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    for (const user of [eve, provider, half]) {
      await refused(db, 'RSNTF', user, 'cancel_booking', { booking_id: made.id, reason: 'Mine' });
    }
    await refused(db, 'RSNTF', '', 'cancel_booking', { booking_id: made.id });
  });
});

describe('A manager cancels', () => {
  rule('later, also what they have booked for themselves', async ({ db, world }) => {
    const made = await book(db, world.manager, world.left, range('09:00', '10:00', 0));
    const early = await book(db, world.manager, world.right, range('09:00', '10:00', 0));
    expect(await cancel(db, world.manager, early.id)).toMatchObject({ ended_reason: null });
    await advanceTo(db, at('09:30'));
    await refused(db, 'RSARG', world.manager, 'cancel_booking', { booking_id: made.id });
    const args = { booking_id: made.id, reason: 'Left early' };
    expect(await call(db, world.manager, 'cancel_booking', args)).toMatchObject({
      status: 'cancelled',
    });
  });

  rule('with a reason, which the customer is told', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await refused(db, 'RSARG', world.manager, 'cancel_booking', { booking_id: made.id });
    await refused(db, 'RSARG', world.manager, 'cancel_booking', {
      booking_id: made.id,
      reason: '  ',
    });
    await call(db, world.manager, 'cancel_booking', { booking_id: made.id, reason: 'Flooded' });
    expect(
      await db.value(`select data from app_public.notifications where kind = 'booking_cancelled'`),
    ).toEqual({ actor: 'manager', reason: 'Flooded' });
  });

  rule('also while it is in progress, and the rest of the time is free', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('09:00', '12:00', 0));
    const waiting = await join(db, bea, world.left, range('11:00', '12:00', 0));
    await advanceTo(db, at('09:30'));
    await call(db, world.manager, 'cancel_booking', { booking_id: made.id, reason: 'Fire alarm' });
    expect((await entry(db, waiting.id)).status).toBe('offered');
  });

  rule('not what is over', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('09:00', '10:00', 0));
    await advanceTo(db, at('10:30'));
    await refused(db, 'RSSTA', world.manager, 'cancel_booking', {
      booking_id: made.id,
      reason: 'Late',
    });
  });
});

describe('Nobody came', () => {
  rule('is what a manager may say from the start on, also afterwards', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('09:00', '12:00', 0));
    const other = await book(db, bea, world.right, range('09:00', '10:00', 0));
    await refused(db, 'RSTIM', world.manager, 'mark_no_show', { booking_id: made.id });
    await db.setClock(at('09:00'));
    await refused(db, 'RSNTF', alice, 'mark_no_show', { booking_id: made.id });
    const marked = await call(db, world.manager, 'mark_no_show', {
      booking_id: made.id,
      reason: 'Door locked',
    });
    expect(marked).toMatchObject({ status: 'no_show', ended_reason: 'Door locked' });
    const again = await call(db, world.manager, 'mark_no_show', { booking_id: made.id });
    expect(again).toEqual(marked);
    await advanceTo(db, at('10:30'));
    expect((await booking(db, other.id)).status).toBe('completed');
    await call(db, world.manager, 'mark_no_show', { booking_id: other.id });
  });

  rule('hands on what is left of the time', async ({ db, world }) => {
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const made = await book(db, alice, world.left, range('09:00', '12:00', 0));
    const whole = await join(db, bea, world.left, range('09:00', '12:00', 0));
    const rest = await join(db, cem, world.left, range('11:00', '12:00', 0));
    await advanceTo(db, at('09:20'));
    await call(db, world.manager, 'mark_no_show', { booking_id: made.id });
    expect((await entry(db, rest.id)).status).toBe('offered');
    expect((await entry(db, whole.id)).status).toBe('lapsed');
  });

  rule('cannot be said of what was cancelled', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('09:00', '12:00', 0));
    await cancel(db, alice, made.id);
    await db.setClock(at('09:30'));
    await refused(db, 'RSSTA', world.manager, 'mark_no_show', { booking_id: made.id });
  });
});

describe('A booking runs its course', () => {
  rule(
    'in progress from its start, completed when its buffer is over',
    async ({ db, world }) => {
      const [alice] = await createUsers(db, 'Alice');
      const made = await book(db, alice, world.left, range('09:00', '10:00', 0));
      await advanceTo(db, at('08:59:59'));
      expect((await booking(db, made.id)).status).toBe('confirmed');
      await advanceTo(db, at('09:00'));
      expect((await booking(db, made.id)).status).toBe('in_progress');
      await advanceTo(db, at('10:19:59'));
      expect((await booking(db, made.id)).status).toBe('in_progress');
      await advanceTo(db, at('10:20'));
      expect(await booking(db, made.id)).toMatchObject({
        status: 'completed',
        ended_at: new Date(at('10:20')),
      });
    },
    { buffer_after: '20 minutes' },
  );

  rule('also when the worker comes back only after it was over', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('09:00', '10:00', 0));
    await db.setClock(at('15:00'));
    await advanceTo(db, at('15:00'));
    expect((await booking(db, made.id)).status).toBe('completed');
  });
});
