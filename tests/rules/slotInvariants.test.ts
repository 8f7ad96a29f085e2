/** What always holds of slots: the views find what is broken by hand, and constraints stand beneath the locks. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { advanceTo, at, call, createUser, createWorld, entry } from '../support/factories.ts';
import { bookSlot, createTour, generate, slotRow, waitFor } from '../support/tours.ts';
import { cancel, confirm, createUsers, deadlineOf, rule, type Scene } from './rule.ts';

interface Broken extends Record<string, unknown> {
  invariant: string;
  subject_id: string;
  problem: string;
}

const check = async (db: TestDatabase) =>
  (await db.rows<Broken>('select * from app_private.check_invariants()')).map((row) => [
    ...[row.invariant, row.subject_id, row.problem],
  ]);

/** Breaks something, looks, and undoes it. */
async function found(db: TestDatabase, ...statements: string[]): Promise<unknown[]> {
  await db.query('savepoint broken');
  for (const statement of statements) await db.query(statement);
  const rows = await check(db);
  await db.query('rollback to savepoint broken');
  expect(await check(db)).toEqual([]);
  return rows;
}

describe('I1, places', () => {
  rule('finds a count that is not the sum of its bookings', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [slot = ''] = tour.slots;
    const made = await bookSlot(db, await createUser(db, 'Ann'), tour, slot, { party_size: 3 });
    const wrong = ['I1', slot, 'places taken are not those of its bookings'];
    expect(await found(db, `update app_public.slots set taken = 4 where id = '${slot}'`)).toEqual([
      wrong,
    ]);
    expect(await found(db, 'delete from app_private.taken_places')).toEqual([
      ...[wrong, ['I1', made.id, 'booking and places disagree']],
    ]);
    expect(
      await found(db, 'update app_private.taken_places set places = 2').then((rows) => rows[1]),
    ).toEqual(['I1', made.id, 'booking and places disagree']);
  });

  rule('finds more than there is, were there no constraint', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [slot = ''] = tour.slots;
    const ann = await createUser(db, 'Ann');
    await bookSlot(db, ann, tour, slot, { party_size: 3 });
    const rows = await found(
      db,
      'alter table app_public.slots drop constraint taken_is_within_capacity',
      `update app_public.slots set capacity = 2 where id = '${slot}'`,
    );
    expect(rows).toEqual([['I1', slot, 'more places taken than there are']]);
  });

  rule('is held by a constraint, whatever a function forgets', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    await bookSlot(db, ann, tour, tour.slots[0], { party_size: 3 });
    for (const change of ['taken = 9', 'taken = -1', 'capacity = 2']) {
      const failure = await db.fails(`update app_public.slots set ${change} where id = $1`, [
        tour.slots[0],
      ]);
      expect(failure).toMatchObject({ code: '23514', constraint: 'taken_is_within_capacity' });
    }
  });
});

describe('I2, occupancies of slots', () => {
  rule('finds a slot without its guide, and a guide of no slot', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const [slot = ''] = tour.slots;
    expect(await found(db, 'delete from app_private.occupancies')).toEqual([
      ['I2', slot, 'slot and occupancies disagree'],
    ]);
    const ended = `update app_public.slots set ended_at = app_private.clock()`;
    expect(await found(db, ended)).toEqual([['I2', slot, 'occupancy without a live slot']]);
  });
});

/** Three parties wait for a slot that Holder has wholly booked. */
async function queueOfThree({ db, world }: Scene, sizes = [8, 8, 8]) {
  const tour = await createTour(db, world);
  const [holder, ...people] = await createUsers(db, 'Holder', 'Ann', 'Bea', 'Cem');
  const made = await bookSlot(db, holder, tour, tour.slots[0], { party_size: 8 });
  const ids: string[] = [];
  for (const [n, party_size] of sizes.entries()) {
    const waiting = { slot_id: tour.slots[0], party_size };
    ids.push((await waitFor(db, people[n] ?? '', tour, waiting)).id);
  }
  return { tour, holder, made, ids };
}

describe('I4, of places', () => {
  rule('finds places that are free while a party waits that fits', async (scene) => {
    const { db } = scene;
    const { tour, made, ids } = await queueOfThree(scene, [5, 8]);
    const free = (places: number) => [
      `update app_private.taken_places set places = places - ${places}`,
      `update app_public.bookings set party_size = party_size - ${places}, places = places - ${places},
         adults = adults - ${places}, subtotal = (8 - ${places}) * 20, price = (8 - ${places}) * 20
       where id = '${made.id}'`,
      `update app_public.slots set taken = taken - ${places} where id = '${tour.slots[0]}'`,
    ];
    const problem = ['I4', ids[0], 'places are free while somebody waits for them'];
    expect(await found(db, ...free(4))).toEqual([]);
    expect(await found(db, ...free(5))).toEqual([problem]);
    const close = `update app_public.slots set closed_at = app_private.clock(), closed_reason = 'x'`;
    expect(await found(db, ...free(5), close)).toEqual([]);
    await db.setClock(at('09:30', 1));
    expect(await found(db, ...free(5))).toEqual([]);
  });
});

