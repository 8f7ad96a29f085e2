/** What customers do with ranges of time, and with any booking they have. */
import type { Actor } from './commands.ts';
import { tell, tellProviderOf, tellWhoDecides } from './messages.ts';
import { addBooking, addEntry } from './offers.ts';
import { untilPaid } from './payments.ts';
import { leastRefundShare, refundDue } from './prices.ts';
import {
  changeProvider,
  findProvider,
  isAnybodyAtWork,
  isBookable,
  isServedBy,
} from './providers.ts';
import { endBooking, handOn, settle } from './queue.ts';
import {
  type Booking,
  hasPool,
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
  takenBy,
} from './state.ts';
import {
  checkDailyBookings,
  closeOverlapping,
  rearm,
  sameDay,
  setTerms,
  tellOfBooking,
} from './terms.ts';

/** Opening hours, or who is at work, were asked for before. */
function isRoomFor(s: State, offering: Offering, range: Range, wish: number | null): boolean {
  return hasPool(offering) ? isBookable(s, offering, range, wish) : isFree(s, offering, range);
}

export function checkTimes(
  s: State,
  offering: Offering,
  range: Range,
  asManager: boolean,
  wish: number | null = null,
): void {
  const lead = range.from - s.now;
  const length = range.to - range.from;
  if (lead <= 0 || length < MIN_DURATION || length > MAX_DURATION) throw new Refusal('RSTIM');
  if (!asManager && lead < s.policy.cutoff) throw new Refusal('RSTIM');
  if (!isOpen(s, offering, range, wish)) throw new Refusal('RSBLK');
  if (!isAnybodyAtWork(s, offering, range, wish)) throw new Refusal('RSTIM');
}

/** One may wish for a provider, but only for one of those who serve it. */
function checkWish(offering: Offering, wish: number | null): void {
  const serves = hasPool(offering) && rooms(offering).includes(wish ?? -1);
  if (wish !== null && !serves) throw new Refusal('RSNTF');
}

export function book(
  s: State,
  who: number,
  offering: Offering,
  range: Range,
  wish: number | null = null,
): void {
  settle(s, [offering]);
  checkWish(offering, wish);
  checkTimes(s, offering, range, false, wish);
  checkDailyBookings(s, who, range);
  if (!isRoomFor(s, offering, range, wish)) throw new Refusal('RSFUL');
  const booking = addBooking(s, who, offering, range, null, wish);
  setTerms(s, booking, s.policy.requiresApproval);
  untilPaid(s, booking);
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

export function join(
  s: State,
  who: number,
  offering: Offering,
  range: Range,
  wish: number | null = null,
): void {
  settle(s, [offering]);
  checkWish(offering, wish);
  checkTimes(s, offering, range, true, wish);
  if (isBookable(s, offering, range, wish)) throw new Refusal('RSAVL');
  checkMayWait(s, who, offering, range, null);
  addEntry(s, who, offering, range, null, wish);
}

/** What it asks to be changed. */
export interface Change {
  range?: Range | undefined;
  purpose?: string | undefined;
  provider?: number | undefined;
}

export function modify(
  s: State,
  by: Actor,
  booking: Booking,
  { range, purpose, provider }: Change,
): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (!['pending', 'confirmed'].includes(booking.status)) throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  const moves = range && (range.from !== booking.from || range.to !== booking.to);
  const renames = purpose !== undefined && purpose !== booking.purpose;
  checkWish(booking.offering, provider ?? null);
  const asks = !moves && provider !== undefined && provider !== booking.provider;
  const before = { ...booking };
  if (purpose !== undefined) booking.purpose = purpose;
  if (moves) move(s, booking, range, asManager, provider ?? null);
  if (asks) askFor(s, booking, provider);
  if (moves && booking.status === 'pending' && !booking.awaitsPayment) tellWhoDecides(s, booking);
  if (moves || renames || asks) {
    tellProviderOf(s, before, booking);
    tell(s, booking.who, 'booking_modified', { booking, sequence: true });
  }
}

function askFor(s: State, booking: Booking, provider: number): void {
  if (!isOpen(s, booking.offering, booking, provider)) throw new Refusal('RSBLK');
  if (findProvider(s, booking.offering, booking, provider, booking) === null) {
    throw new Refusal('RSFUL');
  }
  changeProvider(s, booking, provider);
}

function move(
  s: State,
  booking: Booking,
  range: Range,
  asManager: boolean,
  wish: number | null,
): void {
  checkTimes(s, booking.offering, range, asManager, wish);
  if (!asManager) checkDailyBookings(s, booking.who, range, booking);
  const { awaitsPayment, requestExpires } = booking;
  const before = { resources: takenBy(booking), room: roomOf(s, booking) };
  booking.status = 'moving';
  if (!isRoomFor(s, booking.offering, range, wish)) throw new Refusal('RSFUL');
  if (hasPool(booking.offering)) {
    // Who served it before serves it still, if they can.
    const same = findProvider(s, booking.offering, range, wish ?? booking.provider);
    booking.provider = same ?? findProvider(s, booking.offering, range);
  }
  if (!asManager) booking.refundShare = leastRefundShare(s, booking);
  booking.from = range.from;
  booking.to = range.to;
  setTerms(s, booking, s.policy.requiresApproval && !asManager);
  if (awaitsPayment) {
    // Who has still to pay has no longer for having moved.
    untilPaid(s, booking);
    const until = booking.requestExpires;
    if (until !== null) booking.requestExpires = Math.min(until, requestExpires ?? until);
  }
  rearm(booking, asManager);
  closeOverlapping(s, booking);
  handOn(s, before.resources, before.room);
}

export function cancel(s: State, by: Actor, booking: Booking, refund?: number): void {
  settle(s, [booking.offering]);
  const asManager = isServedBy(by, booking);
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (by !== 'manager' && refund !== undefined) throw new Refusal('RSARG');
  if (booking.status === 'cancelled') return;
  const until = asManager ? ['pending', 'confirmed', 'in_progress'] : ['pending', 'confirmed'];
  if (!until.includes(booking.status)) throw new Refusal('RSSTA');
  if (!asManager && booking.from <= s.now) throw new Refusal('RSTIM');
  if (refund !== undefined && refund > booking.price) throw new Refusal('RSARG');
  const given = asManager ? (refund ?? booking.price) : refundDue(s, booking);
  const before = { ...booking };
  endBooking(s, booking, 'cancelled', { refund: given });
  tellProviderOf(s, before, booking);
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
