/** The API as a client meets it: what it may ask, what it is refused, and in which words. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createOrigins } from '../../src/graphql/origins.ts';
import { createOrganization } from '../support/factories.ts';
import { type Answer, createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;

beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world?.stop());

const BOOK = `mutation ($input: CreateBookingInput!) {
  createBooking(input: $input) { result { id status reference startsAt endsAt } }
}`;

let day = 1;

/** An hour on a day that no other test uses. */
function freshHour(): { startsAt: string; endsAt: string } {
  day += 1;
  const start = new Date(Date.now() + day * 86_400_000);
  start.setUTCHours(10, 0, 0, 0);
  const end = new Date(start.getTime() + 3_600_000);
  return { startsAt: start.toISOString(), endsAt: end.toISOString() };
}

interface Result {
  [mutation: string]: { result: { id: string; status: string } };
}

const result = (answer: Answer) =>
  Object.values((answer.data ?? {}) as unknown as Result)[0]?.result;

describe('a mutation', () => {
  test('does what its function does, and answers with the row', async () => {
    const input = { offeringId: world.left, ...freshHour() };
    const answer = await world.ask(BOOK, { input }, world.customer);
    expect(answer.status).toBe(200);
    expect(result(answer)).toMatchObject({ status: 'CONFIRMED' });
  });

  test('refuses with a code, a sentence and data', async () => {
    const input = { offeringId: world.left, ...freshHour() };
    await world.ask(BOOK, { input }, world.customer);
    const answer = await world.ask(BOOK, { input }, world.stranger);
    expect(answer.status).toBe(200);
    expect(answer.errors).toEqual([
      expect.objectContaining({
        message: expect.stringMatching(/^[A-Z].*\.$/),
        path: ['createBooking'],
        extensions: {
          code: 'RSFUL',
          details: { mayWait: true, alternatives: expect.any(Array) },
        },
      }),
    ]);
  });

  test('repeated with its idempotency key returns the same row', async () => {
    const input = { offeringId: world.left, ...freshHour(), idempotencyKey: 'once' };
    const first = await world.ask(BOOK, { input }, world.customer);
    const second = await world.ask(BOOK, { input }, world.customer);
    expect(result(second)?.id).toBe(result(first)?.id);
    const other = { ...input, ...freshHour() };
    expect((await world.ask(BOOK, { input: other }, world.customer)).code).toBe('RSARG');
  });

  test('that updates a row with nothing says so', async () => {
    const answer = await world.ask(
      `mutation ($id: UUID!) { updateOffering(input: { id: $id, patch: {} }) { offering { id } } }`,
      { id: world.left },
      world.manager,
    );
    expect(answer.code).toBe('RSARG');
    expect(answer.errors[0]?.message).toBe('There is nothing to change in it.');
  });
});

describe('a time', () => {
  const WITH_OFFSET = /Write it with its offset, as in 2026-11-20T18:00:00\+01:00\.$/;
  const WITHOUT = /Write a local time without an offset, as in 2026-11-20T18:00:00\.$/;

  const expectRefused = (answer: Answer, sentence: RegExp) => {
    expect(answer).toMatchObject({ status: 400, code: 'RSARG' });
    expect(answer.errors[0]?.message).toMatch(sentence);
  };

  test('of a moment without its offset is refused, in variables, documents and filters', async () => {
    const { startsAt, endsAt } = freshHour();
    for (const wrong of [startsAt.replace('Z', ''), 'now', 'infinity', '', 1_795_000_000]) {
      const input = { offeringId: world.left, startsAt: wrong, endsAt };
      expectRefused(await world.ask(BOOK, { input }, world.customer), WITH_OFFSET);
    }
    const where = (moment: string) =>
      world.ask(
        `{ bookings(filter: { startsAt: { lessThan: "${moment}" } }) { totalCount } }`,
        {},
        world.customer,
      );
    expectRefused(await where('2026-11-20T18:00:00'), WITH_OFFSET);
    expect((await where('2026-11-20T18:00:00+01:00')).errors).toEqual([]);
  });

  test('of a place with an offset is refused, rather than booked at another hour', async () => {
    const day = freshHour().startsAt.slice(0, 10);
    for (const wrong of [`${day}T12:00+09:00`, `${day}T12:00:00Z`, `${day} 12:00`, 'tomorrow']) {
      const input = { offeringId: world.left, localStartsAt: wrong, localEndsAt: `${day}T13:00` };
      expectRefused(await world.ask(BOOK, { input }, world.customer), WITHOUT);
    }
    const written = `mutation { createBooking(input: {
      offeringId: "${world.left}", localStartsAt: "${day}T12:00Z", localEndsAt: "${day}T13:00"
    }) { result { id } } }`;
    expectRefused(await world.ask(written, {}, world.customer), WITHOUT);
  });

  test('with any offset is the moment it says, and can be sent back as it was received', async () => {
    const { startsAt } = freshHour();
    const day = startsAt.slice(0, 10);
    const abroad = { startsAt: `${day}T19:00+09:00`, endsAt: `${day}T20:00:00.000+09:00` };
    const input = { offeringId: world.left, ...abroad };
    const booked = result(await world.ask(BOOK, { input }, world.customer)) as
      | { id: string; startsAt: string }
      | undefined;
    expect(new Date(booked?.startsAt ?? '').toISOString()).toBe(startsAt);
    const again = await world.ask(
      `query ($at: Datetime!) { bookings(filter: { startsAt: { equalTo: $at } }) { nodes { id } } }`,
      { at: booked?.startsAt },
      world.customer,
    );
    expect(again.data?.bookings).toEqual({ nodes: [{ id: booked?.id }] });
  });
});