describe('I5, of places', () => {
  rule('finds an offer to the last instead of the first', async (scene) => {
    const { db } = scene;
    const { holder, made, ids } = await queueOfThree(scene);
    await db.query('savepoint order_is_wrong');
    await db.query(`do $$ begin execute replace(
      pg_get_functiondef('app_private.next_for_places(uuid, uuid, uuid)'::regprocedure),
      'order by e.priority, e.joined_at, e.id', 'order by e.priority desc, e.joined_at desc, e.id desc'); end $$`);
    await cancel(db, holder, made.id);
    expect((await entry(db, ids[2] ?? '')).status).toBe('offered');
    const problem = (id: string) => [
      ...['I5', ids[2], `offered before somebody who came first: ${id}`],
    ];
    expect((await check(db)).toSorted()).toEqual(ids.slice(0, 2).map(problem).toSorted());
    await db.query('rollback to savepoint order_is_wrong');
  });

  rule('does not mind a smaller party before a larger one that did not fit', async (scene) => {
    const { db } = scene;
    const { tour, holder, made } = await queueOfThree(scene, [8, 2]);
    await call(db, holder, 'modify_booking', { booking_id: made.id, party_size: 6 });
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ taken: 8 });
    expect(await check(db)).toEqual([]);
  });
});

describe('The next that time does to a slot', () => {
  rule('is to look at its minimum, then to end it, then nothing', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 2, schedule: { min_size: 2 } });
    const slot = tour.slots[1] ?? '';
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, slot, { party_size: 2 });
    await confirm(db, ann, made.id);
    const deadlines = [await deadlineOf(db, slot)];
    await advanceTo(db, at('11:00', 1));
    deadlines.push(await deadlineOf(db, slot));
    await advanceTo(db, at('13:00', 2));
    deadlines.push(await deadlineOf(db, slot));
    expect(deadlines).toEqual([
      { action: 'check_minimum', due_at: new Date(at('10:00', 1)) },
      { action: 'end_slot', due_at: new Date(at('12:00', 2)) },
      undefined,
    ]);
  });

  rule(
    'waits for the buffer after it',
    async ({ db, world }) => {
      const tour = await createTour(db, world);
      expect(await deadlineOf(db, tour.slots[0] ?? '')).toEqual({
        ...{ action: 'end_slot', due_at: new Date(at('12:30', 1)) },
      });
    },
    { buffer_after: '30 minutes' },
  );
});

describe('Slots, and who waits for them,', () => {
  /** What is made, offered and summed up around a change of the clocks, in a session of a zone. */
  const story = (zone: string) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      await db.query(`set local timezone = '${zone}'`);
      const tour = await createTour(db, world, {
        timeZone: 'Europe/Vienna',
        schedule: { local_start: '02:30', duration: '1 day' },
      });
      await db.setClock('2031-03-27T12:00:00Z');
      const made = await generate(db, world, tour.schedule, '2031-03-29', '2031-04-01');
      const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
      const slot = made[0]?.slot_id ?? '';
      const full = await bookSlot(db, ann, tour, slot, { party_size: 8 });
      const day = await waitFor(db, bob, tour, { day: '2031-03-29' });
      const before = await entry(db, day.id);
      await cancel(db, ann, full.id);
      const after = await entry(db, day.id);
      const rows = await db.rows(
        `select starts_at, ends_at, day::text from app_public.slots where id <> $1 order by starts_at`,
        [tour.slots[0]],
      );
      const month = await db.rows(
        `select day::text, slots, places_left from app_public.availability_by_day($1, '2031-03-01')`,
        [tour.offering],
      );
      return [
        made.map(({ start, outcome }) => [start, outcome]),
        rows,
        month,
        ...[before, after].map((row) => [row.status, row.starts_at, row.ends_at, row.last_call_at]),
      ];
    });

  test('are the same whatever the time zone of the session', async () => {
    const told = await story('UTC');
    expect(told[0]).toContainEqual(['2031-03-30 02:30', 'gap']);
    for (const zone of ['America/New_York', 'Asia/Kolkata', 'Pacific/Chatham']) {
      expect(await story(zone)).toEqual(told);
    }
  });
});
