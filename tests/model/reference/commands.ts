/** What people do: each command carries out what DESIGN says, or throws the refusal. */
import {
  addBooking,
  clearForBlackout,
  endBooking,
  endOffer,
  handOn,
  hitBy,
  lastCallAt,
  offerKeptBack,
  settle,
} from './queue.ts';
import {
  type Blackout,
  type Booking,
  closes,
  DAY,
  type Entry,
  isFree,
  isOpen,
  item,
  MAX_DURATION,
  MIN_DURATION,
  OFFERINGS,
  type Offering,
  overlap,
  type Range,
  Refusal,
  roomOf,
  rooms,
  rounded,
  type State,
  share,
  tell,
} from './state.ts';
import { bounce, tick } from './time.ts';

/** A user by number, or the manager. */
export type Actor = number | 'manager';

export type Command =
  | { do: 'book' | 'join'; by: number; offering: Offering; from: number; to: number }
  | { do: 'modify'; by: Actor; booking: number; range?: Range; purpose?: string }
  | { do: 'cancel' | 'confirm' | 'approve' | 'reject'; by: Actor; booking: number }
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
    }
  | { do: 'lift'; by: Actor; blackout: number }
  | { do: 'mail'; mail: State['mail'] }
  | { do: 'bounce'; booking: number }
  /** Time moves with a worker, or (`nap`) without one. */
  | { do: 'tick'; until: number }
  | { do: 'nap'; until: number };

export function carryOut(s: State, c: Command): void {
  switch (c.do) {
    case 'book':
      book(s, c.by, c.offering, c);
      break;
    case 'join':
      join(s, c.by, c.offering, c);
      break;
    case 'modify':
      modify(s, c.by, item(s.bookings, c.booking), c.range, c.purpose);
      break;
    case 'cancel':
      cancel(s, c.by, item(s.bookings, c.booking));
      break;
    case 'confirm':
      confirm(s, c.by, item(s.bookings, c.booking));
      break;
    case 'approve':
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
    case 'tick':
      tick(s, c.until);
      break;
    case 'nap':
      s.now = Math.max(s.now, c.until);
  }
}

function checkTimes(s: State, offering: Offering, range: Range, asManager: boolean): void {
  const lead = range.from - s.now;
  const length = range.to - range.from;
  if (lead <= 0 || length < MIN_DURATION || length > MAX_DURATION) throw new Refusal('RSTIM');
  if (!asManager && lead < s.policy.cutoff) throw new Refusal('RSTIM');
  if (!isOpen(s, offering, range)) throw new Refusal('RSBLK');
}

function sameDay(one: Range, other: Range): boolean {
  return Math.floor(one.from / DAY) === Math.floor(other.from / DAY);
}

function checkDailyBookings(s: State, who: number, range: Range, except?: Booking): void {
  const counted = s.bookings.filter(
    (b) =>
      b !== except &&
      b.who === who &&
      ['pending', 'confirmed', 'in_progress', 'completed'].includes(b.status) &&
      sameDay(b, range),
  );
  if (counted.length >= s.policy.perDay) throw new Refusal('RSLIM');
}

/** What a booking made (claimed, moved) now begins as (DESIGN §7). */
function setTerms(s: State, booking: Booking, needsApproval: boolean, madeAt = s.now): void {
  const lead = booking.from - madeAt;
  booking.madeAt = madeAt;
  booking.holdExpires = null;
  booking.requestExpires = null;
  booking.confirmBy = null;
  booking.attendance = null;
  booking.attendanceAt = null;
  booking.status = 'confirmed';
  if (needsApproval) {
    booking.status = 'pending';
    booking.requestExpires = madeAt + Math.min(s.policy.requestTtl, rounded(lead / 2));
  } else if (lead < s.policy.confirmIfBookedBefore) {
    booking.attendance = 'booking';
    booking.attendanceAt = madeAt;
  } else {
    booking.confirmBy = booking.from - s.policy.confirmDeadline;
  }
}

/**
 * Who has got a place no longer waits for the same time in the same rooms; who has claimed one,
 * in any rooms.
 */
function closeOverlapping(s: State, booking: Booking, everywhere = false): void {
  const overlapping = s.entries.filter(
    (e) =>
      e.who === booking.who &&
      (everywhere || share(rooms(e.offering), rooms(booking.offering))) &&
      overlap(e, booking),
  );
  for (const entry of overlapping.filter(({ status }) => status === 'waiting')) {
    entry.status = 'closed';
    entry.endedAt = s.now;
  }
  for (const entry of overlapping.filter(({ status }) => status === 'offered')) {
    endOffer(s, entry, 'closed');
  }
}

function tellOfBooking(s: State, booking: Booking, kind: string): void {
  if (booking.status === 'pending') {
    tell(s, 'managers', 'booking_requested', { booking, sequence: true });
  }
  tell(s, booking.who, kind, { booking, sequence: true });
}

function book(s: State, who: number, offering: Offering, range: Range): void {
  settle(s, [offering]);
  checkTimes(s, offering, range, false);
  checkDailyBookings(s, who, range);
  if (!isFree(s, offering, range)) throw new Refusal('RSFUL');
  const booking = addBooking(s, who, offering, range);
  setTerms(s, booking, s.policy.requiresApproval);
  closeOverlapping(s, booking);
  tellOfBooking(s, booking, 'booking_received');
}

