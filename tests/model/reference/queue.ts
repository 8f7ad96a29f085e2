/** The waiting list (DESIGN §6): freed room is handed to one person after another. */

import { tell, tellProviderOf } from './messages.ts';
import { hasOfferNearby, inOrder, lastCallAt, makeHold, waitForTheDayAgain } from './offers.ts';
import { isBookable } from './providers.ts';
import { handOnPlaces, hasRoom, offerPlacesTo, slotsOf } from './slots.ts';
import {
  type Blackout,
  type Booking,
  closes,
  DAY,
  type Entry,
  isForPlaces,
  item,
  OFFERINGS,
  OFFSETS,
  type Offering,
  occupies,
  overlap,
  type Range,
  roomOf,
  rooms,
  type State,
  share,
  takenBy,
} from './state.ts';

function isEligible(s: State, entry: Entry): boolean {
  return (
    entry.status === 'waiting' &&
    !entry.stuck &&
    !entry.passed &&
    s.now < lastCallAt(s, entry) &&
    !hasOfferNearby(s, entry) &&
    isBookable(s, entry.offering, entry, entry.provider)
  );
}

function concerns(s: State, where: readonly number[], range: Range): (entry: Entry) => boolean {
  return (e) =>
    e.status === 'waiting' &&
    !isForPlaces(e) &&
    share(rooms(e.offering), where) &&
    overlap(roomOf(s, e), range);
}

/** Offers freed room; `letsGo` is the customer who had it and let it go. */
export function handOn(
  s: State,
  where: readonly number[],
  range: Range,
  letsGo: number | null = null,
): void {
  for (const entry of s.entries.filter(concerns(s, where, range))) {
    entry.passed = entry.who === letsGo;
  }
  for (;;) {
    const next = inOrder(s.entries.filter(concerns(s, where, range))).find((e) => isEligible(s, e));
    if (!next) break;
    makeOffer(s, next, where, range);
  }
  const lateComers = s.entries
    .filter(concerns(s, where, range))
    .filter((e) => !e.stuck && lastCallAt(s, e) <= s.now && s.now < e.from);
  if (lateComers.length > 0) {
    s.freeings.push({ id: s.created++, rooms: where, slot: null, at: s.now, ...range });
  }
}

function fittingCustomers(s: State, where: readonly number[], range: Range): number {
  const fitting = s.entries.filter((e) => {
    const room = roomOf(s, e);
    return (
      e.status === 'waiting' &&
      !e.stuck &&
      !isForPlaces(e) &&
      share(rooms(e.offering), where) &&
      range.from <= room.from &&
      room.to <= range.to &&
      s.now < lastCallAt(s, e)
    );
  });
  return new Set(fitting.map((e) => e.who)).size;
}

function makeOffer(s: State, entry: Entry, where: readonly number[], range: Range): void {
  makeHold(s, entry, fittingCustomers(s, where, range));
}

export function endBooking(
  s: State,
  booking: Booking,
  status: string,
  { letsGo = null, refund = null }: { letsGo?: number | null; refund?: number | null } = {},
): void {
  const hadRoom = occupies(booking);
  booking.status = status;
  booking.sequence += 1;
  booking.endedAt = s.now;
  if (status === 'rejected') booking.answeredAt = s.now;
  booking.awaitsPayment = false;
  booking.awaitsDelivery = null;
  booking.expires = null;
  booking.holdExpires = null;
  booking.requestExpires = null;
  booking.refund = refund;
  if (!hadRoom) return;
  if (booking.slot !== null) handOnPlaces(s, item(s.slots, booking.slot), letsGo);
  else handOn(s, takenBy(booking), roomOf(s, booking), letsGo);
}

/** An offer ends unclaimed: the entry with it, or (`waiting`) it keeps its place. */
export function endOffer(s: State, entry: Entry, status: string): void {
  const hold = item(s.bookings, entry.hold);
  const keepsPlace = status === 'waiting';
  entry.status = status;
  entry.hold = null;
  if (keepsPlace) entry.offerExpires = null;
  else entry.endedAt = s.now;
  if (keepsPlace) waitForTheDayAgain(entry);
  const ofHold = keepsPlace || status === 'expired' ? 'expired' : 'cancelled';
  endBooking(s, hold, ofHold, { letsGo: keepsPlace ? null : entry.who });
  offerKeptBack(s, entry);
}

