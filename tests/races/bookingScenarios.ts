/** Who gets the room: bookings against bookings, cancellations, moves, limits and retries. */
import { expect } from '@jest/globals';
import { createOffering, createResource, range, unique } from '../support/factories.ts';
import { type Action, as, fine, type Ground, refusals, type Scenario } from '../support/races.ts';
import { book, cancel, idOf, join, liveBookings, move, statusOf, user } from './stage.ts';

const everybody = [0, 1, 2, 3, 4, 5, 6, 7];

export const bookSame: Scenario = {
  name: 'many book the same time, and one gets it',
  prepare: async (ground, day) => ({
    actions: everybody.map((n) =>
      book(user(ground, n), ground.world.left, range('18:00', '20:00', day)),
    ),
    check: (outcomes) => {
      expect(refusals(outcomes)).toEqual(Array(outcomes.length - 1).fill('RSFUL'));
    },
  }),
};

export const bookOverlapping: Scenario = {
  name: 'overlapping times: whoever is refused overlaps somebody who is not',
  prepare: async (ground, day) => ({
    actions: everybody.map((n) =>
      book(user(ground, n), ground.world.left, range(`1${n}:00`, `1${n + 1}:30`, day)),
    ),
    check: async (outcomes) => {
      expect(refusals(outcomes).every((code) => code === 'RSFUL')).toBe(true);
      // Each booking can shut out two others, one on either side.
      expect(fine(outcomes).length).toBeGreaterThanOrEqual(3);
    },
  }),
};

export const bookNested: Scenario = {
  name: 'a long time, and shorter ones inside it',
  prepare: async (ground, day) => {
    const inside = [range('16:00', '18:00', day), range('16:30', '17:30', day)];
    return {
      actions: everybody.map((n) =>
        book(user(ground, n), ground.world.left, inside[n] ?? range('14:00', '20:00', day)),
      ),
      check: (outcomes) => {
        expect(fine(outcomes)).toHaveLength(1);
        expect(new Set(refusals(outcomes))).toEqual(new Set(['RSFUL']));
      },
    };
  },
};

export const bookAndCancel: Scenario = {
  name: 'the place of somebody who cancels is free for one other',
  prepare: async (ground, day) => {
    const time = range('18:00', '20:00', day);
    const booked = await idOf(ground, book(user(ground, 0), ground.world.left, time));
    return {
      actions: [
        cancel(user(ground, 0), booked),
        ...[1, 2, 3, 4].map((n) => book(user(ground, n), ground.world.left, time)),
      ],
      check: ([cancelled, ...others]) => {
        expect(cancelled?.ok).toBe(true);
        expect(fine(others).length).toBeLessThanOrEqual(1);
        expect(refusals(others).every((code) => code === 'RSFUL')).toBe(true);
      },
    };
  },
};

export const moves: Scenario = {
  name: 'two bookings move to each other’s time while a third waits for one of them',
  prepare: async (ground, day) => {
    const [early, late] = [range('10:00', '12:00', day), range('14:00', '16:00', day)];
    const one = await idOf(ground, book(user(ground, 0), ground.world.left, early));
    const two = await idOf(ground, book(user(ground, 1), ground.world.left, late));
    const waiting = await idOf(ground, join(user(ground, 2), ground.world.left, early));
    return {
      actions: [
        move(user(ground, 0), one, late),
        move(user(ground, 1), two, early),
        move(user(ground, 0), one, range('11:00', '14:00', day)),
        move(user(ground, 1), two, range('12:00', '15:00', day)),
      ],
      check: async (outcomes) => {
        expect(outcomes.slice(0, 1).every((outcome) => outcome.ok)).toBe(false);
        expect(await liveBookings(ground, day)).toHaveLength(2);
        // Whatever they did, 10 to 12 was never wholly free.
        expect(await statusOf(ground, waiting)).toBe('waiting');
      },
    };
  },
};

export const crossedMoves: Scenario = {
  name: 'A moves to the time of B, B to the time of A',
  prepare: async (ground, day) => {
    const [early, late] = [range('10:00', '12:00', day), range('14:00', '16:00', day)];
    const one = await idOf(ground, book(user(ground, 0), ground.world.hall, early));
    const two = await idOf(ground, book(user(ground, 1), ground.world.right, late));
    return {
      actions: [move(user(ground, 0), one, late), move(user(ground, 1), two, early)],
      check: (outcomes) => expect(refusals(outcomes)).toEqual(['RSFUL', 'RSFUL']),
    };
  },
};

