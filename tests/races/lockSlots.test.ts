/** Slots that last into the next day: what ends with a claim is locked with it, also after midnight. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { cancel } from '../rules/rule.ts';
import { cloneDatabase, testDatabase } from '../support/database.ts';
import { at, book, createUser, createWorld, join, range } from '../support/factories.ts';
import { bookSlot, createTour, waitFor } from '../support/tours.ts';

test('A claim in the last call waits for the room of an offer after midnight, which ends with it', async () => {
  const clone = await cloneDatabase();
  const pool = clone.pool('owner', 2);
  const [one, two] = [await pool.connect(), await pool.connect()];
  const db = testDatabase(one);
  try {
    await one.query('begin');
    const world = await createWorld(db);
    const tour = await createTour(db, world, { schedule: { local_start: '23:30' } });
    const holder = await createUser(db, 'Holder');
    const ann = await createUser(db, 'Ann');
    const held = await bookSlot(db, holder, tour, tour.slots[0], { party_size: 8 });
    const day = await waitFor(db, ann, tour, { day: '2030-06-04' });
    const night = range('00:30', '01:30', 2);
    const hall = await book(db, holder, world.left, night);
    await join(db, ann, world.left, night);
    await db.setClock(at('23:05', 1));
    await cancel(db, holder, hall.id);
    await cancel(db, holder, held.id);
    await one.query('commit');

    await one.query('begin');
    await one.query('select from app_public.resources where id = $1 for no key update', [
      world.leftRoom,
    ]);
    let done = false;
    const claiming = two.query('select status from app_private.claim($1)', [day.id]).finally(() => {
      done = true;
    });
    const waits = `exists (select from pg_locks l where not l.granted and l.locktype = 'transactionid')`;
    while (!done && !(await db.value<boolean>(`select ${waits}`))) await sleep(20);
    expect(done).toBe(false);
    await one.query('commit');
    expect((await claiming).rows).toEqual([{ status: 'confirmed' }]);
    expect(
      await db.rows(`select status from app_public.waitlist_entries where id <> $1`, [day.id]),
    ).toEqual([{ status: 'closed' }]);
  } finally {
    one.release(true);
    two.release(true);
    await clone.drop();
  }
});
