/** What is to be paid, when, and what becomes of the room and of the money if it is not. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { paymentOf, paymentsOf, record, setPrice } from '../support/payments.ts';
import { cancel, claim, createUsers, deadlineOf, refused, rule, type Scene, told } from './rule.ts';

const ON_BOOKING = { payment: 'on_booking' };
const FOUR_DAYS_ON = range('10:00', '12:00', 4);

/** Somebody has booked the left half, four days ahead, for 80. */
async function booked({ db, world }: Scene, price = 80) {
  await setPrice(db, world, price);
  const ann = await createUser(db, 'Ann');
  const { id } = await book(db, ann, world.left, FOUR_DAYS_ON);
  return { ann, id };
}

describe('Without a policy that wants to be paid', () => {
  rule('nothing is asked for, but what is paid can be recorded, up to the price', async (scene) => {
    const { db, world } = scene;
    const { id } = await booked(scene);
    expect(await booking(db, id)).toMatchObject({ status: 'confirmed', awaits_payment: false });
    expect(await paymentsOf(db, id)).toEqual([]);
    await record(db, world.manager, id, 50);
    await refused(db, 'RSARG', world.manager, 'record_payment', {
      ...{ booking_id: id, amount: 30.01, method: 'cash' },
    });
    await record(db, world.manager, id, 30);
    await refused(db, 'RSSTA', world.manager, 'record_payment', {
      ...{ booking_id: id, amount: 1, method: 'cash' },
    });
    expect(await paymentsOf(db, id)).toMatchObject([
      { amount: '50.00', status: 'paid', purpose: 'price', method: 'cash' },
      { amount: '30.00', status: 'paid', purpose: 'balance' },
    ]);
  });
});

