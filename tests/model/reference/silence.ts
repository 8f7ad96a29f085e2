/** How long the silence about a request, or about what has to be delivered, may last. */
import { type Booking, closes, DAY, type Range, rounded, type State } from './state.ts';

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

function silenceEnds(s: State, booking: Booking, grace: number, since: number): number {
  const { graceOfLessons } = s.policy.services;
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

export function expiryOf(s: State, booking: Booking, since: number): number {
  return silenceEnds(s, booking, s.policy.services.grace, since);
}

/** A request leaves others half of the time, whatever its grace. */
export function answerBy(s: State, booking: Booking, since: number): number {
  const half = booking.madeAt + rounded((booking.from - booking.madeAt) / 2);
  return Math.min(half, silenceEnds(s, booking, s.policy.requestTtl, since));
}
