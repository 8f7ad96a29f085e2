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
import type { Command } from './reference/commands.ts';
import { bookedOf, isOnSale, leftOf, slotsOf, takenOf } from './reference/slots.ts';
import {
  type Booking,
  HOUR,
  MINUTE,
  type Party,
  type Slot,
  type State,
  TOURS,
} from './reference/state.ts';

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

/** All that is left of a slot, so that others have to wait. */
const fillings = user.chain((by) =>
  about(small, (position, slot, s) => {
    const left = leftOf(s, slot);
    const party = left === 0 ? null : partyOf(left, by);
    return party && { do: 'book_places', by, slot: position, party };
  }),
);

/** So many people, among them children and infants now and then. */
function partyOf(size: number, n: number): Party {
  const infants = size > 2 && n % 3 === 2 ? 1 : 0;
  const children = size > 1 && n % 2 === 1 ? 1 : 0;
  return { adults: size - infants - children, children, infants };
}

/** Somebody who has no booking there yet, if there is one. */
function newTo(s: State, slot: Slot, by: number): number {
  const has = (who: number) =>
    s.bookings.some((b) => b.who === who && b.endedAt === null && b.slot === s.slots.indexOf(slot));
  return [0, 1, 2, 3].map((n) => (by + n) % 4).find((who) => !has(who)) ?? by;
}

/** Mostly for more than is left, but not for more than there ever is. */
const newEntries = fc
  .record({ by: user, n: small, m: small, more: fc.constantFrom(1, 1, 2, 3), any: parties })
  .map(
    ({ by, n, m, more, any }): Chooser =>
      (s) => {
        const slot = pickSlot(s, m);
        if (!slot) return null;
        const forDay = n % 2 === 0;
        const day = slotsOf(s, { offering: slot.offering, slot: null, day: slot.day });
        const choice = forDay && day.length > 0 ? day : [slot];
        const left = Math.max(...choice.map((other) => leftOf(s, other)));
        const capacity = Math.max(...choice.map((other) => other.capacity));
        const size = Math.min(Math.max(left, 0) + more, capacity);
        const who = n < 80 ? newTo(s, slot, by) : by;
        const position = s.slots.indexOf(slot);
        if (left >= capacity && n < 70) {
          return { do: 'book_places', by, slot: position, party: partyOf(Math.max(left, 1), m) };
        }
        const party = n < 90 && size > 0 ? partyOf(size, m) : any;
        return forDay
          ? { do: 'join_day', by: who, offering: slot.offering, day: slot.day, party }
          : { do: 'join_slot', by: who, slot: position, party };
      },
  );

/** Who waits for a slot waits for its day as well, with more or fewer people. */
const secondEntries = fc.tuple(small, fc.integer({ min: 1, max: 4 })).map(
  ([n, size]): Chooser =>
    (s) => {
      const entry = pick(
        s.entries.filter((e) => e.day === null && e.endedAt === null),
        n,
      );
      const slot = s.slots[entry?.slot ?? -1];
      return entry && slot
        ? {
            do: 'join_day',
            by: entry.who,
            offering: slot.offering,
            day: slot.day,
            party: partyOf(size, n),
          }
        : null;
    },
);

/** Somebody who waits for a day takes another tour on that day meanwhile. */
const elsewhere = fc.tuple(small, small).map(
  ([n, m]): Chooser =>
    (s) => {
      const entry = pick(
        s.entries.filter((e) => e.day !== null && e.endedAt === null),
        n,
      );
      const slot = pick(
        s.slots.filter(
          (other) =>
            other.day === entry?.day && other.offering !== entry.offering && isOnSale(s, other),
        ),
        m,
      );
      return entry && slot
        ? { do: 'book_places', by: entry.who, slot: s.slots.indexOf(slot), party: partyOf(1, m) }
        : null;
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
  .tuple(small, small, fc.constantFrom(...Array<undefined>(12).fill(undefined), 0, 500, 100_000))
  .map(
    ([n, m, refund]): Chooser =>
      (s) => {
        const wanted = s.bookings.filter(
          (b) => ['confirmed', 'pending'].includes(b.status) && b.slot !== null && isWantedIn(s, b),
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

/** To where something becomes of a slot: its minimum is looked at, its last call begins, it starts. */
const approaches = fc
  .constantFrom(...(['minimum', 'last call', 'last call', 'start'] as const))
  .chain((what) =>
    about(small, (_, slot, s) => {
      const before = { minimum: s.policy.minimumCutoff, 'last call': s.policy.lastCall, start: 0 };
      return { do: 'tick', until: Math.max(s.now, slot.from - before[what] + MINUTE) };
    }),
  );

/** Seldom so far that all is over. */
const moments = fc.oneof(
  { weight: 2, arbitrary: passing },
  { weight: 2, arbitrary: approaches },
  {
    weight: 4,
    arbitrary: fc.constantFrom(0, 0, MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR).map(
      (by): Chooser =>
        (s) => ({ do: 'tick', until: s.now + by }),
    ),
  },
);

const choosers: fc.Arbitrary<Chooser> = fc.oneof(
  { weight: 6, arbitrary: newBookings },
  { weight: 6, arbitrary: fillings },
  { weight: 26, arbitrary: newEntries },
  { weight: 10, arbitrary: secondEntries },
  { weight: 5, arbitrary: elsewhere },
  { weight: 10, arbitrary: moments },
  { weight: 14, arbitrary: cancellations },
  { weight: 10, arbitrary: changes },
  { weight: 2, arbitrary: bookings('confirm', 'customer', 'confirmed') },
  { weight: 1, arbitrary: bookings('approve', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('reject', 'manager', 'pending') },
  { weight: 1, arbitrary: bookings('no_show', 'manager', 'in_progress') },
  { weight: 1, arbitrary: entries('leave', 'waiting') },
  { weight: 3, arbitrary: entries('leave', 'offered') },
  { weight: 16, arbitrary: entries('claim', 'offered') },
  { weight: 4, arbitrary: entries('claim', 'waiting') },
  { weight: 20, arbitrary: entries('decline', 'offered') },
  { weight: 5, arbitrary: priorities },
  { weight: 8, arbitrary: alterations },
  { weight: 2, arbitrary: closings },
  { weight: 6, arbitrary: reopenings },
  { weight: 1, arbitrary: cancelledSlots },
  { weight: 1, arbitrary: blackouts },
  { weight: 8, arbitrary: lifts },
  { weight: 2, arbitrary: generations },
  { weight: 1, arbitrary: reschedules },
  { weight: 1, arbitrary: mail },
  { weight: 1, arbitrary: bounces },
);

/** Without slots there would be nothing to do, and while all of them are free nothing to wait for. */
const openings: fc.Arbitrary<Chooser[]> = fc
  .record({
    schedules: fc.constantFrom([0, 1], [0, 3], [2, 3], [0, 1, 4], [0, 1, 3]),
    day: fc.constantFrom(0, 0, 1),
    more: fc.constantFrom(0, 0, 1),
    first: fc.array(fillings, { minLength: 1, maxLength: 4 }),
  })
  .map(({ schedules, day, more, first }) => [
    ...schedules.map(
      (schedule): Chooser =>
        () => ({ do: 'generate', by: 'manager', schedule, from: day, to: day + more }),
    ),
    ...first,
  ]);

export const tourSequences: fc.Arbitrary<Chooser[]> = fc.noBias(
  fc
    .tuple(openings, fc.array(choosers, { minLength: 15, maxLength: 50, size: 'max' }))
    .map(([first, rest]) => [...first, ...rest]),
);
