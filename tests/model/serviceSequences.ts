/** Random sequences of what people do with services: few providers, so that they are soon taken, and what follows. */
import fc from 'fast-check';
import {
  actorFor,
  bookings,
  bounces,
  entries,
  lifts,
  mail,
  passing,
  pick,
  pickLive,
  priorities,
  small,
  user,
} from './choosers.ts';
import type { Chooser } from './compare.ts';
import type { Actor, Command } from './reference/commands.ts';
import { keptOf, paymentsByBooking } from './reference/payments.ts';
import { findProvider } from './reference/providers.ts';
import {
  type Booking,
  DAY,
  DURATIONS,
  HOUR,
  MINUTE,
  overlap,
  PROVIDERS,
  rooms,
  SERVICES,
  type Service,
  type State,
} from './reference/state.ts';

const services = fc.constantFrom(...SERVICES);
const FRIDAY = 4;
const HALF = 30 * MINUTE;

/** Soon, or as something that there is; seldom on the next day. */
const starts: fc.Arbitrary<(s: State) => number> = fc.oneof(
  fc.record({ slot: fc.integer({ min: 1, max: 5 }), day: fc.constantFrom(0, 0, 0, 0, 24) }).map(
    ({ slot, day }) =>
      (s: State) =>
        Math.ceil(s.now / HALF) * HALF + slot * HALF + day * HOUR,
  ),
  {
    weight: 3,
    arbitrary: fc
      .tuple(small, fc.constantFrom(0, 0, 0, 1, -1, 2))
      .map(([n, shift]) => (s: State) => {
        const like = pick(
          [...s.bookings, ...s.entries].filter((x) => x.from > s.now && x.endedAt === null),
          n,
        );
        return (like?.from ?? Math.ceil(s.now / HALF) * HALF + 3 * HALF) + shift * HALF;
      }),
  },
);

/** Mostly nobody; seldom somebody who does not serve it. */
const wishes = fc.constantFrom(...Array<null>(5).fill(null), 0, 0, 1, 1, 2);

function wishOf(service: Service, wish: number | null): { provider?: number } {
  if (wish === null) return {};
  return { provider: rooms(service)[wish] ?? (service === 'lesson' ? 6 : 4) };
}

const wanted = fc.record({ by: user, service: services, start: starts, wish: wishes });

const newBookings = wanted.map(
  ({ by, service, start, wish }): Chooser =>
    (s) => {
      const from = start(s);
      return {
        do: 'book',
        by,
        offering: service,
        from,
        to: from + DURATIONS[service],
        ...wishOf(service, wish),
      };
    },
);

/** Mostly where nobody is free; where somebody is, mostly they are booked instead, so that others have to wait. */
const newEntries = fc.tuple(wanted, small).map(
  ([{ by, service, start, wish }, n]): Chooser =>
    (s) => {
      const from = start(s);
      const range = { from, to: from + DURATIONS[service] };
      const wished = wish === 2 && n < 90 ? {} : wishOf(service, wish);
      const isFree = findProvider(s, service, range, wished.provider ?? null) !== null;
      const what = isFree && n < 85 ? ('book' as const) : ('join' as const);
      return { do: what, by, offering: service, ...range, ...wished };
    },
);

const changes = fc.tuple(small, small, starts, wishes).map(
  ([n, m, start, wish]): Chooser =>
    (s) => {
      const booking = pickLive(s.bookings, n, 'confirmed');
      if (!booking) return null;
      const service = serviceOf(booking);
      const from = start(s);
      return {
        do: 'modify',
        by: actorFor(booking, m % 5 === 4 ? 18 : m, 'customer'),
        booking: s.bookings.indexOf(booking),
        ...(m % 3 === 0 ? {} : { range: { from, to: from + DURATIONS[service] } }),
        ...wishOf(service, m % 3 === 0 ? (wish ?? 0) : wish),
      };
    },
);

function serviceOf(booking: Booking): Service {
  return booking.offering === 'lesson' ? 'lesson' : 'repair';
}

/** Mostly whoever serves it; whom nobody can act for, the manager acts for. */
function serverOf(booking: Booking, n: number): Actor {
  if (n % 20 === 19) return n % 4;
  if (n % 20 === 18) return n % 40 === 18 ? 'paul' : 'nora';
  const own = (['paul', 'nora'] as const).find((name) => PROVIDERS[name] === booking.provider);
  return n % 3 === 0 ? 'manager' : (own ?? 'manager');
}

type Served = 'accept' | 'reject' | 'deliver' | 'complete' | 'keep' | 'no_show';

const served = (what: Served, status: string) =>
  fc.tuple(small, small).map(
    ([n, m]): Chooser =>
      (s) => {
        const booking = pickLive(s.bookings, n, status);
        if (!booking) return null;
        return { do: what, by: serverOf(booking, m), booking: s.bookings.indexOf(booking) };
      },
  );

