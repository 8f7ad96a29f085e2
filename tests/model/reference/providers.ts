/** Who of a pool serves: it is chosen here, and from then on they are a resource like any other. */
import type { Actor } from './commands.ts';
import { tell, tellProviderOf } from './messages.ts';
import { handOn } from './queue.ts';
import {
  type Booking,
  DAY,
  hasPool,
  isFree,
  isOpen,
  type Offering,
  OTTO,
  OTTOS_HOURS,
  occupies,
  overlap,
  PROVIDERS,
  type Range,
  roomOf,
  rooms,
  type State,
  takenBy,
} from './state.ts';

/** The managers, and whoever serves it. */
export function isServedBy(by: Actor, booking: Booking): boolean {
  if (typeof by === 'number') return false;
  return by === 'manager' || PROVIDERS[by] === booking.provider;
}

function occupying(s: State, provider: number, except: Booking | null): Range[] {
  return s.bookings
    .filter((b) => b !== except && occupies(b) && takenBy(b).includes(provider))
    .map((b) => roomOf(s, b));
}

function isAtWork(s: State, offering: Offering, range: Range, provider: number): boolean {
  const midnight = Math.floor(range.from / DAY) * DAY;
  const { opens, closes } = OTTOS_HOURS;
  const isThere = midnight + opens <= range.from && range.to <= midnight + closes;
  return (provider !== OTTO || isThere) && isOpen(s, offering, range, provider);
}

function lengthWithin(range: Range, day: Range): number {
  return Math.max(0, Math.min(range.to, day.to) - Math.max(range.from, day.from));
}

/** Who is free and at work from start to end, and has least to do that day; among equals the first. */
export function findProvider(
  s: State,
  offering: Offering,
  range: Range,
  wish: number | null = null,
  except: Booking | null = null,
): number | null {
  const room = roomOf(s, { ...range, offering });
  const midnight = Math.floor(range.from / DAY) * DAY;
  const today = { from: midnight, to: midnight + DAY };
  const work = (provider: number) =>
    occupying(s, provider, except).reduce((sum, taken) => sum + lengthWithin(taken, today), 0);
  const fitting = rooms(offering)
    .filter((provider) => wish === null || provider === wish)
    .filter((provider) => !occupying(s, provider, except).some((taken) => overlap(taken, room)))
    .filter((provider) => isAtWork(s, offering, range, provider));
  return fitting.sort((a, b) => work(a) - work(b) || a - b)[0] ?? null;
}

/** With a pool it has to be the same person who is free and open. */
export function isBookable(
  s: State,
  offering: Offering,
  range: Range,
  wish: number | null = null,
): boolean {
  if (hasPool(offering)) return findProvider(s, offering, range, wish) !== null;
  return isFree(s, offering, range) && isOpen(s, offering, range);
}

/** Whether anybody, or the one wished for, is at work then. */
export function isAnybodyAtWork(
  s: State,
  offering: Offering,
  range: Range,
  wish: number | null,
): boolean {
  if (!hasPool(offering)) return true;
  return rooms(offering).some(
    (provider) => (wish === null || provider === wish) && isAtWork(s, offering, range, provider),
  );
}

/** The time of who served it before goes to those who wait. */
export function changeProvider(s: State, booking: Booking, provider: number): void {
  const before = takenBy(booking);
  booking.provider = provider;
  handOn(s, before, roomOf(s, booking));
}

/** Somebody else of the pool takes over what has not begun, if they can. */
export function standInFor(s: State, booking: Booking): void {
  if (booking.provider === null || booking.status === 'held' || booking.from <= s.now) return;
  const provider = findProvider(s, booking.offering, booking, null, booking);
  if (provider === null) return;
  const before = { ...booking };
  changeProvider(s, booking, provider);
  tellProviderOf(s, before, booking);
  tell(s, booking.who, 'booking_modified', { booking, sequence: true });
}