/** What was kept from a customer while they had an offer, nobody else could have: it would be taken. */
export function offerKeptBack(s: State, entry: Entry): void {
  const others = s.entries.filter(
    (e) =>
      e.who === entry.who &&
      e.status === 'waiting' &&
      !e.stuck &&
      !e.passed &&
      // Who waits for a day may be offered another slot of it, when one fell through.
      (e !== entry || e.day !== null) &&
      share(rooms(e.offering), rooms(entry.offering)),
  );
  for (const other of inOrder(others)) {
    if (isForPlaces(other)) {
      if (!hasRoom(s, other)) continue;
      for (const slot of slotsOf(s, other)) offerPlacesTo(s, slot, other.who);
    } else if (isEligible(s, other)) {
      makeOffer(s, other, rooms(other.offering), roomOf(s, other));
    }
  }
}

export function expireHold(s: State, hold: Booking): void {
  if (hold.status !== 'held') return;
  const position = s.bookings.indexOf(hold);
  const entry = s.entries.find((e) => e.hold === position);
  if (!entry) throw new Error('A hold without its entry.');
  if (entry.offerExpires === null) {
    endOffer(s, entry, 'waiting');
  } else {
    endOffer(s, entry, 'expired');
    tell(s, entry.who, 'offer_expired', { entry });
  }
}

/** "What is due is due, worker or no worker" (DESIGN §4.7): in these rooms, and in those locked with them. */
export function settle(s: State, offerings: readonly Offering[]): void {
  const where = OFFERINGS.filter((locked) =>
    offerings.some((own) => share(rooms(own), rooms(locked))),
  ).flatMap(rooms);
  const overdue = s.bookings.filter(
    (b) => b.status === 'held' && (b.holdExpires ?? 0) <= s.now && share(rooms(b.offering), where),
  );
  overdue.sort((a, b) => (a.holdExpires ?? 0) - (b.holdExpires ?? 0) || a.id - b.id);
  for (const hold of overdue) expireHold(s, hold);
}

/** When a window that begins now is over: quiet hours do not count, unless the start is near. */
export function windowEnd(s: State, entry: Entry): number {
  const { quiet, urgentBefore } = s.policy;
  const urgent = entry.from - urgentBefore;
  let at = s.now;
  let left = entry.window ?? 0;
  while (quiet && at < urgent) {
    const offset = item(OFFSETS, entry.who);
    const midnight = Math.floor((at + offset) / DAY) * DAY - offset;
    // Quiet hours begin in the evening and last into the next day: yesterday's, or today's.
    const nights = [-DAY, 0].map((day) => ({
      from: midnight + day + quiet[0],
      until: midnight + day + DAY + quiet[1],
    }));
    const night = nights.find(({ until }) => at < until);
    if (!night || night.from >= Math.min(urgent, at + left)) break;
    left -= Math.max(0, night.from - at);
    at = Math.min(night.until, urgent);
  }
  return Math.min(at + left, entry.from);
}

/** The live bookings a blackout overlaps, holds included. */
export function hitBy(s: State, blackout: Blackout): Booking[] {
  return s.bookings
    .filter((b) => b.endedAt === null && occupies(b) && overlap(b, blackout))
    .filter((b) => closes(blackout, b.offering))
    .filter((b) => blackout.room === null || takenBy(b).includes(blackout.room))
    .sort((a, b) => a.from - b.from || a.id - b.id);
}

/** A booking is cancelled; a hold goes, and its entry keeps its place in the queue. */
export function clearForBlackout(s: State, booking: Booking): void {
  const position = s.bookings.indexOf(booking);
  const entry = s.entries.find((e) => e.hold === position);
  if (entry) {
    endOffer(s, entry, 'waiting');
  } else {
    const before = { ...booking };
    endBooking(s, booking, 'cancelled', { refund: booking.price });
    tellProviderOf(s, before, booking);
    tell(s, booking.who, 'message_blackout', { booking });
  }
}
