/** As model.test.ts, of what is booked by the place: slots, parties, prices and refunds. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import { searchUntilSeen, TOUR_RUNS } from './search.ts';

const LONG = process.env.RESLOT_LONG === '1';
const RUNS = Number(process.env.RESLOT_RUNS ?? (LONG ? 50_000 : TOUR_RUNS));
const SEED = Number(process.env.RESLOT_SEED ?? Math.floor(Math.random() * 2 ** 31));

let database: ModelDatabase;
beforeAll(async () => {
  database = await openModelDatabase();
});
afterAll(() => database?.drop());

/** Without these a sequence proves little: each has to happen. */
const SEEN = [
  ...['book_places', 'join_slot', 'join_day', 'modify_places', 'cancel', 'confirm', 'leave'],
  ...['claim', 'decline', 'priority', 'generate', 'reschedule', 'alter_slot', 'close_slot'],
  ...['open_slot', 'cancel_slot', 'blackout', 'tick', 'nap'],
].map((command) => `${command} ok`);
SEEN.push(
  ...['book_places RSFUL', 'book_places RSLIM', 'join_slot RSAVL', 'join_slot RSDUP'],
  ...['join_day RSAVL', 'join_day RSDUP', 'modify_places RSFUL'],
  ...['cancel RSARG', 'claim RSSTA', 'decline RSSTA', 'generate RSNTF'],
  ...['booking cancelled', 'booking held', 'booking expired', 'booking pending'],
  ...['entry claimed', 'entry closed', 'entry declined', 'entry left', 'entry offered'],
  ...['slot cancelled', 'slot closed', 'slot over'],
);

test(
  `${RUNS} random sequences of slots and parties do in the database what they do in the model`,
  async () => {
    process.stdout.write(`model test of tours: seed ${SEED} (RESLOT_SEED repeats it)\n`);
    const wanted = RUNS >= TOUR_RUNS ? SEEN : [];
    const options = { of: 'tours', runs: RUNS, seed: SEED } as const;
    const { difference, missing } = await searchUntilSeen(database, options, wanted);
    if (difference !== null) throw new Error(difference);
    expect(missing).toEqual([]);
  },
  60_000 + RUNS * 1_000,
);
