/** Series against series, single bookings, blackouts and their own changes. */
import { expect } from '@jest/globals';
import { at, range } from '../support/factories.ts';
import {
  type Action,
  as,
  fine,
  type Ground,
  literal,
  refusals,
  type Scenario,
  server,
} from '../support/races.ts';
import { book, user } from './stage.ts';

const DATES = 3;

/** On three days from `day` on. */
function bookSeries(userId: string, offeringId: string, day: number, start: string): Action {
  return as(userId, 'book_series', {
    offering_id: offeringId,
    rrule: `FREQ=DAILY;COUNT=${DATES}`,
    first_date: at('00:00', day).slice(0, 10),
    local_start: start,
    duration: '2 hours',
  });
}

function occurrences(ground: Ground, seriesId: string) {
  return ground.db.rows<{ id: string; status: string; start: string; day: string }>(
    `select id, status::text, (starts_at at time zone 'UTC')::time::text as start, series_date::text as day
     from app_public.bookings where series_id = $1 order by series_date`,
    [seriesId],
  );
}

const isLive = ({ status }: { status: string }) => status === 'confirmed' || status === 'pending';

export const crossedSeries: Scenario = {
  name: 'series of a hall and of its halves: each has all of its dates or none',
  prepare: async (ground, day) => {
    const { hall, left, right } = ground.world;
    const offerings = [hall, left, right, hall, right, left];
    return {
      actions: offerings.map((offering, n) => bookSeries(user(ground, n), offering, day, '18:00')),
      check: async (outcomes) => {
        expect(refusals(outcomes).every((code) => code === 'RSFUL')).toBe(true);
        const made = fine(outcomes);
        const taken = made.map((series) => series.offering_id).sort();
        expect([[hall], [left, right].sort()]).toContainEqual(taken);
        for (const { id } of made) {
          expect((await occurrences(ground, String(id))).filter(isLive)).toHaveLength(DATES);
        }
      },
    };
  },
};

export const seriesAndBlackout: Scenario = {
  name: 'a series is moved and ended while a day of it is closed and others book its times',
  prepare: async (ground, day) => {
    const { manager, organizationId, left, leftRoom, hall } = ground.world;
    const { id } = await ground.act(bookSeries(user(ground, 0), left, day, '10:00'));
    const first = (await occurrences(ground, String(id)))[0]?.id;
    const closed = at('00:00', day + 1).slice(0, 10);
    const all = { booking_id: first, scope: 'all' };
    return {
      actions: [
        as(user(ground, 0), 'modify_series', { ...all, local_start: '14:00' }),
        as(manager, 'create_blackout', {
          organization_id: organizationId,
          resource_id: leftRoom,
          starts_at: at('00:00', day + 1),
          ends_at: at('23:00', day + 1),
          reason: 'Water damage',
          cancel_bookings: true,
        }),
        bookSeries(user(ground, 1), hall, day, '13:00'),
        book(user(ground, 2), left, range('14:00', '15:00', day + 2)),
        as(manager, 'modify_series', { ...all, local_start: '16:00', duration: '1 hour' }),
        as(user(ground, 0), 'cancel_series', { ...all, scope: 'following' }),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes).every((code) => /^RS(FUL|BLK)$/.test(code))).toBe(true);
        const ours = await occurrences(ground, String(id));
        // All of them were ended; before, all that were live had one time.
        expect(ours.filter(isLive)).toEqual([]);
        const stays = ours.filter((one) => one.day !== closed).map(({ start }) => start);
        expect(new Set(stays).size).toBe(1);
        const theirs = outcomes[2];
        // The day was closed before, so that nothing of theirs came to be, or after.
        if (theirs?.ok) {
          const made = await occurrences(ground, String(theirs.value.id));
          expect(made.filter(isLive).map((one) => one.day)).not.toContain(closed);
          expect(made).toHaveLength(DATES);
        }
      },
    };
  },
};

export const seriesAnswered: Scenario = {
  name: 'a series is agreed to, declined and ended at once: each date has one end, told once',
  policy: { requires_approval: true },
  prepare: async (ground, day) => {
    const { manager, left } = ground.world;
    const { id } = await ground.act(bookSeries(user(ground, 0), left, day, '10:00'));
    const first = (await occurrences(ground, String(id)))[0]?.id;
    const all = { booking_id: first, scope: 'all' };
    return {
      actions: [
        as(manager, 'accept_series', all),
        as(manager, 'reject_series', { ...all, reason: 'Paint' }),
        as(user(ground, 0), 'cancel_series', all),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        const ended = (await occurrences(ground, String(id))).map(({ status }) => status);
        expect([...new Set(ended)]).toEqual([expect.stringMatching(/^(cancelled|rejected)$/)]);
        // Whoever comes second finds nothing to do, unless what was agreed to is then cancelled.
        const { kinds } = await ground.db.one<{ kinds: string[] }>(
          `select array_agg(n.kind order by n.id) as kinds from app_public.notifications n
           where n.booking_id = $1 and n.customer_id is not null`,
          [first],
        );
        expect(kinds.join(' ')).toMatch(
          /^series_booked( series_approved)? series_cancelled$|^series_booked series_rejected$/,
        );
      },
    };
  },
};

export const seriesLinkPressed: Scenario = {
  name: 'the link to cancel a series, pressed by many at once, cancels once and tells once',
  prepare: async (ground, day) => {
    const { id } = await ground.act(bookSeries(user(ground, 0), ground.world.left, day, '10:00'));
    const dates = await occurrences(ground, String(id));
    const { token } = await ground.db.one<{ token: string }>(
      `select app_private.issue_link('cancel_series', b.organization_id, b.customer_id, null, b.id, null, null,
         b.ends_at) as token
       from app_public.bookings b where b.id = $1`,
      [dates[0]?.id],
    );
    return {
      actions: Array.from({ length: 4 }, () =>
        server(`app_private.follow_link(${literal(token)})`),
      ),
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        expect(new Set(fine(outcomes).map(({ state }) => state))).toEqual(new Set(['done']));
        const told = await ground.db.value<number>(
          `select count(*)::integer from app_public.notifications n
           where n.booking_id = $1 and n.kind = 'series_cancelled'`,
          [dates[0]?.id],
        );
        expect(told).toBe(1);
      },
    };
  },
};

export const seriesTwice: Scenario = {
  name: 'a series that is sent several times with one key is made once',
  prepare: async (ground, day) => {
    const send = bookSeries(user(ground, 0), ground.world.left, day, '10:00');
    const sql = send.sql.replace(/\) x$/, `, idempotency_key => 'series ${day}') x`);
    return {
      actions: Array.from({ length: 4 }, () => ({ ...send, sql })),
      check: (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        expect(new Set(fine(outcomes).map(({ id }) => id)).size).toBe(1);
      },
    };
  },
};