function join(s: State, who: number, offering: Offering, range: Range): void {
  settle(s, [offering]);
  checkTimes(s, offering, range, true);
  if (isFree(s, offering, range)) throw new Refusal('RSAVL');
  const has = s.bookings.some(
    (b) =>
      b.who === who &&
      b.offering === offering &&
      ['pending', 'confirmed', 'in_progress'].includes(b.status) &&
      overlap(b, range),
  );
  const own = s.entries.filter((e) => e.who === who && e.endedAt === null);
  const waits = own.some(
    (e) => e.offering === offering && e.from === range.from && e.to === range.to,
  );
  if (has || waits) throw new Refusal('RSDUP');
  if (own.filter((e) => sameDay(e, range)).length >= s.policy.perDay) throw new Refusal('RSLIM');
  const entry: Entry = {
    id: s.created++,
    who,
    offering,
    from: range.from,
    to: range.to,
    status: 'waiting',
    priority: 100,
    joinedAt: s.now,
    hold: null,
    booking: null,
    window: null,
    offerExpires: null,
    passed: false,
    stuck: false,
    endedAt: null,
  };
  s.entries.push(entry);
  tell(s, who, 'waitlist_joined', { entry });
}

function modify(s: State, by: Actor, booking: Booking, range?: Range, purpose?: string): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (!['pending', 'confirmed'].includes(booking.status)) throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  const moves = range && (range.from !== booking.from || range.to !== booking.to);
  const renames = purpose !== undefined && purpose !== booking.purpose;
  if (purpose !== undefined) booking.purpose = purpose;
  if (moves) move(s, booking, range, asManager);
  if (moves && booking.status === 'pending') {
    tell(s, 'managers', 'booking_requested', { booking, sequence: true });
  }
  if (moves || renames) tell(s, booking.who, 'booking_modified', { booking, sequence: true });
}

function move(s: State, booking: Booking, range: Range, asManager: boolean): void {
  checkTimes(s, booking.offering, range, asManager);
  if (!asManager) checkDailyBookings(s, booking.who, range, booking);
  const before = { status: booking.status, room: roomOf(s, booking) };
  booking.status = 'moving';
  if (!isFree(s, booking.offering, range)) throw new Refusal('RSFUL');
  booking.from = range.from;
  booking.to = range.to;
  setTerms(s, booking, s.policy.requiresApproval && !asManager);
  booking.sequence += 1;
  booking.remindersDone = 0;
  booking.reminderSent = null;
  booking.spared = false;
  booking.wouldCancel = false;
  if (!asManager) booking.overridden = false;
  closeOverlapping(s, booking);
  handOn(s, rooms(booking.offering), before.room);
}

function cancel(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  const asManager = by === 'manager';
  if (booking.status === 'held' || !(asManager || by === booking.who)) throw new Refusal('RSNTF');
  if (booking.status === 'cancelled') return;
  const until = asManager ? ['pending', 'confirmed', 'in_progress'] : ['pending', 'confirmed'];
  if (!until.includes(booking.status)) throw new Refusal('RSSTA');
  if (!asManager && booking.from <= s.now) throw new Refusal('RSTIM');
  endBooking(s, booking, 'cancelled');
  tell(s, booking.who, 'booking_cancelled', { booking });
}

function confirm(s: State, by: Actor, booking: Booking): void {
  settle(s, [booking.offering]);
  if (booking.status === 'held' || by !== booking.who) throw new Refusal('RSNTF');
  if (booking.attendance !== null && booking.endedAt === null) return;
  if (booking.status !== 'confirmed') throw new Refusal('RSSTA');
  if (booking.from <= s.now) throw new Refusal('RSTIM');
  booking.attendance = 'account';
  booking.attendanceAt = s.now;
  booking.spared = false;
}

function manage(s: State, what: string, by: Actor, booking: Booking): void {
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
    endBooking(s, booking, 'rejected');
    tell(s, booking.who, 'booking_rejected', { booking });
  } else if (what === 'override') {
    booking.overridden = true;
    booking.spared = false;
  } else {
    if (booking.from > s.now) throw new Refusal('RSTIM');
    endBooking(s, booking, 'no_show');
  }
}

function answer(s: State, what: 'leave' | 'claim' | 'decline', by: Actor, entry: Entry): void {
  settle(s, [entry.offering]);
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
  claimed(s, entry, booking);
}

/** Inside the last call nothing is held: the first to claim gets it. */
function claimInLastCall(s: State, entry: Entry): void {
  if (entry.from <= s.now) throw new Refusal('RSEXP');
  if (s.now < lastCallAt(s, entry)) throw new Refusal('RSSTA');
  // "Claims ignore the booking cutoff."
  checkTimes(s, entry.offering, entry, true);
  if (!isFree(s, entry.offering, entry)) throw new Refusal('RSFUL');
  const booking = addBooking(s, entry.who, entry.offering, entry);
  setTerms(s, booking, s.policy.requiresApproval);
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

function setPriority(s: State, by: Actor, entry: Entry, priority: number): void {
  settle(s, [entry.offering]);
  if (by !== 'manager') throw new Refusal('RSNTF');
  if (entry.endedAt !== null) throw new Refusal('RSSTA');
  entry.priority = priority;
  if (!entry.stuck) return;
  // Having been looked at, it is no longer set aside.
  entry.stuck = false;
  handOn(s, rooms(entry.offering), roomOf(s, entry));
}

function blackOut(s: State, c: Command & { do: 'blackout' }): void {
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
    for (const swept of rooms('hall')) {
      s.sweeps.push({ id: s.created++, room: swept, blackout, at: s.now });
    }
  }
}

function lift(s: State, by: Actor, position: number): void {
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
  if (!everything) handOn(s, where, blackout);
}
