/** Texts that people, programs and attackers write: taken as they are, or refused in words; never something in between. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let day = 1;

beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world?.stop());

const ENTER = `mutation ($input: CreateBookingForInput!) {
  createBookingFor(input: $input) { result { purpose customer { name phone } } }
}`;

/** A guest with a booking, each at a time of their own. */
function enter(values: object) {
  day += 1;
  const date = new Date(Date.now() + day * 86_400_000).toISOString().slice(0, 10);
  const time = { startsAt: `${date}T10:00:00Z`, endsAt: `${date}T11:00:00Z` };
  const guest = { name: 'Guest', email: `guest${day}@example.com` };
  const input = { offeringId: world.left, ...time, ...guest, ...values };
  return world.ask(ENTER, { input }, world.manager);
}

const counts = () =>
  world.change((db) =>
    db.one(`select (select count(*) from app_public.bookings) as bookings,
      (select count(*) from app_public.customers) as customers,
      (select count(*) from app_public.audit_log) as changes`),
  );

describe('a text', () => {
  test.each([
    ['from right to left', 'שלום עולם'],
    ['in both directions, with a mark between', 'Anna \u200f(אנה)\u200e'],
    ['with letters joined and kept apart by signs nobody sees', 'می\u200cخواهم क्\u200dष'],
    ['composed of signs and accents', 'e\u0301a\u0308'],
    ['of pictures made of several', '👩‍👩‍👧‍👦🏳️‍🌈'],
    ['beyond the first plane', '𝒜𝓃𝓃𝒶 𠮷野家'],
    ['that looks like SQL, HTML or a template', `'; drop table x; -- <b>&amp; {{name}} $1 %s \\`],
    ['as long as it may be', 'ß'.repeat(200)],
  ])('%s comes back as it was sent', async (_, text) => {
    const { data, errors } = await enter({ name: text, phone: text, purpose: text });
    expect(errors).toEqual([]);
    expect(data?.createBookingFor).toEqual({
      result: { purpose: text, customer: { name: text, phone: text } },
    });
  });

  test.each([
    ['NUL', 'a\u0000b'],
    ['the first half of a surrogate pair', 'a\ud83d'],
    ['the second half', '\ude00b'],
  ])('with %s is refused wherever it stands, and nothing is changed', async (_, text) => {
    const before = await counts();
    const answers = [
      ...['name', 'phone', 'email', 'purpose', 'locale', 'idempotencyKey'].map((name) =>
        enter({ [name]: text }),
      ),
      world.ask(
        `mutation ($changes: JSON) {
          revisePolicy(input: { policyId: "${world.policyId}", changes: $changes }) { result { id } }
        }`,
        { changes: { [text]: text } },
        world.owner,
      ),
      world.ask(
        'query ($slug: String!) { organizationBySlug(slug: $slug) { id } }',
        { slug: text },
        world.owner,
      ),
      world.ask(`{ organizationBySlug(slug: ${JSON.stringify(text)}) { id } }`, {}, world.owner),
    ];
    for (const { status, code } of await Promise.all(answers)) {
      expect(status).toBeLessThan(500);
      expect(code).toBe('RSARG');
    }
    expect(await counts()).toEqual(before);
  });

  test('of a megabyte is refused before it is read', async () => {
    expect(await enter({ purpose: 'x'.repeat(1_000_000) })).toMatchObject({
      status: 413,
      code: 'RSARG',
    });
  });
});

describe('a name, a phone number', () => {
  test.each([
    ['with a line break', 'Anna\r\nBcc: all@example.org'],
    ['with the line break of a typewriter', 'Anna\rBcc: all@example.org'],
    ['with a line break of Unicode', 'Anna\u2028Bcc: all@example.org'],
    ['with an end of paragraph', 'Anna\u2029'],
    ['with a control character', 'Anna\u001b[31m'],
    ['of one character too many', 'x'.repeat(201)],
    ['of spaces that do not break', '\u00a0\u3000'],
    ['of nothing that is seen', '\u200b\u200d\u2060\ufeff'],
  ])('%s is refused', async (_, text) => {
    const before = await counts();
    for (const values of [{ name: text }, { phone: text }]) {
      expect((await enter(values)).code).toBe('RSARG');
      const input = values;
      const profile =
        'mutation ($input: UpdateProfileInput!) { updateProfile(input: $input) { result { id } } }';
      expect((await world.ask(profile, { input }, world.customer)).code).toBe('RSARG');
    }
    expect(await counts()).toEqual(before);
  });
});