const confirmations = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const booking = pickLive(s.bookings, n, 'delivered');
      if (!booking) return null;
      const by = actorFor(booking, m, 'customer');
      return { do: 'confirm_delivery', by, booking: s.bookings.indexOf(booking) };
    },
);

const reviews = fc.tuple(small, small, fc.constantFrom(1, 4, 5, 5, 6)).map(
  ([n, m, rating]): Chooser =>
    (s) => {
      const done = s.bookings.filter(({ status }) => status === 'completed');
      const booking = n < 85 ? pick(done, n) : pick(s.bookings, n);
      if (!booking) return null;
      const by = actorFor(booking, m, 'customer');
      return { do: 'review', by, booking: s.bookings.indexOf(booking), rating };
    },
);

/** Mostly what is due; now and then all of the price, more than it, or of what nothing is due for. */
const moneys = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const due = s.payments.filter(({ status }) => status === 'due');
      const asked = n < 85 ? pick(due, n) : undefined;
      const booking = asked ? s.bookings[asked.booking] : n < 85 ? undefined : pick(s.bookings, n);
      if (!booking) return null;
      const left = booking.price - keptOf(s, booking);
      const amounts = [asked?.amount ?? 1000, asked?.amount ?? left, left, left + 1, 999, 0];
      const amount = amounts[m % 10 < 6 ? 0 : (m % 10) - 5] ?? left;
      const position = s.bookings.indexOf(booking);
      return { do: 'record_payment', by: serverOf(booking, m), booking: position, amount };
    },
);

/** Mostly what is owed. */
const refunds = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const payments = paymentsByBooking(s);
      const owed = payments.filter(({ refundDue, refunded }) => refundDue > refunded);
      const payment = n < 70 ? pick(owed, n) : pick(payments, n);
      const booking = payment && s.bookings[payment.booking];
      if (!payment || !booking) return null;
      const rest = payment.refundDue - payment.refunded;
      const amount = m % 4 === 0 ? 500 : rest > 0 ? rest : payment.amount - payment.refunded;
      const position = payments.indexOf(payment);
      return { do: 'record_refund', by: serverOf(booking, m), payment: position, amount };
    },
);

/** Mostly over something that its provider serves. */
const absences = fc
  .record({
    n: small,
    m: small,
    start: starts,
    where: fc.constantFrom(4, 5, 6, ...SERVICES, 'everything' as const),
    cancels: fc.boolean(),
    holiday: fc.boolean(),
  })
  .map(
    ({ n, m, start, where, ...rest }): Chooser =>
      (s) => {
        const over = n < 80 ? pickLive(s.bookings, n, 'confirmed') : undefined;
        const from = over ? over.from - (m % 3) * HALF : start(s);
        const to = over ? over.to + (m % 2) * HALF : from + 4 * HALF;
        const what = over?.provider ?? where;
        const base = { do: 'blackout' as const, where: what, from, to, ...rest };
        return { ...base, by: over ? serverOf(over, m) : 'manager' };
      },
  );

const returns = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const blackout = pick(s.blackouts, n);
      if (!blackout) return null;
      return {
        do: 'lift',
        by: m % 3 === 0 ? 'nora' : blackout.by,
        blackout: s.blackouts.indexOf(blackout),
      };
    },
);

function isWaitedFor(s: State, booking: Booking): boolean {
  return s.entries.some((e) => e.status === 'waiting' && overlap(e, booking));
}

/** Mostly what somebody waits for. */
const cancellations = fc
  .tuple(small, small, fc.constantFrom(...Array<undefined>(6).fill(undefined), 0, 500, 100_000))
  .map(
    ([n, m, refund]): Chooser =>
      (s) => {
        const status = n % 7 === 0 ? 'in_progress' : n % 3 === 0 ? 'pending' : 'confirmed';
        const waitedFor = s.bookings.filter(
          (b) => ['pending', 'confirmed'].includes(b.status) && isWaitedFor(s, b),
        );
        const booking =
          n < 60 && waitedFor.length > 0 ? pick(waitedFor, n) : pickLive(s.bookings, n, status);
        if (!booking) return null;
        const position = s.bookings.indexOf(booking);
        if (refund === undefined) {
          return { do: 'cancel', by: actorFor(booking, m, 'customer'), booking: position };
        }
        return { do: 'cancel', by: serverOf(booking, m), booking: position, refund };
      },
  );

