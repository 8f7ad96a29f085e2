/** What the pages say, in which language, with which headers, and when somebody or something is in the way. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { de } from '../../src/http/links/words/de.ts';
import { en } from '../../src/http/links/words/en.ts';
import { startStack } from '../support/stack.ts';
import {
  ask,
  createLinkWorld,
  issue,
  type LinkServer,
  type LinkWorld,
  lastCall,
  plain,
  press,
  released,
  serveLinks,
  setScene,
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

describe('What a page shows', () => {
  test('is in the reader’s language, with the venue’s time', async () => {
    const { token } = await setScene(links, 'confirm', { locale: 'de-AT' });
    const page = await ask(server, token, { headers: { 'accept-language': 'en' } });
    expect(page.heading).toBe('Kommen Sie?');
    expect(page.text).toContain('<html lang="de-AT">');
    expect(plain(page.text)).toMatch(/Donnerstag, 6\. Juni 2030.*18:00.*\(Koordinierte Weltzeit\)/);
  });

  test('is in the organisation’s language where the reader’s is not known', async () => {
    const scene = await setScene(links, 'confirm', { organization: { locale: 'de' } });
    await links.change(async (db) => {
      await db.query('update app_public.customers set locale = null where id = $1', [
        scene.customerId,
      ]);
      await db.query('update app_public.users set locale = null where id = $1', [scene.userId]);
    });
    expect((await ask(server, scene.token)).heading).toBe('Kommen Sie?');
  });

  test('is in the browser’s language where nothing is known at all', async () => {
    const unknown = 'AAAAAAAAAAAAAAAAAAAAAA';
    const german = await ask(server, unknown, { headers: { 'accept-language': 'de-CH,de;q=0.9' } });
    expect(german).toMatchObject({ status: 404, heading: 'Dieser Link funktioniert nicht' });
    const other = await ask(server, unknown, { headers: { 'accept-language': 'fr' } });
    expect(other.heading).toBe('This link does not work');
  });

  test('names the venue’s own zone', async () => {
    const scene = await setScene(links, 'confirm');
    await links.change((db) =>
      db.query(`update app_public.resources set time_zone = 'Asia/Kolkata' where id = $1`, [
        scene.world.leftRoom,
      ]),
    );
    expect(plain((await ask(server, scene.token)).text)).toMatch(/23:30.*India Standard Time/);
  });

  test('says until when an answer is needed, unless nothing depends on it', async () => {
    const on = await setScene(links, 'confirm');
    expect(plain((await ask(server, on.token)).text)).toMatch(/answer by .*16:00/);
    const off = await setScene(links, 'confirm', { policy: { auto_cancel: 'dry_run' } });
    expect(plain((await ask(server, off.token)).text)).not.toContain('answer by');
  });

  test('says until when a place is held', async () => {
    const { token } = await setScene(links, 'claim');
    expect(plain((await ask(server, token)).text)).toMatch(
      /Held for you until .*3 June 2030 at 08:15/,
    );
  });

  test('says what a place costs: what it was offered at, and nothing if it is free', async () => {
    const free = await setScene(links, 'claim');
    expect(plain((await ask(server, free.token)).text)).not.toContain('Price');
    const paid = await setScene(links, 'claim');
    await links.change(async (db) => {
      await db.query('update app_public.offerings set price = 99 where id = $1', [paid.world.left]);
      await db.query(
        `update app_public.bookings b set price = 12.5 from app_public.waitlist_entries e
         where e.id = $1 and b.id = e.hold_id`,
        [paid.entryId],
      );
    });
    expect(plain((await ask(server, paid.token)).text)).toContain('Price €12.50');
    expect(plain((await press(server, paid.token)).text)).toContain('Price €12.50');
    const last = await setScene(links, 'claim');
    await links.change(async (db) => {
      await lastCall(db, last);
      await db.query('update app_public.offerings set price = 99 where id = $1', [last.world.left]);
    });
    expect(plain((await ask(server, last.token)).text)).toContain('Price €99.00');
  });

  test('leads to booking again, where there is a front end', async () => {
    const scene = await setScene(links, 'confirm', {
      organization: { front_end_url: 'https://book.example/app/' },
    });
    await links.change((db) => released(db, scene));
    expect((await ask(server, scene.token)).text).toContain(
      `href="https://book.example/app/offerings/${scene.world.left}"`,
    );
    const without = await setScene(links, 'confirm', { organization: { front_end_url: null } });
    await links.change((db) => released(db, without));
    expect((await ask(server, without.token)).text).not.toContain('class="next"');
  });

  test('escapes what others have written', async () => {
    const script = `<script>alert('x')</script>"&`;
    const scene = await setScene(links, 'approve', {
      organization: {
        name: script,
        address: script,
        logo_url: `https://x.example/"><script>1</script>`,
      },
    });
    await links.change(async (db) => {
      await db.query(
        'update app_public.offerings set name = $2, address = $2, support_contact = $2 where id = $1',
        [scene.world.left, script],
      );
      await db.query('update app_public.bookings set purpose = $2 where id = $1', [
        scene.bookingId,
        script,
      ]);
      await db.query('update app_public.customers set name = $2 where id = $1', [
        scene.customerId,
        script,
      ]);
    });
    const { text } = await ask(server, scene.token);
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(text).not.toContain("alert('x')");
    expect(plain(text)).toContain(script);
  });

  test('shows what others have written the right way round, and its lines', async () => {
    const name = '\u202etxet desrever\u2066';
    const scene = await setScene(links, 'approve', { organization: { name, address: 'A 1\nB' } });
    await links.change(async (db) => {
      await db.query('update app_public.bookings set purpose = $2 where id = $1', [
        scene.bookingId,
        `${name}\r\nsecond\u0007`,
      ]);
      await db.query('update app_public.customers set name = $2 where id = $1', [
        scene.customerId,
        name,
      ]);
    });
    const { text } = await press(server, scene.token, { seen: '' });
    for (const page of [(await ask(server, scene.token)).text, text]) {
      expect(page).toContain('txet desrever');
      expect(page).toContain('txet desrever \nsecond');
      expect(page).toContain('A 1\nB');
      expect(page).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|(?!\n)\p{Cc}/u);
    }
  });

  test('shows no person to anybody but the manager who decides', async () => {
    for (const action of ['confirm', 'cancel', 'claim', 'leave', 'unsubscribe'] as const) {
      const { token } = await setScene(links, action);
      expect((await ask(server, token)).text).not.toMatch(/Alice|Bea|@example\.com/);
    }
  });

  test('has every word in both languages', () => {
    const texts = (words: unknown): string[] =>
      typeof words === 'string'
        ? [words]
        : typeof words === 'function'
          ? [words('…')]
          : Object.values(words as object).flatMap(texts);
    expect(texts(de)).toHaveLength(texts(en).length);
    for (const text of [...texts(de), ...texts(en)]) expect(text.trim()).not.toBe('');
    expect(texts(de).filter((text) => texts(en).includes(text))).toEqual([]);
    // Perhaps nobody else waits.
    expect([...texts(de), ...texts(en)].join()).not.toMatch(
      /next person|nächste (wartende )?Person/,
    );
  });
});

describe('What browsers are told', () => {
  test('to keep nothing, tell nobody, and load and run nothing else', async () => {
    const { token } = await setScene(links, 'confirm', {
      organization: { logo_url: 'https://cdn.example/logo.png' },
    });
    for (const reply of [
      await ask(server, token),
      await press(server, token),
      await ask(server, 'x'),
    ]) {
      expect(reply.headers.get('cache-control')).toBe('no-store');
      expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
      expect(reply.headers.get('x-robots-tag')).toContain('noindex');
      expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
      const policy = reply.headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain('unsafe');
      expect(reply.text).not.toMatch(/ style=|<style|<script>| on\w+=/);
    }
    const policy = (await ask(server, token)).headers.get('content-security-policy');
    expect(policy).toContain('img-src https://cdn.example;');
  });

  test('where style and script are, which never change under one address', async () => {
    const { token } = await setScene(links, 'confirm');
    const { text } = await ask(server, token);
    const paths = [...text.matchAll(/(?:href|src)="(\/link-assets\/[^"]+)"/g)].map(
      ([, path]) => path,
    );
    expect(paths).toHaveLength(2);
    for (const path of paths) {
      const response = await fetch(server.url + path);
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toContain('immutable');
      expect(response.headers.get('content-type')).toMatch(/^text\/(css|javascript)/);
    }
  });

  test('that other methods and addresses are nothing', async () => {
    const { token } = await setScene(links, 'confirm');
    const put = await ask(server, token, { method: 'PUT' });
    expect(put).toMatchObject({ status: 405, heading: 'This cannot be done here' });
    expect(put.headers.get('allow')).toBe('GET, HEAD, POST');
    for (const path of ['', 'x', '%00', '%zz', `${token}/x`, `${token}x`, 'a'.repeat(4_000)]) {
      const reply = await ask(server, path);
      expect([400, 404]).toContain(reply.status);
      expect(reply.heading).not.toBe('');
    }
  });
});

describe('An address', () => {
  test('that asks too often is told to wait, in words', async () => {
    const { token } = await setScene(links, 'confirm');
    const strict = await serveLinks(links.database, { requestsPerMinute: 3 });
    for (let n = 0; n < 3; n++) expect((await ask(strict, token)).status).toBe(200);
    const reply = await ask(strict, token);
    expect(reply).toMatchObject({ status: 429, heading: 'That was a bit much' });
    expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    await strict.stop();
  });

  test('that guesses is stopped, and one that knows its links is not', async () => {
    const { token } = await setScene(links, 'confirm');
    const strict = await serveLinks(links.database, { unknownPerTenMinutes: 2 });
    for (let n = 0; n < 9; n++) expect((await ask(strict, token)).status).toBe(200);
    const guess = () => ask(strict, 'AAAAAAAAAAAAAAAAAAAAAA');
    expect([(await guess()).status, (await guess()).status, (await guess()).status]).toEqual([
      404, 404, 429,
    ]);
    await strict.stop();
  });
});

describe('When the room is locked by somebody else for long', () => {
  test('nothing happens, and the page says so', async () => {
    const { token, world } = await setScene(links, 'cancel');
    const client = await links.database.pool('owner', 1).connect();
    await client.query('begin');
    await client.query('select from app_public.resources where id = $1 for update', [
      world.leftRoom,
    ]);
    const reply = await press(server, token);
    await client.query('rollback');
    client.release();
    expect(reply).toMatchObject({ status: 409, heading: 'A lot is going on right now' });
    expect(reply.headers.get('retry-after')).toBe('2');
    expect((await press(server, token)).heading).toBe('Your booking is cancelled');
  });

  test('a lock that is gone by the second try is not noticed', async () => {
    const { token, world } = await setScene(links, 'cancel');
    const client = await links.database.pool('owner', 1).connect();
    await client.query('begin');
    await client.query('select from app_public.resources where id = $1 for update', [
      world.leftRoom,
    ]);
    const reply = press(server, token);
    setTimeout(() => client.query('rollback').then(() => client.release()), 2_600);
    expect(await reply).toMatchObject({ status: 200, heading: 'Your booking is cancelled' });
  });
});

describe('When the database is away', () => {
  test('the page gives a number to quote and nothing else', async () => {
    const { token } = await setScene(links, 'confirm');
    const broken = await serveLinks({
      ...links.database,
      pool: () => links.database.pool('worker', 1),
    });
    const reply = await ask(broken, token);
    expect(reply).toMatchObject({ status: 500, heading: 'Something went wrong on our side' });
    expect(reply.text).toMatch(/<code>[\da-f-]{36}<\/code>/);
    expect(reply.text).not.toMatch(/permission|function|app_private/);
    await broken.stop();
  });
});

describe('In the whole server', () => {
  test('the pages are there, and their own rules hold', async () => {
    const stack = await startStack({ worker: false });
    const response = await fetch(`${stack.url}/l/AAAAAAAAAAAAAAAAAAAAAA`);
    expect(response.status).toBe(404);
    expect(await response.text()).toContain('This link does not work');
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'self'; script-src 'self';/,
    );
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
    expect(response.headers.get('x-powered-by')).toBeNull();
    await stack.stop();
  });
});

describe('A link that is issued twice', () => {
  test('works both times: each try of a mail has its own', async () => {
    const scene = await setScene(links, 'confirm');
    const second = await links.change((db) => issue(db, scene));
    expect((await press(server, second)).heading).toBe('Your booking is confirmed');
    expect(await ask(server, scene.token)).toMatchObject({
      status: 200,
      heading: 'Your booking is confirmed',
    });
  });
});
