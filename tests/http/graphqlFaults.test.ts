/** Nothing a client sends, and nothing that goes wrong behind it, becomes a 5xx or shows any SQL. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { GraphQLError } from 'graphql';
import { SafeError } from 'postgraphile/grafast';
import { isErrorCode } from '../../src/errors.ts';
import { graphqlMount } from '../../src/graphql/index.ts';
import { maskError } from '../../src/graphql/mask.ts';
import { createRates } from '../../src/graphql/rates.ts';
import { openServer } from '../../src/server.ts';
import { type Answer, createGraphqlWorld, type GraphqlWorld, readAnswer } from './graphqlWorld.ts';

let world: GraphqlWorld;

beforeAll(async () => {
  world = await createGraphqlWorld();
});
afterAll(() => world?.stop());

const BOOK = `mutation ($input: CreateBookingInput!) {
  createBooking(input: $input) { result { id } }
}`;

function expectRegistered(answer: Answer, what: string): void {
  expect([what, answer.status < 500]).toEqual([what, true]);
  for (const { message, extensions } of answer.errors) {
    expect([what, message, isErrorCode(extensions?.code)]).toEqual([what, message, true]);
    expect([what, extensions.code]).not.toEqual([what, 'RSINT']);
    expect(message).not.toMatch(/select |insert |relation "|column "|syntax error at|app_private/i);
  }
}

// What is sent as GraphQL: tests/fuzz.
describe('whatever is sent', () => {
  test('as a body gets a registered error', async () => {
    const bodies = ['', ' ', 'null', '1', '"x"', '[]', '{', '{"query":1}', '{"query":null}'];
    const more = [
      '{"query":"{viewer{id}}","variables":[]}',
      '{"query":"{viewer{id}}","variables":"x"}',
      '{"query":"{viewer{id}}","operationName":7}',
      '{"query":"{viewer{id}}","operationName":"none"}',
      '{"query":"query a{viewer{id}} query b{viewer{id}}"}',
      '{"query":"","id":"x"}',
      `{"query":"${'{a'.repeat(900)}"}`,
      '{"query":"fragment f on Query { ...f } { ...f }"}',
      '{"query":"{ __typename @include(if: 1) }"}',
      '{"query":"{ __typename @defer }"}',
      '{"query":"\\u0000"}',
    ];
    for (const body of [...bodies, ...more]) {
      const answer = await world.post(body);
      expectRegistered(answer, body);
      expect(answer.errors.length + Number(answer.data !== undefined)).toBeGreaterThan(0);
    }
  });
});

describe('an Accept header', () => {
  const asking = (accept: string) => world.post('{"query":"{ nothing }"}', { accept });

  test.each([
    ['*/*', 400],
    ['application/graphql-response+json', 400],
    ['application/json, text/plain, */*', 400],
    // As the standard for GraphQL over HTTP has it, for clients older than the other type.
    ['application/json', 200],
  ])('%s is answered with the status %i to what is refused as a whole', async (accept, status) => {
    expect(await asking(accept)).toMatchObject({ status, code: 'RSARG' });
  });

  test.each(['text/html', 'application/xml', 'application/json;q=0', ';;;', 'a/b/c', '/', '💥'])(
    '%s without anything we can write is refused with a code',
    async (accept) => {
      const text = Buffer.from(accept).toString('latin1');
      expect(await asking(text)).toMatchObject({ status: 406, code: 'RSARG' });
    },
  );
});

describe('who loses against somebody else', () => {
  async function bookWhileLockedFor(ms: number, startsAt: string, endsAt: string) {
    const pool = world.database.pool('owner', 1);
    const client = await pool.connect();
    await client.query('begin');
    await client.query('select from app_public.resources where id = $1 for update', [
      world.leftRoom,
    ]);
    const input = { offeringId: world.left, startsAt, endsAt };
    const asking = world.ask(BOOK, { input }, world.customer);
    await sleep(ms);
    await client.query('rollback');
    client.release();
    await pool.end();
    return asking;
  }

  test('is tried again once, and succeeds', async () => {
    const answer = await bookWhileLockedFor(2_600, '2027-01-11T10:00:00Z', '2027-01-11T11:00:00Z');
    expect(answer.errors).toEqual([]);
    expect(answer.data?.createBooking).not.toBeNull();
  });

  test('for longer is asked to come again, and nothing has changed', async () => {
    const answer = await bookWhileLockedFor(4_600, '2027-01-12T10:00:00Z', '2027-01-12T11:00:00Z');
    expect(answer).toMatchObject({ status: 200, code: 'RSBSY' });
    const count = await world.change((db) =>
      db.value(
        `select count(*)::int from app_public.bookings where starts_at = '2027-01-12T10:00:00Z'`,
      ),
    );
    expect(count).toBe(0);
  });
});

test('what goes wrong on our side is a number and nothing else', async () => {
  await world.change((db) =>
    db.query(`create or replace function app_public.viewer() returns app_public.users
      language plpgsql stable security definer
      set search_path = pg_catalog, app_public, app_private, pg_temp
      as $$ begin perform secret_column from app_private.secret_table; end $$`),
  );
  const answer = await world.ask('{ viewer { id } }', {}, world.customer);
  expect(answer).toMatchObject({ status: 200, code: 'RSINT' });
  expect(JSON.stringify(answer.errors)).not.toContain('secret');
  expect(answer.errors[0]?.extensions.details).toEqual({ id: expect.any(String) });
});

test('what takes too long to plan or to run is told as busy, and not as a fault', () => {
  for (const message of [
    'Operation took too long to plan and was aborted. Please simplify the request and try again.',
    'Execution timeout exceeded, please simplify or add limits to your request.',
  ]) {
    const error = new GraphQLError(message, { originalError: new SafeError(message) });
    expect(maskError(error).extensions.code).toBe('RSBSY');
  }
});

test('a database that is away is told as busy', async () => {
  const admin = world.database.pool('admin', 1);
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and usename = 'reslot_app'`,
  );
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => world.ask('{ organizations { nodes { id } } }')),
  );
  for (const answer of answers) expectRegistered(answer, 'after the connections were cut');
  expect((await world.ask('{ organizations { nodes { id } } }')).errors).toEqual([]);
});

test('the many IPv6 addresses of one connection count as one address', async () => {
  const rates = createRates({ address: 1, user: 1 });
  expect(await rates.ofAddress('2001:db8:1:200::1')).toBeNull();
  expect(await rates.ofAddress('2001:db8:1:2ff:a:b:c:d')).toBeGreaterThan(0);
  expect(await rates.ofAddress('2001:db8:1:300::1')).toBeNull();
  expect(await rates.ofAddress('192.0.2.1')).toBeNull();
});

test('too many requests of one user are told how long to wait', async () => {
  const server = await openServer(world.config);
  const rates = { address: 1_000, user: 3 };
  await server.serve(world.database.url('app'), [graphqlMount({ rates })]);
  try {
    const ask = async (userId: string) =>
      readAnswer(
        await fetch(`${server.url}/graphql`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${await world.tokenFor(userId)}`,
          },
          body: '{"query":"{ __typename }"}',
        }),
      );
    for (let n = 0; n < 3; n++) expect((await ask(world.customer)).status).toBe(200);
    const refused = await ask(world.customer);
    expect(refused).toMatchObject({ status: 429, code: 'RSRAT' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask(world.stranger)).status).toBe(200);
  } finally {
    await server.stop();
  }
});