/** What is meant to follow: asked, accepted, paid, begun, delivered, confirmed, reviewed, given back. */
const steps = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const booking = pick(
        s.bookings.filter((b) => isUnfinished(s, b)),
        n,
      );
      if (!booking) return null;
      const about = { by: serverOf(booking, m), booking: s.bookings.indexOf(booking) };
      const due = s.payments.find((p) => p.booking === about.booking && p.status === 'due');
      if (due && m < 80) return { do: 'record_payment', ...about, amount: due.amount };
      if (booking.status === 'pending') return { do: 'accept', ...about };
      if (booking.status === 'confirmed') return { do: 'tick', until: booking.from + MINUTE };
      if (booking.status === 'in_progress') {
        if (m % 4 === 3) return { do: 'tick', until: booking.to + HALF };
        return { do: m % 4 === 2 ? 'complete' : 'deliver', ...about };
      }
      const by = booking.who;
      if (booking.status === 'completed')
        return { do: 'review', ...about, by, rating: 1 + (m % 5) };
      return m % 3 === 0
        ? { do: 'tick', until: booking.answerBy ?? s.now }
        : { do: 'confirm_delivery', ...about, by };
    },
);

function isUnfinished(s: State, b: Booking): boolean {
  if (b.status === 'confirmed') return s.now < b.from && b.from < s.now + 4 * HOUR;
  if (b.status === 'completed') return b.rating === null;
  return ['pending', 'in_progress', 'delivered'].includes(b.status);
}

/** To a start, to an end, or to where nobody having said anything is too late. */
const MOMENTS = ['from', 'to', 'expires', 'expires', 'requestExpires'] as const;
const approaches = fc.constantFrom(...MOMENTS).map(
  (what): Chooser =>
    (s) => {
      const times = s.bookings
        .filter(({ status }) => ['pending', 'confirmed', 'in_progress'].includes(status))
        .map((b) => b[what] ?? 0)
        .filter((at) => at > s.now);
      return times.length > 0 ? { do: 'tick', until: Math.min(...times) + MINUTE } : null;
    },
);

const choosers: fc.Arbitrary<Chooser> = fc.oneof(
  { weight: 7, arbitrary: newBookings },
  { weight: 14, arbitrary: newEntries },
  { weight: 36, arbitrary: steps },
  { weight: 4, arbitrary: passing },
  { weight: 5, arbitrary: approaches },
  { weight: 12, arbitrary: cancellations },
  { weight: 1, arbitrary: bookings('confirm', 'customer', 'confirmed') },
  { weight: 1, arbitrary: bookings('approve', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('override', 'manager', 'confirmed') },
  { weight: 4, arbitrary: served('accept', 'pending') },
  { weight: 4, arbitrary: served('reject', 'pending') },
  { weight: 4, arbitrary: served('deliver', 'in_progress') },
  { weight: 6, arbitrary: served('complete', 'in_progress') },
  { weight: 1, arbitrary: served('complete', 'delivered') },
  { weight: 4, arbitrary: served('keep', 'in_progress') },
  { weight: 2, arbitrary: served('keep', 'pending') },
  { weight: 4, arbitrary: served('no_show', 'in_progress') },
  { weight: 1, arbitrary: served('no_show', 'completed') },
  { weight: 4, arbitrary: confirmations },
  { weight: 2, arbitrary: reviews },
  { weight: 5, arbitrary: moneys },
  { weight: 8, arbitrary: refunds },
  { weight: 5, arbitrary: changes },
  { weight: 1, arbitrary: entries('leave', 'waiting') },
  { weight: 1, arbitrary: entries('leave', 'offered') },
  { weight: 12, arbitrary: entries('claim', 'offered') },
  { weight: 1, arbitrary: entries('claim', 'waiting') },
  { weight: 9, arbitrary: entries('decline', 'offered') },
  { weight: 1, arbitrary: priorities },
  { weight: 6, arbitrary: absences },
  { weight: 1, arbitrary: lifts },
  { weight: 2, arbitrary: returns },
  { weight: 1, arbitrary: mail },
  { weight: 1, arbitrary: bounces },
);

/** While everybody is free there is nothing to wait for; and some weeks are nearly over. */
const openings: fc.Arbitrary<Chooser[]> = fc
  .record({
    day: fc.constantFrom(0, FRIDAY),
    slot: fc.integer({ min: 2, max: 8 }),
    by: user,
    n: fc.nat(2),
  })
  .map(({ day, slot, by, n }) => {
    const morning = day * DAY + 8 * HOUR;
    const from = morning + slot * HALF;
    const ask = (what: 'book' | 'join', who: number, offering: Service): Chooser => {
      return () => ({
        do: what,
        by: who % 4,
        offering,
        from,
        to: from + DURATIONS[offering],
      });
    };
    return [
      (): Command => ({ do: 'tick', until: morning }),
      ask('book', by, 'lesson'),
      ask('book', by + 1, n === 2 ? 'lesson' : 'repair'),
      ask('book', by + 2, 'repair'),
      ask('join', by + 3, n === 0 ? 'repair' : 'lesson'),
      ask('join', by + 2 - n, 'lesson'),
    ].slice(0, 4 + n);
  });

export const serviceSequences: fc.Arbitrary<Chooser[]> = fc.noBias(
  fc
    .tuple(openings, fc.array(choosers, { minLength: 15, maxLength: 45, size: 'max' }))
    .map(([first, rest]) => [...first, ...rest]),
);
