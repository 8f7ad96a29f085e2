/** The matrix: everybody × everything that can be asked for, row by row and column by column. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkQuery } from './matrix/queries.ts';
import { QUERIES } from './matrix/roots.ts';
import { checkTable } from './matrix/rows.ts';
import { type Served, serveScene } from './matrix/served.ts';
import { undeclaredRoots, undeclaredTypes } from './matrix/shapes.ts';
import { checkDeadSockets, checkNotificationAdded } from './matrix/subscriptions.ts';
import { TABLES } from './matrix/tables.ts';

let served: Served;

beforeAll(async () => {
  served = await serveScene();
});
afterAll(() => served?.stop());

test('whatever can be asked for and done is declared', () => {
  expect(undeclaredRoots(served)).toEqual([]);
  expect(undeclaredTypes(served)).toEqual([]);
});

describe('everybody sees as much as is declared, and the rest is as if it were not there', () => {
  test.each(Object.keys(TABLES))('in %s', async (name) => {
    expect(await checkTable(served, name)).toEqual([]);
  });
});

describe('everybody finds what is declared, and the rest is as if it were not there', () => {
  test.each(Object.keys(QUERIES))('by %s', async (name) => {
    expect(await checkQuery(served, name)).toEqual([]);
  });
});

describe('over websockets', () => {
  test('everybody hears of what is declared for them, and of nothing else', async () => {
    expect(await checkNotificationAdded(served)).toEqual([]);
  }, 60_000);

  test('nobody whose credentials are over gets in', async () => {
    expect(await checkDeadSockets(served)).toEqual([]);
  });
});