export const hallAndParts: Scenario = {
  name: 'the whole hall and its halves are never booked together',
  prepare: async (ground, day) => {
    const { hall, left, right } = ground.world;
    const offerings = [hall, left, right, hall, right, left, hall, left];
    const time = range('18:00', '20:00', day);
    return {
      actions: offerings.map((offering, n) => book(user(ground, n), offering, time)),
      check: async () => {
        const taken = (await liveBookings(ground, day)).map((row) => row.offering_id).sort();
        expect([[hall], [left, right].sort()]).toContainEqual(taken);
      },
    };
  },
};

export const hallWaits: Scenario = {
  name: 'both halves are given back at once, and who waits for the hall gets it',
  prepare: async (ground, day) => {
    const { hall, left, right } = ground.world;
    const time = range('18:00', '20:00', day);
    const one = await idOf(ground, book(user(ground, 0), left, time));
    const two = await idOf(ground, book(user(ground, 1), right, time));
    const entry = await idOf(ground, join(user(ground, 2), hall, time));
    return {
      actions: [
        cancel(user(ground, 0), one),
        cancel(user(ground, 1), two),
        join(user(ground, 3), hall, time),
      ],
      check: async () => expect(await statusOf(ground, entry)).toBe('offered'),
    };
  },
};

/** Four times at each of two venues that share nothing, so that no room lock is in common. */
async function atTwoVenues(ground: Ground, day: number, act: typeof book): Promise<Action[]> {
  const { organizationId, policyId, left } = ground.world;
  const room = await createResource(ground.db, organizationId, unique('Room '));
  const values = { organizationId, policyId, name: unique('Venue '), resourceIds: [room] };
  const elsewhere = await createOffering(ground.db, values);
  await ground.act(book(user(ground, 0), left, range('09:00', '18:00', day)));
  await ground.act(book(user(ground, 0), elsewhere, range('09:00', '18:00', day)));
  const [mornings, evenings] = [
    [10, 12, 14, 16],
    [18, 19, 20, 21],
  ];
  return ((act === book ? evenings : mornings) ?? []).flatMap((hour) =>
    [left, elsewhere].map((offering) =>
      act(user(ground, 9), offering, range(`${hour}:00`, `${hour + 1}:00`, day)),
    ),
  );
}

export const dailyBookings: Scenario = {
  name: 'the daily limit of bookings holds across venues',
  policy: { max_bookings_per_day: 2 },
  prepare: async (ground, day) => {
    const actions = await atTwoVenues(ground, day, book);
    await ground.act(book(user(ground, 9), ground.world.right, range('08:00', '09:00', day)));
    return {
      actions,
      check: (outcomes) => expect(refusals(outcomes)).toEqual(Array(7).fill('RSLIM')),
    };
  },
};

export const dailyEntries: Scenario = {
  name: 'the daily limit of waiting list entries holds across venues',
  policy: { max_entries_per_day: 1 },
  prepare: async (ground, day) => ({
    actions: await atTwoVenues(ground, day, join),
    check: (outcomes) => expect(refusals(outcomes)).toEqual(Array(7).fill('RSLIM')),
  }),
};

export const sameKey: Scenario = {
  name: 'a request sent several times with one key is one booking',
  prepare: async (ground, day) => {
    const [starts_at, ends_at] = range('18:00', '20:00', day);
    const send = (offering_id: string) =>
      as(user(ground, 0), 'create_booking', {
        offering_id,
        starts_at,
        ends_at,
        idempotency_key: `key of day ${day}`,
      });
    return {
      actions: everybody.map((n) => send(n < 6 ? ground.world.left : ground.world.right)),
      check: async (outcomes) => {
        const ids = new Set(fine(outcomes).map((row) => row.id));
        expect(ids.size).toBe(1);
        expect(new Set(refusals(outcomes))).toEqual(new Set(['RSARG']));
        expect(await liveBookings(ground, day)).toHaveLength(1);
      },
    };
  },
};
