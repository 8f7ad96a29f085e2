/** What managers and time do to slots. */
import type { Actor, Alteration } from './commands.ts';
import { tell } from './messages.ts';
import { inOrder } from './offers.ts';
import { endBooking, endOffer, settle } from './queue.ts';
import { bookedOf, handOnPlaces, positionOf, takenOf } from './slots.ts';
import {
  DAY,
  type Entry,
  isOpen,
  item,
  overlap,
  type Range,
  Refusal,
  roomOf,
  rooms,
  type Schedule,
  SHARED_RESOURCES,
  type Slot,
  type State,
} from './state.ts';

export function generate(s: State, by: Actor, position: number, from: number, to: number): void {
  if (by !== 'manager') throw new Refusal('RSNTF');
  const schedule = item(s.schedules, position);
  settle(s, [schedule.tour]);
  for (let day = from; day <= to; day++) makeSlot(s, schedule, position, day);
}

/** What there is stays as it is; what nobody has booked and nobody has altered follows its schedule. */
function makeSlot(s: State, schedule: Schedule, position: number, day: number): void {
  const start = day * DAY + schedule.start;
  const range = { from: start, to: start + schedule.length };
  const there = s.slots.find((slot) => slot.schedule === position && slot.from === start);
  if (there) {
    const differs = there.capacity !== schedule.capacity || there.minSize !== schedule.minSize;
    const isBooked = s.bookings.some((b) => b.slot === positionOf(s, there) && b.endedAt === null);
    if (!differs || isBooked || there.altered || there.endedAt !== null || start <= s.now) return;
    there.capacity = schedule.capacity;
    there.minSize = schedule.minSize;
    handOnPlaces(s, there);
    return;
  }
  if (start <= s.now || !isOpen(s, schedule.tour, range) || !isGuideFree(s, schedule, range))
    return;
  const slot: Slot = {
    id: s.created++,
    offering: schedule.tour,
    schedule: position,
    day,
    ...range,
    capacity: schedule.capacity,
    minSize: schedule.minSize,
    price: null,
    closed: false,
    altered: false,
    checked: false,
    cancelled: false,
    endedAt: null,
  };
  s.slots.push(slot);
  handOnPlaces(s, slot);
}

function isGuideFree(s: State, schedule: Schedule, range: Range): boolean {
  const guides = rooms(schedule.tour).filter((room) => !SHARED_RESOURCES.includes(room));
  return !s.slots.some(
    (slot) =>
      slot.endedAt === null &&
      rooms(slot.offering).some((room) => guides.includes(room)) &&
      overlap(roomOf(s, slot), roomOf(s, { ...range, offering: schedule.tour })),
  );
}

export function reschedule(s: State, position: number, capacity: number): void {
  item(s.schedules, position).capacity = capacity;
}

function lockSlot(s: State, by: Actor, slot: Slot): void {
  if (by !== 'manager') throw new Refusal('RSNTF');
  settle(s, [slot.offering]);
}

export function closeSlot(s: State, by: Actor, slot: Slot): void {
  lockSlot(s, by, slot);
  if (slot.endedAt !== null) throw new Refusal('RSSTA');
  slot.closed = true;
  slot.altered = true;
  takeBackOffers(s, slot, 0);
}

export function openSlot(s: State, by: Actor, slot: Slot): void {
  lockSlot(s, by, slot);
  if (slot.endedAt !== null) throw new Refusal('RSSTA');
  if (!slot.closed) return;
  slot.closed = false;
  slot.altered = true;
  handOnPlaces(s, slot);
}

export function alterSlot(s: State, by: Actor, slot: Slot, change: Alteration): void {
  lockSlot(s, by, slot);
  if (slot.endedAt !== null) throw new Refusal('RSSTA');
  const before = { capacity: slot.capacity, closed: slot.closed, taken: takenOf(s, slot) };
  const capacity = change.capacity ?? slot.capacity;
  const minSize = change.minSize ?? slot.minSize;
  if (minSize > capacity) throw new Refusal('RSARG');
  if (capacity < bookedOf(s, slot)) throw new Refusal('RSBLK');
  if (capacity < before.taken) {
    // Not on sale meanwhile, so that what is taken back goes to nobody else.
    slot.closed = true;
    takeBackOffers(s, slot, capacity);
    slot.closed = before.closed;
  }
  slot.capacity = capacity;
  slot.minSize = minSize;
  slot.price = change.price ?? slot.price;
  slot.altered = true;
  if (capacity > before.capacity || capacity < before.taken) handOnPlaces(s, slot);
}

/**
 * Whoever came last loses the offer first, and keeps the place in the queue; of those who lose theirs, who came first is
 * the first to be offered something else.
 */
function takeBackOffers(s: State, slot: Slot, until: number): void {
  let taken = takenOf(s, slot);
  const losing: Entry[] = [];
  for (const entry of offersOf(s, slot).reverse()) {
    if (taken <= until) break;
    taken -= entry.places;
    losing.unshift(entry);
  }
  for (const entry of losing) endOffer(s, entry, 'waiting');
}

function offersOf(s: State, slot: Slot) {
  const position = positionOf(s, slot);
  return inOrder(s.entries.filter((e) => e.slot === position && e.status === 'offered'));
}

export function cancelSlot(s: State, by: Actor, slot: Slot, cancels: boolean): void {
  lockSlot(s, by, slot);
  if (slot.cancelled) return;
  if (slot.endedAt !== null) throw new Refusal('RSSTA');
  const position = positionOf(s, slot);
  const isBooked = s.bookings.some(
    (b) => b.slot === position && ['pending', 'confirmed', 'in_progress'].includes(b.status),
  );
  if (!cancels && isBooked) throw new Refusal('RSBLK');
  callOff(s, slot);
}

/** Whoever waits for the day goes on waiting; whoever waits for this slot waits for nothing. */
function callOff(s: State, slot: Slot): void {
  slot.endedAt = s.now;
  slot.cancelled = true;
  const position = positionOf(s, slot);
  for (const entry of offersOf(s, slot)) endOffer(s, entry, 'waiting');
  for (const entry of s.entries.filter((e) => e.slot === position && e.status === 'waiting')) {
    entry.status = 'closed';
    entry.endedAt = s.now;
    tell(s, entry.who, 'entry_ended', { entry });
  }
  for (const booking of s.bookings.filter((b) => b.slot === position && b.endedAt === null)) {
    endBooking(s, booking, 'cancelled', { refund: booking.price });
    tell(s, booking.who, 'booking_cancelled', { booking });
  }
}

/** Once, at the policy's cutoff. */
export function checkMinimum(s: State, slot: Slot): void {
  settle(s, [slot.offering]);
  slot.checked = true;
  const booked = bookedOf(s, slot);
  if (booked >= slot.minSize || slot.from <= s.now) return;
  if (s.policy.underMinimum === 'cancel') callOff(s, slot);
  else if (booked > 0) tell(s, 'managers', 'slot_under_minimum', {});
}

export function endSlot(s: State, slot: Slot): void {
  settle(s, [slot.offering]);
  slot.endedAt = s.now;
}
