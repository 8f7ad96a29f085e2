/** How something is broken by hand and looked at, and what there is to break. */
import { expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { type BookingRow, book, createUser, entry, join, range } from '../support/factories.ts';
import { cancel, createUsers, type Scene } from './rule.ts';

interface Broken {
  invariant: string;
  subject_id: string;
  problem: string;
}

export const check = (db: TestDatabase) =>
  db.rows<Broken & Record<string, unknown>>('select * from app_private.check_invariants()');

/** Breaks something, looks, and undoes it. */
export async function found(
  db: TestDatabase,
  statements: readonly (string | [string, unknown[]])[],
): Promise<[string, string, string][]> {
  await db.query('savepoint broken');
  for (const statement of statements) {
    if (typeof statement === 'string') await db.query(statement);
    else await db.query(...statement);
  }
  const rows = await check(db);
  await db.query('rollback to savepoint broken');
  expect(await check(db)).toEqual([]);
  return rows.map((row) => [row.invariant, row.subject_id, row.problem]);
}

export const TIME = range('10:00', '12:00');
export const NO_TRIGGERS = [
  'alter table app_public.bookings disable trigger user',
  'alter table app_public.waitlist_entries disable trigger user',
];

export async function oneBooking({
  db,
  world,
}: Scene): Promise<{ alice: string; made: BookingRow }> {
  const alice = await createUser(db, 'Alice');
  return { alice, made: await book(db, alice, world.hall, TIME) };
}

/** Bea has an offer of the left half, Cem waits behind her. */
export async function oneOffer({ db, world }: Scene) {
  const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
  const made = await book(db, holder, world.left, TIME);
  const first = await join(db, bea, world.left, TIME);
  const second = await join(db, cem, world.left, TIME);
  await cancel(db, holder, made.id);
  const hold = (await entry(db, first.id)).hold_id as string;
  return { holder, bea, cem, made, first, second, hold };
}
