/** Requests that ask for far too much are refused before they cost anything, whoever sends them. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ABUSE } from '../../bench/abuseRequests.ts';
import { isErrorCode } from '../../src/errors.ts';
import { LIMITS } from '../../src/graphql/bounds.ts';
import { graphqlMount } from '../../src/graphql/index.ts';
import { maskError } from '../../src/graphql/mask.ts';
import { WEIGHT } from '../../src/graphql/rates.ts';
import { openServer } from '../../src/server.ts';
import { type Served, serve } from '../fuzz/served.ts';
import { type Answer, createGraphqlWorld, type GraphqlWorld, readAnswer } from './graphqlWorld.ts';

let world: GraphqlWorld;

beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world?.stop());

async function send(body: string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(world.url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: new Uint8Array(Buffer.from(body)),
  });
  return readAnswer(response);
}

describe('refused as a whole, in words', () => {
  test.each(Object.entries(ABUSE))('%s', async (_, { body, headers }) => {
    const answer = await send(body, headers);
    expect([400, 413]).toContain(answer.status);
    expect(answer.data ?? null).toBeNull();
    expect(answer.errors.length).toBeGreaterThan(0);
    for (const { message, extensions } of answer.errors) {
      expect(extensions.code).toBe('RSARG');
      expect(message).not.toMatch(/call stack|Cannot read|undefined/);
    }
  });

  test('but the same things in reasonable size are not', async () => {
    const times = (count: number, part: (n: number) => string) =>
      Array.from({ length: count }, (_, n) => part(n)).join(' ');
    const list = Array.from({ length: LIMITS.listItems }, () => world.left);
    const sound: [string, object][] = [
      [`{ organizations(first: 1) { nodes { ${times(290, (n) => `a${n}: id`)} } } }`, {}],
      [
        `{ ${times(9, (n) => `a${n}: viewer { id }`)} query { viewer { id } } }`.replace(
          'a8: viewer { id }',
          '',
        ),
        {},
      ],
      [
        `{ bookings(filter: ${'{ not: '.repeat(12)}{ id: { isNull: true } }${' }'.repeat(12)}) { totalCount } }`,
        {},
      ],
      [
        'query ($in: [UUID!]) { bookings(filter: { id: { in: $in } }) { totalCount } }',
        { in: list },
      ],
      [
        'query ($f: BookingFilter) { bookings(filter: $f) { totalCount } }',
        { f: { or: Array.from({ length: 180 }, () => ({ reference: { equalTo: 'RS-1' } })) } },
      ],
    ];
    for (const [query, variables] of sound) {
      expect([query, (await world.ask(query, variables, world.owner)).errors]).toEqual([query, []]);
    }
  });
});

describe('the fields at the top of a query', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => `a${n}: viewer { id }`).join(' ');

  test('are no more because they stand below `query`, however they are written', async () => {
    const nested = [
      `{ query { ${many(10)} } }`,
      `{ query { ...more } } fragment more on Query { ${many(10)} }`,
      `{ a: query { ${many(5)} } b: query { ${many(5)} } }`,
    ];
    for (const query of nested) {
      expect(await world.ask(query)).toMatchObject({ status: 400, code: 'RSARG' });
    }
    const mutation = (count: number) => `mutation {
      markNotificationsRead(input: { ids: [] }) { query { ${many(count)} } }
    }`;
    expect((await world.ask(mutation(11), {}, world.customer)).code).toBe('RSARG');
    expect((await world.ask(mutation(10), {}, world.customer)).errors).toEqual([]);
  });
});

describe('the schema', () => {
  test('is shown once a request, where there is an explorer', async () => {
    const schema = (name: string) => `${name}: __schema { queryType { name } }`;
    expect((await world.ask(`{ ${schema('a')} }`)).errors).toEqual([]);
    expect((await world.ask(`{ ${schema('a')} ${schema('b')} }`)).code).toBe('RSARG');
  });

  test('is not shown where there is none, and types of answers are', async () => {
    const server = await openServer({ ...world.config, graphiql: false });
    await server.serve(world.database.url('app'), [graphqlMount()]);
    try {
      const ask = async (query: string) =>
        readAnswer(
          await fetch(`${server.url}/graphql`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ query }),
          }),
        );
      for (const query of [
        '{ __schema { types { name } } }',
        '{ __type(name: "Booking") { name } }',
        '{ ...a } fragment a on Query { b: __schema { types { name } } }',
      ]) {
        const answer = await ask(query);
        expect(answer).toMatchObject({ status: 400, code: 'RSARG' });
        expect(answer.errors[0]?.message).toContain('schema/schema.graphql');
      }
      expect((await ask('{ __typename viewer { __typename } }')).errors).toEqual([]);
    } finally {
      await server.stop();
    }
  });
});

describe('what is more work counts as more requests', () => {
  /** Statuses of requests from one address, of which so many are allowed in a minute. */
  async function statuses(address: number, requests: { query: string; accept?: string }[]) {
    const server = await openServer(world.config);
    const rates = { address, user: 1_000 };
    await server.serve(world.database.url('app'), [graphqlMount({ rates })]);
    const found: number[] = [];
    try {
      for (const { query, accept = '*/*' } of requests) {
        const response = await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept },
          body: JSON.stringify({ query }),
        });
        found.push(response.status);
        await response.text();
      }
    } finally {
      await server.stop();
    }
    return found;
  }

  test('if it is refused as a whole, also with the status that older clients know', async () => {
    const wrong = { query: '{ nothing }' };
    const older = { ...wrong, accept: 'application/json' };
    const right = { query: '{ viewer { id } }' };
    const requests = [wrong, older, wrong, right, right];
    expect(await statuses(3 * WEIGHT.refused + 1, requests)).toEqual([400, 200, 400, 200, 429]);
  });

  test('if it has many fields', async () => {
    const names = Array.from({ length: 4 * WEIGHT.fieldsOfOne - 1 }, (_, n) => `a${n}: id`);
    const large = { query: `{ viewer { ${names.join(' ')} } }` };
    expect(await statuses(9, [large, large, large])).toEqual([200, 200, 429]);
  });
});

