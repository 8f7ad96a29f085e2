/** Every action of a link, in every state it can be in. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Action } from '../../src/http/links/model.ts';
import { checkInvariants } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import { statusesOf } from '../support/series.ts';
import {
  ask,
  createLinkWorld,
  issue,
  type LinkServer,
  type LinkWorld,
  nonceIn,
  post,
  press,
  type Scene,
  serveLinks,
  setScene,
  tableHashes,
  usedToken,
} from './linkSupport.ts';

let links: LinkWorld;
let server: LinkServer;

beforeAll(async () => {
  links = await createLinkWorld();
  server = await serveLinks(links.database);
});

afterAll(async () => {
  await server?.stop();
  await links?.drop();
});

const status = (scene: Scene, table: 'bookings' | 'waitlist_entries') =>
  links.change((db) =>
    db.value<string>(`select status::text from app_public.${table} where id = $1`, [
      table === 'bookings' ? scene.bookingId : scene.entryId,
    ]),
  );

const seriesOf = ({ bookingId }: Scene) =>
  links.change(async (db) => {
    const { series_id: id } = await factory.booking(db, bookingId ?? '');
    return statusesOf(db, String(id));
  });

const clock = (iso: string) => links.change((db) => db.setClock(iso));

type Case = {
  action: Action;
  asks: string;
  done: string;
  /** When it is too late, and what the page says then. */
  late?: { at: string; says: string };
  /** What the deed has done. */
  check(scene: Scene): Promise<void>;
};

const CASES: Case[] = [
  {
    action: 'confirm',
    asks: 'Are you coming?',
    done: 'Your booking is confirmed',
    late: { at: factory.at('18:30', 3), says: 'This booking has already begun' },
    check: async (scene) => {
      const row = await links.change((db) => factory.booking(db, scene.bookingId ?? ''));
      expect(row).toMatchObject({ status: 'confirmed', attendance_confirmed_how: 'link' });
    },
  },
  {
    action: 'cancel',
    asks: 'Cancel this booking?',
    done: 'Your booking is cancelled',
    late: { at: factory.at('18:30', 3), says: 'This booking has already begun' },
    check: async (scene) => expect(await status(scene, 'bookings')).toBe('cancelled'),
  },
  {
    action: 'claim',
    asks: 'A place is free for you',
    done: 'The place is yours',
    late: { at: factory.at('09:00'), says: 'This offer is over' },
    check: async (scene) => {
      expect(await status(scene, 'waitlist_entries')).toBe('claimed');
      const { rows } = await links.database
        .pool('owner', 1)
        .query('select status from app_public.bookings where customer_id = $1', [scene.customerId]);
      expect(rows).toEqual([{ status: 'confirmed' }]);
    },
  },
  {
    action: 'decline',
    asks: 'Let this place go?',
    done: 'You have let this place go',
    late: { at: factory.at('09:00'), says: 'This offer is over' },
    check: async (scene) => expect(await status(scene, 'waitlist_entries')).toBe('declined'),
  },
  {
    action: 'leave',
    asks: 'Leave the waiting list?',
    done: 'You have left the waiting list',
    late: { at: factory.at('18:00', 3), says: 'The time you waited for has come' },
    check: async (scene) => expect(await status(scene, 'waitlist_entries')).toBe('left'),
  },
  {
    action: 'approve',
    asks: 'Approve this request?',
    done: 'The request is approved',
    late: { at: factory.at('18:00', 2), says: 'This request has run out' },
    check: async (scene) => expect(await status(scene, 'bookings')).toBe('confirmed'),
  },
  {
    action: 'reject',
    asks: 'Decline this request?',
    done: 'The request is declined',
    late: { at: factory.at('18:00', 2), says: 'This request has run out' },
    check: async (scene) => expect(await status(scene, 'bookings')).toBe('rejected'),
  },
  {
    action: 'confirm_delivery',
    asks: 'Is it done?',
    done: 'Thank you for confirming',
    check: async (scene) => {
      const row = await links.change((db) => factory.booking(db, scene.bookingId ?? ''));
      expect(row).toMatchObject({ status: 'completed', delivery_confirmed_at: expect.any(Date) });
    },
  },
  {
    action: 'cancel_series',
    asks: 'Cancel the rest of this series?',
    done: 'The series is cancelled',
    late: { at: factory.at('18:30', 20), says: 'This booking is over' },
    check: async (scene) => expect(await seriesOf(scene)).toEqual(['cancelled', 'cancelled']),
  },
  {
    action: 'approve_series',
    asks: 'Approve the requests of this series?',
    done: 'The requests are approved',
    late: { at: factory.at('18:00', 10), says: 'This request has run out' },
    check: async (scene) => expect(await seriesOf(scene)).toEqual(['confirmed', 'confirmed']),
  },
  {
    action: 'reject_series',
    asks: 'Decline the requests of this series?',
    done: 'The requests are declined',
    late: { at: factory.at('18:00', 10), says: 'This request has run out' },
    check: async (scene) => expect(await seriesOf(scene)).toEqual(['rejected', 'rejected']),
  },
  {
    action: 'unsubscribe',
    asks: 'Unsubscribe?',
    done: 'You are unsubscribed',
    check: async (scene) => {
      const at = await links.change((db) =>
        db.value('select unsubscribed_at from app_public.customers where id = $1', [
          scene.customerId,
        ]),
      );
      expect(at).not.toBeNull();
    },
  },
];

