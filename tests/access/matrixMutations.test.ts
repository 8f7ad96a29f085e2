/** The matrix: everybody × everything that can be done by the API. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkMutation } from './matrix/deeds.ts';
import { MUTATIONS } from './matrix/mutations.ts';
import { type Served, serveScene } from './matrix/served.ts';

let served: Served;

beforeAll(async () => {
  served = await serveScene();
});
afterAll(() => served?.stop());

describe('it is done for whom that is declared, and for others it is as if there were nothing', () => {
  test.each(Object.keys(MUTATIONS))('%s', async (name) => {
    expect(await checkMutation(served, name)).toEqual([]);
  });
});
