/** What is to be paid for a booking, what was paid by hand, and what goes back, in whole cents. */
import type { Actor } from './commands.ts';
import { tell, tellProviderOf } from './messages.ts';
import { divided } from './prices.ts';
import { isServedBy } from './providers.ts';
import { settle } from './queue.ts';
import { type Booking, item, Refusal, rounded, type State } from './state.ts';
import { setTerms } from './terms.ts';

export interface Payment {
  booking: number;
  purpose: 'price' | 'deposit' | 'balance';
  status: 'due' | 'paid' | 'cancelled' | 'partly_refunded' | 'refunded';
  amount: number;
  refundDue: number;
  refunded: number;
  processedAt: number | null;
}

function paymentsOf(s: State, booking: Booking): Payment[] {
  const position = s.bookings.indexOf(booking);
  return s.payments.filter((payment) => payment.booking === position);
}

/** In the order of the bookings they are for. */
export function paymentsByBooking(s: State): Payment[] {
  return [...s.payments].sort((a, b) => a.booking - b.booking);
}

/** What was paid and does not go back. */
export function keptOf(s: State, booking: Booking): number {
  return paymentsOf(s, booking)
    .filter((payment) => payment.processedAt !== null)
    .reduce((sum, payment) => sum + payment.amount - payment.refundDue, 0);
}

function toBePaidFirst(s: State, booking: Booking): number {
  const { payment, depositRate } = s.policy.services;
  if (payment === 'on_booking') return booking.price;
  return payment === 'deposit' ? divided(booking.price * depositRate, 1000) : 0;
}

function toBePaid(s: State, booking: Booking): number {
  if (booking.status === 'completed') {
    return s.policy.services.payment === 'none' ? 0 : booking.price;
  }
  const asks =
    booking.awaitsPayment || ['confirmed', 'in_progress', 'delivered'].includes(booking.status);
  return asks ? toBePaidFirst(s, booking) : 0;
}

/** What has first to be paid waits for it, at most half of the time left. */
export function untilPaid(s: State, booking: Booking): void {
  const missing = toBePaidFirst(s, booking) - keptOf(s, booking);
  if (booking.status !== 'confirmed' || missing <= 0) return;
  booking.status = 'pending';
  booking.awaitsPayment = true;
  booking.confirmBy = null;
  booking.attendance = null;
  booking.attendanceAt = null;
  const half = rounded((booking.from - s.now) / 2);
  booking.requestExpires = s.now + Math.min(s.policy.services.paymentDue, half);
}

/** The last payment first. */
function giveBack(s: State, booking: Booking, amount: number): void {
  let left = amount;
  const latest = paymentsOf(s, booking).filter(
    (p) => p.processedAt !== null && p.refundDue < p.amount,
  );
  latest.reverse().sort((a, b) => (b.processedAt ?? 0) - (a.processedAt ?? 0));
  for (const payment of latest) {
    const given = Math.min(Math.max(left, 0), payment.amount - payment.refundDue);
    payment.refundDue += given;
    left -= given;
  }
}

/** After every change: what bookings have become says what is asked for, and what goes back. */
export function followBookings(s: State): void {
  for (const [position, booking] of s.bookings.entries()) {
    const now = `${booking.status} ${booking.awaitsPayment}`;
    const before = s.followed[position];
    const isNew = before === undefined && booking.status === 'held';
    s.followed[position] = now;
    if (isNew || before === now || booking.price === 0) continue;
    follow(s, booking, before !== undefined && isLive(before) && booking.endedAt !== null);
  }
}

function isLive(followed: string): boolean {
  return /^(held|pending|confirmed|in_progress|delivered) /.test(followed);
}

function follow(s: State, booking: Booking, hasJustEnded: boolean): void {
  const kept = keptOf(s, booking);
  if (hasJustEnded && !['completed', 'no_show'].includes(booking.status)) {
    giveBack(s, booking, Math.min(booking.refund ?? 0, kept));
  }
  const missing = Math.max(toBePaid(s, booking) - kept, 0);
  let open = paymentsOf(s, booking).find(({ status }) => status === 'due');
  if (open && open.amount !== missing) {
    open.status = 'cancelled';
    open = undefined;
  }
  if (missing === 0 || open) return;
  const isDeposit = s.policy.services.payment === 'deposit' && booking.status !== 'completed';
  const purpose = kept > 0 ? 'balance' : isDeposit ? 'deposit' : 'price';
  add(s, booking, purpose, missing);
  tell(s, booking.who, 'payment_due', { booking, payment: s.payments.length - 1 });
}

function add(s: State, booking: Booking, purpose: Payment['purpose'], amount: number): Payment {
  const payment: Payment = {
    booking: s.bookings.indexOf(booking),
    purpose,
    status: 'due',
    amount,
    refundDue: 0,
    refunded: 0,
    processedAt: null,
  };
  s.payments.push(payment);
  return payment;
}

export function recordPayment(s: State, by: Actor, booking: Booking, amount: number): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || !isServedBy(by, booking)) throw new Refusal('RSNTF');
  const open = paymentsOf(s, booking).find(({ status }) => status === 'due');
  const left = booking.price - keptOf(s, booking);
  const isPayable =
    booking.status === 'pending'
      ? booking.awaitsPayment
      : ['confirmed', 'in_progress', 'delivered', 'completed'].includes(booking.status);
  if (!isPayable || left <= 0) throw new Refusal('RSSTA');
  if (amount <= 0 || amount > left || amount < (open?.amount ?? 0)) throw new Refusal('RSARG');
  const payment = open ?? add(s, booking, left === booking.price ? 'price' : 'balance', amount);
  payment.amount = amount;
  payment.status = 'paid';
  payment.processedAt = s.now;
  booking.touched = s.now;
  if (booking.awaitsPayment) {
    setTerms(s, booking, false, booking.madeAt);
    tellProviderOf(s, null, booking);
  }
  tell(s, booking.who, 'payment_received', { booking });
}

export function recordRefund(s: State, by: Actor, payment: Payment, amount: number): void {
  const booking = item(s.bookings, payment.booking);
  settle(s, [booking.offering]);
  if (booking.status === 'held' || !isServedBy(by, booking)) throw new Refusal('RSNTF');
  if (payment.processedAt === null) throw new Refusal('RSSTA');
  if (amount <= 0 || amount > payment.amount - payment.refunded) throw new Refusal('RSARG');
  payment.refunded += amount;
  payment.refundDue = Math.max(payment.refundDue, payment.refunded);
  booking.touched = s.now;
  payment.status = payment.refunded === payment.amount ? 'refunded' : 'partly_refunded';
  tell(s, booking.who, 'payment_refunded', { booking });
}
