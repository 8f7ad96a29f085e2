/** What managers do with bookings, with the queue, and with times at which nothing takes place. */
import type { Actor, Command } from './commands.ts';
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
  RESOURCES,
  Refusal,
  roomOf,
  rooms,
  type State,
  tell,
} from './state.ts';
import { setTerms } from './terms.ts';

export function manage(s: State, what: string, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || by !== 'manager') throw new Refusal('RSNTF');
  const from: Record<string, string[]> = {
    approve: ['pending'],
    reject: ['pending'],
    override: ['confirmed'],
    no_show: ['confirmed', 'in_progress', 'completed'],
  };
  const again: Record<string, string> = {
    approve: 'confirmed',
    reject: 'rejected',
    no_show: 'no_show',
  };
  if (booking.status === again[what]) return;
  if (!from[what]?.includes(booking.status)) throw new Refusal('RSSTA');
  if (what === 'approve') {
    if ((booking.requestExpires ?? 0) <= s.now) throw new Refusal('RSEXP');
    setTerms(s, booking, false, booking.madeAt);
    tell(s, booking.who, 'booking_approved', { booking, sequence: true });
  } else if (what === 'reject') {
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
  if (c.by !== 'manager') throw new Refusal('RSNTF');
  const { where, from, to, cancels } = c;
  const room = typeof where === 'number' ? where : null;
  const offering = typeof where === 'number' || where === 'everything' ? null : where;
  const blackout: Blackout = { offering, room, from, to, cancels, lifted: false };
  if (where !== 'everything') {
    settle(
      s,
      OFFERINGS.filter((hit) => closes(blackout, hit)),
    );
  }
  const hit = hitBy(s, blackout);
  if (!cancels && hit.some((b) => b.status !== 'held')) throw new Refusal('RSBLK');
  s.blackouts.push(blackout);
  if (where !== 'everything') {
    for (const booking of hit) clearForBlackout(s, booking);
  } else {
    for (const swept of RESOURCES) {
      s.sweeps.push({ id: s.created++, room: swept, blackout, at: s.now });
    }
  }
}

export function lift(s: State, by: Actor, position: number): void {
  if (by !== 'manager') throw new Refusal('RSNTF');
  const blackout = item(s.blackouts, position);
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
