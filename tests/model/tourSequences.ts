/** Random sequences of what people do with places of slots: few slots, small ones, and parties of one to six. */
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
import { policies } from './policies.ts';
import type { Command } from './reference/commands.ts';
import { bookedOf, isOnSale, leftOf, takenOf } from './reference/slots.ts';
import {
  type Booking,
  HOUR,
  type Party,
  type Policy,
  type PriceRules,
  type Slot,
  type State,
  TOURS,
} from './reference/state.ts';

const prices: fc.Arbitrary<PriceRules> = fc.record({
  child: fc.constantFrom(700, 700, 333),
  infant: fc.constantFrom(0, 0, 125),
  groupDiscount: fc.constantFrom(0, 100, 75),
  groupFrom: fc.constantFrom(3, 5),
  tax: fc.constantFrom(100, 200, 77),
  taxIncluded: fc.boolean(),
  rounding: fc.constantFrom(1, 1, 50, 100),
});

export const tourPolicies: fc.Arbitrary<Policy> = fc
  .tuple(
    policies,
    fc.record({
      perDay: fc.constantFrom(3, 3, 2),
      maxParty: fc.constantFrom(1000, 1000, 4),
      infantsTakePlaces: fc.constantFrom(true, true, false),
      underMinimum: fc.constantFrom(...(['report', 'cancel'] as const)),
      minimumCutoff: fc.constantFrom(HOUR, 4 * HOUR, 24 * HOUR),
      refunds: fc.constantFrom<[number, number]>([48, 24], [24, 4], [3, 1]),
      prices,
    }),
  )
  .map(([policy, { refunds, ...rest }]) => ({
    ...policy,
    ...rest,
    fullRefundUntil: refunds[0] * HOUR,
    halfRefundUntil: refunds[1] * HOUR,
  }));

const parties: fc.Arbitrary<Party> = fc
  .record({
    adults: fc.constantFrom(1, 1, 1, 1, 2, 2, 3, 0),
    children: fc.constantFrom(0, 0, 0, 1, 1, 2),
    infants: fc.constantFrom(0, 0, 0, 1),
  })
  .filter(({ adults, children, infants }) => adults + children + infants > 0);

function isWantedBy(s: State, slot: Slot): boolean {
  const position = s.slots.indexOf(slot);
  return s.entries.some(
    (e) =>
      e.status === 'waiting' &&
      (e.slot === position || (e.offering === slot.offering && e.day === slot.day)),
  );
}

/** Mostly one that is to come, and of these mostly one that is waited for, or nearly full. */
function pickSlot(s: State, n: number): Slot | undefined {
  if (n >= 95) return pick(s.slots, n);
  const coming = s.slots.filter((slot) => slot.from > s.now && slot.endedAt === null);
  if (n >= 60) return pick(coming, n);
  const wanted = coming.filter((slot) => leftOf(s, slot) <= 1 || isWantedBy(s, slot));
  return pick(wanted.length > 0 ? wanted : coming, n);
}

function about(
  slots: fc.Arbitrary<number>,
  make: (position: number, slot: Slot, s: State) => Command | null,
): fc.Arbitrary<Chooser> {
  return slots.map((n) => (s) => {
    const slot = pickSlot(s, n);
    return slot ? make(s.slots.indexOf(slot), slot, s) : null;
  });
}

const newBookings = fc
  .tuple(user, parties)
  .chain(([by, party]) => about(small, (slot) => ({ do: 'book_places', by, slot, party })));

/** Mostly for what is full, or too full. */
const newEntries = fc
  .record({ by: user, n: small, m: small, party: parties, forDay: fc.boolean() })
  .map(
    ({ by, n, m, party, forDay }): Chooser =>
      (s) => {
        const full = s.slots.filter((slot) => slot.from > s.now && leftOf(s, slot) <= 1);
        const slot = n < 90 && full.length > 0 ? pick(full, m) : pickSlot(s, m);
        if (!slot) return null;
        return forDay
          ? { do: 'join_day', by, offering: slot.offering, day: slot.day, party }
          : { do: 'join_slot', by, slot: s.slots.indexOf(slot), party };
      },
  );

