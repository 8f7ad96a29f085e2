/** What begins and nobody says was delivered: its room goes back at its end, and it expires after its grace. */
import { tell, tellProvider } from './messages.ts';
import { endBooking, handOn } from './queue.ts';
import { type Booking, closes, DAY, type Range, roomOf, type State, takenBy } from './state.ts';

const WEEKENDS = 20;

/** What the policy leaves out: weekends, in UTC for all of them, and what was entered as a holiday. */
function leftOut(s: State, booking: Booking, since: number): Range[] {
  const { skipsWeekends, skipsHolidays } = s.policy.services;
  const monday = Math.floor(since / (7 * DAY)) * 7 * DAY;
  const weekends = Array.from({ length: WEEKENDS }, (_, week) => ({
    from: monday + (7 * week + 5) * DAY,
    to: monday + 7 * (week + 1) * DAY,
  }));
  const holidays = s.blackouts.filter(
    (k) =>
      k.holiday && closes(k, booking.offering) && (k.room ?? booking.provider) === booking.provider,
  );
  return [...(skipsWeekends ? weekends : []), ...(skipsHolidays ? holidays : [])];
}

export function expiryOf(s: State, booking: Booking, since: number): number {
  const { grace, graceOfLessons } = s.policy.services;
  const ranges = leftOut(s, booking, since);
  let at = since;
  let left = (booking.offering === 'lesson' ? graceOfLessons : null) ?? grace;
  for (;;) {
    const inside = ranges.find(({ from, to }) => from <= at && at < to);
    const until = inside?.to ?? Math.min(...ranges.map(({ from }) => from).filter((t) => t > at));
    if (!inside && left <= until - at) return at + left;
    if (!inside) left -= until - at;
    at = until;
  }
}

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
