/** What people answer who wait: they claim, decline or leave. */
import type { Actor } from './commands.ts';
import { checkTimes } from './customers.ts';
import { addBooking, lastCallAt, placesOf } from './offers.ts';
import { untilPaid } from './payments.ts';
import { checkSlot } from './places.ts';
import { isBookable } from './providers.ts';
import { endOffer, offerKeptBack, settle } from './queue.ts';
import { leftOf, positionOf, slotsOf, slotToClaim } from './slots.ts';
import {
  type Booking,
  type Entry,
  isForPlaces,
  isOpen,
  item,
  type Offering,
  overlap,
  Refusal,
  type State,
} from './state.ts';
import { closeOverlapping, setTerms, tellOfBooking } from './terms.ts';

export function answer(
  s: State,
  what: 'leave' | 'claim' | 'decline',
  by: Actor,
  entry: Entry,
): void {
  settle(s, what === 'claim' ? [entry.offering, ...endingWith(s, entry)] : [entry.offering]);
  const mayLeave = what === 'leave' && by === 'manager';
  if (by !== entry.who && !mayLeave) throw new Refusal('RSNTF');
  const done = { leave: 'left', claim: 'claimed', decline: 'declined' }[what];
  if (entry.status === done) return;
  if (entry.status === 'offered') {
    if (what === 'claim') claimHold(s, entry);
    else endOffer(s, entry, done);
  } else if (what === 'leave' && entry.status === 'waiting') {
    entry.status = 'left';
    entry.endedAt = s.now;
  } else if (what === 'claim' && entry.status === 'waiting') {
    claimInLastCall(s, entry);
  } else {
    const over = what !== 'leave' && ['expired', 'lapsed'].includes(entry.status);
    throw new Refusal(over ? 'RSEXP' : 'RSSTA');
  }
}

function claimHold(s: State, entry: Entry): void {
  const booking = item(s.bookings, entry.hold);
  if (!isOpen(s, entry.offering, entry)) throw new Refusal('RSBLK');
  setTerms(s, booking, s.policy.requiresApproval);
  untilPaid(s, booking);
  claimed(s, entry, booking);
}

/** Inside the last call nothing is held: the first to claim gets it. */
function claimInLastCall(s: State, entry: Entry): void {
  if (isForPlaces(entry)) {
    claimPlacesInLastCall(s, entry);
    return;
  }
  if (entry.from <= s.now) throw new Refusal('RSEXP');
  if (s.now < lastCallAt(s, entry)) throw new Refusal('RSSTA');
  // "Claims ignore the booking cutoff."
  checkTimes(s, entry.offering, entry, true, entry.provider);
  if (!isBookable(s, entry.offering, entry, entry.provider)) throw new Refusal('RSFUL');
  const booking = addBooking(s, entry.who, entry.offering, entry, null, entry.provider);
  setTerms(s, booking, s.policy.requiresApproval);
  untilPaid(s, booking);
  claimed(s, entry, booking);
}

function claimed(s: State, entry: Entry, booking: Booking): void {
  entry.status = 'claimed';
  entry.hold = null;
  entry.booking = s.bookings.indexOf(booking);
  entry.endedAt = s.now;
  closeOverlapping(s, booking, true);
  offerKeptBack(s, entry);
  tellOfBooking(s, booking, 'booking_claimed');
}

function claimPlacesInLastCall(s: State, entry: Entry): void {
  const slot = slotToClaim(s, entry);
  // Of the day is nothing left.
  if (!slot) throw new Refusal('RSTIM');
  if (slot.from <= s.now) throw new Refusal('RSEXP');
  if (s.now < slot.from - s.policy.lastCall) throw new Refusal('RSSTA');
  checkSlot(s, slot, null);
  if (entry.places > leftOf(s, slot)) throw new Refusal('RSFUL');
  if (entry.day !== null) {
    entry.slot = positionOf(s, slot);
    entry.from = slot.from;
    entry.to = slot.to;
  }
  const booking = addBooking(s, entry.who, entry.offering, entry, placesOf(entry));
  setTerms(s, booking, s.policy.requiresApproval);
  claimed(s, entry, booking);
}

/** What else they wait for at that time ends with the claim. */
function endingWith(s: State, entry: Entry): Offering[] {
  return s.entries
    .filter(
      (e) =>
        e.who === entry.who &&
        e.endedAt === null &&
        e.offering !== entry.offering &&
        [entry, ...slotsOf(s, entry)].some((range) => overlap(e, range)),
    )
    .map((e) => e.offering);
}
