/**
 * As model.test.ts, of services: who of a pool serves, the life of a booking from its request to its review, what
 * becomes of what nobody says was delivered, and money recorded by hand.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { play } from './compare.ts';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import type { Command } from './reference/commands.ts';
import { HOUR } from './reference/state.ts';
import { SERVICE_RUNS, searchUntilSeen } from './search.ts';
import { LATE_TOUCH, TOUCHED_REQUESTS } from './touches.ts';

const LONG = process.env.RESLOT_LONG === '1';
const RUNS = Number(process.env.RESLOT_RUNS ?? (LONG ? 50_000 : SERVICE_RUNS));
const SEED = Number(process.env.RESLOT_SEED ?? Math.floor(Math.random() * 2 ** 31));

let database: ModelDatabase;
beforeAll(async () => {
  database = await openModelDatabase();
});
afterAll(() => database?.drop());

/** Without these a sequence proves little: each has to happen. */
const SEEN = [
  ...['book', 'join', 'cancel', 'accept', 'deliver', 'review'],
  ...['record_payment', 'blackout', 'tick'],
].map((command) => `${command} ok`);
SEEN.push(
  ...['book RSFUL', 'join RSDUP', 'booking completed'],
  ...['booking expired', 'booking in_progress', 'payment cancelled', 'payment due', 'payment paid'],
  ...['entry expired', 'delivery_due sent', 'reviewed', 'booking_unpaid sent'],
  ...['provider_booking sent', 'provider_booking_gone sent'],
);

/** Not in each run of this length, but in a long one. */
const RARE = [
  ...['approve', 'reject', 'complete', 'keep', 'no_show', 'record_refund', 'claim', 'decline'],
  ...['leave', 'lift', 'nap', 'confirm', 'override', 'mail', 'modify', 'confirm_delivery'],
].map((command) => `${command} ok`);
RARE.push(
  ...['book RSNTF', 'book RSTIM', 'join RSAVL', 'accept RSNTF', 'accept RSEXP', 'cancel RSARG'],
  ...[
    'deliver RSSTA',
    'keep RSSTA',
    'deliver RSTIM',
    'complete RSSTA',
    'record_payment RSARG',
    'claim RSSTA',
  ],
  ...[
    'blackout RSBLK',
    'review RSDUP',
    'booking no_show',
    'booking rejected',
    'booking delivered',
    'entry claimed',
  ],
  ...['payment refunded', 'payment partly_refunded', 'service_expired sent', 'would expire'],
);
const LONG_RUNS = 1000;

test(
  `${RUNS} random sequences of services do in the database what they do in the model`,
  async () => {
    process.stdout.write(`model test of services: seed ${SEED} (RESLOT_SEED repeats it)\n`);
    const wanted = RUNS >= LONG_RUNS ? [...SEEN, ...RARE] : RUNS >= SERVICE_RUNS ? SEEN : [];
    const options = { of: 'services', runs: RUNS, seed: SEED } as const;
    const { difference, missing } = await searchUntilSeen(database, options, wanted);
    if (difference !== null) throw new Error(difference);
    expect(missing).toEqual([]);
  },
  60_000 + RUNS * 1_000,
);

test('whoever touches a booking after its end begins its grace anew', async () => {
  const choosers = LATE_TOUCH.commands.map((command) => () => command);
  expect(await play(database, LATE_TOUCH.policy, choosers)).toContain('booking in_progress');
  const late: Command = { do: 'tick', until: 13.75 * HOUR };
  const seen = await play(database, LATE_TOUCH.policy, [...choosers, () => late]);
  expect(seen).toContain('booking expired');
});

test('whoever touches a request begins its grace anew', async () => {
  const choosers = TOUCHED_REQUESTS.commands.map((command) => () => command);
  const seen = await play(database, TOUCHED_REQUESTS.policy, choosers);
  expect(seen.filter((word) => word === 'booking pending')).toHaveLength(2);
  const late: Command = { do: 'tick', until: 11.25 * HOUR };
  const after = await play(database, TOUCHED_REQUESTS.policy, [...choosers, () => late]);
  expect(after.filter((word) => word === 'booking expired')).toHaveLength(2);
});
