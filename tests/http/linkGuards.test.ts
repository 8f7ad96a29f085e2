/** What a POST to a link has to bring along, and what keeps programs out. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createNonces } from '../../src/http/links/nonce.ts';
import { isRealStart, startChoices } from '../../src/http/links/starts.ts';
import * as factory from '../support/factories.ts';
import {
  ask,
  BOOKED,
  CLICK,
  createLinkWorld,
  DWELL_MS,
  type LinkServer,
  type LinkWorld,
  nonceIn,
  plain,
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

async function unchanged(action: () => Promise<void>): Promise<void> {
  const before = await tableHashes(links);
  await action();
  expect(await tableHashes(links)).toEqual(before);
}

describe('A POST to a link', () => {
  test.each([
    ['without a nonce', ''],
    ['with an invented nonce', 'shown.mwpv3met._yexX4DqZZjuuNOsNl1FqItvp-IFlDgf8ZSe9MBWRbs'],
    ['with a nonce that is none', 'x'.repeat(200)],
  ])('%s changes nothing and shows the page again', async (_name, nonce) => {
    const { token } = await setScene(links, 'confirm');
    await unchanged(async () => {
      const reply = await post(server, token, { nonce, seen: CLICK });
      expect(reply).toMatchObject({ status: 400, heading: 'Are you coming?' });
      expect(reply.text).toContain('role="alert"');
    });
  });

  test('changes nothing when it comes too quickly', async () => {
    const { token } = await setScene(links, 'confirm');
    const slow = await serveLinks(links.database, { minDwellMs: 5_000 });
    await unchanged(async () => {
      const nonce = nonceIn(await ask(slow, token));
      const reply = await post(slow, token, { nonce, seen: CLICK });
      expect(reply).toMatchObject({ status: 409, heading: 'Are you coming?' });
    });
    await slow.stop();
  });

  test('changes nothing when the page was open for too long', async () => {
    const { token } = await setScene(links, 'confirm');
    const short = await serveLinks(links.database, { maxAgeMs: 60 });
    const nonce = nonceIn(await ask(short, token));
    await sleep(80);
    await unchanged(async () => {
      const reply = await post(short, token, { nonce, seen: CLICK });
      expect(reply).toMatchObject({ status: 409, heading: 'Are you coming?' });
    });
    await short.stop();
  });

  test('changes nothing when the booking was moved since the page was shown', async () => {
    const scene = await setScene(links, 'confirm');
    const nonce = nonceIn(await ask(server, scene.token));
    const [startsAt, endsAt] = factory.range('10:00', '12:00', 3);
    await links.change((db) =>
      factory.call(db, scene.userId, 'modify_booking', {
        booking_id: scene.bookingId,
        starts_at: startsAt,
        ends_at: endsAt,
      }),
    );
    await sleep(DWELL_MS);
    await unchanged(async () => {
      const reply = await post(server, scene.token, { nonce, seen: CLICK });
      expect(reply).toMatchObject({ status: 400, heading: 'Are you coming?' });
      expect(plain(reply.text)).toContain('10:00–12:00');
    });
    await press(server, scene.token);
    expect((await usedToken(links, scene.token)).used_at).not.toBeNull();
  });

  test.each([
    ['nothing', undefined],
    ['JSON', 'application/json'],
    ['a form that is none', 'multipart/form-data; boundary=x'],
    ['an encoding nobody knows', 'text/x-unknown'],
  ])('that brings %s is refused', async (_name, type) => {
    const { token } = await setScene(links, 'confirm');
    await unchanged(async () => {
      const init = { method: 'POST', ...(type ? { body: '{"nonce":1}' } : {}) };
      const headers = type ? { 'content-type': type } : undefined;
      expect((await ask(server, token, { ...init, ...(headers && { headers }) })).status).toBe(400);
    });
  });

  test('that is too large is refused in words', async () => {
    const { token } = await setScene(links, 'confirm');
    const reply = await post(server, token, { nonce: 'x'.repeat(20_000) });
    expect(reply).toMatchObject({ status: 413, heading: 'This request cannot be read' });
  });

  test('with control characters and quotes everywhere is no trouble', async () => {
    const scene = await setScene(links, 'reject');
    const reason = `<b>\u0000\u001b'"; drop table bookings --\r\nnext`;
    expect((await press(server, scene.token, { reason })).status).toBe(200);
    const row = await links.change((db) => factory.booking(db, scene.bookingId ?? ''));
    expect(row.ended_reason).toBe(`<b>  '"; drop table bookings --\nnext`);
  });

  test('with a reason that is too long keeps what was written', async () => {
    const { token } = await setScene(links, 'reject');
    const reply = await press(server, token, { reason: 'y'.repeat(501) });
    expect(reply).toMatchObject({ status: 409, heading: 'Decline this request?' });
    expect(reply.text).toContain('at most 500');
    expect(reply.text).toContain('y'.repeat(501));
  });
});

describe('A manager’s answer', () => {
  test('carries the reason and the manager’s name into booking and log', async () => {
    const scene = await setScene(links, 'reject');
    await press(server, scene.token, { reason: 'We paint the room that day.' });
    const row = await links.change((db) => factory.booking(db, scene.bookingId ?? ''));
    expect(row).toMatchObject({ status: 'rejected', ended_reason: 'We paint the room that day.' });
    const logged = await links.change((db) =>
      db.rows(
        `select actor_user_id, via, host(ip) as ip, user_agent from app_public.audit_log
         where record_id = $1 and via = 'link'`,
        [scene.bookingId],
      ),
    );
    expect(logged).toEqual([
      { actor_user_id: scene.world.manager, via: 'link', ip: '127.0.0.1', user_agent: 'node' },
    ]);
  });

  test('is worth nothing once they are no manager any more', async () => {
    const scene = await setScene(links, 'approve');
    await links.change((db) =>
      db.query('delete from app_public.memberships where user_id = $1', [scene.world.manager]),
    );
    expect((await press(server, scene.token)).status).toBe(404);
    const row = await links.change((db) => factory.booking(db, scene.bookingId ?? ''));
    expect(row.status).toBe('pending');
  });
});

describe('Without JavaScript', () => {
  const firstPost = async (scene: Scene, fields: Record<string, string> = {}) => {
    const page = await ask(server, scene.token);
    await sleep(DWELL_MS + 10);
    return post(server, scene.token, { nonce: nonceIn(page), seen: '', ...fields });
  };
  const options = (text: string) =>
    [...text.matchAll(/value="(\d)" required>\s*<span>(.*?)<\/span>/g)].map(([, value, words]) => ({
      value: value ?? '',
      words: plain(words ?? ''),
    }));

  test.each(['confirm', 'claim', 'confirm_delivery'] as const)(
    '%s asks for the start, and accepts the right one',
    async (action) => {
      const scene = await setScene(links, action);
      const second = await firstPost(scene);
      expect(second).toMatchObject({ status: 200, heading: 'One more question' });
      const choices = options(second.text);
      expect(choices).toHaveLength(5);
      expect(plain(second.text)).not.toMatch(/18:00 ?– ?20:00/);
      const right = choices.filter(({ words }) => /6 June 2030 at 18:00/.test(words));
      expect(right).toHaveLength(1);
      await sleep(DWELL_MS);
      const fields = { nonce: nonceIn(second), start: right[0]?.value ?? '' };
      expect((await post(server, scene.token, fields)).status).toBe(200);
      expect((await usedToken(links, scene.token)).evidence).toMatchObject({ how: 'choice' });
    },
  );

  test.each(['confirm', 'claim', 'confirm_delivery'] as const)(
    '%s does nothing for a wrong start, or none',
    async (action) => {
      const scene = await setScene(links, action);
      const second = await firstPost(scene);
      await sleep(DWELL_MS);
      const wrong = options(second.text).filter(({ words }) => !/6 June 2030 at 18:00/.test(words));
      await unchanged(async () => {
        for (const start of [...wrong.map(({ value }) => value), '', '9', '-1', '0x0']) {
          const reply = await post(server, scene.token, { nonce: nonceIn(second), start });
          expect(reply.status).toBe(400);
          expect(reply.text).toContain('That is not when it starts');
        }
      });
    },
  );

  test.each(['cancel', 'decline', 'leave', 'approve', 'reject', 'unsubscribe'] as const)(
    '%s asks once more',
    async (action) => {
      const scene = await setScene(links, action);
      const before = await tableHashes(links);
      const second = await firstPost(scene, { reason: 'Because' });
      expect(second.heading).toBe('Please confirm once more');
      expect(await tableHashes(links)).toEqual(before);
      await sleep(DWELL_MS);
      const fields = { nonce: nonceIn(second), reason: 'Because' };
      expect((await post(server, scene.token, fields)).status).toBe(200);
      expect((await usedToken(links, scene.token)).evidence).toMatchObject({ how: 'yes' });
    },
  );

  test.each([
    ['a click made by a script', { ...JSON.parse(CLICK), trusted: false }],
    ['a page in the background', { ...JSON.parse(CLICK), visible: false }],
    ['a click at once', { ...JSON.parse(CLICK), visibleMs: 1 }],
    ['something else', { yes: true }],
  ])('%s counts as no click', async (_name, seen) => {
    const scene = await setScene(links, 'confirm');
    await unchanged(async () => {
      const reply = await firstPost(scene, { seen: JSON.stringify(seen) });
      expect(reply.heading).toBe('One more question');
    });
  });

  test('the starts to pick from stay the same, and the right one is anywhere among them', () => {
    const places = new Set<number>();
    for (let n = 0; n < 60; n++) {
      const choices = startChoices(BOOKED[0], `token${n}`, 'key');
      expect(startChoices(BOOKED[0], `token${n}`, 'key')).toEqual(choices);
      expect(new Set(choices).size).toBe(5);
      places.add(choices.findIndex((_, at) => isRealStart(String(at), choices, BOOKED[0])));
    }
    expect([...places].sort()).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('A mail program’s unsubscribe button (RFC 8058)', () => {
  const oneClick = (token: string, body: URLSearchParams | FormData) =>
    ask(server, token, { method: 'POST', body });
  const urlencoded = () => new URLSearchParams({ 'List-Unsubscribe': 'One-Click' });
  const multipart = () => {
    const form = new FormData();
    form.set('List-Unsubscribe', 'One-Click');
    return form;
  };

  test.each([
    ['urlencoded', urlencoded],
    ['multipart', multipart],
  ])('works at once, %s, as often as it likes', async (_name, body) => {
    const scene = await setScene(links, 'unsubscribe');
    expect(await oneClick(scene.token, body())).toMatchObject({ status: 200 });
    expect(await oneClick(scene.token, body())).toMatchObject({ status: 200 });
    const row = await links.change((db) =>
      db.one('select unsubscribed_at from app_public.customers where id = $1', [scene.customerId]),
    );
    expect(row.unsubscribed_at).not.toBeNull();
    expect((await usedToken(links, scene.token)).evidence).toEqual({ how: 'one_click' });
  });

  test('keeps only messages back that one can do without', async () => {
    const scene = await setScene(links, 'unsubscribe');
    await oneClick(scene.token, urlencoded());
    const withheld = (kind: string) =>
      links.change((db) =>
        db.value(
          'select app_private.mail_is_withheld(c, $2, 100) from app_public.customers c where id = $1',
          [scene.customerId, kind],
        ),
      );
    expect(await withheld('waitlist_joined')).toBe('unsubscribed');
    expect(await withheld('booking_reminder')).toBeNull();
    expect(await withheld('slot_available')).toBeNull();
  });

  test.each(['confirm', 'cancel', 'claim', 'leave'] as const)(
    'does nothing to a link to %s',
    async (action) => {
      const { token } = await setScene(links, action);
      await unchanged(async () => {
        expect((await oneClick(token, urlencoded())).status).toBe(400);
      });
    },
  );
});

describe('A nonce', () => {
  const bound = { token: 'a'.repeat(22), shown: 'confirm 2030-06-06T18:00:00Z' };
  const at = (now: number) =>
    createNonces({ secretKey: 'k', minDwellMs: 800, maxAgeMs: 60_000, now: () => now });
  const nonce = at(1_000_000).issue('shown', bound);

  test('is good after the dwell and until it is old', () => {
    expect(at(1_000_799).check(nonce, bound).outcome).toBe('quick');
    expect(at(1_000_800).check(nonce, bound)).toEqual({
      outcome: 'good',
      stage: 'shown',
      ageMs: 800,
    });
    expect(at(1_060_000).check(nonce, bound).outcome).toBe('good');
    expect(at(1_060_001).check(nonce, bound).outcome).toBe('old');
    expect(at(999_999).check(nonce, bound).outcome).toBe('quick');
  });

  test('is worth nothing for another token, another start, another page or with another key', () => {
    const outcomes = [
      at(1_001_000).check(nonce, { ...bound, token: 'b'.repeat(22) }),
      at(1_001_000).check(nonce, { ...bound, shown: 'cancel 2030-06-06T18:00:00Z' }),
      at(1_001_000).check(nonce.replace('shown', 'asked'), bound),
      at(1_001_000).check(nonce.replace(/\.\w+\./, '.1.'), bound),
      createNonces({ secretKey: 'other', minDwellMs: 0, maxAgeMs: 1e9 }).check(nonce, bound),
    ].map(({ outcome }) => outcome);
    expect(outcomes).toEqual(Array(5).fill('bad'));
  });
});
