/** Random policies and sequences of commands. What a command is about is chosen when it is its turn. */
import fc from 'fast-check';
import type { Chooser } from './compare.ts';
import type { Actor } from './reference/commands.ts';
import {
  type Booking,
  DAY,
  type Entry,
  HOUR,
  MINUTE,
  OFFERINGS,
  overlap,
  type Policy,
  type Range,
  SECOND,
  type State,
} from './reference/state.ts';
import { nextDue } from './reference/time.ts';

const STANDARD = {
  requestTtl: 24 * HOUR,
  leads: [24 * HOUR, HOUR, 15 * MINUTE],
  confirmIfBookedBefore: 24 * HOUR,
  confirmDeadline: 2 * HOUR,
  minNotice: HOUR,
  claimWindow: 15 * MINUTE,
  minClaimWindow: 5 * MINUTE,
  lastCall: 30 * MINUTE,
  urgentBefore: 6 * HOUR,
  cutoff: 0,
};

export const PACES = {
  standard: STANDARD,
  short: {
    requestTtl: 30 * MINUTE,
    leads: [2 * HOUR, 20 * MINUTE],
    confirmIfBookedBefore: HOUR,
    confirmDeadline: 30 * MINUTE,
    minNotice: 15 * MINUTE,
    claimWindow: 5 * MINUTE,
    minClaimWindow: 2 * MINUTE,
    lastCall: 10 * MINUTE,
    urgentBefore: HOUR,
    cutoff: 20 * MINUTE,
  },
  long: {
    ...STANDARD,
    confirmIfBookedBefore: 6 * HOUR,
    leads: [8 * HOUR, HOUR],
    claimWindow: 4 * HOUR,
    minClaimWindow: 20 * MINUTE,
    lastCall: HOUR,
  },
};

export const policies: fc.Arbitrary<Policy> = fc
  .record({
    pace: fc.constantFrom(...(['standard', 'short', 'long'] as const)),
    buffer: fc.constantFrom(0, 30 * MINUTE),
    requiresApproval: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    autoCancel: fc.constantFrom(...(['on', 'on', 'dry_run', 'off'] as const)),
    quiet: fc.constantFrom<[number, number] | null>(null, [22 * HOUR, 8 * HOUR]),
    perDay: fc.constantFrom(3, 3, 2),
  })
  .map(({ pace, ...rest }) => ({ ...PACES[pace], ...rest }));

const small = fc.nat(99);
const user = fc.nat(3);

/** A range nobody has thought of before, or one like (or beside) an earlier one. */
const ranges: fc.Arbitrary<(s: State) => Range> = fc
  .oneof(
    fc
      .record({
        day: fc.constantFrom(0, 0, 1, 1, 2),
        slot: fc.nat(5),
        length: fc.integer({ min: 1, max: 4 }),
      })
      .map(({ day, slot, length }) => (s: State) => {
        const half = 30 * MINUTE;
        const base = Math.ceil(s.now / half) * half + day * DAY;
        const from = base + (slot + 1) * HOUR;
        return { from, to: from + length * half };
      }),
    {
      weight: 3,
      arbitrary: fc
        .record({
          n: small,
          shift: fc.constantFrom(0, 0, 0, 30, -30, 60),
          stretch: fc.constantFrom(0, 0, 0, 30, -30, 60),
        })
        .map(({ n, shift, stretch }) => (s: State) => {
          const like = pick<Range>(
            [...s.bookings, ...s.entries].filter((x) => x.from > s.now),
            n,
          );
          const from = (like?.from ?? s.now + 3 * HOUR) + shift * MINUTE;
          return { from, to: (like?.to ?? s.now + 4 * HOUR) + (shift + stretch) * MINUTE };
        }),
    },
  )
  .map((make) => (s: State) => {
    const { from, to } = make(s);
    return { from, to: Math.max(to, from + 5 * MINUTE) };
  });

function pick<T>(list: readonly T[], n: number): T | undefined {
  return list[n % Math.max(list.length, 1)];
}

