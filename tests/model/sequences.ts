/** Random sequences of what people do with rooms. */
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
import {
  DAY,
  HOUR,
  MINUTE,
  type Offering,
  type Range,
  type State,
  VENUES,
  type Venue,
} from './reference/state.ts';

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

const newBookings = fc
  .record({ by: user, offering: fc.constantFrom(...VENUES, 'left' as const), range: ranges })
  .map(
    ({ by, offering, range }): Chooser =>
      (s) => ({ do: 'book', by, offering, ...range(s) }),
  );

/** Mostly for room that is taken, or a part of it, or more than it. */
const newEntries = fc
  .record({
    by: user,
    n: small,
    offering: fc.constantFrom(...VENUES),
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
        const where = n % 2 === 0 && isVenue(like.offering) ? like.offering : offering;
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

/** Half of them over a booking. */
const blackouts = fc
  .record({
    n: small,
    where: fc.constantFrom(0, 1, ...VENUES, 'everything' as const),
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

function isVenue(offering: Offering): offering is Venue {
  return VENUES.some((venue) => venue === offering);
}

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
