/** What customers do with places of slots. */
import type { Actor } from './commands.ts';
import { checkMayWait } from './customers.ts';
import { tell } from './messages.ts';
import { addBooking, addEntry, placesFor, sizeOf } from './offers.ts';
import { leastRefundShare, priceOfPerson, quoteOf } from './prices.ts';
import { settle } from './queue.ts';
import { handOnPlaces, hasRoom, isOnSale, leftOf, positionOf, slotsOf } from './slots.ts';
import {
  type Booking,
  DAY,
  isOpen,
  item,
  type Party,
  Refusal,
  type Slot,
  type State,
  type Tour,
} from './state.ts';
import { checkDailyBookings, closeOverlapping, rearm, setTerms, tellOfBooking } from './terms.ts';

function checkParty(party: Party): void {
  if (party.adults + party.children === 0) throw new Refusal('RSARG');
}

/** Cutoff and size of the party are for those who book; null for those to whom they do not apply. */
export function checkSlot(s: State, slot: Slot, limited: Party | null): void {
  if (slot.cancelled) throw new Refusal('RSBLK');
  if (slot.from <= s.now) throw new Refusal('RSTIM');
  if (slot.closed) throw new Refusal('RSBLK');
  if (limited && slot.from - s.now < s.policy.cutoff) throw new Refusal('RSTIM');
  if (limited && sizeOf(limited) > s.policy.maxParty) throw new Refusal('RSLIM');
  if (!isOpen(s, slot.offering, slot)) throw new Refusal('RSBLK');
}

export function bookPlaces(s: State, who: number, slot: Slot, party: Party): void {
  checkParty(party);
  settle(s, [slot.offering]);
  checkSlot(s, slot, party);
  checkDailyBookings(s, who, slot);
  if (placesFor(s, party) > leftOf(s, slot)) throw new Refusal('RSFUL');
  const wanted = { slot: positionOf(s, slot), ...party };
  const booking = addBooking(s, who, slot.offering, slot, wanted);
  setTerms(s, booking, s.policy.requiresApproval);
  closeOverlapping(s, booking);
  tellOfBooking(s, booking, 'booking_received');
}

export function joinSlot(s: State, who: number, slot: Slot, party: Party): void {
  checkParty(party);
  settle(s, [slot.offering]);
  checkMayEverFit(s, slot, party);
  const wanted = { slot: positionOf(s, slot), day: null, party };
  if (hasRoom(s, { offering: slot.offering, places: placesFor(s, party), ...wanted })) {
    throw new Refusal('RSAVL');
  }
  checkMayWait(s, who, slot.offering, slot, null);
  addEntry(s, who, slot.offering, slot, wanted);
}

export function joinDay(s: State, who: number, offering: Tour, day: number, party: Party): void {
  checkParty(party);
  settle(s, [offering]);
  const largest = largestOf(s, offering, day);
  if (!largest) throw new Refusal('RSTIM');
  checkMayEverFit(s, largest, party);
  const wanted = { slot: null, day, party };
  if (hasRoom(s, { offering, places: placesFor(s, party), ...wanted })) {
    throw new Refusal('RSAVL');
  }
  const range = { from: day * DAY, to: (day + 1) * DAY };
  checkMayWait(s, who, offering, range, day);
  addEntry(s, who, offering, range, wanted);
}

/** Any slot of the day that could ever do; if there is none, the largest one says why. */
function largestOf(s: State, offering: Tour, day: number): Slot | undefined {
  const rank = (slot: Slot) => (slot.from > s.now ? 2 : 0) + (isOnSale(s, slot) ? 1 : 0);
  return slotsOf(s, { offering, slot: null, day }).sort(
    (a, b) => rank(b) - rank(a) || b.capacity - a.capacity || a.from - b.from,
  )[0];
}

function checkMayEverFit(s: State, slot: Slot, party: Party): void {
  checkSlot(s, slot, null);
  if (sizeOf(party) > s.policy.maxParty) throw new Refusal('RSLIM');
  if (placesFor(s, party) > slot.capacity) throw new Refusal('RSLIM');
}

/** To another slot, with another party, or both. */
export function modifyPlaces(
  s: State,
  by: Actor,
  booking: Booking,
  to: number | undefined,
  newParty: Party | undefined,
): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (!['pending', 'confirmed'].includes(booking.status)) throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  if (newParty) checkParty(newParty);
  const old = item(s.slots, booking.slot);
  const slot = to === undefined ? old : item(s.slots, to);
  if (slot.offering !== booking.offering) throw new Refusal('RSNTF');
  const had = partyOf(booking);
  const party = newParty ?? had;
  const moves = slot !== old;
  const changes = (['adults', 'children', 'infants'] as const).some((x) => party[x] !== had[x]);
  if (!moves && !changes) return;
  const places = placesFor(s, party);
  // Fewer people on the same slot are always welcome.
  if (moves || places > booking.places || sizeOf(party) > sizeOf(had)) {
    checkSlot(s, slot, asManager ? null : party);
  }
  if (moves && !asManager) checkDailyBookings(s, booking.who, slot, booking);
  const left = leftOf(s, slot) + (moves ? 0 : booking.places);
  if (places > left) throw new Refusal('RSFUL');
  const frees = moves || places < booking.places;
  reprice(s, booking, slot, party, moves);
  if (moves) retime(s, booking, slot, asManager);
  if (frees) handOnPlaces(s, old);
  if (moves && booking.status === 'pending') {
    tell(s, 'managers', 'booking_requested', { booking, sequence: true });
  }
  tell(s, booking.who, 'booking_modified', { booking, sequence: true });
}

function partyOf({ adults, children, infants }: Booking): Party {
  return { adults: adults ?? 0, children: children ?? 0, infants: infants ?? 0 };
}

/** On the same slot the price of a person stays what it was sold at. */
function reprice(s: State, booking: Booking, slot: Slot, party: Party, moves: boolean): void {
  const person = moves ? priceOfPerson(s, slot) : (booking.personPrice ?? 0);
  const quote = quoteOf(s.policy.prices, person, party);
  Object.assign(booking, party, quote, { places: placesFor(s, party) });
}

function retime(s: State, booking: Booking, slot: Slot, asManager: boolean): void {
  if (!asManager) booking.refundShare = leastRefundShare(s, booking);
  booking.slot = positionOf(s, slot);
  booking.from = slot.from;
  booking.to = slot.to;
  setTerms(s, booking, s.policy.requiresApproval && !asManager);
  rearm(booking, asManager);
  closeOverlapping(s, booking);
}
