/** Who gets the place that was waited for: claims, refusals, deadlines, arrivals and departures. */
import { expect } from '@jest/globals';
import { at, createUser, range } from '../support/factories.ts';
import { as, between, fine, refusals, type Scenario } from '../support/races.ts';
import {
  after,
  book,
  bookingOf,
  cancel,
  due,
  expectOneOffer,
  idOf,
  join,
  offered,
  statusOf,
  tick,
  user,
} from './stage.ts';

const claim = (userId: string, entry: string) => as(userId, 'claim_slot', { entry_id: entry });
const decline = (userId: string, entry: string) => as(userId, 'decline_slot', { entry_id: entry });
const leave = (userId: string, entry: string) => as(userId, 'leave_waitlist', { entry_id: entry });

export const cancelAndJoin: Scenario = {
  name: 'whoever joins while the place is freed is either told so or offered it',
  prepare: async (ground, day) => {
    const time = range('18:00', '20:00', day);
    const booked = await idOf(ground, book(user(ground, 0), ground.world.left, time));
    return {
      actions: [
        cancel(user(ground, 0), booked),
        ...[1, 2, 3, 4].map((n) => join(user(ground, n), ground.world.left, time)),
      ],
      check: async ([, ...joins]) => {
        expect(refusals(joins).every((code) => code === 'RSAVL')).toBe(true);
        const live = await ground.db.rows<{ status: string }>(
          `select status from app_public.waitlist_entries
           where organization_id = $1 and starts_at = $2 order by status`,
          [ground.world.organizationId, time[0]],
        );
        expect(live).toHaveLength(fine(joins).length);
        expect(live.filter(({ status }) => status === 'offered')).toHaveLength(live.length ? 1 : 0);
      },
    };
  },
};

export const sameClaim: Scenario = {
  name: 'a claim sent several times at once books once',
  prepare: async (ground, day) => {
    const { entries, hold } = await offered(ground, day, ground.world.left);
    return {
      actions: Array(6).fill(claim(user(ground, 1), entries[0])),
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(6);
        expect(new Set(fine(outcomes).map((row) => row.id)).size).toBe(1);
        const told = await ground.db.value<number>(
          `select count(*)::integer from app_public.notifications
           where booking_id = $1 and kind = 'booking_claimed'`,
          [hold],
        );
        expect(told).toBe(1);
      },
    };
  },
};

export const lastCall: Scenario = {
  name: 'inside the last call the first to claim gets it, the public included',
  prepare: async (ground, day) => {
    const time = range('18:00', '20:00', day);
    const booked = await idOf(ground, book(user(ground, 0), ground.world.left, time));
    const entries: string[] = [];
    for (const n of [1, 2, 3, 4]) {
      entries.push(await idOf(ground, join(user(ground, n), ground.world.left, time)));
    }
    await ground.setClock(at('17:40', day));
    await ground.act(cancel(user(ground, 0), booked));
    return {
      actions: [
        ...entries.map((entry, n) => claim(user(ground, n + 1), entry)),
        book(user(ground, 5), ground.world.left, time),
        book(user(ground, 6), ground.world.left, time),
      ],
      check: (outcomes) => expect(refusals(outcomes)).toEqual(Array(5).fill('RSFUL')),
    };
  },
};

export const claimAtDeadline: Scenario = {
  name: 'at its deadline an offer is either claimed or gone to the next, never both',
  prepare: async (ground, day) => {
    const { entries, hold, deadline } = await offered(ground, day, ground.world.left);
    await ground.setClock(after(deadline, -1));
    return {
      actions: [
        between(0, 4, claim(user(ground, 1), entries[0])),
        between(2, 9, due(hold)),
        between(1, 6, tick(deadline)),
        between(2, 9, due(hold)),
        between(0, 4, claim(user(ground, 1), entries[0])),
      ],
      check: async (outcomes) => {
        const [first, , , , again] = outcomes;
        await ground.act(due(hold));
        const claimed = first?.ok || again?.ok;
        expect(await statusOf(ground, entries[0])).toBe(claimed ? 'claimed' : 'expired');
        if (claimed) expect(await statusOf(ground, entries[1])).toBe('waiting');
        else await expectOneOffer(ground, entries[1]);
        expect(refusals(outcomes).every((code) => code === 'RSEXP')).toBe(true);
      },
    };
  },
};

