/** What begins and nobody says was delivered: its room goes back at its end, and it expires after its grace. */
import { tell, tellProvider } from './messages.ts';
import { endBooking, handOn } from './queue.ts';
import { type Booking, DAY, occupies, roomOf, type State, takenBy } from './state.ts';

const FRIDAY = 4;

/** Weekends do not count, if the policy says so; everybody's are in UTC. */
function afterGrace(s: State, since: number, grace: number): number {
  let at = since;
  let left = grace;
  for (;;) {
    const day = Math.floor(at / DAY);
    const counts = !s.policy.services.skipsWeekends || day % 7 <= FRIDAY;
    const midnight = (day + 1) * DAY;
    if (counts && left <= midnight - at) return at + left;
    if (counts) left -= midnight - at;
    at = midnight;
  }
}

export function expiryOf(s: State, booking: Booking, since: number): number {
  const { grace, graceOfLessons } = s.policy.services;
  const own = booking.offering === 'lesson' ? graceOfLessons : null;
  return afterGrace(s, since, own ?? grace);
}

export function start(s: State, booking: Booking): void {
  const { requiresDelivery, expiry } = s.policy.services;
  booking.status = 'in_progress';
  if (requiresDelivery && expiry !== 'off') booking.expires = expiryOf(s, booking, booking.to);
}

export function awaitDelivery(s: State, booking: Booking): void {
  const had = { occupied: occupies(booking), resources: takenBy(booking) };
  booking.awaitsDelivery = s.now;
  if (had.occupied) handOn(s, had.resources, roomOf(s, booking));
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
