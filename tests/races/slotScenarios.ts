/** Who gets the places of a slot: bookings, changes, managers and schedules against each other. */
import { expect } from '@jest/globals';
import { at, insert } from '../support/factories.ts';
import { type Action, as, fine, type Ground, refusals, type Scenario } from '../support/races.ts';
import { cancel, idOf, statusOf, type Tour, tourOn, user } from './stage.ts';

function book(userId: string, tour: Tour, size: number, slot = tour.slots[0]): Action {
  return as(userId, 'create_booking', {
    ...{ offering_id: tour.offering, slot_id: slot, party_size: size },
  });
}

function join(userId: string, tour: Tour, size: number, slot = tour.slots[0]): Action {
  return as(userId, 'join_waitlist', {
    ...{ offering_id: tour.offering, slot_id: slot, party_size: size },
  });
}

const change = (userId: string, bookingId: string, changes: Record<string, unknown>): Action =>
  as(userId, 'modify_booking', { booking_id: bookingId, ...changes });

interface Slot extends Record<string, unknown> {
  capacity: number;
  taken: number;
  bookings: number;
}

const slotOf = ({ db }: Ground, id: string | undefined): Promise<Slot> =>
  db.one<Slot>(
    `select s.capacity, s.taken, (select count(*)::integer from app_public.bookings b
       where b.slot_id = s.id and b.ended_at is null and b.status <> 'held') as bookings
     from app_public.slots s where s.id = $1`,
    [id],
  );

export const lastPlaces: Scenario = {
  name: 'parties of 1 to 6 book the last places, and whoever is refused did not fit',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const sizes = [6, 5, 4, 3, 2, 1, 4, 3];
    return {
      actions: sizes.map((size, n) => book(user(ground, n), tour, size)),
      check: async (outcomes) => {
        const { taken, capacity } = await slotOf(ground, tour.slots[0]);
        const sold = fine(outcomes).reduce((sum, { places }) => sum + Number(places), 0);
        expect(taken).toBe(sold);
        const refused = sizes.filter((_, n) => !outcomes[n]?.ok);
        expect(refusals(outcomes)).toEqual(Array(refused.length).fill('RSFUL'));
        expect(refused.filter((size) => size <= capacity - taken)).toEqual([]);
      },
    };
  },
};

export const resizeAndBook: Scenario = {
  name: 'what a party gives back goes to who waits, and not to who books meanwhile',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const booked = await idOf(ground, book(user(ground, 0), tour, 8));
    const entry = await idOf(ground, join(user(ground, 1), tour, 3));
    return {
      actions: [
        change(user(ground, 0), booked, { party_size: 3 }),
        join(user(ground, 4), tour, 2),
        ...[2, 3].map((n) => book(user(ground, n), tour, 3)),
      ],
      check: async ([resized, joined, ...others]) => {
        expect(resized?.ok).toBe(true);
        // Two are left when the first in line has theirs.
        if (joined && !joined.ok) expect(joined.code).toBe('RSAVL');
        expect(refusals(others)).toEqual(['RSFUL', 'RSFUL']);
        expect(await statusOf(ground, entry)).toBe('offered');
      },
    };
  },
};

export const growAndBook: Scenario = {
  name: 'parties that grow and parties that book share the places there are',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const first = await idOf(ground, book(user(ground, 0), tour, 2));
    const second = await idOf(ground, book(user(ground, 1), tour, 2));
    return {
      actions: [
        change(user(ground, 0), first, { party_size: 5 }),
        change(user(ground, 1), second, { party_size: 5 }),
        ...[2, 3].map((n) => book(user(ground, n), tour, 3)),
      ],
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(1);
        expect((await slotOf(ground, tour.slots[0])).taken).toBe(7);
      },
    };
  },
};

export const cutAndBook: Scenario = {
  name: 'the capacity is cut while people book: it stays, or they do not get in',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const slot_id = tour.slots[0];
    return {
      actions: [
        as(ground.world.manager, 'alter_slot', { slot_id, capacity: 4 }),
        ...[0, 1, 2, 3].map((n) => book(user(ground, n), tour, 2)),
      ],
      check: async ([cut, ...bookings]) => {
        const { taken, capacity } = await slotOf(ground, slot_id);
        expect(capacity).toBe(cut?.ok ? 4 : 8);
        if (cut && !cut.ok) expect(cut.code).toBe('RSBLK');
        expect(taken).toBe(fine(bookings).length * 2);
        expect(fine(bookings)).toHaveLength(cut?.ok ? 2 : 4);
      },
    };
  },
};