export const declineAtDeadline: Scenario = {
  name: 'declined at its deadline, an offer goes to the next once',
  prepare: async (ground, day) => {
    const { entries, hold, deadline } = await offered(ground, day, ground.world.left);
    await ground.setClock(after(deadline, -1));
    return {
      actions: [
        between(0, 4, decline(user(ground, 1), entries[0])),
        between(2, 9, due(hold)),
        between(1, 6, tick(after(deadline, 1))),
        between(2, 9, due(hold)),
      ],
      check: async ([declined]) => {
        await ground.act(due(hold));
        if (declined?.ok === false) expect(declined.code).toBe('RSEXP');
        expect(await statusOf(ground, entries[0])).toBe(declined?.ok ? 'declined' : 'expired');
        await expectOneOffer(ground, entries[1]);
        expect(await statusOf(ground, entries[2])).toBe('waiting');
      },
    };
  },
};

export const claimAndManager: Scenario = {
  name: 'a claim against a manager who takes the person off the list or cancels the booking',
  prepare: async (ground, day) => {
    const { entries, hold } = await offered(ground, day, ground.world.left);
    const { manager } = ground.world;
    return {
      actions: [
        claim(user(ground, 1), entries[0]),
        leave(manager, entries[0]),
        cancel(manager, hold, 'The hall is needed.'),
      ],
      check: async ([claimed, left, cancelled]) => {
        const ended = (await bookingOf(ground, hold)).ended_at !== null;
        expect(left?.ok).toBe(!claimed?.ok);
        for (const lost of [claimed, left]) if (lost?.ok === false) expect(lost.code).toBe('RSSTA');
        if (cancelled?.ok === false) expect(cancelled.code).toBe('RSNTF');
        expect(ended).toBe(Boolean(left?.ok || cancelled?.ok));
        if (ended) await expectOneOffer(ground, entries[1]);
        else expect(await statusOf(ground, entries[1])).toBe('waiting');
      },
    };
  },
};

export const leaveAndOffer: Scenario = {
  name: 'whoever leaves while the place is freed does not keep it from the next',
  prepare: async (ground, day) => {
    const time = range('18:00', '20:00', day);
    const booked = await idOf(ground, book(user(ground, 0), ground.world.left, time));
    const entries: string[] = [];
    for (const n of [1, 2, 3]) {
      entries.push(await idOf(ground, join(user(ground, n), ground.world.left, time)));
    }
    const [first, second, third] = entries as [string, string, string];
    return {
      actions: [
        cancel(user(ground, 0), booked),
        leave(user(ground, 1), first),
        leave(user(ground, 2), second),
      ],
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(3);
        expect(await statusOf(ground, first)).toBe('left');
        await expectOneOffer(ground, third);
        const stuck = await ground.db.rows(
          'select id from app_public.waitlist_entries where stuck_at is not null',
        );
        expect(stuck).toEqual([]);
      },
    };
  },
};

export const eraseAndClaim: Scenario = {
  name: 'somebody who is erased while claiming has no booking afterwards',
  prepare: async (ground, day) => {
    const { entries } = await offered(ground, day, ground.world.left);
    // Erased users are gone for good, so this one is lent to the queue for one round.
    const leaver = await createUser(ground.db, 'Leaver');
    await ground.act(decline(user(ground, 1), entries[0]));
    await ground.act(leave(user(ground, 2), entries[1]));
    const mine = await idOf(ground, join(leaver, ground.world.left, range('18:00', '20:00', day)));
    const next = await idOf(
      ground,
      join(user(ground, 4), ground.world.left, range('18:00', '20:00', day)),
    );
    await ground.act(leave(user(ground, 3), entries[2]));
    expect(await statusOf(ground, mine)).toBe('offered');
    return {
      actions: [as(leaver, 'erase_me', {}), claim(leaver, mine), claim(leaver, mine)],
      check: async ([erased]) => {
        expect(erased?.ok).toBe(true);
        const kept = await ground.db.value<number>(
          `select count(*)::integer from app_public.bookings b
           join app_public.customers c on c.id = b.customer_id
           where c.erased_at is not null and b.ended_at is null`,
        );
        expect(kept).toBe(0);
        await expectOneOffer(ground, next);
      },
    };
  },
};
