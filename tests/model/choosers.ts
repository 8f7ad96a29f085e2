/** Random commands about any booking or entry, and the passing of time. What a command is about is chosen when it is its turn. */
import fc from 'fast-check';
import type { Chooser } from './compare.ts';
import type { Actor } from './reference/commands.ts';
import {
  type Booking,
  type Entry,
  HOUR,
  MINUTE,
  overlap,
  SECOND,
  type State,
} from './reference/state.ts';
import { nextDue } from './reference/time.ts';

export const small = fc.nat(99);
export const user = fc.nat(3);

export function pick<T>(list: readonly T[], n: number): T | undefined {
  return list[n % Math.max(list.length, 1)];
}

/** Mostly what the command is meant for; if there is none, mostly nothing. */
export function pickLive<T extends Booking | Entry>(
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

export function actorFor(
  subject: Booking | Entry,
  n: number,
  usual: 'customer' | 'manager',
): Actor {
  if (n % 20 === 19) return n % 4;
  if (usual === 'manager') return n % 20 === 18 ? subject.who : 'manager';
  return n % 20 === 18 ? 'manager' : subject.who;
}

export const bookings = (
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

export const entries = (what: 'leave' | 'claim' | 'decline', status: string) =>
  fc.tuple(small, small).map(
    ([n, m]): Chooser =>
      (s) => {
        const entry = pickLive(s.entries, n, status);
        if (!entry) return null;
        return { do: what, by: actorFor(entry, m, 'customer'), entry: s.entries.indexOf(entry) };
      },
  );

export const priorities = fc.tuple(small, fc.constantFrom(1, 50, 100, 200), small).map(
  ([n, priority, m]): Chooser =>
    (s) => {
      const entry = pickLive(s.entries, n, 'waiting');
      if (!entry) return null;
      const by = actorFor(entry, m, 'manager');
      return { do: 'priority', by, entry: s.entries.indexOf(entry), priority };
    },
);

export const lifts = small.map(
  (n): Chooser =>
    (s) => {
      return s.blackouts.length === 0
        ? null
        : { do: 'lift', by: 'manager', blackout: n % s.blackouts.length };
    },
);

/** To the next thing that is due, a second before or after it, or some time on. */
export const passing = fc
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
export const mail = fc.tuple(small, fc.constantFrom(...(['down', 'refusing'] as const))).map(
  ([n, trouble]): Chooser =>
    (s) => {
      if (s.mail === 'up') return { do: 'mail', mail: trouble };
      return n < 70 ? { do: 'mail', mail: 'up' } : null;
    },
);

export const bounces = small.map(
  (n): Chooser =>
    (s) => {
      const reminded = s.bookings.filter(
        (b) => b.reminderSent !== null && b.status === 'confirmed',
      );
      const booking = pick(reminded, n);
      return booking ? { do: 'bounce', booking: s.bookings.indexOf(booking) } : null;
    },
);