export const generateAndBook: Scenario = {
  name: 'slots are made anew while somebody books one: made once, and not changed once booked',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    await ground.db.query('update app_public.schedules set capacity = 3 where id = $1', [
      tour.schedules[0],
    ]);
    const date = at('00:00', day).slice(0, 10);
    const generate = as(ground.world.manager, 'generate_slots', {
      ...{ schedule_id: tour.schedules[0], '"from"': date, '"to"': date },
    });
    return {
      actions: [generate, generate, book(user(ground, 0), tour, 5), book(user(ground, 1), tour, 2)],
      check: async ([, , five]) => {
        const { capacity } = await slotOf(ground, tour.slots[0]);
        if (five?.ok) expect(capacity).toBe(8);
        const made = await ground.db.value<number>(
          'select count(*)::integer from app_public.slots where schedule_id = $1',
          [tour.schedules[0]],
        );
        expect(made).toBe(1);
      },
    };
  },
};

export const generateTwice: Scenario = {
  name: 'two managers make the same slots at once, and each is there once',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8, []);
    const from = at('00:00', day).slice(0, 10);
    const to = at('00:00', day + 3).slice(0, 10);
    const schedule = await insert(ground.db, 'app_public.schedules', {
      ...{ organization_id: ground.world.organizationId, offering_id: tour.offering },
      ...{ name: 'Daily', local_start: '10:00', duration: '2 hours', recurrence: 'daily' },
      ...{ valid_from: from, capacity: 8 },
    });
    const generate = as(ground.world.manager, 'generate_slots', {
      ...{ schedule_id: schedule, '"from"': from, '"to"': to },
    });
    return {
      actions: [generate, generate, generate],
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(3);
        const made = await ground.db.value<number>(
          'select count(*)::integer from app_public.slots where schedule_id = $1',
          [schedule],
        );
        expect(made).toBe(4);
      },
    };
  },
};

export const blackoutAndClaim: Scenario = {
  name: 'a blackout over an offer that is claimed: nobody keeps a place in it',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const booked = await idOf(ground, book(user(ground, 0), tour, 8));
    const entry = await idOf(ground, join(user(ground, 1), tour, 3));
    await ground.act(cancel(user(ground, 0), booked));
    await ground.deliverMail();
    return {
      actions: [
        as(ground.world.manager, 'create_blackout', {
          ...{ organization_id: ground.world.organizationId, offering_id: tour.offering },
          ...{ starts_at: at('09:00', day), ends_at: at('13:00', day), reason: 'Storm' },
          cancel_bookings: true,
        }),
        as(user(ground, 1), 'claim_slot', { entry_id: entry }),
        book(user(ground, 2), tour, 2),
      ],
      check: async ([blackout]) => {
        expect(blackout?.ok).toBe(true);
        expect(await slotOf(ground, tour.slots[0])).toMatchObject({ taken: 0, bookings: 0 });
      },
    };
  },
};

export const crossedSlots: Scenario = {
  name: 'A moves to the slot of B, B to the slot of A, and parties change on the way',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8, ['10:00', '14:00']);
    const [early, late] = tour.slots;
    const one = await idOf(ground, book(user(ground, 0), tour, 4, early));
    const two = await idOf(ground, book(user(ground, 1), tour, 4, late));
    return {
      actions: [
        change(user(ground, 0), one, { slot_id: late }),
        change(user(ground, 1), two, { slot_id: early, party_size: 3 }),
        change(user(ground, 0), one, { party_size: 2 }),
      ],
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(3);
        const taken = [await slotOf(ground, early), await slotOf(ground, late)];
        // The change of the party may have been made before the move or after it.
        expect(taken.map((slot) => slot.taken)).toEqual([3, 2]);
      },
    };
  },
};

export const freedAndJoined: Scenario = {
  name: 'whoever joins while places are freed is either told so or offered them',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const booked = await idOf(ground, book(user(ground, 0), tour, 8));
    return {
      actions: [
        cancel(user(ground, 0), booked),
        ...[1, 2, 3, 4].map((n) => join(user(ground, n), tour, 3)),
      ],
      check: async ([cancelled, ...joins]) => {
        expect(cancelled?.ok).toBe(true);
        expect(refusals(joins).every((code) => code === 'RSAVL')).toBe(true);
        const { taken } = await slotOf(ground, tour.slots[0]);
        expect(taken).toBe(Math.min(fine(joins).length, 2) * 3);
      },
    };
  },
};

export const cancelSlotAndBook: Scenario = {
  name: 'a slot is cancelled while people book and leave it: nobody is left on it',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const slot_id = tour.slots[0];
    const booked = await idOf(ground, book(user(ground, 0), tour, 5));
    return {
      actions: [
        as(ground.world.manager, 'cancel_slot', { slot_id, reason: 'Ice', cancel_bookings: true }),
        cancel(user(ground, 0), booked),
        ...[1, 2].map((n) => book(user(ground, n), tour, 2)),
      ],
      check: async ([cancelled]) => {
        expect(cancelled?.ok).toBe(true);
        expect(await slotOf(ground, slot_id)).toMatchObject({ taken: 0, bookings: 0 });
      },
    };
  },
};
