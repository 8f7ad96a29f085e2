/** Subscriptions: one's own notifications, over a websocket that is checked like everything else. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Client, createClient } from 'graphql-ws';
import type pg from 'pg';
import WebSocket from 'ws';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

const SUBSCRIBE = 'subscription { notificationAdded { id kind booking { id } } }';

let world: GraphqlWorld;
let admin: pg.Pool;
let day = 3;

beforeAll(async () => {
  world = await createGraphqlWorld();
  admin = world.database.pool('admin', 1);
});
afterAll(() => world?.stop());

const socketUrl = () => world.url.replace(/^http/, 'ws');

interface Opened {
  client: Client;
  events: { notificationAdded: { kind: string; booking: { id: string } | null } }[];
  /** Settles when the subscription is over, with the errors if it failed. */
  over: Promise<unknown>;
}

async function open(userId: string, query = SUBSCRIBE): Promise<Opened> {
  const authorization = `Bearer ${await world.tokenFor(userId)}`;
  const client = createClient({
    url: socketUrl(),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    lazy: false,
    onNonLazyError: () => undefined,
    connectionParams: { authorization },
  });
  const events: Opened['events'] = [];
  const over = new Promise<unknown>((resolve) => {
    client.subscribe<Opened['events'][number]>(
      { query },
      {
        next: ({ data, errors }) => {
          if (errors) resolve(errors);
          if (data) events.push(data);
        },
        error: resolve,
        complete: () => resolve('complete'),
      },
    );
  });
  return { client, events, over };
}

async function until(what: string, condition: () => boolean, ms: number): Promise<void> {
  for (const end = Date.now() + ms; Date.now() < end; await sleep(20)) {
    if (condition()) return;
  }
  throw new Error(`Not within ${ms} ms: ${what}`);
}

/** Books, which tells the customer so. */
async function book(userId: string): Promise<string> {
  day += 1;
  const start = new Date(Date.now() + day * 86_400_000);
  start.setUTCHours(10, 0, 0, 0);
  const end = new Date(start.getTime() + 3_600_000);
  const answer = await world.ask(
    `mutation ($input: CreateBookingInput!) { createBooking(input: $input) { result { id } } }`,
    { input: { offeringId: world.left, startsAt: start, endsAt: end } },
    userId,
  );
  expect(answer.errors).toEqual([]);
  return (answer.data as { createBooking: { result: { id: string } } }).createBooking.result.id;
}

/** Books until the subscription hears of it: when it has begun is not told to clients. */
async function heard({ events }: Opened): Promise<string[]> {
  const ids: string[] = [];
  for (let attempt = 0; attempt < 10 && events.length === 0; attempt++) {
    ids.push(await book(world.customer));
    await until('the event', () => events.length > 0, 1_000).catch(() => undefined);
  }
  expect(events.length).toBeGreaterThan(0);
  return ids;
}

test('a customer hears of what is new about their own bookings', async () => {
  const own = await open(world.customer);
  const ids = await heard(own);
  expect(ids).toContain(own.events[0]?.notificationAdded.booking?.id);
  await own.client.dispose();
});

test('when the connection that listens dies, subscriptions end and can be begun again', async () => {
  const first = await open(world.customer);
  await heard(first);
  await admin.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and application_name = 'reslot-server-listener'`,
  );
  expect(await first.over).toBe('complete');
  await first.client.dispose();
  const second = await open(world.customer);
  await heard(second);
  await second.client.dispose();
});

describe('a subscription is refused', () => {
  test('on pages of an unknown origin', async () => {
    const status = (origin: string) =>
      new Promise<number | undefined>((resolve) => {
        const socket = new WebSocket(socketUrl(), 'graphql-transport-ws', { origin });
        socket.on('open', () => {
          socket.close();
          resolve(101);
        });
        socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
        socket.on('error', () => undefined);
      });
    expect(await status('https://evil.example')).toBe(403);
    expect(await status('https://riverside.example')).toBe(101);
  });

  test('for queries and mutations, which go over HTTP', async () => {
    const { over, client } = await open(world.customer, '{ viewer { id } }');
    expect(await over).toMatchObject([{ extensions: { code: 'RSARG' } }]);
    await client.dispose();
  });

  test('beyond ten on one connection', async () => {
    const { client, over } = await open(world.customer);
    void over;
    const outcomes = Array.from(
      { length: 11 },
      () =>
        new Promise<unknown>((resolve) => {
          client.subscribe(
            { query: SUBSCRIBE },
            { next: resolve, error: resolve, complete: () => undefined },
          );
        }),
    );
    expect(await Promise.race(outcomes)).toMatchObject([{ extensions: { code: 'RSRAT' } }]);
    await client.dispose();
  });

  test('when a message is larger than a request may be', async () => {
    const closed = await new Promise<number>((resolve) => {
      const socket = new WebSocket(socketUrl(), 'graphql-transport-ws');
      socket.on('open', () => socket.send('x'.repeat(200_000)));
      socket.on('close', resolve);
      socket.on('error', () => undefined);
    });
    expect(closed).toBe(1009);
  });
});

test('over HTTP a subscription says where to go', async () => {
  const answer = await world.ask(SUBSCRIBE, {}, world.customer);
  expect(answer.code).toBe('RSARG');
});
