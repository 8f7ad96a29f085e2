/** The loop that turns what is due into jobs: when it looks, and that nothing is left lying. */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Pool } from 'pg';
import { createDispatcher, type Dispatcher } from '../../src/dispatch.ts';
import { type ClonedDatabase, cloneDatabase, testDatabase } from '../support/database.ts';
import { book, createUser, createWorld, range } from '../support/factories.ts';

let database: ClonedDatabase;
let dispatcher: Dispatcher | undefined;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterEach(async () => {
  await dispatcher?.stop();
  jest.restoreAllMocks();
});
afterAll(() => database?.drop());

/** Dispatches over a real connection; the ticks of its interval are ours. */
function startDispatcher(intervalMs?: number) {
  const pool: Pool = database.pool('worker', 1);
  const looks: Promise<unknown>[] = [];
  const query = (...args: Parameters<Pool['query']>) => {
    const look = pool.query(...args) as unknown as Promise<unknown>;
    looks.push(look);
    return look;
  };
  const interval = jest.spyOn(globalThis, 'setInterval').mockReturnValue(undefined as never);
  const started = createDispatcher({ query: query as Pool['query'] }, intervalMs);
  const onTick = interval.mock.calls[0]?.[0];
  interval.mockRestore();
  dispatcher = started;
  /** Whether it has looked at this tick. */
  const tick = async () => {
    const before = looks.length;
    onTick?.();
    await looks.at(-1);
    await turn();
    return looks.length > before;
  };
  const ticks = async (count: number) => {
    const looked: boolean[] = [];
    for (let n = 0; n < count; n++) looked.push(await tick());
    return looked;
  };
  return { looks, ticks, dispatcher: started };
}

const unpublished = () =>
  database
    .pool('owner', 1)
    .query('select from app_public.notifications where published_at is null')
    .then(({ rowCount }) => rowCount ?? 0);

async function bookSomething(): Promise<void> {
  const client = await database.pool('owner', 1).connect();
  try {
    const db = testDatabase(client);
    await client.query('begin');
    const world = await createWorld(db);
    await book(db, await createUser(db, 'Alice'), world.left, range('10:00', '12:00'));
    await client.query('commit');
  } finally {
    client.release();
  }
}

describe('The dispatcher of a worker', () => {
  test('looks half as often after a while in which there was nothing, until there is something', async () => {
    const { ticks } = startDispatcher(250);
    expect(await ticks(8)).toEqual(Array(8).fill(true));
    expect(await ticks(4)).toEqual([false, true, false, true]);
    await bookSomething();
    expect(await unpublished()).toBeGreaterThan(0);
    expect(await ticks(2)).toEqual([false, true]);
    expect(await unpublished()).toBe(0);
    expect(await ticks(3)).toEqual([true, true, true]);
  });
});

test('A worker that looks seldom does so at every tick, or deadlines would be late', async () => {
  const { ticks } = startDispatcher(600);
  expect(await ticks(12)).toEqual(Array(12).fill(true));
});

describe('The dispatcher of a server', () => {
  test('looks when it is asked, and once more for all who ask meanwhile', async () => {
    const { looks, dispatcher: asked } = startDispatcher();
    await bookSomething();
    for (let n = 0; n < 10; n++) asked.request();
    expect(looks).toHaveLength(1);
    await looks[0];
    await turn();
    expect(looks).toHaveLength(2);
    await asked.stop();
    asked.request();
    expect(looks).toHaveLength(2);
    expect(await unpublished()).toBe(0);
  });
});
