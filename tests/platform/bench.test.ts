/** The benchmark writes straight into tables and calls inner functions, which change now and then. */
import { expect, test } from '@jest/globals';
import { measureStorm } from '../../bench/storm.ts';

test('A storm of the benchmark comes to its end, and breaks nothing', async () => {
  const { reminders, releases, broken } = await measureStorm(1, 4);
  expect([reminders.mails, releases.mails, broken]).toEqual([4, 8, 0]);
});
