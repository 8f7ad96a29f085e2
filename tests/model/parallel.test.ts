/**
 * Three people at once, each on a connection of the server's login, in short random sequences over the same few hours.
 * Which of them is faster is nobody's to say; but afterwards no invariant is broken, and what each was told has happened
 * is in the database (I9).
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { checkInvariants } from '../support/database.ts';
import { Actor, type Answer } from './actor.ts';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import {
  type Plan,
  type Planner,
  placePlanner,
  plans,
  roomPlanner,
  servicePlanner,
} from './wishes.ts';

const LONG = process.env.RESLOT_LONG === '1';
const SEED = Number(process.env.RESLOT_SEED ?? Math.floor(Math.random() * 2 ** 31));
const REFUSAL = /^RS(NTF|STA|FUL|AVL|DUP|LIM|EXP)$/;

/** What an entry was told last may have been followed by what others did. */
const MAY_BECOME: Record<string, string[]> = {
  waiting: ['waiting', 'offered', 'closed'],
  offered: ['waiting', 'offered', 'closed'],
};

async function expectKept(owner: pg.Pool, actor: Actor): Promise<void> {
  const { rows } = await owner.query<Answer>(
    `select id, status::text, starts_at, customer_id, attendance_confirmed_at, null::date as day, places, provider_id
     from app_public.bookings where id = any ($1)
     union all
     select id, status::text, starts_at, customer_id, null, day, places, provider_id
     from app_public.waitlist_entries where id = any ($1)`,
    [[...actor.told.keys()]],
  );
  const found = new Map(rows.map((row) => [row.id, row]));
  for (const [id, told] of actor.told) {
    const row = found.get(id);
    const { customer_id, places, provider_id } = told;
    expect(row).toMatchObject({ customer_id, places, provider_id });
    if (!told.day) expect(row?.starts_at.getTime()).toBe(told.starts_at.getTime());
    expect(MAY_BECOME[told.status] ?? [told.status]).toContain(row?.status);
    if ('attendance_confirmed_at' in told) {
      expect(row?.attendance_confirmed_at ?? null).toEqual(told.attendance_confirmed_at);
    }
  }
}

/** A day for each round, so that the rounds do not get into each other's way. */
const ROUNDS_PER_DATABASE = 300;

async function playRounds(
  rounds: readonly Plan[][][],
  makePlanner: (database: ModelDatabase) => Promise<Planner>,
  prepare: (database: ModelDatabase) => Promise<unknown> = async () => undefined,
): Promise<number> {
  const database = await openModelDatabase();
  try {
    const planner = await makePlanner(database);
    await prepare(database);
    const app = database.clone.pool('app', 3);
    const owner = database.clone.pool('owner', 1);
    let claimed = 0;
    for (const [round, plan] of rounds.entries()) {
      const actors = plan.map((wishes, n) => ({
        actor: new Actor(app, database.users[n] ?? ''),
        wishes: wishes.map((wish) => planner(wish, 2 + round)),
      }));
      await Promise.all(actors.map(({ actor, wishes }) => actor.wishAll(wishes)));
      for (const { actor } of actors) {
        // Clean refusals only: no deadlock, no constraint.
        expect(actor.refusals.filter((code) => !REFUSAL.test(code))).toEqual([]);
        await expectKept(owner, actor);
        claimed += [...actor.told.values()].filter(({ status }) => status === 'claimed').length;
      }
      await checkInvariants(owner);
    }
    return claimed;
  } finally {
    await database.drop();
  }
}

function plansOf(rounds: number, seed: number): Plan[][][] {
  return fc.sample(fc.tuple(plans, plans, plans), { numRuns: rounds, seed });
}

const KINDS = [
  { what: 'rooms', rounds: LONG ? 2_000 : 100, planner: roomPlanner },
  { what: 'providers', rounds: LONG ? 2_000 : 30, planner: servicePlanner },
  { what: 'places of slots', rounds: LONG ? 2_000 : 50, planner: placePlanner },
];

test.each(KINDS)(
  '$rounds rounds of three people at once keep every invariant and every promise about $what',
  async ({ what, rounds, planner }) => {
    process.stdout.write(
      `model test, three actors, ${what}: seed ${SEED} (RESLOT_SEED repeats it)\n`,
    );
    const drawn = plansOf(rounds, SEED);
    let claimed = 0;
    for (let at = 0; at < drawn.length; at += ROUNDS_PER_DATABASE) {
      claimed += await playRounds(drawn.slice(at, at + ROUNDS_PER_DATABASE), planner);
    }
    // Most rounds come to none; but without any this would prove little.
    expect(claimed).toBeGreaterThan(0);
  },
  3_600_000,
);

test.each(KINDS)(
  'without the lock that is noticed, of $what',
  async ({ planner }) => {
    const withoutLock = (database: ModelDatabase) =>
      database.alter('app_private.lock_room(uuid[])', 'order by r.id for no key update', '');
    await expect(playRounds(plansOf(60, 1), planner, withoutLock)).rejects.toThrow();
  },
  120_000,
);
