/** Guests who book by links in mails: one link pressed by many hands, many links for the last places. */
import { expect } from '@jest/globals';
import { unique } from '../support/factories.ts';
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
import { type Tour, tourOn } from './stage.ts';

function ask(tour: Tour, email: string, adults: number): Action {
  const input = { offeringId: tour.offering, slotId: tour.slots[0], adults, name: 'Gina', email };
  return server(`app_private.request_booking_by_mail(${literal(JSON.stringify(input))})`);
}

/** The link as the mail would carry it. */
async function link(ground: Ground, tour: Tour, adults: number): Promise<string> {
  const email = `${unique('guest')}@example.org`;
  await ground.act(ask(tour, email, adults));
  return ground.db.value(
    `select app_private.issue_link('book', d.organization_id, r.customer_id, null, null, null, d.id, r.expires_at)
     from app_private.guest_requests r
     join app_public.deliveries d on d.notification_id = r.notification_id
     where d.address = $1`,
    [email],
  );
}

const follow = (token: string): Action =>
  server(`app_private.follow_link(${literal(token)}, '{"action": "book"}')`);

const booked = ({ db }: Ground, tour: Tour): Promise<number> =>
  db.value(
    'select count(*)::integer from app_public.bookings where slot_id = $1 and ended_at is null',
    [tour.slots[0]],
  );

export const sameLink: Scenario = {
  name: 'one link, pressed by many at once, books once, and all see the same booking',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const token = await link(ground, tour, 1);
    return {
      actions: Array.from({ length: 4 }, () => follow(token)),
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        const shown = fine(outcomes).map(({ booking }) => Object(booking).reference);
        expect(new Set(shown).size).toBe(1);
        expect(await booked(ground, tour)).toBe(1);
      },
    };
  },
};

export const lastPlacesByMail: Scenario = {
  name: 'several links for the last places: one books, the others are told that it is full',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 3);
    const tokens: string[] = [];
    for (let n = 0; n < 4; n++) tokens.push(await link(ground, tour, 2));
    return {
      actions: tokens.map(follow),
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual(['RSFUL', 'RSFUL', 'RSFUL']);
        expect(await booked(ground, tour)).toBe(1);
      },
    };
  },
};

export const linkAndErase: Scenario = {
  name: 'a guest who is erased while the link is pressed has no booking afterwards',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const token = await link(ground, tour, 1);
    const customer_id = await ground.db.value<string>(
      'select customer_id from app_private.guest_requests where slot_id = $1',
      [tour.slots[0]],
    );
    return {
      actions: [
        follow(token),
        follow(token),
        as(ground.world.manager, 'erase_customer', { customer_id }),
        follow(token),
      ],
      check: async (outcomes) => {
        expect(outcomes[2]?.ok).toBe(true);
        expect(refusals(outcomes).every((code) => code === 'RSNTF')).toBe(true);
        expect(await booked(ground, tour)).toBe(0);
      },
    };
  },
};

export const manyAsks: Scenario = {
  name: 'many requests for one address at once: it gets as many mails as the policy says',
  prepare: async (ground, day) => {
    const tour = await tourOn(ground, day, 8);
    const email = `${unique('guest')}@example.org`;
    return {
      actions: Array.from({ length: 6 }, () => ask(tour, email, 1)),
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        const mails = await ground.db.value(
          'select count(*)::integer from app_public.deliveries where address = $1',
          [email],
        );
        expect(mails).toBe(3);
      },
    };
  },
};