describe('What is paid on booking', () => {
  rule(
    'keeps the booking pending for payment_due, and the mail that asks is the only one',
    async (scene) => {
      const { db } = scene;
      const { ann, id } = await booked(scene);
      expect(await booking(db, id)).toMatchObject({ status: 'pending', awaits_payment: true });
      expect(await deadlineOf(db, id)).toMatchObject({
        ...{ action: 'expire_request', due_at: new Date(at('08:00', 1)) },
      });
      expect(await paymentsOf(db, id)).toMatchObject([
        { amount: '80.00', currency: 'EUR', purpose: 'price', status: 'due', provider: 'manual' },
      ]);
      expect(await told(db, ann)).toEqual(['payment_due']);
    },
    ON_BOOKING,
  );

  rule(
    'confirms the booking once it is recorded, to be confirmed again before the start like any other',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      await record(db, world.manager, id, 80, { method: 'transfer', reference: 'Statement 7' });
      expect(await booking(db, id)).toMatchObject({
        ...{ status: 'confirmed', awaits_payment: false, request_expires_at: null },
        confirm_by: new Date(at('08:00', 4)),
      });
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'paid', method: 'transfer', reference: 'Statement 7' },
        processed_at: new Date(at('08:00')),
      });
      expect(await told(db, ann)).toEqual(['payment_due', 'payment_received']);
    },
    ON_BOOKING,
  );

  rule(
    'releases the room when it is not paid in time, into the waiting list',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      const bob = await createUser(db, 'Bob');
      const { id: waiting } = await join(db, bob, world.left, FOUR_DAYS_ON);
      await advanceTo(db, at('07:59:59', 1));
      expect(await booking(db, id)).toMatchObject({ status: 'pending' });
      await advanceTo(db, at('08:00', 1));
      expect(await booking(db, id)).toMatchObject({
        ...{ status: 'expired', ended_reason: 'It was not paid in time.', awaits_payment: false },
      });
      expect((await paymentOf(db, id)).status).toBe('cancelled');
      expect(await entry(db, waiting)).toMatchObject({ status: 'offered' });
      expect(await told(db, ann)).toEqual(['payment_due', 'booking_unpaid']);
      expect((await told(db, world.manager)).at(-1)).toBe('expiry_notice');
      await refused(db, 'RSSTA', world.manager, 'record_payment', {
        ...{ booking_id: id, amount: 80, method: 'cash' },
      });
    },
    ON_BOOKING,
  );

  rule(
    'is also to be paid by who claims an offer, and by who claims in the last call',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      const [bob, cleo] = await createUsers(db, 'Bob', 'Cleo');
      const { id: offered } = await join(db, bob, world.left, FOUR_DAYS_ON);
      await cancel(db, ann, id);
      const claimed = await claim(db, bob, offered);
      expect(claimed).toMatchObject({ status: 'pending', awaits_payment: true });
      const { id: last } = await join(db, cleo, world.left, FOUR_DAYS_ON);
      await record(db, world.manager, String(claimed.id), 80);
      await advanceTo(db, at('09:40', 4));
      await call(db, world.manager, 'cancel_booking', {
        ...{ booking_id: claimed.id, reason: 'Ill' },
      });
      expect(await claim(db, cleo, last)).toMatchObject({
        ...{ status: 'pending', awaits_payment: true },
        // Half of the time that was left.
        request_expires_at: new Date(at('09:50', 4)),
      });
      expect((await told(db, bob)).filter((kind) => kind === 'booking_claimed')).toEqual([]);
    },
    { ...ON_BOOKING, auto_cancel: 'off' },
  );

  rule(
    'is asked for after a manager has agreed, who is not asked again; their no comes too late',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      expect(await booking(db, id)).toMatchObject({ status: 'pending', awaits_payment: false });
      expect(await paymentsOf(db, id)).toEqual([]);
      await db.setClock(at('12:00'));
      await call(db, world.manager, 'approve_booking', { booking_id: id });
      expect(await booking(db, id)).toMatchObject({
        ...{ status: 'pending', awaits_payment: true, answered_at: new Date(at('12:00')) },
        request_expires_at: new Date(at('12:00', 1)),
      });
      await call(db, world.manager, 'approve_booking', { booking_id: id });
      await refused(db, 'RSSTA', world.manager, 'reject_booking', { booking_id: id });
      await record(db, world.manager, id, 80);
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
      expect(await told(db, ann)).toEqual(['booking_received', 'payment_due', 'payment_received']);
    },
    { ...ON_BOOKING, requires_approval: true },
  );

  rule(
    'does not keep a manager from giving room away: the payment is open all the same',
    async ({ db, world }) => {
      await setPrice(db, world, 80);
      const made = await call(db, world.manager, 'create_booking_for', {
        ...{ offering_id: world.left, starts_at: FOUR_DAYS_ON[0], ends_at: FOUR_DAYS_ON[1] },
        ...{ name: 'Walk-in', needs_confirmation: false },
      });
      expect(made).toMatchObject({ status: 'confirmed', attendance_confirmed_how: 'not_needed' });
      expect(await paymentsOf(db, String(made.id))).toMatchObject([{ status: 'due' }]);
    },
    ON_BOOKING,
  );

  rule(
    'does not wait longer because the booking is moved',
    async (scene) => {
      const { db } = scene;
      const { ann, id } = await booked(scene);
      await db.setClock(at('20:00'));
      await call(db, ann, 'modify_booking', {
        ...{ booking_id: id, starts_at: at('14:00', 5), ends_at: at('16:00', 5) },
      });
      expect(await booking(db, id)).toMatchObject({
        ...{
          status: 'pending',
          awaits_payment: true,
          request_expires_at: new Date(at('08:00', 1)),
        },
      });
      expect(await paymentsOf(db, id)).toMatchObject([{ status: 'due' }]);
    },
    ON_BOOKING,
  );

  rule(
    'is not asked for again when a booking that is paid is moved',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      await record(db, world.manager, id, 80);
      await call(db, ann, 'modify_booking', {
        ...{ booking_id: id, starts_at: at('14:00', 5), ends_at: at('16:00', 5) },
      });
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed', awaits_payment: false });
      expect(await paymentsOf(db, id)).toHaveLength(1);
    },
    ON_BOOKING,
  );

  rule(
    'is nothing where nothing costs anything',
    async (scene) => {
      const { db } = scene;
      const { id } = await booked(scene, 0);
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
      expect(await paymentsOf(db, id)).toEqual([]);
    },
    ON_BOOKING,
  );

  rule(
    'follows a new policy no earlier than was said',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await booked(scene);
      await call(db, world.manager, 'revise_policy', {
        ...{
          policy_id: world.policyId,
          changes: { payment_due: '01:00:00', request_ttl: '60:00:00' },
        },
      });
      await db.as({ role: 'reslot_user', userId: world.manager, via: 'graphql' }, () =>
        db.query('select app_public.apply_policy($1)', [world.policyId]),
      );
      expect(await deadlineOf(db, id)).toMatchObject({ due_at: new Date(at('08:00', 1)) });
    },
    ON_BOOKING,
  );
});

