/**
 * What the reference model knows of the world: plain arrays, compared with the database field by field after every
 * step. Times are microseconds since midnight of the world's Monday, for that is how exactly the database counts.
 */
import type { Actor } from './commands.ts';
import type { Payment } from './payments.ts';
import type { Policy } from './rules.ts';

export const SECOND = 1_000_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** A hall that uses both of two rooms, and each room by itself. */
export const VENUES = ['hall', 'left', 'right'] as const;
/** Booked by the place: two tours share a guide, and two meet on the same square. */
export const TOURS = ['walk', 'ride', 'talk'] as const;
/** Each is served by one of a pool; one of the providers is in both. */
export const SERVICES = ['lesson', 'repair'] as const;
export const OFFERINGS = [...VENUES, ...TOURS, ...SERVICES] as const;
export type Venue = (typeof VENUES)[number];
export type Tour = (typeof TOURS)[number];
export type Service = (typeof SERVICES)[number];
export type Offering = (typeof OFFERINGS)[number];
const ROOMS: Record<Offering, readonly number[]> = {
  hall: [0, 1],
  left: [0],
  right: [1],
  walk: [2, 3],
  ride: [2],
  talk: [3],
  lesson: [4, 5],
  repair: [5, 6],
};
/** Rooms, guides, squares and providers in the order of their ids; a square has room for several at a time. */
export const RESOURCES = [0, 1, 2, 3, 4, 5, 6];
export const SHARED_RESOURCES = [3];

/** In cents: what a room costs, and what an adult pays where slot and schedule of a tour do not say. */
export const OFFERING_PRICES: Record<Offering, number> = {
  hall: 12_001,
  left: 5005,
  right: 0,
  walk: 1999,
  ride: 2450,
  talk: 505,
  lesson: 4505,
  repair: 7999,
};

/** Of the providers two have an account. */
export const PROVIDERS = { paul: 4, nora: 5 } as const;
export type Provider = keyof typeof PROVIDERS;
export const DURATIONS: Record<Service, number> = { lesson: HOUR, repair: 1.5 * HOUR };
/** Repairs go to the customer. */
export const WAY = 15 * MINUTE;
/** Otto alone does not work around the clock. */
export const OTTO = 6;
export const OTTOS_HOURS = { opens: 8 * HOUR, closes: 12 * HOUR };

export interface Schedule {
  tour: Tour;
  /** Time of day. */
  start: number;
  length: number;
  capacity: number;
  minSize: number;
  price: number | null;
}

export const SCHEDULES: readonly Schedule[] = [
  { tour: 'walk', start: 10 * HOUR, length: 2 * HOUR, capacity: 4, minSize: 0, price: null },
  { tour: 'walk', start: 14 * HOUR, length: 2 * HOUR, capacity: 2, minSize: 0, price: 1750 },
  { tour: 'ride', start: 11.5 * HOUR, length: 1.5 * HOUR, capacity: 3, minSize: 2, price: 3335 },
  { tour: 'ride', start: 17 * HOUR, length: 2 * HOUR, capacity: 6, minSize: 3, price: null },
  { tour: 'talk', start: 10.5 * HOUR, length: HOUR, capacity: 3, minSize: 0, price: null },
];

/** How far the clocks of the people are ahead of UTC; the last of them lives in Tokyo. */
export const OFFSETS = [0, 0, 0, 9 * HOUR];

export type { Policy, PriceRules, ServiceRules } from './rules.ts';

export const MIN_DURATION = 15 * MINUTE;
export const MAX_DURATION = 24 * HOUR;
export const MAX_PLANNED_OFFERS = 8;
export const MAX_HOLD_SHARE = 0.5;

export interface Range {
  from: number;
  to: number;
}

export interface Party {
  adults: number;
  children: number;
  infants: number;
}

/** In cents; a range of time has one price and no parts. */
export interface Quote {
  personPrice: number | null;
  adultPrice: number | null;
  childPrice: number | null;
  infantPrice: number | null;
  subtotal: number | null;
  discount: number | null;
  tax: number | null;
  taxIncluded: boolean | null;
  price: number;
}

/** Who comes to a range of time is not asked. */
interface Places {
  /** Position among the slots. */
  slot: number | null;
  adults: number | null;
  children: number | null;
  infants: number | null;
  places: number;
}

export interface Slot extends Range {
  id: number;
  offering: Tour;
  schedule: number;
  day: number;
  capacity: number;
  minSize: number;
  price: number | null;
  closed: boolean;
  altered: boolean;
  checked: boolean;
  cancelled: boolean;
  endedAt: number | null;
}

export interface Booking extends Range, Places, Quote {
  id: number;
  who: number;
  offering: Offering;
  refund: number | null;
  refundShare: 0 | 0.5 | 1;
  status: string;
  sequence: number;
  madeAt: number;
  confirmBy: number | null;
  requestExpires: number | null;
  holdExpires: number | null;
  attendance: string | null;
  attendanceAt: number | null;
  remindersDone: number;
  reminderSent: number | null;
  spared: boolean;
  wouldCancel: boolean;
  overridden: boolean;
  purpose: string | null;
  endedAt: number | null;
  /** Who of a pool serves it. */
  provider: number | null;
  providerReminded: number | null;
  answeredAt: number | null;
  awaitsPayment: boolean;
  awaitsDelivery: number | null;
  delivered: number | null;
  answerBy: number | null;
  deliveryConfirmed: number | null;
  expires: number | null;
  wouldExpire: number | null;
  rating: number | null;
  /** When a person last did something to it. */
  touched: number;
}

