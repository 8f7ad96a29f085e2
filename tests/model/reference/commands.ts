/** What people do: each command carries out what DESIGN says, or throws the refusal. */
import { answer } from './answers.ts';
import { book, cancel, confirm, join, modify } from './customers.ts';
import { complete, confirmDelivery, deliver, keep, review } from './delivery.ts';
import { blackOut, lift, manage, setPriority } from './managers.ts';
import { followBookings, paymentsByBooking, recordPayment, recordRefund } from './payments.ts';
import { bookPlaces, joinDay, joinSlot, modifyPlaces } from './places.ts';
import { alterSlot, cancelSlot, closeSlot, generate, openSlot, reschedule } from './slotChanges.ts';
import {
  item,
  type Offering,
  type Party,
  type Provider,
  type Range,
  type Service,
  type State,
  type Tour,
  type Venue,
} from './state.ts';
import { bounce, tick } from './time.ts';

/** A user by number, the manager, or a provider with an account. */
export type Actor = number | 'manager' | Provider;

export interface Alteration {
  capacity?: number;
  minSize?: number;
  price?: number;
}

export type Command =
  | {
      do: 'book' | 'join';
      by: number;
      offering: Venue | Service;
      from: number;
      to: number;
      provider?: number;
    }
  | { do: 'book_places' | 'join_slot'; by: number; slot: number; party: Party }
  | { do: 'join_day'; by: number; offering: Tour; day: number; party: Party }
  | { do: 'modify_places'; by: Actor; booking: number; slot?: number; party?: Party }
  | { do: 'generate'; by: Actor; schedule: number; from: number; to: number }
  | { do: 'reschedule'; by: 'manager'; schedule: number; capacity: number }
  | { do: 'close_slot' | 'open_slot'; by: Actor; slot: number }
  | ({ do: 'alter_slot'; by: Actor; slot: number } & Alteration)
  | { do: 'cancel_slot'; by: Actor; slot: number; cancels: boolean }
  | {
      do: 'modify';
      by: Actor;
      booking: number;
      range?: Range;
      purpose?: string;
      provider?: number;
    }
  | { do: 'cancel'; by: Actor; booking: number; refund?: number }
  | { do: 'confirm' | 'approve' | 'accept' | 'reject'; by: Actor; booking: number }
  | { do: 'deliver' | 'confirm_delivery' | 'complete' | 'keep'; by: Actor; booking: number }
  | { do: 'review'; by: Actor; booking: number; rating: number }
  | { do: 'record_payment'; by: Actor; booking: number; amount: number }
  | { do: 'record_refund'; by: Actor; payment: number; amount: number }
  | { do: 'override' | 'no_show'; by: Actor; booking: number }
  | { do: 'leave' | 'claim' | 'decline'; by: Actor; entry: number }
  | { do: 'priority'; by: Actor; entry: number; priority: number }
  | {
      do: 'blackout';
      by: Actor;
      where: Offering | number | 'everything';
      from: number;
      to: number;
      cancels: boolean;
      holiday?: boolean;
    }
  | { do: 'lift'; by: Actor; blackout: number }
  | { do: 'mail'; mail: State['mail'] }
  | { do: 'bounce'; booking: number }
  /** Time moves with a worker, or (`nap`) without one. */
  | { do: 'tick'; until: number }
  | { do: 'nap'; until: number };

/** What people do to a booking touches it; what time does is no touch. */
export function carryOut(s: State, c: Command): void {
  const before = s.bookings.map((booking) => JSON.stringify(booking));
  s.caller = 'by' in c ? c.by : null;
  perform(s, c);
  if ('by' in c) {
    for (const [n, booking] of s.bookings.entries()) {
      if (before[n] !== JSON.stringify(booking)) booking.touched = s.now;
    }
  }
  followBookings(s);
}

