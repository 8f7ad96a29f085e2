/**
 * The database against a reference model written from the design: random sequences of what people and time do, compared
 * after every step, with all invariants. A failure prints the seed, the shortest sequence found and what differs; the
 * sequence then belongs into found.test.ts.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import { searchUntilSeen } from './search.ts';

const LONG = process.env.RESLOT_LONG === '1';
// RESLOT_RUNS and RESLOT_SEED look longer, or at the same again.
const RUNS = Number(process.env.RESLOT_RUNS ?? (LONG ? 50_000 : 300));
const SEED = Number(process.env.RESLOT_SEED ?? Math.floor(Math.random() * 2 ** 31));

let database: ModelDatabase;
beforeAll(async () => {
  database = await openModelDatabase();
});
afterAll(() => database?.drop());

/** Without these a sequence proves little: each has to happen. */
const SEEN = [
  ...['book', 'join', 'modify', 'cancel', 'confirm', 'approve', 'reject', 'override', 'no_show'],
  ...['leave', 'claim', 'decline', 'priority', 'blackout', 'lift', 'mail', 'bounce', 'tick', 'nap'],
].map((command) => `${command} ok`);
SEEN.push(
  ...['booking auto_cancelled', 'booking cancelled', 'booking completed', 'booking expired'],
  ...['booking held', 'booking in_progress', 'booking no_show', 'booking pending'],
  ...['booking rejected', 'entry claimed', 'entry closed', 'entry declined', 'entry expired'],
  ...['entry lapsed', 'entry left', 'entry offered', 'entry waiting', 'last_call sent'],
  ...['book RSFUL', 'book RSBLK', 'join RSAVL', 'join RSDUP', 'claim RSEXP', 'cancel RSNTF'],
  ...['blackout RSBLK', 'message_blackout sent', 'slot_available obsolete', 'passed over'],
  ...['set aside', 'spared', 'would be released'],
);

test(
  `${RUNS} random sequences do in the database what they do in the model`,
  async () => {
    process.stdout.write(`model test: seed ${SEED} (RESLOT_SEED repeats it)\n`);
    const wanted = RUNS >= 300 ? SEEN : [];
    const options = { runs: RUNS, seed: SEED };
    const { difference, missing } = await searchUntilSeen(database, options, wanted);
    if (difference !== null) throw new Error(difference);
    expect(missing).toEqual([]);
  },
  60_000 + RUNS * 1_000,
);
