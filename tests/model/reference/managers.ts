/** What managers do with bookings, with the queue, and with times at which nothing takes place. */
import type { Actor, Command } from './commands.ts';
import { tell, tellProviderOf } from './messages.ts';
import { untilPaid } from './payments.ts';
import { isServedBy, standInFor } from './providers.ts';
import { clearForBlackout, endBooking, handOn, hitBy, settle } from './queue.ts';
import { handOnPlaces, handOnSlots, slotsOf } from './slots.ts';
import {
  type Blackout,
  type Booking,
  closes,
  type Entry,
  isForPlaces,
  item,
  OFFERINGS,
  PROVIDERS,
  RESOURCES,
  Refusal,
  roomOf,
  rooms,
  type State,
} from './state.ts';
import { setTerms } from './terms.ts';

export function manage(s: State, what: string, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  const may = ['approve', 'override'].includes(what) ? by === 'manager' : isServedBy(by, booking);
  if (booking.status === 'held' || !may) throw new Refusal('RSNTF');
  const from: Record<string, string[]> = {
    approve: ['pending'],
    accept: ['pending'],
    reject: ['pending'],
    override: ['confirmed'],
    no_show: ['confirmed', 'in_progress', 'completed'],
  };
  const again: Record<string, string> = {
    approve: 'confirmed',
    accept: 'confirmed',
    reject: 'rejected',
    no_show: 'no_show',
  };
  const agrees = what === 'approve' || what === 'accept';
  if (booking.status === again[what] || (agrees && booking.awaitsPayment)) return;
  if (!from[what]?.includes(booking.status) || booking.awaitsPayment) throw new Refusal('RSSTA');
  if (what === 'no_show' && booking.delivered !== null) throw new Refusal('RSSTA');
  if (agrees) agree(s, booking);
  else if (what === 'reject') {
    endBooking(s, booking, 'rejected', { refund: booking.price });
    tell(s, booking.who, 'booking_rejected', { booking });
  } else if (what === 'override') {
    booking.overridden = true;
    booking.spared = false;
  } else {
    if (booking.from > s.now) throw new Refusal('RSTIM');
    endBooking(s, booking, 'no_show');
  }
}

/** What has first to be paid waits for that from now on. */
function agree(s: State, booking: Booking): void {
  if ((booking.requestExpires ?? 0) <= s.now) throw new Refusal('RSEXP');
  const before = { ...booking };
  setTerms(s, booking, false, booking.madeAt);
  untilPaid(s, booking);
  booking.answeredAt = s.now;
  if (booking.awaitsPayment) return;
  tell(s, booking.who, 'booking_approved', { booking, sequence: true });
  tellProviderOf(s, before, booking);
}

export function setPriority(s: State, by: Actor, entry: Entry, priority: number): void {
  settle(s, [entry.offering]);
  if (by !== 'manager') throw new Refusal('RSNTF');
  if (entry.endedAt !== null) throw new Refusal('RSSTA');
  entry.priority = priority;
  if (!entry.stuck) return;
  // Having been looked at, it is no longer set aside.
  entry.stuck = false;
  if (isForPlaces(entry)) for (const slot of slotsOf(s, entry)) handOnPlaces(s, slot);
  else handOn(s, rooms(entry.offering), roomOf(s, entry));
}

export function blackOut(s: State, c: Command & { do: 'blackout' }): void {
  const { where, from, to, cancels } = c;
  if (c.by !== 'manager' && !isOwn(c.by, where)) throw new Refusal('RSNTF');
  const room = typeof where === 'number' ? where : null;
  const offering = typeof where === 'number' || where === 'everything' ? null : where;
  const blackout: Blackout = {
    offering,
    room,
    from,
    to,
    cancels,
    holiday: c.holiday === true,
    lifted: false,
    by: c.by,
  };
  if (where !== 'everything') {
    settle(
      s,
      OFFERINGS.filter((hit) => closes(blackout, hit)),
    );
  }
  s.blackouts.push(blackout);
  if (room !== null) for (const booking of hitBy(s, blackout)) standInFor(s, booking);
  const hit = hitBy(s, blackout);
  if (!cancels && hit.some((b) => b.status !== 'held')) throw new Refusal('RSBLK');
  if (where !== 'everything') {
    for (const booking of hit) clearForBlackout(s, booking);
  } else {
    for (const swept of RESOURCES) {
      s.sweeps.push({ id: s.created++, room: swept, blackout, at: s.now });
    }
  }
}

function isOwn(by: Actor, resource: unknown): boolean {
  return typeof by === 'string' && by !== 'manager' && PROVIDERS[by] === resource;
}

export function lift(s: State, by: Actor, position: number): void {
  const blackout = item(s.blackouts, position);
  // Providers lift what they have entered themselves.
  const isTimeOff = blackout.by === by && isOwn(by, blackout.room);
  if (by !== 'manager' && !isTimeOff) throw new Refusal('RSNTF');
  const everything = blackout.offering === null && blackout.room === null;
  const hit = OFFERINGS.filter((offering) => closes({ ...blackout, lifted: false }, offering));
  if (!everything) settle(s, hit);
  if (blackout.lifted) return;
  blackout.lifted = true;
  const own = s.sweeps.filter((sweep) => sweep.blackout === blackout);
  for (const sweep of own) sweep.at = s.now;
  const where = blackout.offering === null ? [blackout.room ?? 0] : rooms(blackout.offering);
  if (everything) return;
  handOn(s, where, blackout);
  handOnSlots(s, hit, blackout);
}