function perform(s: State, c: Command): void {
  switch (c.do) {
    case 'book':
      book(s, c.by, c.offering, c, c.provider ?? null);
      break;
    case 'join':
      join(s, c.by, c.offering, c, c.provider ?? null);
      break;
    case 'modify':
      modify(s, c.by, item(s.bookings, c.booking), c);
      break;
    case 'cancel':
      cancel(s, c.by, item(s.bookings, c.booking), c.refund);
      break;
    case 'confirm':
      confirm(s, c.by, item(s.bookings, c.booking));
      break;
    case 'approve':
    case 'accept':
    case 'reject':
    case 'override':
    case 'no_show':
      manage(s, c.do, c.by, item(s.bookings, c.booking));
      break;
    case 'leave':
    case 'claim':
    case 'decline':
      answer(s, c.do, c.by, item(s.entries, c.entry));
      break;
    case 'priority':
      setPriority(s, c.by, item(s.entries, c.entry), c.priority);
      break;
    case 'blackout':
      blackOut(s, c);
      break;
    case 'lift':
      lift(s, c.by, c.blackout);
      break;
    case 'bounce':
      bounce(s, item(s.bookings, c.booking));
      break;
    case 'mail':
      s.mail = c.mail;
      break;
    case 'nap':
      s.now = Math.max(s.now, c.until);
      break;
    case 'tick':
      tick(s, c.until);
      break;
    case 'deliver':
    case 'confirm_delivery':
    case 'complete':
    case 'keep':
    case 'review':
    case 'record_payment':
    case 'record_refund':
      carryOutForServices(s, c);
      break;
    default:
      carryOutForTours(s, c);
  }
}

type OfServices = Extract<
  Command,
  { do: 'deliver' | 'confirm_delivery' | 'complete' | 'keep' | 'review' | `record_${string}` }
>;

function carryOutForServices(s: State, c: OfServices): void {
  switch (c.do) {
    case 'deliver':
      deliver(s, c.by, item(s.bookings, c.booking));
      break;
    case 'confirm_delivery':
      confirmDelivery(s, c.by, item(s.bookings, c.booking));
      break;
    case 'complete':
      complete(s, c.by, item(s.bookings, c.booking));
      break;
    case 'keep':
      keep(s, c.by, item(s.bookings, c.booking));
      break;
    case 'review':
      review(c.by, item(s.bookings, c.booking), c.rating);
      break;
    case 'record_payment':
      recordPayment(s, c.by, item(s.bookings, c.booking), c.amount);
      break;
    case 'record_refund':
      recordRefund(s, c.by, item(paymentsByBooking(s), c.payment), c.amount);
  }
}

type OfTours = Extract<
  Command,
  { do: `${string}_${'places' | 'slot' | 'day'}` | 'generate' | 'reschedule' }
>;

function carryOutForTours(s: State, c: OfTours): void {
  switch (c.do) {
    case 'book_places':
      bookPlaces(s, c.by, item(s.slots, c.slot), c.party);
      break;
    case 'join_slot':
      joinSlot(s, c.by, item(s.slots, c.slot), c.party);
      break;
    case 'join_day':
      joinDay(s, c.by, c.offering, c.day, c.party);
      break;
    case 'modify_places':
      modifyPlaces(s, c.by, item(s.bookings, c.booking), c.slot, c.party);
      break;
    case 'generate':
      generate(s, c.by, c.schedule, c.from, c.to);
      break;
    case 'reschedule':
      reschedule(s, c.schedule, c.capacity);
      break;
    case 'close_slot':
      closeSlot(s, c.by, item(s.slots, c.slot));
      break;
    case 'open_slot':
      openSlot(s, c.by, item(s.slots, c.slot));
      break;
    case 'alter_slot':
      alterSlot(s, c.by, item(s.slots, c.slot), c);
      break;
    case 'cancel_slot':
      cancelSlot(s, c.by, item(s.slots, c.slot), c.cancels);
  }
}