export interface Entry extends Range, Places {
  id: number;
  who: number;
  offering: Offering;
  /** Who waits for any slot of a day is about one of them once it is offered. */
  day: number | null;
  /** Whom of a pool they wait for, if for one. */
  provider: number | null;
  status: string;
  priority: number;
  joinedAt: number;
  /** Positions among the bookings. */
  hold: number | null;
  booking: number | null;
  window: number | null;
  offerExpires: number | null;
  passed: boolean;
  /** Slots of which they let places go: they are passed over there until somebody else frees some. */
  passedSlots: number[];
  stuck: boolean;
  endedAt: number | null;
}

export interface Message {
  to: number | 'owner' | 'manager' | Provider;
  kind: string;
  booking: number | null;
  entry: number | null;
  sequence: number | null;
  status: 'queued' | 'sent' | 'obsolete' | 'dead';
  notAfter: number | null;
  sentAt: number | null;
  bounced: boolean;
  payment: number | null;
}

export interface Blackout extends Range {
  offering: Offering | null;
  room: number | null;
  cancels: boolean;
  holiday: boolean;
  lifted: boolean;
  by: Actor;
}

/** A blackout of everything looks through one room after another. */
export interface Sweep {
  id: number;
  room: number;
  blackout: Blackout;
  /** Null once it is done. */
  at: number | null;
}

export interface Freeing extends Range {
  id: number;
  slot: number | null;
  rooms: readonly number[];
  at: number;
}

export interface State {
  policy: Policy;
  now: number;
  /** Down: nothing is tried. Refusing: every mail comes to a final no. */
  mail: 'up' | 'down' | 'refusing';
  bookings: Booking[];
  entries: Entry[];
  schedules: Schedule[];
  slots: Slot[];
  messages: Message[];
  blackouts: Blackout[];
  sweeps: Sweep[];
  /** Those about which nobody has been told yet. */
  freeings: Freeing[];
  payments: Payment[];
  /** What each booking was when its payments last followed it. */
  followed: string[];
  /** Who does what is done just now; nobody, if it is time. */
  caller: Actor | null;
  /** Counts what was created, for what is due at the same instant is done in that order. */
  created: number;
}

export class Refusal extends Error {
  code: string;
  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

export function newState(policy: Policy): State {
  return {
    policy,
    now: 8 * HOUR,
    mail: 'up',
    bookings: [],
    entries: [],
    schedules: SCHEDULES.map((schedule) => ({ ...schedule })),
    slots: [],
    messages: [],
    blackouts: [],
    sweeps: [],
    freeings: [],
    payments: [],
    followed: [],
    caller: null,
    created: 0,
  };
}

export function item<T>(list: readonly T[], position: number | null): T {
  const found = position === null ? undefined : list[position];
  if (found === undefined) throw new Error(`There is nothing at ${position}.`);
  return found;
}

export function rooms(offering: Offering): readonly number[] {
  return ROOMS[offering];
}

export function share(one: readonly number[], other: readonly number[]): boolean {
  return one.some((room) => other.includes(room));
}

export function overlap(one: Range, other: Range): boolean {
  return one.from < other.to && other.from < one.to;
}

export function isForPlaces(entry: Entry): boolean {
  return entry.slot !== null || entry.day !== null;
}

/** With the buffers around it, and the way to the customer. */
export function roomOf(s: State, { from, to, offering }: Range & { offering: Offering }): Range {
  const around = s.policy.buffer + (offering === 'repair' ? WAY : 0);
  return { from: from - around, to: to + around };
}

export function occupies(booking: Booking): boolean {
  return (
    ['held', 'pending', 'confirmed', 'in_progress'].includes(booking.status) &&
    booking.awaitsDelivery === null
  );
}

export function hasPool(offering: Offering): boolean {
  return SERVICES.some((service) => service === offering);
}

/** What a booking takes: all that its offering uses, of a pool its provider. */
export function takenBy(booking: Booking): readonly number[] {
  return booking.provider === null ? rooms(booking.offering) : [booking.provider];
}

export function isFree(s: State, offering: Offering, range: Range): boolean {
  const wanted = roomOf(s, { ...range, offering });
  return !s.bookings.some(
    (b) => occupies(b) && share(takenBy(b), rooms(offering)) && overlap(roomOf(s, b), wanted),
  );
}

export function closes(blackout: Blackout, offering: Offering): boolean {
  if (blackout.lifted) return false;
  if (blackout.offering !== null) return blackout.offering === offering;
  return blackout.room === null || rooms(offering).includes(blackout.room);
}

/** Of a pool only what closes the provider in question counts. */
export function isOpen(
  s: State,
  offering: Offering,
  range: Range,
  provider: number | null = null,
): boolean {
  return !s.blackouts.some(
    (k) =>
      closes(k, offering) &&
      !(k.room !== null && hasPool(offering) && k.room !== provider) &&
      overlap(k, range),
  );
}

/** How the database rounds what does not come out even. */
export function rounded(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