describe('an e-mail address', () => {
  test.each([
    'a@b.example\r\nBcc: all@example.org',
    'a@b.example\u2028',
    'a@b.example, c@d.example',
    'a@b.example;c@d.example',
    '<a@b.example>',
    '"a b"@c.example',
    'a@b.example\u0007',
    'a@b',
    `${'x'.repeat(65)}@b.example`,
    `a@${'x'.repeat(250)}.example`,
  ])('such as %j is refused', async (email) => {
    const before = await counts();
    expect((await enter({ email })).code).toBe('RSARG');
    expect(await counts()).toEqual(before);
  });
});

describe('what an organisation says of itself', () => {
  const change = (patch: object) =>
    world.ask(
      `mutation ($id: UUID!, $patch: OrganizationPatch!) {
        updateOrganization(input: { id: $id, patch: $patch }) { organization { id } }
      }`,
      { id: world.organizationId, patch },
      world.owner,
    );

  test.each([
    ['a name of two lines', { name: 'Halls\r\nBcc: all@example.org' }],
    ['an address for mails of two lines', { supportEmail: 'a@b.example\r\nBcc: all@example.org' }],
    ['two addresses for mails', { supportEmail: 'a@b.example, c@d.example' }],
    ['an address for mails that is none', { supportEmail: 'office' }],
    ['a phone number of two lines', { supportPhone: '1\r\n2' }],
    ['a web address of two lines', { frontEndUrl: 'https://a.example\r\nX-Evil: 1' }],
    ['a web address with a space', { frontEndUrl: 'https://a.example/ b' }],
    ['a script for a web address', { frontEndUrl: 'javascript:alert(1)' }],
    ['data for a logo', { logoUrl: 'data:image/svg+xml,<svg onload="alert(1)">' }],
    ['a logo of two lines', { logoUrl: 'https://a.example/\nlogo.png' }],
    ['no place for a logo', { logoUrl: 'https://' }],
    ['a time zone that there is not', { timeZone: 'Mars/Olympus' }],
  ])('has not %s', async (_, patch) => {
    expect((await change(patch)).code).toBe('RSARG');
  });

  test('has all of that in good order', async () => {
    const { errors } = await change({
      ...{ name: 'Hallen am Fluß', supportEmail: 'büro@hallen.example', supportPhone: '+43 1 23' },
      ...{ frontEndUrl: 'https://hallen.example/app', logoUrl: 'http://hallen.example/l.png' },
      ...{ address: 'Hauptplatz 1\r\n1010 Wien', timeZone: 'Europe/Vienna' },
    });
    expect(errors).toEqual([]);
  });
});

describe('a time', () => {
  const BOOK = `mutation ($input: CreateBookingInput!) { createBooking(input: $input) { result { id } } }`;

  test.each([
    ['29 February where there is none', '2027-02-29T10:00:00', 'RSARG'],
    ['29 February of a century', '2100-02-29T10:00:00', 'RSARG'],
    ['the year 0', '0000-01-01T10:00:00', 'RSARG'],
    ['the year 1', '0001-01-01T10:00:00', 'RSTIM'],
    ['the last year of four digits', '9999-12-31T23:00:00', 'RSTIM'],
    ['a year of more digits', '294276-12-31T00:00:00', 'RSARG'],
    ['before Christ', '0044-03-15T10:00:00 BC', 'RSARG'],
    ['never', 'infinity', 'RSARG'],
    ['13 o’clock sixty', '2027-06-15T13:60:00', 'RSARG'],
    ['the 32nd', '2027-12-32T10:00:00', 'RSARG'],
  ])('such as %s is refused, as a moment and as a local time', async (_, time, code) => {
    const [moment, local] = [
      { startsAt: `${time}Z`, endsAt: '2027-06-15T12:00:00Z' },
      { localStartsAt: time, localEndsAt: '2027-06-15T12:00:00' },
    ];
    for (const range of [moment, local]) {
      const input = { offeringId: world.left, ...range };
      expect((await world.ask(BOOK, { input }, world.customer)).code).toBe(code);
    }
  });
});
