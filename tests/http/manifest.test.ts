/** The manifest of a slot as a page and as a table for spreadsheets. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createUser, MONDAY } from '../support/factories.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let tour: Tour;
let reference: string;

const NAME = '=HYPERLINK("https://evil.example","Ann")';

beforeAll(async () => {
  world = await createGraphqlWorld();
  await world.change(async (db) => {
    await db.setClock(MONDAY);
    tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann', { phone: '+43 1 234' });
    const made = await bookSlot(db, ann, tour, tour.slots[0], {
      ...{ adults: 2, children: 1 },
      ...{ special_requests: '<b>"Front", please</b>', access_needs: '@SUM(1+1)' },
    });
    reference = made.reference;
    await db.query('update app_public.customers set name = $1', [NAME]);
    await db.setClock(null);
  });
});
afterAll(() => world?.stop());

async function get(path: string, userId?: string, headers: Record<string, string> = {}) {
  const url = new URL(`/slots/${path}`, world.url);
  const authorization = userId && `Bearer ${await world.tokenFor(userId)}`;
  const response = await fetch(url, {
    headers: { ...headers, ...(authorization && { authorization }) },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, text: bytes.toString('utf8') };
}

const codeOf = (text: string) =>
  (JSON.parse(text) as { errors: { extensions: { code: string } }[] }).errors[0]?.extensions.code;

describe('the table', () => {
  test('is RFC 4180 in UTF-8, with a header, to be stored nowhere on the way', async () => {
    const { status, headers, text } = await get(`${tour.slots[0]}/manifest.csv`, world.manager);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const file = `manifest-${tour.slots[0]}.csv`;
    expect(headers.get('content-disposition')).toContain(file);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(text.startsWith('\ufeffreference,status,name,')).toBe(true);
    expect(text.split('\r\n')).toHaveLength(3);
    expect(text).toContain(`"${reference}",confirmed,`);
    expect(text).toContain(',2,1,0,3,no,');
    expect(text).toContain('"<b>""Front"", please</b>"');
  });

  test('has no text that a spreadsheet takes for a formula', async () => {
    const { text } = await get(`${tour.slots[0]}/manifest.csv`, world.manager);
    expect(text).toContain(`"'=HYPERLINK(""https://evil.example"",""Ann"")"`);
    expect(text).toContain(`,"'+43 1 234",`);
    expect(text).toContain(`,"'@SUM(1+1)"`);
    expect(text).not.toMatch(/(^|,)"?[=+@-]/m);
  });
});

describe('the page', () => {
  test('has everything on it, escaped, and runs nothing', async () => {
    const { status, headers, text } = await get(`${tour.slots[0]}/manifest`, world.manager);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(text).toContain('<h1>Old Town Walk</h1>');
    expect(text).toContain('3 people; bookings: 1');
    expect(text).toContain('3 (adults: 2, children: 1)');
    expect(text).toContain('&lt;b&gt;&quot;Front&quot;, please&lt;/b&gt;');
    expect(text).toContain('+43 1 234');
    expect(text).not.toContain('<b>');
  });

  test('is in German for who asks for it', async () => {
    const german = { 'accept-language': 'de-AT,de;q=0.9' };
    const { text } = await get(`${tour.slots[0]}/manifest`, world.manager, german);
    expect(text).toContain('<html lang="de">');
    expect(text).toContain('3 Personen; Buchungen: 1');
  });
});

describe('both', () => {
  test('are for who may ask for the manifest, and for nobody else', async () => {
    for (const path of ['manifest', 'manifest.csv']) {
      const anonymous = await get(`${tour.slots[0]}/${path}`);
      expect([anonymous.status, codeOf(anonymous.text)]).toEqual([401, 'RSAUT']);
      const forged = await get(`${tour.slots[0]}/${path}`, undefined, {
        authorization: 'Bearer x',
      });
      expect([forged.status, codeOf(forged.text)]).toEqual([401, 'RSAUT']);
      const nothing = await get(`${tour.offering}/${path}`, world.manager);
      const nonsense = await get(`nonsense/${path}`, world.manager);
      for (const userId of [world.customer, world.stranger]) {
        const refused = await get(`${tour.slots[0]}/${path}`, userId);
        expect([refused.status, codeOf(refused.text)]).toEqual([404, 'RSNTF']);
        expect(refused.text).toBe(nothing.text);
      }
      expect([nothing.status, nonsense.status]).toEqual([404, 404]);
      expect((await get(`${tour.slots[0]}/${path}`, world.admin)).status).toBe(200);
    }
  });

  test('change nothing, whatever the method', async () => {
    const url = new URL(`/slots/${tour.slots[0]}/manifest`, world.url);
    const authorization = `Bearer ${await world.tokenFor(world.manager)}`;
    const response = await fetch(url, { method: 'POST', headers: { authorization } });
    expect(response.status).toBe(404);
  });
});
