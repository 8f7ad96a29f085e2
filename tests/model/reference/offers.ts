/** A hold for who is first in line, be it of a room or of places (DESIGN §6). */

import { tell, worthUntil } from './messages.ts';
import { priceOfPerson, priceOfRoom, quoteOf } from './prices.ts';
import { findProvider } from './providers.ts';
import {
  type Booking,
  DAY,
  type Entry,
  hasPool,
  isForPlaces,
  item,
  MAX_HOLD_SHARE,
  MAX_PLANNED_OFFERS,
  type Offering,
  type Party,
  type Range,
  rooms,
  rounded,
  type State,
  share,
} from './state.ts';

/** Of a day each slot has its own; this is the last there could be. */
export function lastCallAt(s: State, entry: Entry): number {
  return worthUntil(entry) - s.policy.lastCall;
}

export function inOrder(entries: Entry[]): Entry[] {
  return [...entries].sort(
    (a, b) => a.priority - b.priority || a.joinedAt - b.joinedAt || a.id - b.id,
  );
}

/** "One live offer per customer and resource". */
export function hasOfferNearby(s: State, entry: Entry): boolean {
  return s.entries.some(
    (e) =>
      e.who === entry.who &&
      e.status === 'offered' &&
      share(rooms(e.offering), rooms(entry.offering)),
  );
}

/** The window is short enough that everyone who fits may get their turn before the last call. */
export function makeHold(s: State, entry: Entry, fittingCustomers: number): void {
  const left = lastCallAt(s, entry) - s.now;
  const planned = Math.min(fittingCustomers + 1, MAX_PLANNED_OFFERS);
  entry.window = Math.max(
    s.policy.minClaimWindow,
    Math.min(s.policy.claimWindow, rounded(left * MAX_HOLD_SHARE), rounded(left / planned)),
  );
  const hold = addBooking(s, entry.who, entry.offering, entry, placesOf(entry), entry.provider);
  hold.status = 'held';
  // Until its mail is accepted it stays, at most until the last call.
  hold.holdExpires = lastCallAt(s, entry);
  entry.status = 'offered';
  entry.hold = s.bookings.indexOf(hold);
  entry.offerExpires = null;
  tell(s, entry.who, 'slot_available', { booking: hold, entry });
}

export interface PlacesWanted extends Party {
  slot: number;
}

export function placesOf(entry: Entry): PlacesWanted | null {
  if (!isForPlaces(entry)) return null;
  const { slot, adults, children, infants } = entry;
  return {
    slot: slot ?? -1,
    adults: adults ?? 0,
    children: children ?? 0,
    infants: infants ?? 0,
  };
}

export function sizeOf(party: Party): number {
  return party.adults + party.children + party.infants;
}

export function placesFor(s: State, party: Party): number {
  return sizeOf(party) - (s.policy.infantsTakePlaces ? 0 : party.infants);
}

/** What becomes of a service comes later. */
const NOTHING_DONE = {
  providerReminded: null,
  answeredAt: null,
  awaitsPayment: false,
  awaitsDelivery: null,
  delivered: null,
  answerBy: null,
  deliveryConfirmed: null,
  expires: null,
  wouldExpire: null,
  rating: null,
};

export function addBooking(
  s: State,
  who: number,
  offering: Offering,
  { from, to }: Range,
  wanted: PlacesWanted | null = null,
  wish: number | null = null,
): Booking {
  const quote = wanted
    ? quoteOf(s.policy.prices, priceOfPerson(s, item(s.slots, wanted.slot)), wanted)
    : priceOfRoom(offering);
  const booking: Booking = {
    id: s.created++,
    who,
    offering,
    slot: wanted?.slot ?? null,
    adults: wanted?.adults ?? null,
    children: wanted?.children ?? null,
    infants: wanted?.infants ?? null,
    places: wanted ? placesFor(s, wanted) : 1,
    ...quote,
    refund: null,
    refundShare: 1,
    from,
    to,
    status: 'confirmed',
    sequence: 0,
    madeAt: s.now,
    confirmBy: null,
    requestExpires: null,
    holdExpires: null,
    attendance: null,
    attendanceAt: null,
    remindersDone: 0,
    reminderSent: null,
    spared: false,
    wouldCancel: false,
    overridden: false,
    purpose: null,
    endedAt: null,
    provider: hasPool(offering) ? findProvider(s, offering, { from, to }, wish) : null,
    ...NOTHING_DONE,
    touched: s.now,
  };
  s.bookings.push(booking);
  return booking;
}

export function addEntry(
  s: State,
  who: number,
  offering: Offering,
  { from, to }: Range,
  wanted: { slot: number | null; day: number | null; party: Party } | null = null,
  provider: number | null = null,
): Entry {
  const entry: Entry = {
    id: s.created++,
    who,
    offering,
    slot: wanted?.slot ?? null,
    day: wanted?.day ?? null,
    adults: wanted?.party.adults ?? null,
    children: wanted?.party.children ?? null,
    infants: wanted?.party.infants ?? null,
    places: wanted ? placesFor(s, wanted.party) : 1,
    from,
    to,
    provider,
    status: 'waiting',
    priority: 100,
    joinedAt: s.now,
    hold: null,
    booking: null,
    window: null,
    offerExpires: null,
    passed: false,
    passedSlots: [],
    stuck: false,
    endedAt: null,
  };
  s.entries.push(entry);
  tell(s, who, 'waitlist_joined', { entry });
  return entry;
}

/** An offer fell through: any slot of the day will do again. */
export function waitForTheDayAgain(entry: Entry): void {
  if (entry.day === null) return;
  entry.slot = null;
  entry.from = entry.day * DAY;
  entry.to = (entry.day + 1) * DAY;
}
