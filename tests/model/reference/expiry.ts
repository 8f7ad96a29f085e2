/** What begins and nobody says was delivered: its room goes back at its end, and it expires after its grace. */
import { tell, tellProvider } from './messages.ts';
import { endBooking, handOn } from './queue.ts';
import { expiryOf } from './silence.ts';
import { type Booking, roomOf, type State, takenBy } from './state.ts';

export function start(s: State, booking: Booking): void {
  const { requiresDelivery, expiry } = s.policy.services;
  booking.status = 'in_progress';
  if (requiresDelivery && expiry !== 'off') booking.expires = expiryOf(s, booking, booking.to);
}

export function awaitDelivery(s: State, booking: Booking): void {
  booking.awaitsDelivery = s.now;
  handOn(s, takenBy(booking), roomOf(s, booking));
  if (!tellProvider(s, 'delivery_due', booking, false)) {
    tell(s, 'managers', 'delivery_due', { booking });
  }
}

/** Whoever touched it since its end has begun the grace anew. */
export function expire(s: State, booking: Booking): void {
  const until = expiryOf(s, booking, Math.max(booking.to, booking.touched));
  if (until > s.now) {
    booking.expires = until;
  } else if (s.policy.services.expiry === 'dry_run') {
    booking.wouldExpire = s.now;
  } else {
    const { expires } = booking;
    endBooking(s, booking, 'expired', { refund: booking.price });
    booking.expires = expires;
    tell(s, booking.who, 'service_expired', { booking });
    tell(s, 'managers', 'expiry_notice', { booking });
    tellProvider(s, 'expiry_notice', booking, false);
  }
}
