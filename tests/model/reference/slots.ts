/** Places of dated slots: how many are left, and who gets those that become free. */
import { hasOfferNearby, inOrder, makeHold } from './offers.ts';
import {
  type Entry,
  isOpen,
  item,
  type Offering,
  occupies,
  overlap,
  type Range,
  type Slot,
  type State,
} from './state.ts';

export function positionOf(s: State, slot: Slot): number {
  return s.slots.indexOf(slot);
}

export function takenOf(s: State, slot: Slot): number {
  const position = positionOf(s, slot);
  return s.bookings
    .filter((b) => b.slot === position && occupies(b))
    .reduce((sum, b) => sum + b.places, 0);
}

/** Places that people have, those held for others not counted. */
export function bookedOf(s: State, slot: Slot): number {
  const position = positionOf(s, slot);
  return s.bookings
    .filter(
      (b) => b.slot === position && ['pending', 'confirmed', 'in_progress'].includes(b.status),
    )
    .reduce((sum, b) => sum + b.places, 0);
}

export function leftOf(s: State, slot: Slot): number {
  return slot.capacity - takenOf(s, slot);
}

export function isOnSale(s: State, slot: Slot): boolean {
  return slot.endedAt === null && !slot.closed && isOpen(s, slot.offering, slot);
}

/** The slots that would do for somebody who waits, the next first. */
export function slotsOf(s: State, entry: Pick<Entry, 'offering' | 'slot' | 'day'>): Slot[] {
  return s.slots
    .filter(
      (slot, position) =>
        slot.offering === entry.offering &&
        slot.endedAt === null &&
        (position === entry.slot || (entry.day !== null && slot.day === entry.day)),
    )
    .sort((a, b) => a.from - b.from || a.id - b.id);
}

function waitingFor(s: State, slot: Slot): Entry[] {
  const position = positionOf(s, slot);
  return s.entries.filter(
    (e) =>
      e.status === 'waiting' &&
      !e.stuck &&
      (e.slot === position || (e.offering === slot.offering && e.day === slot.day)),
  );
}

export function isLastCall(s: State, slot: Slot, entry: Entry): boolean {
  return (
    entry.places <= leftOf(s, slot) && slot.from > s.now && slot.from - s.policy.lastCall <= s.now
  );
}

export function hasRoom(s: State, entry: Pick<Entry, 'offering' | 'slot' | 'day' | 'places'>) {
  return slotsOf(s, entry).some(
    (slot) => entry.places <= leftOf(s, slot) && slot.from > s.now && isOnSale(s, slot),
  );
}

/** Offers the free places of a slot; `letsGo` is the customer who had some and let them go. */
export function handOnPlaces(s: State, slot: Slot, letsGo: number | null = null): void {
  if (waitingFor(s, slot).length === 0) return;
  const position = positionOf(s, slot);
  for (const entry of waitingFor(s, slot)) {
    entry.passedSlots = entry.passedSlots.filter((passed) => passed !== position);
    if (entry.who === letsGo) entry.passedSlots.push(position);
  }
  offerPlaces(s, slot, () => true);
  if (isOnSale(s, slot) && waitingFor(s, slot).some((e) => isLastCall(s, slot, e))) {
    const { from, to } = slot;
    s.freeings.push({ id: s.created++, rooms: [], slot: position, from, to, at: s.now });
  }
}

/** What was kept from somebody while they had an offer. */
export function offerPlacesTo(s: State, slot: Slot, who: number): void {
  offerPlaces(s, slot, (e) => e.who === who);
}

/** A party that does not fit keeps its place, and a smaller one behind it may be served. */
function offerPlaces(s: State, slot: Slot, mayGet: (entry: Entry) => boolean): void {
  if (!isOnSale(s, slot) || slot.from - s.policy.lastCall <= s.now) return;
  for (;;) {
    const next = inOrder(waitingFor(s, slot)).find(
      (e) =>
        mayGet(e) &&
        !e.passedSlots.includes(positionOf(s, slot)) &&
        e.places <= leftOf(s, slot) &&
        !hasOfferNearby(s, e),
    );
    if (!next) return;
    if (next.day !== null) {
      next.slot = positionOf(s, slot);
      next.from = slot.from;
      next.to = slot.to;
    }
    const fitting = waitingFor(s, slot).filter((e) => e.places <= leftOf(s, slot));
    makeHold(s, next, new Set(fitting.map((e) => e.who)).size);
  }
}

/** A range is open again. */
export function handOnSlots(s: State, offerings: readonly Offering[], range: Range): void {
  const open = s.slots.filter(
    (slot) => offerings.includes(slot.offering) && slot.endedAt === null && overlap(slot, range),
  );
  open.sort((a, b) => a.from - b.from || a.id - b.id);
  for (const slot of open) handOnPlaces(s, slot);
}

/** Whom to tell in the last call that the first to claim gets the places. */
export function lateComersFor(s: State, slot: Slot): Entry[] {
  return isOnSale(s, slot) ? waitingFor(s, slot).filter((e) => isLastCall(s, slot, e)) : [];
}

/** Who claims in the last call gets the first slot of the day with room; else the next says why not. */
export function slotToClaim(s: State, entry: Entry): Slot | undefined {
  if (entry.day === null) return item(s.slots, entry.slot);
  const slots = slotsOf(s, entry);
  return (
    slots.find((slot) => isLastCall(s, slot, entry) && isOnSale(s, slot)) ??
    slots.find((slot) => slot.from > s.now) ??
    slots[0]
  );
}
