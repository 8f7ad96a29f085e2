/** What a booking begins as, what it ends for its customer, and who is told of it. */

import { tell, tellProviderOf, tellWhoDecides } from './messages.ts';
import { endOffer } from './queue.ts';
import { answerBy } from './silence.ts';
import { slotsOf } from './slots.ts';
import {
  type Booking,
  DAY,
  type Entry,
  overlap,
  type Range,
  Refusal,
  rooms,
  type State,
  share,
} from './state.ts';

export function sameDay(one: Range, other: Range): boolean {
  return Math.floor(one.from / DAY) === Math.floor(other.from / DAY);
}

export function checkDailyBookings(s: State, who: number, range: Range, except?: Booking): void {
  const counted = s.bookings.filter(
    (b) =>
      b !== except &&
      b.who === who &&
      ['pending', 'confirmed', 'in_progress', 'delivered', 'completed'].includes(b.status) &&
      sameDay(b, range),
  );
  if (counted.length >= s.policy.perDay) throw new Refusal('RSLIM');
}

/** What a booking made (claimed, moved) now begins as (DESIGN §7). */
export function setTerms(s: State, booking: Booking, needsApproval: boolean, madeAt = s.now): void {
  const lead = booking.from - madeAt;
  booking.madeAt = madeAt;
  booking.holdExpires = null;
  booking.requestExpires = null;
  booking.confirmBy = null;
  booking.attendance = null;
  booking.attendanceAt = null;
  booking.awaitsPayment = false;
  booking.status = 'confirmed';
  if (needsApproval) {
    booking.status = 'pending';
    booking.requestExpires = answerBy(s, booking, madeAt);
  } else if (lead < s.policy.confirmIfBookedBefore) {
    booking.attendance = 'booking';
    booking.attendanceAt = madeAt;
  } else {
    booking.confirmBy = booking.from - s.policy.confirmDeadline;
  }
}

/**
 * Who has got a place no longer waits for the same time in the same rooms; who has claimed one,
 * in any rooms.
 */
export function closeOverlapping(s: State, booking: Booking, everywhere = false): void {
  const overlapping = s.entries.filter(
    (e) =>
      e.who === booking.who &&
      (everywhere || share(rooms(e.offering), rooms(booking.offering))) &&
      overlap(e, booking) &&
      !hasOtherSlot(s, e, booking),
  );
  for (const entry of overlapping.filter(({ status }) => status === 'waiting')) {
    entry.status = 'closed';
    entry.endedAt = s.now;
  }
  for (const entry of overlapping.filter(({ status }) => status === 'offered')) {
    endOffer(s, entry, 'closed');
  }
}

/** Of what has first to be paid its payment tells. */
export function tellOfBooking(s: State, booking: Booking, kind: string): void {
  if (booking.awaitsPayment) return;
  if (booking.status === 'pending') tellWhoDecides(s, booking);
  tellProviderOf(s, null, booking);
  tell(s, booking.who, kind, { booking, sequence: true });
}

/** Who waits for a day and gets something else for a part of it may still have another slot. */
function hasOtherSlot(s: State, entry: Entry, booking: Booking): boolean {
  return (
    entry.day !== null &&
    entry.slot === null &&
    entry.offering !== booking.offering &&
    slotsOf(s, entry).some((slot) => slot.from > s.now && !overlap(slot, booking))
  );
}

/** At another time it is as if it were made now. */
export function rearm(booking: Booking, asManager: boolean): void {
  booking.sequence += 1;
  booking.answeredAt = null;
  booking.providerReminded = null;
  booking.remindersDone = 0;
  booking.reminderSent = null;
  booking.spared = false;
  booking.wouldCancel = false;
  if (!asManager) booking.overridden = false;
}