function isPlaced(booking: Booking): boolean {
  return booking.slot !== null;
}

const changes = fc
  .record({ n: small, m: small, k: small, party: fc.option(parties, { nil: undefined, freq: 3 }) })
  .map(
    ({ n, m, k, party }): Chooser =>
      (s) => {
        const booking = pickLive(s.bookings.filter(isPlaced), n, 'confirmed');
        if (!booking) return null;
        const others = s.slots.filter((slot) => slot.offering === booking.offering);
        const slot = m % 2 === 0 ? pick(k < 95 ? others : s.slots, k) : undefined;
        return {
          do: 'modify_places',
          by: actorFor(booking, k, 'customer'),
          booking: s.bookings.indexOf(booking),
          ...(slot ? { slot: s.slots.indexOf(slot) } : {}),
          ...(party ? { party } : {}),
        };
      },
  );

/** Mostly a booking of a slot that somebody waits for. */
const cancellations = fc
  .tuple(small, small, fc.option(fc.constantFrom(0, 500, 100_000), { nil: undefined, freq: 8 }))
  .map(
    ([n, m, refund]): Chooser =>
      (s) => {
        const wanted = s.bookings.filter(
          (b) => b.status === 'confirmed' && b.slot !== null && isWantedIn(s, b),
        );
        const booking =
          n < 70 && wanted.length > 0 ? pick(wanted, n) : pickLive(s.bookings, n, 'confirmed');
        if (!booking) return null;
        const by =
          refund === undefined || m % 4 === 0 ? actorFor(booking, m, 'customer') : 'manager';
        const subject = s.bookings.indexOf(booking);
        return { do: 'cancel', by, booking: subject, ...(refund === undefined ? {} : { refund }) };
      },
  );

function isWantedIn(s: State, { slot }: Booking): boolean {
  const there = s.slots[slot ?? -1];
  return there !== undefined && isWantedBy(s, there);
}

const generations = fc
  .record({
    schedule: fc.nat(4),
    day: fc.nat(2),
    more: fc.nat(1),
    by: fc.constantFrom('manager' as const, 'manager' as const, 'manager' as const, 0),
  })
  .map(
    ({ schedule, day, more, by }): Chooser =>
      (s) => {
        const today = Math.floor(s.now / (24 * HOUR));
        return { do: 'generate', by, schedule, from: today + day, to: today + day + more };
      },
  );

const reschedules = fc.record({ schedule: fc.nat(4), capacity: fc.constantFrom(1, 3, 5, 8) }).map(
  ({ schedule, capacity }): Chooser =>
    (s) =>
      (s.schedules[schedule]?.minSize ?? 0) <= capacity
        ? { do: 'reschedule', by: 'manager', schedule, capacity }
        : null,
);

/** Around what is taken or booked now; seldom too few. */
const alterations = fc
  .record({
    by: fc.constantFrom(...Array<'manager'>(9).fill('manager'), 0),
    what: fc.constantFrom(...(['capacity', 'capacity', 'capacity', 'minSize', 'price'] as const)),
    delta: fc.constantFrom(0, 1, 1, 2, 3, -1),
    from: fc.constantFrom(...(['taken', 'taken', 'booked'] as const)),
    price: fc.constantFrom(0, 999, 1234, 4005),
  })
  .chain(({ by, what, delta, from, price }) =>
    about(small, (position, slot, s) => {
      const base = { do: 'alter_slot' as const, by, slot: position };
      if (what === 'price') return { ...base, price };
      if (what === 'minSize') return { ...base, minSize: Math.max(0, slot.minSize + delta) };
      const counted = from === 'taken' ? takenOf(s, slot) : bookedOf(s, slot);
      const capacity = Math.max(0, counted + delta);
      return { ...base, capacity, ...(slot.minSize > capacity ? { minSize: capacity } : {}) };
    }),
  );

