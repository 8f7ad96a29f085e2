/** The page of the link by which a guest books. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { checkInvariants } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import * as guests from '../support/guests.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';
import {
  ask,
  createLinkWorld,
  DWELL_MS,
  type LinkServer,
  type LinkWorld,
  nonceIn,
  plain,
  post,
  press,
  serveLinks,
  tableHashes,
  usedToken,
} from './linkSupport.ts';

let links: LinkWorld;
let server: LinkServer;
let world: factory.World;
let tour: Tour;
let token: string;

beforeAll(async () => {
  links = await createLinkWorld();
  server = await serveLinks(links.database);
});

afterAll(async () => {
  await server?.stop();
  await links?.drop();
});

beforeEach(async () => {
  await links.change(async (db) => {
    world = await factory.createWorld(db);
    tour = await createTour(db, world, { days: 2 });
  });
  token = await link();
});

afterEach(async () => {
  expect(await links.change((db) => checkInvariants(db))).toBeUndefined();
});

const link = (values: Record<string, unknown> = {}) =>
  links.change((db) =>
    guests.askForLink(db, {
      ...{ offeringId: tour.offering, slotId: tour.slots[0], adults: 2, children: 1 },
      ...{ purpose: 'A stranger wrote this', locale: 'en-GB', ...values },
    }),
  );

const fill = () =>
  links.change(async (db) =>
    bookSlot(db, await factory.createUser(db, 'Bea'), tour, tour.slots[0], { adults: 8 }),
  );

const booked = () =>
  links.change((db) =>
    db.rows(
      `select b.status, b.reference, b.party_size from app_public.bookings b
       join app_public.customers c on c.id = b.customer_id
       where b.offering_id = $1 and c.email = 'gina@example.org'`,
      [tour.offering],
    ),
  );

describe('The link of a guest', () => {
  test('shows what would be booked and its price, and changes nothing by being looked at', async () => {
    const before = await tableHashes(links);
    for (const method of ['HEAD', 'GET']) {
      const shown = await ask(server, token, { method });
      expect(shown.status).toBe(200);
      if (method === 'HEAD') continue;
      expect(shown.heading).toBe('Book this?');
      expect(plain(shown.text)).toMatch(/Old Town Walk .*4 June 2030.*People 3 Price €54\.00/);
      expect(shown.text).toContain('Nothing is kept for you until you press the button.');
      expect(shown.text).not.toMatch(/stranger|Gina/);
    }
    expect(await tableHashes(links)).toEqual(before);
  });

  test('books with a click, tells the worker, and shows the same booking each time', async () => {
    const commits = server.commits();
    const done = await press(server, token);
    expect(done).toMatchObject({ status: 200, heading: 'You have booked' });
    const [booking] = await booked();
    expect(booking).toMatchObject({ status: 'confirmed', party_size: 3 });
    expect(server.commits()).toBe(commits + 1);
    expect((await usedToken(links, token)).evidence).toMatchObject({ how: 'click' });
    for (const again of [await press(server, token), await ask(server, token)]) {
      expect(again).toMatchObject({ status: 200, heading: 'You have booked' });
      expect(plain(again.text)).toContain(`Reference ${booking?.reference}`);
    }
    expect(await booked()).toHaveLength(1);
  });

  test('asks without JavaScript when it starts, and books for the right answer only', async () => {
    const page = await ask(server, token);
    await sleep(DWELL_MS + 10);
    const second = await post(server, token, { nonce: nonceIn(page) });
    expect(second.heading).toBe('One more question');
    const options = [...second.text.matchAll(/value="(\d)" required>\s*<span>(.*?)<\/span>/g)];
    const right = options.find(([, , words]) => /4 June 2030 at 10:00/.test(plain(words ?? '')));
    const wrong = options.find((option) => option !== right);
    await sleep(DWELL_MS + 10);
    const answer = (option: RegExpMatchArray | undefined) =>
      post(server, token, { nonce: nonceIn(second), start: option?.[1] ?? '' });
    expect((await answer(wrong)).status).toBe(400);
    expect(await booked()).toEqual([]);
    expect((await answer(right)).heading).toBe('You have booked');
  });

  test('is looked at again if the price has changed meanwhile', async () => {
    const page = await ask(server, token);
    await links.change((db) =>
      db.query('update app_public.offerings set price = 30 where id = $1', [tour.offering]),
    );
    await sleep(DWELL_MS + 10);
    const reply = await post(server, token, { nonce: nonceIn(page), seen: '{}' });
    expect(reply.status).toBe(400);
    expect(plain(reply.text)).toContain('Price €81.00');
    expect(await booked()).toEqual([]);
  });

  test('offers other times and the waiting list if it is taken by then', async () => {
    const page = await ask(server, token);
    await fill();
    await sleep(DWELL_MS + 10);
    const stale = await post(server, token, { nonce: nonceIn(page) });
    expect(stale).toMatchObject({ status: 400, heading: 'This has been taken meanwhile' });
    expect(plain(stale.text)).toMatch(/There is room for you at these times: .*5 June 2030/);
    expect(stale.text).toContain('<button>Join the waiting list</button>');
    expect(await press(server, token)).toMatchObject({ heading: 'You are on the waiting list' });
    expect(await booked()).toEqual([]);
    const waiting = await links.change((db) =>
      db.value('select count(*)::int from app_public.waitlist_entries where offering_id = $1', [
        tour.offering,
      ]),
    );
    expect(waiting).toBe(1);
  });

  test('says that it comes too late once its time has come, and where to look', async () => {
    await links.change((db) => db.setClock(factory.at('08:01', 1)));
    const late = await press(server, token);
    expect(late).toMatchObject({ status: 410, heading: 'This link has expired' });
    expect(await booked()).toEqual([]);
  });

  test('shows why it cannot be booked any more, with the way to other times', async () => {
    await links.change((db) =>
      factory.call(db, world.manager, 'close_slot', { slot_id: tour.slots[0], reason: 'Storm' }),
    );
    const closed = await press(server, token);
    expect(closed).toMatchObject({ status: 409, heading: 'This cannot be booked any more' });
    expect(closed.text).toContain(`https://riverside.example/offerings/${tour.offering}`);
  });

  test('of a booking that was cancelled books nothing again', async () => {
    await press(server, token);
    await links.change(async (db) => {
      const mails = await guests.openMails(db);
      await guests.press(db, mails.find(({ kind }) => kind === 'booking_received')?.tokens.cancel);
    });
    const reply = await press(server, token);
    expect(reply).toMatchObject({ status: 409, heading: 'This booking was cancelled' });
    expect((await booked()).map(({ status }) => status)).toEqual(['cancelled']);
  });

  test('speaks the language the guest asked in', async () => {
    const german = await link({ locale: 'de-AT', email: 'greta@example.org' });
    expect((await ask(server, german)).heading).toBe('Das buchen?');
    expect((await press(server, german)).heading).toBe('Sie haben gebucht');
  });
});
