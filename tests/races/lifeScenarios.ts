/** A provider, a customer and time, all at once at the same booking. */
import { expect } from '@jest/globals';
import { at, createUser, range } from '../support/factories.ts';
import { contentOf } from '../support/photos.ts';
import {
  type Action,
  as,
  between,
  fine,
  type Ground,
  literal,
  type Outcome,
  refusals,
  type Scenario,
} from '../support/races.ts';
import { after, book, bookingOf, cancel, due, idOf, join, statusOf, tick, user } from './stage.ts';

/** The ninth user is who the left room stands for. */
const provider = (ground: Ground) => user(ground, 9);

const serve = (ground: Ground, name: string, id: string) =>
  as(provider(ground), name, { booking_id: id });

async function bookServed(
  ground: Ground,
  day: number,
  customer = user(ground, 0),
): Promise<string> {
  const { organizationId, left, leftRoom } = ground.world;
  await ground.db.query(
    `insert into app_public.memberships (organization_id, user_id, role, resource_id)
     values ($1, $2, 'provider', $3) on conflict do nothing`,
    [organizationId, provider(ground), leftRoom],
  );
  const id = await idOf(ground, book(customer, left, range('18:00', '20:00', day)));
  await ground.db.query(
    'update app_public.bookings set provider_id = coalesce(provider_id, $2) where id = $1',
    [id, leftRoom],
  );
  return id;
}

/** It has begun, and its customer is there. */
async function underWay(ground: Ground, day: number, customer = user(ground, 0)): Promise<string> {
  const id = await bookServed(ground, day, customer);
  await ground.act(as(customer, 'confirm_booking', { booking_id: id }));
  await ground.setClock(at('18:30', day));
  await ground.act(due(id));
  await ground.act(due(id));
  return id;
}

/** What time does, it does without stumbling over what others do. */
const expectSmooth = (outcomes: (Outcome | undefined)[]) =>
  expect(refusals(outcomes.filter((outcome) => outcome !== undefined))).toEqual([]);

export const acceptAtDeadline: Scenario = {
  name: 'a request that was accepted at its deadline does not expire',
  policy: { requires_approval: true },
  prepare: async (ground, day) => {
    const id = await bookServed(ground, day);
    const time = range('18:00', '20:00', day);
    const entry = await idOf(ground, join(user(ground, 1), ground.world.left, time));
    const deadline = ((await bookingOf(ground, id)).request_expires_at as Date).toISOString();
    await ground.setClock(after(deadline, -1));
    return {
      actions: [
        between(0, 4, serve(ground, 'accept_booking', id)),
        between(2, 9, due(id)),
        between(1, 6, tick(deadline)),
        between(2, 9, due(id)),
      ],
      check: async ([accepted, ...time]) => {
        expectSmooth(time);
        await ground.act(due(id));
        const { status, answered_at } = await bookingOf(ground, id);
        expect(status).toBe(accepted?.ok ? 'confirmed' : 'expired');
        expect(answered_at !== null).toBe(accepted?.ok);
        expect(await statusOf(ground, entry)).toBe(accepted?.ok ? 'waiting' : 'offered');
      },
    };
  },
};

export const acceptAndCancel: Scenario = {
  name: 'what its customer cancels stays cancelled, whatever the provider answers',
  policy: { requires_approval: true },
  prepare: async (ground, day) => {
    const id = await bookServed(ground, day);
    return {
      actions: [serve(ground, 'accept_booking', id), cancel(user(ground, 0), id)],
      check: async ([accepted, cancelled]) => {
        expect(cancelled?.ok).toBe(true);
        const { status, answered_at } = await bookingOf(ground, id);
        expect(status).toBe('cancelled');
        expect(answered_at !== null).toBe(accepted?.ok);
      },
    };
  },
};

export const deliverAndNoShow: Scenario = {
  name: 'a booking is delivered, or nobody came: not both',
  prepare: async (ground, day) => {
    const id = await underWay(ground, day);
    return {
      actions: [
        serve(ground, 'deliver_booking', id),
        as(ground.world.manager, 'mark_no_show', { booking_id: id }),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual(['RSSTA']);
        const { status } = await bookingOf(ground, id);
        expect(status).toBe(outcomes[0]?.ok ? 'delivered' : 'no_show');
      },
    };
  },
};