/** Mostly what the command is meant for; if there is none, mostly nothing. */
function pickLive<T extends Booking | Entry>(
  list: readonly T[],
  n: number,
  status: string,
): T | undefined {
  if (n >= 90) return pick(list, n);
  const live = list.filter((x) => x.endedAt === null);
  if (n >= 80) return pick(live, n);
  return pick(
    list.filter((x) => x.status === status),
    n,
  );
}

/** Mostly a booking that somebody waits for. */
function pickWanted(s: State, n: number): Booking | undefined {
  const wanted = s.bookings.filter(
    (b) => b.endedAt === null && s.entries.some((e) => e.status === 'waiting' && overlap(b, e)),
  );
  return n < 70 && wanted.length > 0 ? pick(wanted, n) : pickLive(s.bookings, n, 'confirmed');
}

function actorFor(subject: Booking | Entry, n: number, usual: 'customer' | 'manager'): Actor {
  if (n % 20 === 19) return n % 4;
  if (usual === 'manager') return n % 20 === 18 ? subject.who : 'manager';
  return n % 20 === 18 ? 'manager' : subject.who;
}

const bookings = (
  what: 'confirm' | 'approve' | 'reject' | 'override' | 'no_show' | 'cancel',
  usual: 'customer' | 'manager',
  status: string,
) =>
  fc.tuple(small, small).map(
    ([n, m]): Chooser =>
      (s) => {
        const booking = what === 'cancel' ? pickWanted(s, n) : pickLive(s.bookings, n, status);
        if (!booking) return null;
        return { do: what, by: actorFor(booking, m, usual), booking: s.bookings.indexOf(booking) };
      },
  );

const entries = (what: 'leave' | 'claim' | 'decline', status: string) =>
  fc.tuple(small, small).map(
    ([n, m]): Chooser =>
      (s) => {
        const entry = pickLive(s.entries, n, status);
        if (!entry) return null;
        return { do: what, by: actorFor(entry, m, 'customer'), entry: s.entries.indexOf(entry) };
      },
  );

const newBookings = fc
  .record({ by: user, offering: fc.constantFrom(...OFFERINGS, 'left' as const), range: ranges })
  .map(
    ({ by, offering, range }): Chooser =>
      (s) => ({ do: 'book', by, offering, ...range(s) }),
  );

/** Mostly for room that is taken, or a part of it, or more than it. */
const newEntries = fc
  .record({
    by: user,
    n: small,
    offering: fc.constantFrom(...OFFERINGS),
    shift: fc.constantFrom(0, 0, 0, 0, 30, -30),
    stretch: fc.constantFrom(0, 0, 0, 0, 30, -30, 60),
    other: ranges,
  })
  .map(
    ({ by, n, offering, shift, stretch, other }): Chooser =>
      (s) => {
        const taken = s.bookings.filter((b) => b.endedAt === null && b.from > s.now);
        const like = pick(taken, n);
        if (!like) return null;
        const from = like.from + shift * MINUTE;
        const range = {
          from,
          to: Math.max(like.to + (shift + stretch) * MINUTE, from + 15 * MINUTE),
        };
        const where = n % 2 === 0 ? like.offering : offering;
        return { do: 'join', by, offering: where, ...(n < 90 ? range : other(s)) };
      },
  );

const changes = fc
  .record({
    n: small,
    m: small,
    range: fc.option(ranges, { nil: undefined, freq: 6 }),
    purpose: fc.option(fc.constantFrom('choir', 'chess'), { nil: undefined, freq: 3 }),
  })
  .map(
    ({ n, m, range, purpose }): Chooser =>
      (s) => {
        const booking = pickLive(s.bookings, n, 'confirmed');
        if (!booking) return null;
        const longer = [-30, 30][m % 3];
        const moved = longer
          ? { from: booking.from, to: booking.to + longer * MINUTE }
          : range?.(s);
        return {
          do: 'modify',
          by: actorFor(booking, m % 5 === 4 ? 18 : m, 'customer'),
          booking: s.bookings.indexOf(booking),
          ...(moved && moved.from < moved.to ? { range: moved } : {}),
          ...(purpose === undefined ? {} : { purpose }),
        };
      },
  );

const priorities = fc.tuple(small, fc.constantFrom(1, 50, 100, 200), small).map(
  ([n, priority, m]): Chooser =>
    (s) => {
      const entry = pickLive(s.entries, n, 'waiting');
      if (!entry) return null;
      const by = actorFor(entry, m, 'manager');
      return { do: 'priority', by, entry: s.entries.indexOf(entry), priority };
    },
);