describe('A deposit', () => {
  const DEPOSIT = { payment: 'deposit', deposit_rate: 0.25 };

  rule(
    'is a part of the price, to the cent, and the rest is due when the booking is completed',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene, 33.35);
      expect(await paymentsOf(db, id)).toMatchObject([{ purpose: 'deposit', amount: '8.34' }]);
      await refused(db, 'RSARG', world.manager, 'record_payment', {
        ...{ booking_id: id, amount: 8.33, method: 'cash' },
      });
      await record(db, world.manager, id, 8.34);
      await advanceTo(db, at('08:00', 3));
      await call(db, ann, 'confirm_booking', { booking_id: id });
      await advanceTo(db, at('12:00', 4));
      expect(await booking(db, id)).toMatchObject({ status: 'completed' });
      expect(await paymentsOf(db, id)).toMatchObject([
        { status: 'paid' },
        { status: 'due', purpose: 'balance', amount: '25.01' },
      ]);
      expect((await told(db, ann)).at(-1)).toBe('payment_due');
      await record(db, world.manager, id, 25.01);
      expect((await paymentOf(db, id)).status).toBe('paid');
    },
    DEPOSIT,
  );

  rule(
    'may be more: all of it at once, and then nothing is left',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await booked(scene);
      await record(db, world.manager, id, 80);
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
      expect(await paymentsOf(db, id)).toMatchObject([{ amount: '80.00', status: 'paid' }]);
    },
    DEPOSIT,
  );
});

describe('What is paid on completion', () => {
  rule(
    'is asked for then, unless it was paid before; and not of who did not come',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await booked(scene);
      const [bob, cleo] = await createUsers(db, 'Bob', 'Cleo');
      const { id: ahead } = await book(db, bob, world.right, range('10:00', '11:00', 0));
      const { id: absent } = await book(db, cleo, world.right, range('11:00', '12:00', 0));
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
      await record(db, world.manager, ahead, 80);
      await advanceTo(db, at('12:00'));
      expect(await paymentsOf(db, ahead)).toMatchObject([{ status: 'paid' }]);
      expect(await paymentsOf(db, absent)).toMatchObject([{ status: 'due', amount: '80.00' }]);
      await call(db, world.manager, 'mark_no_show', { booking_id: absent });
      expect(await paymentsOf(db, absent)).toMatchObject([{ status: 'cancelled' }]);
    },
    { payment: 'on_completion' },
  );
});

describe('Refunds', () => {
  rule(
    'are what the policy gives back at that time before the start, and by hand are recorded',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene, 80.01);
      await record(db, world.manager, id, 80.01);
      await db.setClock(at('09:00', 3));
      expect(await cancel(db, ann, id)).toMatchObject({ refund: '40.01' });
      const paid = await paymentOf(db, id);
      expect(paid).toMatchObject({ status: 'paid', refund_due: '40.01', refunded: '0.00' });
      await call(db, world.manager, 'record_refund', { payment_id: paid.id, amount: 40 });
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'partly_refunded', refund_due: '40.01', refunded: '40.00' },
      });
      await refused(db, 'RSARG', world.manager, 'record_refund', {
        ...{ payment_id: paid.id, amount: 40.02 },
      });
      await call(db, world.manager, 'record_refund', { payment_id: paid.id, amount: 40.01 });
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'refunded', refund_due: '80.01', refunded: '80.01' },
      });
      expect(await told(db, ann)).toEqual([
        ...['payment_due', 'payment_received', 'booking_cancelled'],
        ...['payment_refunded', 'payment_refunded'],
      ]);
    },
    { ...ON_BOOKING, auto_cancel: 'off', reminder_leads: '{24:00:00}' },
  );

  rule(
    'are never more than was paid',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      await record(db, world.manager, id, 24);
      await cancel(db, ann, id);
      expect(await paymentsOf(db, id)).toMatchObject([{ amount: '24.00', refund_due: '24.00' }]);
    },
    { payment: 'deposit' },
  );

  rule(
    'are nothing when nothing was paid; the payment is withdrawn',
    async (scene) => {
      const { db } = scene;
      const { ann, id } = await booked(scene);
      await cancel(db, ann, id);
      expect(await paymentsOf(db, id)).toMatchObject([{ status: 'cancelled', refund_due: '0.00' }]);
    },
    ON_BOOKING,
  );

  rule(
    'are asked for once, by whoever repeats the request with its key',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await booked(scene);
      const key = { idempotency_key: 'desk-1' };
      const first = await record(db, world.manager, id, 80, key);
      expect((await record(db, world.manager, id, 80, key)).id).toBe(first.id);
      await cancel(db, ann, id);
      const args = { payment_id: first.id, amount: 30, ...key };
      await call(db, world.manager, 'record_refund', args);
      await call(db, world.manager, 'record_refund', args);
      expect(await paymentOf(db, id)).toMatchObject({ refunded: '30.00' });
    },
    ON_BOOKING,
  );
});