describe('what else goes wrong with a request', () => {
  test('is no failure of the server: an error that the executor throws is a number and nothing else', () => {
    for (const error of [
      new RangeError('Maximum call stack size exceeded'),
      new TypeError('x is not y'),
    ]) {
      const { message, extensions } = maskError(error);
      expect(extensions.code).toBe('RSINT');
      expect(message).not.toContain(error.message);
    }
  });

  test('an answer in a form that there is none of is refused with a code', async () => {
    const answer = await send('{"query":"{ viewer { id } }"}', { accept: 'text/event-stream' });
    expect(answer).toMatchObject({ status: 406, code: 'RSARG' });
    for (const accept of ['*/*', 'application/json', 'application/graphql-response+json']) {
      expect((await send('{"query":"{ viewer { id } }"}', { accept })).errors).toEqual([]);
    }
  });

  test('a patch with nothing in it is a bad argument', async () => {
    const answer = await world.ask(
      `mutation { updateOffering(input: { id: "${world.left}", patch: {} }) { offering { id } } }`,
      {},
      world.manager,
    );
    expect(isErrorCode(answer.code)).toBe(true);
    expect(answer.code).toBe('RSARG');
  });
});

describe('what the server remembers of documents', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve();
  });
  afterAll(() => served?.stop());

  /** Large, and none like the one before. */
  const document = (n: number) => {
    const times = (count: number, part: (m: number) => string) =>
      Array.from({ length: count }, (_, m) => part(m)).join(' ');
    const offerings = 'offerings(first: 1) { nodes { id organization { id name } } }';
    const inside = times(5, (m) => `a${m}: ${offerings}`);
    return `{ ${times(2, (m) => `d${n}_${m}: organizations(first: 1) { nodes { ${inside} } }`)} }`;
  };

  test('is bounded: as many again take no more', async () => {
    const ask = async (from: number, count: number) => {
      for (let n = from; n < from + count; n++) {
        const response = await fetch(served.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ query: document(n) }),
        });
        expect([response.status, await response.text()]).toEqual([
          200,
          expect.stringContaining('"data"'),
        ]);
      }
    };
    const empty = await served.heapBytes();
    await ask(0, 110);
    const full = await served.heapBytes();
    await ask(110, 110);
    const again = await served.heapBytes();
    // What they take is noticed, or this would prove nothing.
    expect(full - empty).toBeGreaterThan(10e6);
    expect(again - full).toBeLessThan((full - empty) / 3);
  }, 120_000);
});
