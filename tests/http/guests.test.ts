/** Asking for a booking by mail, over the API. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createUser, MONDAY } from '../support/factories.ts';
import * as guests from '../support/guests.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let tour: Tour;

beforeAll(async () => {
  world = await createGraphqlWorld();
  await world.change(async (db) => {
    await db.setClock(MONDAY);
    tour = await createTour(db, world, { days: 2 });
  });
});
afterAll(() => world?.stop());

const ask = (input: Record<string, unknown>, userId?: string) =>
  world.ask(
    `mutation ($input: RequestBookingByMailInput!) { requestBookingByMail(input: $input) { accepted } }`,
    { input: { name: 'Gina', email: 'gina@example.org', ...input } },
    userId,
  );

const mails = () => world.change((db) => guests.openMails(db));

describe('a guest who asks for a booking', () => {
  test('is mailed a link, for a room by the clock on its wall as for places', async () => {
    const hall = { localStartsAt: '2030-06-04T18:00:00', localEndsAt: '2030-06-04T20:00:00' };
    const { data, errors } = await ask({ offeringId: world.left, ...hall, purpose: 'Choir' });
    expect([data, errors]).toEqual([{ requestBookingByMail: { accepted: true } }, []]);
    await ask({ offeringId: tour.offering, slotId: tour.slots[0], adults: 2, infants: 1 });
    const [room, places] = await mails();
    expect(room?.model.entry).toMatchObject({ startsAt: '2030-06-04T18:00:00+00:00' });
    expect(places?.model.entry).toMatchObject({ partySize: 3, price: 40 });
    const done = await world.change((db) => guests.press(db, places?.tokens.book));
    expect(done).toMatchObject({ state: 'done', booking: { status: 'confirmed' } });
  });

  test('gets the same answer for an address that is known, one that is not, and one too many', async () => {
    const known = await world.change(async (db) => {
      const user = await createUser(db, 'Known', { email: 'known@example.org' });
      await bookSlot(db, user, tour, tour.slots[1]);
      return 'known@example.org';
    });
    const started = performance.now();
    const places = { offeringId: tour.offering, slotId: tour.slots[0] };
    const answers = [];
    for (const email of [known, known, known, known, 'unknown@example.org']) {
      answers.push((await ask({ ...places, email })).data);
    }
    expect(answers).toEqual(Array(5).fill({ requestBookingByMail: { accepted: true } }));
    expect(performance.now() - started).toBeGreaterThan(5 * 240);
    const links = (await mails()).filter(({ kind }) => kind === 'booking_link');
    const addresses = links.map(({ address }) => address);
    expect(addresses.sort()).toEqual([known, known, known, 'unknown@example.org']);
  });

  test('is refused at once what cannot be had, with what there is instead', async () => {
    await world.change(async (db) =>
      bookSlot(db, await createUser(db, 'Bea'), tour, tour.slots[0], { adults: 5 }),
    );
    const places = { offeringId: tour.offering, slotId: tour.slots[0], adults: 4 };
    const full = await ask(places);
    expect(full.code).toBe('RSFUL');
    expect(full.errors[0]?.extensions.details).toMatchObject({
      mayWait: true,
      alternatives: [{ slotId: tour.slots[1] }],
    });
    expect((await ask({ ...places, orWait: true, email: 'wait@example.org' })).errors).toEqual([]);
    const cases: [Record<string, unknown>, string][] = [
      [{ ...places, offeringId: world.organizationId }, 'RSNTF'],
      [{ ...places, adults: -1 }, 'RSARG'],
      [{ ...places, adults: 1, name: 'x'.repeat(201) }, 'RSARG'],
      [{ ...places, adults: 1, name: 'nul\0' }, 'RSARG'],
      [{ ...places, adults: 1, locale: 'nonsense!' }, 'RSARG'],
      [{ offeringId: world.left, startsAt: '2030-06-04', endsAt: '2030-06-05' }, 'RSARG'],
      [{ offeringId: world.left, localStartsAt: '2030-13-45T10:00:00' }, 'RSARG'],
    ];
    for (const [input, code] of cases)
      expect([input, (await ask(input)).code]).toEqual([input, code]);
  });
});