describe('a list', () => {
  const page = (args: string, variables = {}) =>
    world.ask(
      `query ($n: Int, $after: Cursor) {
        organizations${args} { nodes { id } pageInfo { hasNextPage endCursor } }
        unused: organizations(first: $n, after: $after) { nodes { id } }
      }`,
      variables,
    );

  test('has fifty rows unless it is told how many, and a hundred at most', async () => {
    await world.change((db) =>
      db.query(
        `insert into app_public.organizations (slug, name)
         select 'list-' || n, 'List ' || n from generate_series(1, 120) n`,
      ),
    );
    const count = async (args: string, variables = {}) => {
      const { data } = await page(args, variables);
      return (data as { organizations: { nodes: unknown[] } }).organizations.nodes.length;
    };
    expect(await count('')).toBe(50);
    expect(await count('(first: null)')).toBe(50);
    expect(await count('(first: $n)')).toBe(50);
    expect(await count('(first: $n)', { n: 7 })).toBe(7);
    expect(await count('(last: 3)')).toBe(3);
    expect(await count('(first: 100)')).toBe(100);
    expect((await page('(first: 101)')).code).toBe('RSARG');
    expect((await page('(first: $n)', { n: 101 })).code).toBe('RSARG');
    expect((await page('(first: -1)')).code).toBe('RSARG');
    expect((await page('(first: 1, last: 1)')).code).toBe('RSARG');
    expect((await page('(offset: 1000000)')).code).toBe('RSARG');
  });

  test('goes on with a cursor', async () => {
    const slugs = async (after: string | null) => {
      const { data } = await world.ask(
        `query ($after: Cursor) {
          organizations(first: 40, after: $after, orderBy: SLUG_ASC) {
            nodes { slug } pageInfo { endCursor hasNextPage }
          }
        }`,
        { after },
      );
      return data?.organizations as {
        nodes: { slug: string }[];
        pageInfo: { endCursor: string; hasNextPage: boolean };
      };
    };
    const first = await slugs(null);
    const second = await slugs(first.pageInfo.endCursor);
    expect(first.nodes).toHaveLength(40);
    expect(second.nodes.some(({ slug }) => first.nodes.some((row) => row.slug === slug))).toBe(
      false,
    );
  });

  test('can be filtered', async () => {
    const { data } = await world.ask(
      `{ organizations(filter: { slug: { in: ["list-3", "list-5"] } }) { nodes { slug } totalCount } }`,
    );
    expect(data?.organizations).toMatchObject({ totalCount: 2 });
  });
});

