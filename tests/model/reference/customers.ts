/** What customers do with ranges of time, and with any booking they have. */
import type { Actor } from './commands.ts';
import { addBooking, addEntry } from './offers.ts';
import { leastRefundShare, refundDue } from './prices.ts';
import { endBooking, handOn, settle } from './queue.ts';
import {
  type Booking,
  isFree,
  isOpen,
  MAX_DURATION,
  MIN_DURATION,
  type Offering,
  overlap,
  type Range,
  Refusal,
  roomOf,
  rooms,
  type State,
  tell,
} from './state.ts';
import {
  checkDailyBookings,
  closeOverlapping,
  rearm,
  sameDay,
  setTerms,
  tellOfBooking,
} from './terms.ts';

export function checkTimes(s: State, offering: Offering, range: Range, asManager: boolean): void {
  const lead = range.from - s.now;
  const length = range.to - range.from;
  if (lead <= 0 || length < MIN_DURATION || length > MAX_DURATION) throw new Refusal('RSTIM');
  if (!asManager && lead < s.policy.cutoff) throw new Refusal('RSTIM');
  if (!isOpen(s, offering, range)) throw new Refusal('RSBLK');
}

export function book(s: State, who: number, offering: Offering, range: Range): void {
  settle(s, [offering]);
  checkTimes(s, offering, range, false);
  checkDailyBookings(s, who, range);
  if (!isFree(s, offering, range)) throw new Refusal('RSFUL');
  const booking = addBooking(s, who, offering, range);
  setTerms(s, booking, s.policy.requiresApproval);
  closeOverlapping(s, booking);
  tellOfBooking(s, booking, 'booking_received');
}

/** Not for what one has, not twice for the same, and not too often for one day. */
export function checkMayWait(
  s: State,
  who: number,
  offering: Offering,
  range: Range,
  day: number | null,
): void {
  const has = s.bookings.some(
    (b) =>
      b.who === who &&
      b.offering === offering &&
      ['pending', 'confirmed', 'in_progress'].includes(b.status) &&
      overlap(b, range),
  );
  const own = s.entries.filter((e) => e.who === who && e.endedAt === null);
  const waits = own.some(
    (e) =>
      e.offering === offering &&
      e.day === day &&
      (day !== null || (e.from === range.from && e.to === range.to)),
  );
  if (has || waits) throw new Refusal('RSDUP');
  if (own.filter((e) => sameDay(e, range)).length >= s.policy.perDay) throw new Refusal('RSLIM');
}

export function join(s: State, who: number, offering: Offering, range: Range): void {
  settle(s, [offering]);
  checkTimes(s, offering, range, true);
  if (isFree(s, offering, range)) throw new Refusal('RSAVL');
  checkMayWait(s, who, offering, range, null);
  addEntry(s, who, offering, range);
}

export function modify(
  s: State,
  by: Actor,
  booking: Booking,
  range?: Range,
  purpose?: string,
): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (!['pending', 'confirmed'].includes(booking.status)) throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  const moves = range && (range.from !== booking.from || range.to !== booking.to);
  const renames = purpose !== undefined && purpose !== booking.purpose;
  if (purpose !== undefined) booking.purpose = purpose;
  if (renames) booking.touchedAt = s.now;
  if (moves) move(s, booking, range, asManager);
  if (moves && booking.status === 'pending') {
    tell(s, 'managers', 'booking_requested', { booking, sequence: true });
  }
  if (moves || renames) tell(s, booking.who, 'booking_modified', { booking, sequence: true });
}

function move(s: State, booking: Booking, range: Range, asManager: boolean): void {
  checkTimes(s, booking.offering, range, asManager);
  if (!asManager) checkDailyBookings(s, booking.who, range, booking);
  const before = { status: booking.status, room: roomOf(s, booking) };
  booking.status = 'moving';
  if (!isFree(s, booking.offering, range)) throw new Refusal('RSFUL');
  if (!asManager) booking.refundShare = leastRefundShare(s, booking);
  booking.from = range.from;
  booking.to = range.to;
  setTerms(s, booking, s.policy.requiresApproval && !asManager);
  rearm(booking, asManager);
  closeOverlapping(s, booking);
  handOn(s, rooms(booking.offering), before.room);
}

export function cancel(s: State, by: Actor, booking: Booking, refund?: number): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (!asManager && refund !== undefined) throw new Refusal('RSARG');
  if (booking.status === 'cancelled') return;
  const until = asManager ? ['pending', 'confirmed', 'in_progress'] : ['pending', 'confirmed'];
  if (!until.includes(booking.status)) throw new Refusal('RSSTA');
  if (!asManager && booking.from <= s.now) throw new Refusal('RSTIM');
  if (refund !== undefined && refund > booking.price) throw new Refusal('RSARG');
  const given = asManager ? (refund ?? booking.price) : refundDue(s, booking);
  endBooking(s, booking, 'cancelled', { refund: given });
  tell(s, booking.who, 'booking_cancelled', { booking });
}

export function confirm(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || by !== booking.who) throw new Refusal('RSNTF');
  if (booking.attendance !== null && booking.endedAt === null) return;
  if (booking.status !== 'confirmed') throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  booking.attendance = 'account';
  booking.attendanceAt = s.now;
  booking.spared = false;
}