export const confirmDeliveryAtDeadline: Scenario = {
  name: 'a delivery is completed once, by the word of its customer or by time',
  policy: { complete_delivered_after: '1 hour' },
  prepare: async (ground, day) => {
    const id = await underWay(ground, day);
    const { sequence } = await ground.act(serve(ground, 'deliver_booking', id));
    const deadline = at('19:30', day);
    await ground.setClock(after(deadline, -1));
    return {
      actions: [
        between(2, 9, as(user(ground, 0), 'confirm_delivery', { booking_id: id })),
        between(2, 9, due(id)),
        between(0, 4, tick(deadline)),
        between(2, 9, due(id)),
      ],
      check: async ([confirmed, ...time]) => {
        expectSmooth(time);
        await ground.act(due(id));
        const row = await bookingOf(ground, id);
        expect(row).toMatchObject({ status: 'completed', sequence: Number(sequence) + 1 });
        expect(row.delivery_confirmed_at !== null).toBe(confirmed?.ok);
      },
    };
  },
};

/** What the server does as whoever sends a photo. */
const photo = (ground: Ground, call: string): Action => ({
  ...{ login: 'app', userId: provider(ground) },
  sql: `select to_jsonb(x) as value from app_private.${call} x`,
});

const keep = (ground: Ground, file: string) =>
  photo(ground, `keep_photo(${literal(file)}, 4, 3, 1000, '${contentOf(file)}')`);

async function beginPhoto(ground: Ground, booking: string): Promise<string> {
  await ground.act(photo(ground, `begin_photo(${literal(booking)})`));
  return ground.db.value<string>(
    'select id from app_private.photo_files where booking_id = $1 order by id desc limit 1',
    [booking],
  );
}

const photosOf = (ground: Ground, booking: string) =>
  ground.db.value<number>(
    'select count(*)::integer from app_public.booking_photos where booking_id = $1',
    [booking],
  );

export const photosAtOnce: Scenario = {
  name: 'photos that are added at once are as many as the policy allows',
  policy: { max_photos: 2 },
  prepare: async (ground, day) => {
    const id = await underWay(ground, day);
    const files: string[] = [];
    for (let n = 0; n < 4; n++) files.push(await beginPhoto(ground, id));
    return {
      actions: files.map((file) => keep(ground, file)),
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(2);
        expect(refusals(outcomes)).toEqual(['RSLIM', 'RSLIM']);
        expect(await photosOf(ground, id)).toBe(2);
      },
    };
  },
};

export const deliverAndErase: Scenario = {
  name: 'of somebody who is erased while a booking is delivered no word is left',
  prepare: async (ground, day) => {
    const leaver = await createUser(ground.db, 'Leaver');
    const id = await underWay(ground, day, leaver);
    return {
      actions: [
        as(leaver, 'erase_me', {}),
        as(provider(ground), 'deliver_booking', { booking_id: id, notes: 'Mr Leaver was late.' }),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        const { status, delivery_notes } = await bookingOf(ground, id);
        expect([status, delivery_notes]).toEqual(['delivered', null]);
      },
    };
  },
};

export const noShowAndErase: Scenario = {
  name: 'of somebody who is erased while it is noted that they did not come no word is left',
  prepare: async (ground, day) => {
    const leaver = await createUser(ground.db, 'Leaver');
    const id = await underWay(ground, day, leaver);
    await ground.act(as(provider(ground), 'complete_booking', { booking_id: id }));
    return {
      actions: [
        as(leaver, 'erase_me', {}),
        as(provider(ground), 'mark_no_show', {
          booking_id: id,
          reason: 'Mr Leaver was not there.',
        }),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        const { status, ended_reason } = await bookingOf(ground, id);
        expect([status, ended_reason]).toEqual(['no_show', null]);
      },
    };
  },
};

export const photoAndErase: Scenario = {
  name: 'of somebody who is erased while a photo is added no photo is left',
  prepare: async (ground, day) => {
    const leaver = await createUser(ground.db, 'Leaver');
    const id = await underWay(ground, day, leaver);
    const files = [await beginPhoto(ground, id), await beginPhoto(ground, id)];
    return {
      actions: [as(leaver, 'erase_me', {}), ...files.map((file) => keep(ground, file))],
      check: async ([erased]) => {
        expect(erased?.ok).toBe(true);
        expect(await photosOf(ground, id)).toBe(0);
      },
    };
  },
};