describe('a request that asks for too much is refused: ', () => {
  const refused = async (query: string, variables = {}) => {
    const answer = await world.ask(query, variables);
    expect(answer.data ?? null).toBeNull();
    expect(answer.status).toBe(400);
    return answer.code;
  };

  test('in depth', async () => {
    const nested = (depth: number): string =>
      depth === 0 ? '{ id }' : `{ offerings { nodes { organization ${nested(depth - 1)} } } }`;
    expect(await refused(`{ organizations { nodes ${nested(5)} } }`)).toBe('RSARG');
  });

  test('in rows, counted with its variables and through fragments', async () => {
    const query = `query ($n: Int!) { organizations(first: $n) { nodes { ...more } } }
      fragment more on Organization {
        offerings(first: $n) { nodes { offeringResources(first: $n) { nodes { resourceId } } } }
      }`;
    expect(await refused(query, { n: 100 })).toBe('RSARG');
    expect((await world.ask(query, { n: 5 })).errors).toEqual([]);
  });

  test('in totals, which count once for their list and not for each of its rows', async () => {
    const page = '{ bookings(first: 100) { totalCount nodes { id offering { name } } } }';
    expect((await world.ask(page, {}, world.customer)).errors).toEqual([]);
    const within = (total: string, more = '') =>
      `{ organizations(first: 100) { nodes { offerings(first: 1) { ${total} } } } } ${more}`;
    expect((await world.ask(within('nodes { id }'))).errors).toEqual([]);
    expect(await refused(within('totalCount'))).toBe('RSARG');
    const fragments =
      'fragment a on OfferingConnection { ...b } fragment b on OfferingConnection { totalCount }';
    expect(await refused(within('... { ...a }', fragments))).toBe('RSARG');
  });

  test('in fields at its top, however they are written', async () => {
    const many = Array.from({ length: 11 }, (_, n) => `a${n}: viewer { id }`).join(' ');
    expect(await refused(`{ ${many} }`)).toBe('RSARG');
    expect(await refused(`{ ...all } fragment all on Query { ${many} }`)).toBe('RSARG');
    const signIns = Array.from(
      { length: 6 },
      (_, n) => `a${n}: signIn(input: { email: "a@b.example", password: "x" }) { userId }`,
    ).join(' ');
    expect(await refused(`mutation { ${signIns} }`)).toBe('RSARG');
  });

  // Checked as a document, either would take minutes, which is longer than a test may.
  test('in words, before it is checked', async () => {
    expect(await refused(`{ ${'viewer { id } '.repeat(3_000)} }`)).toBe('RSARG');
  });

  test('in fragments that multiply', async () => {
    const fragments = Array.from(
      { length: 25 },
      (_, n) => `fragment f${n} on Organization { ...f${n + 1} ...f${n + 1} }`,
    ).join(' ');
    const query = `{ organizations { nodes { ...f0 } } } ${fragments} fragment f25 on Organization { id }`;
    expect(await refused(query)).toBe('RSARG');
  });

  test('in bytes', async () => {
    const answer = await world.post(
      JSON.stringify({ query: '{ viewer { id } }', x: 'x'.repeat(2e5) }),
    );
    expect(answer).toMatchObject({ status: 413, code: 'RSARG' });
  });

  test('at once: there are no batches', async () => {
    const answer = await world.post('[{ "query": "{ viewer { id } }" }]');
    expect(answer).toMatchObject({ status: 400, code: 'RSARG' });
  });
});

describe('a page in a browser', () => {
  const query = '{"query":"{ viewer { id } }"}';

  test('of an organisation’s front end, or of this server, may use the API', async () => {
    for (const origin of ['https://riverside.example', new URL(world.url).origin]) {
      const answer = await world.post(query, { origin });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('access-control-allow-origin')).toBe(origin);
      expect(answer.headers.get('vary')).toContain('Origin');
    }
  });

  test('of a front end may use it however its address is written down', async () => {
    // A server reads the addresses once in half a minute; this one has not read them yet.
    await world.change((db) =>
      createOrganization(db, {}, { front_end_url: 'https://BÜcher.example:443/app/' }),
    );
    const origins = createOrigins(world.database.pool('app', 1), 'https://reslot.example');
    const allows = (origin: string) => origins.allows({ headers: { origin } });
    expect(await allows('https://xn--bcher-kva.example')).toBe(true);
    expect(await allows('http://xn--bcher-kva.example')).toBe(false);
    expect(await allows('https://xn--bcher-kva.example:444')).toBe(false);
  });

  test('of anybody else may not, whether or not its browser asks beforehand', async () => {
    for (const origin of [
      'https://evil.example',
      'null',
      'https://riverside.example.evil.example',
    ]) {
      expect(await world.post(query, { origin })).toMatchObject({ status: 403, code: 'RSARG' });
      const preflight = await fetch(world.url, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
      expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  test('is told beforehand what it may send', async () => {
    const preflight = await fetch(world.url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://riverside.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe(
      'Authorization, Content-Type',
    );
  });

  test('cannot send a form in somebody’s name', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
      expect(await world.post(query, { 'content-type': type })).toMatchObject({
        status: 415,
        code: 'RSARG',
      });
    }
    expect((await fetch(`${world.url}?query={viewer{id}}`)).status).toBe(405);
  });
});

describe('who and whence', () => {
  test('is in the audit log of what a request changes', async () => {
    const input = { offeringId: world.left, ...freshHour() };
    const { id } = result(await world.ask(BOOK, { input }, world.customer)) ?? {};
    const row = await world.change((db) =>
      db.one('select * from app_public.audit_log where record_id = $1', [id]),
    );
    expect(row).toMatchObject({
      actor_user_id: world.customer,
      actor_role: 'reslot_user',
      via: 'graphql',
      ip: expect.stringMatching(/^(127\.0\.0\.1|::1)$/),
      user_agent: expect.any(String),
    });
  });
});

test('answers are not stored on the way', async () => {
  const { headers } = await world.ask('{ viewer { id } }');
  expect(headers.get('cache-control')).toBe('no-store');
});