const closings = fc
  .constantFrom('manager' as const, 'manager' as const, 'manager' as const, 1)
  .chain((by) =>
    about(small, (slot, { closed }) => ({ do: closed ? 'open_slot' : 'close_slot', by, slot })),
  );

const cancelledSlots = fc
  .tuple(
    fc.constantFrom(true, true, false),
    fc.constantFrom(...Array<'manager'>(9).fill('manager'), 2),
  )
  .chain(([cancels, by]) => about(small, (slot) => ({ do: 'cancel_slot', by, slot, cancels })));

/** Half of them over one slot. */
const blackouts = fc
  .record({
    where: fc.constantFrom(2, 3, ...TOURS, 'everything' as const),
    own: fc.boolean(),
    cancels: fc.constantFrom(true, true, false),
    hours: fc.constantFrom(0, 0, 4, -1),
  })
  .chain(({ where, own, cancels, hours }) =>
    about(small, (_, slot) => ({
      do: 'blackout',
      by: 'manager',
      where: own ? slot.offering : where,
      from: slot.from + hours * HOUR,
      to: slot.to + Math.abs(hours) * HOUR,
      cancels,
    })),
  );

/** Puts a slot that was closed or blacked out back on sale, if there is one. */
const reopenings = small.map(
  (n): Chooser =>
    (s) => {
      const closed = pick(
        s.slots.filter((slot) => slot.closed && slot.from > s.now && !isOnSale(s, slot)),
        n,
      );
      return closed ? { do: 'open_slot', by: 'manager', slot: s.slots.indexOf(closed) } : null;
    },
);

const choosers: fc.Arbitrary<Chooser> = fc.oneof(
  { weight: 9, arbitrary: newBookings },
  { weight: 9, arbitrary: newEntries },
  { weight: 8, arbitrary: passing },
  { weight: 5, arbitrary: cancellations },
  { weight: 5, arbitrary: changes },
  { weight: 2, arbitrary: bookings('confirm', 'customer', 'confirmed') },
  { weight: 1, arbitrary: bookings('approve', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('reject', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('no_show', 'manager', 'in_progress') },
  { weight: 1, arbitrary: entries('leave', 'waiting') },
  { weight: 3, arbitrary: entries('claim', 'offered') },
  { weight: 1, arbitrary: entries('claim', 'waiting') },
  { weight: 3, arbitrary: entries('decline', 'offered') },
  { weight: 1, arbitrary: priorities },
  { weight: 4, arbitrary: alterations },
  { weight: 2, arbitrary: closings },
  { weight: 1, arbitrary: reopenings },
  { weight: 1, arbitrary: cancelledSlots },
  { weight: 1, arbitrary: blackouts },
  { weight: 1, arbitrary: lifts },
  { weight: 2, arbitrary: generations },
  { weight: 1, arbitrary: reschedules },
  { weight: 1, arbitrary: mail },
  { weight: 1, arbitrary: bounces },
);

/** Without slots there would be nothing to do. */
const openings: fc.Arbitrary<Chooser[]> = fc
  .record({
    schedules: fc.constantFrom([0, 1, 3], [0, 1, 4], [1, 2, 3], [0, 3, 4]),
    day: fc.constantFrom(0, 0, 1),
  })
  .map(({ schedules, day }) =>
    schedules.map((schedule) => () => ({
      do: 'generate',
      by: 'manager',
      schedule,
      from: day,
      to: day + 1,
    })),
  );

export const tourSequences: fc.Arbitrary<Chooser[]> = fc.noBias(
  fc
    .tuple(openings, fc.array(choosers, { minLength: 10, maxLength: 40, size: 'max' }))
    .map(([first, rest]) => [...first, ...rest]),
);