/** Half of them over a booking. */
const blackouts = fc
  .record({
    n: small,
    where: fc.constantFrom(0, 1, ...OFFERINGS, 'everything' as const),
    range: ranges,
    cancels: fc.constantFrom(true, true, false),
  })
  .map(
    ({ n, where, range, cancels }): Chooser =>
      (s) => {
        const over = n < 50 ? pickLive(s.bookings, n, 'confirmed') : undefined;
        const { from, to } = over && n % 3 !== 0 ? over : range(s);
        const what = n % 4 === 0 || !over ? where : over.offering;
        return { do: 'blackout', by: 'manager', where: what, from, to, cancels };
      },
  );

const lifts = small.map(
  (n): Chooser =>
    (s) => {
      return s.blackouts.length === 0
        ? null
        : { do: 'lift', by: 'manager', blackout: n % s.blackouts.length };
    },
);

/** To the next thing that is due, a second before or after it, or some time on. */
const passing = fc
  .record({
    what: fc.constantFrom(...(['tick', 'tick', 'tick', 'nap'] as const)),
    by: fc.oneof(
      fc.constantFrom(0, 0, MINUTE, 10 * MINUTE, HOUR, 3 * HOUR, 8 * HOUR, 20 * HOUR),
      fc.constantFrom('due', 'due', 'before', 'after', 'start'),
    ),
  })
  .map(
    ({ what, by }): Chooser =>
      (s) => {
        if (typeof by === 'number') return { do: what, until: s.now + by };
        const starts = s.bookings.filter((b) => b.status === 'confirmed').map((b) => b.from);
        if (by === 'start' && starts.length > 0) {
          return { do: what, until: Math.max(s.now, Math.min(...starts) + 10 * MINUTE) };
        }
        const due = Math.max(nextDue(s)?.at ?? s.now, s.now);
        const until = due + (by === 'before' ? -SECOND : by === 'after' ? SECOND : 0);
        return { do: what, until: Math.max(until, s.now) };
      },
  );

/** Trouble with the mail does not last. */
const mail = fc.tuple(small, fc.constantFrom(...(['down', 'refusing'] as const))).map(
  ([n, trouble]): Chooser =>
    (s) => {
      if (s.mail === 'up') return { do: 'mail', mail: trouble };
      return n < 70 ? { do: 'mail', mail: 'up' } : null;
    },
);

const bounces = small.map(
  (n): Chooser =>
    (s) => {
      const reminded = s.bookings.filter(
        (b) => b.reminderSent !== null && b.status === 'confirmed',
      );
      const booking = pick(reminded, n);
      return booking ? { do: 'bounce', booking: s.bookings.indexOf(booking) } : null;
    },
);

const choosers: fc.Arbitrary<Chooser> = fc.oneof(
  { weight: 7, arbitrary: newBookings },
  { weight: 8, arbitrary: newEntries },
  { weight: 9, arbitrary: passing },
  { weight: 4, arbitrary: bookings('cancel', 'customer', 'confirmed') },
  { weight: 1, arbitrary: bookings('cancel', 'manager', 'in_progress') },
  { weight: 2, arbitrary: bookings('confirm', 'customer', 'confirmed') },
  { weight: 2, arbitrary: bookings('approve', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('reject', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('override', 'manager', 'confirmed') },
  { weight: 1, arbitrary: bookings('no_show', 'manager', 'in_progress') },
  { weight: 3, arbitrary: changes },
  { weight: 1, arbitrary: entries('leave', 'waiting') },
  { weight: 3, arbitrary: entries('claim', 'offered') },
  { weight: 2, arbitrary: entries('decline', 'offered') },
  { weight: 1, arbitrary: priorities },
  { weight: 1, arbitrary: blackouts },
  { weight: 1, arbitrary: lifts },
  { weight: 2, arbitrary: mail },
  { weight: 2, arbitrary: bounces },
);

export const sequences = fc.noBias(
  fc.array(choosers, { minLength: 10, maxLength: 40, size: 'max' }),
);
