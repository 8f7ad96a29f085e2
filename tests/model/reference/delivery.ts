/** What happens to a booking once it has begun: delivered by whoever serves it, confirmed by its customer, completed. */
import type { Actor } from './commands.ts';
import { start } from './expiry.ts';
import { tell } from './messages.ts';
import { isServedBy } from './providers.ts';
import { endBooking, handOn, settle } from './queue.ts';
import { answerBy, expiryOf } from './silence.ts';
import { type Booking, occupies, Refusal, roomOf, type State, takenBy } from './state.ts';

/** What is due is due, worker or no worker: what should have begun has. */
function begun(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || !isServedBy(by, booking)) throw new Refusal('RSNTF');
  if (['confirmed', 'in_progress'].includes(booking.status) && booking.from > s.now) {
    throw new Refusal('RSTIM');
  }
  if (booking.status === 'confirmed') start(s, booking);
}

export function deliver(s: State, by: Actor, booking: Booking): void {
  begun(s, by, booking);
  if (['delivered', 'completed'].includes(booking.status) && booking.delivered !== null) return;
  if (booking.status !== 'in_progress') throw new Refusal('RSSTA');
  const occupied = occupies(booking);
  booking.status = 'delivered';
  booking.delivered = s.now;
  booking.awaitsDelivery = null;
  booking.expires = null;
  booking.answerBy = s.now + s.policy.services.completeDeliveredAfter;
  if (occupied) handOn(s, takenBy(booking), roomOf(s, booking));
  tell(s, booking.who, 'booking_delivered', { booking });
}

export function confirmDelivery(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || by !== booking.who) throw new Refusal('RSNTF');
  if (booking.deliveryConfirmed !== null) return;
  if (booking.status !== 'delivered') throw new Refusal('RSSTA');
  booking.deliveryConfirmed = s.now;
  endBooking(s, booking, 'completed');
}

export function complete(s: State, by: Actor, booking: Booking): void {
  begun(s, by, booking);
  if (booking.status === 'completed') return;
  const mayNow =
    booking.status === 'delivered'
      ? by === 'manager'
      : booking.status === 'in_progress' && !s.policy.services.requiresDelivery;
  if (!mayNow) throw new Refusal('RSSTA');
  endBooking(s, booking, 'completed');
}

/** It takes longer, or its answer does: its grace begins anew. */
export function keep(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (!isServedBy(by, booking)) throw new Refusal('RSNTF');
  if (booking.status === 'pending' && !booking.awaitsPayment) {
    const until = booking.requestExpires ?? 0;
    if (until <= s.now) throw new Refusal('RSEXP');
    booking.requestExpires = Math.max(until, answerBy(s, booking, s.now));
    return;
  }
  if (booking.status !== 'in_progress' || booking.expires === null) throw new Refusal('RSSTA');
  const anew = expiryOf(s, booking, Math.max(booking.to, s.now));
  booking.expires = Math.max(booking.expires, anew);
  booking.wouldExpire = null;
}

export function review(by: Actor, booking: Booking, rating: number): void {
  if (booking.status === 'held' || by !== booking.who) throw new Refusal('RSNTF');
  if (booking.rating === rating) return;
  if (booking.rating !== null) throw new Refusal('RSDUP');
  if (booking.status !== 'completed') throw new Refusal('RSSTA');
  if (rating < 1 || rating > 5) throw new Refusal('RSARG');
  booking.rating = rating;
}