describe.each(CASES)('The link to $action', ({ action, asks, done, late, check }) => {
  test('shows what it is about and asks', async () => {
    const { token } = await setScene(links, action);
    const page = await ask(server, token);
    expect(page).toMatchObject({ status: 200, heading: asks });
    expect(page.text).toContain('Riverside Halls');
    expect(page.text).toContain('help@riverside.example');
    if (action !== 'unsubscribe') {
      expect(page.text).toContain('Left half');
      expect(page.text).toMatch(/6 June 2030.*18:00.*20:00 \(Coordinated Universal Time\)/);
    }
  });

  test('does it at the press of the button, and stores what was seen', async () => {
    const scene = await setScene(links, action);
    const before = server.commits();
    const reply = await press(server, scene.token);
    expect(reply).toMatchObject({ status: 200, heading: done });
    await check(scene);
    expect(server.commits()).toBe(before + 1);
    const { used_at, evidence } = await usedToken(links, scene.token);
    expect(used_at).not.toBeNull();
    expect(evidence).toMatchObject({ how: 'click', trusted: true, pointer: 'touch' });
    await links.change(checkInvariants);
  });

  test('shows the same result when it is pressed again, and changes nothing more', async () => {
    const { token } = await setScene(links, action);
    const page = await ask(server, token);
    const first = await press(server, token);
    const after = await tableHashes(links);
    const fields = { nonce: nonceIn(page), seen: '' };
    expect((await post(server, token, fields)).text).toBe(first.text);
    expect((await ask(server, token)).text).toBe(first.text);
    expect(await tableHashes(links)).toEqual(after);
  });

  test('does it once when it is pressed many times at once', async () => {
    const scene = await setScene(links, action);
    const replies = await Promise.all([1, 2, 3, 4].map(() => press(server, scene.token)));
    expect(replies.map((reply) => reply.heading)).toEqual(Array(4).fill(done));
    await check(scene);
    await links.change(checkInvariants);
  });

  test('changes nothing however often it is fetched', async () => {
    const { token } = await setScene(links, action);
    const before = await tableHashes(links);
    for (let n = 0; n < 10; n++) {
      expect((await ask(server, token)).status).toBe(200);
      expect((await ask(server, token, { method: 'HEAD' })).status).toBe(200);
    }
    expect(await tableHashes(links)).toEqual(before);
  });

  test('is worth nothing once it has expired', async () => {
    const scene = await setScene(links, action, { expiresAt: factory.at('08:10') });
    const page = await ask(server, scene.token);
    await clock(factory.at('08:10'));
    const before = await tableHashes(links);
    const reply = await post(server, scene.token, { nonce: nonceIn(page), seen: 'x' });
    expect(reply).toMatchObject({ status: 410, heading: 'This link has expired' });
    expect(await ask(server, scene.token)).toMatchObject({ status: 410 });
    expect(reply.text).not.toContain('RS-');
    expect(await tableHashes(links)).toEqual(before);
  });

  test('is not found with any of its letters changed', async () => {
    const { token } = await setScene(links, action);
    const before = await tableHashes(links);
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      const changed = token.slice(0, at) + other + token.slice(at + 1);
      const reply = await ask(server, changed);
      expect(reply).toMatchObject({ status: 404, heading: 'This link does not work' });
      expect(reply.text).not.toContain('Riverside');
    }
    expect((await press(server, `${token.slice(0, 21)}_`)).status).toBe(404);
    expect(await tableHashes(links)).toEqual(before);
  });

  test('does nothing else, whatever the form says', async () => {
    const scene = await setScene(links, action);
    const other = await links.change((db) => issue(db, { ...scene, action: 'unsubscribe' }));
    const foreign = nonceIn(await ask(server, other));
    const before = await tableHashes(links);
    const fields = { seen: 'x', action: 'cancel', 'List-Unsubscribe': 'Two-Clicks' };
    const reply = await post(server, scene.token, { ...fields, nonce: foreign });
    expect(reply).toMatchObject({ status: 400, heading: asks });
    expect(await tableHashes(links)).toEqual(before);
  });

  if (late) {
    test('says so when it is too late, and does nothing', async () => {
      const scene = await setScene(links, action);
      await clock(late.at);
      const before = await tableHashes(links);
      const reply = await press(server, scene.token);
      expect(reply).toMatchObject({ status: 410, heading: late.says });
      expect((await ask(server, scene.token)).heading).toBe(late.says);
      expect(await tableHashes(links)).toEqual(before);
    });
  }
});
