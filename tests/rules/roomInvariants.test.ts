/** What always holds of room, offers and turns, and that the views say so when it does not: as invariants.test.ts. */
import { describe, expect } from '@jest/globals';
import { at, book, entry, join, range } from '../support/factories.ts';
import { check, found, NO_TRIGGERS, oneBooking, oneOffer, TIME } from './invariants.ts';
import { cancel, createUsers, rule, type Scene } from './rule.ts';

describe('I2, occupancies', () => {
  rule('finds a booking without its room, or with other room', async (scene) => {
    const { db, world } = scene;
    const { made } = await oneBooking(scene);
    const where = `where booking_id = '${made.id}' and resource_id = '${world.leftRoom}'`;
    const disagree = ['I2', made.id, 'booking and occupancies disagree'];
    expect(await found(db, [`delete from app_private.occupancies ${where}`])).toEqual([disagree]);
    expect(
      await found(db, [
        `update app_private.occupancies set during = tstzrange(lower(during), upper(during) - interval '1 hour') ${where}`,
      ]),
    ).toEqual([disagree]);
  });

  rule('finds room of what has ended, and of what it does not use', async (scene) => {
    const { db, world } = scene;
    const { made } = await oneBooking(scene);
    const ended = await found(db, [
      ...NO_TRIGGERS,
      `update app_public.bookings set status = 'no_show', ended_at = app_private.clock()`,
    ]);
    expect(ended).toContainEqual(['I2', made.id, 'occupancy without a live booking']);
    const over = await found(db, [
      ...NO_TRIGGERS,
      `update app_public.bookings set status = 'in_progress', awaits_delivery_since = app_private.clock()`,
    ]);
    expect(over).toContainEqual(['I2', made.id, 'occupancy without a live booking']);
    const foreign = await found(db, [
      `delete from app_public.offering_resources where offering_id = '${world.hall}' and resource_id = '${world.leftRoom}'`,
    ]);
    expect(foreign).toContainEqual([
      'I2',
      made.id,
      'occupancy of something the offering does not use',
    ]);
  });

  rule('finds overlapping occupancies, were there no constraint', async (scene) => {
    const { db } = scene;
    const { made } = await oneBooking(scene);
    const rows = await found(db, [
      'alter table app_private.occupancies drop constraint occupancies_do_not_overlap, drop constraint occupancies_once',
      `insert into app_private.occupancies (organization_id, resource_id, booking_id, during)
       select organization_id, resource_id, booking_id, during from app_private.occupancies limit 1`,
    ]);
    expect(rows).toContainEqual(['I2', made.id, 'occupancies overlap']);
  });
});

describe('I3, offers', () => {
  rule('finds an offer without its hold, and a hold without its offer', async (scene) => {
    const { db } = scene;
    const { first, hold } = await oneOffer(scene);
    const stranger = await found(db, [
      ...NO_TRIGGERS,
      `update app_public.bookings b set customer_id = o.customer_id
       from app_public.bookings o where b.id = '${hold}' and o.id <> b.id`,
    ]);
    expect(stranger).toContainEqual(['I3', first.id, 'offer without its hold']);
    const lost = await found(db, [
      ...NO_TRIGGERS,
      `update app_public.waitlist_entries set status = 'left', hold_id = null, ended_at = app_private.clock()
       where id = '${first.id}'`,
    ]);
    expect(lost).toContainEqual(['I3', hold, 'hold without its offer']);
  });

  rule('finds a second offer of one customer on one resource', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.left, range('10:00', '14:00'));
    await join(db, bea, world.left, TIME);
    await join(db, cem, world.left, range('12:00', '14:00'));
    await cancel(db, holder, made.id);
    const rows = await found(db, [
      ...NO_TRIGGERS,
      'update app_public.waitlist_entries set customer_id = (select max(customer_id::text)::uuid from app_public.waitlist_entries)',
    ]);
    expect(rows.map(([name, , problem]) => [name, problem])).toContainEqual([
      'I3',
      'second offer of a customer on one resource',
    ]);
  });
});

describe('I4, free while waited for', () => {
  rule('finds room that was given back without being handed on', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, TIME);
    const waits = await join(db, bea, world.left, TIME);
    const free = [
      `delete from app_private.occupancies where booking_id = '${made.id}'`,
      `update app_public.bookings set status = 'cancelled', ended_at = app_private.clock() where id = '${made.id}'`,
      `select app_private.notify_customer('${made.customer_id}', 'booking_cancelled', '${made.id}', null)`,
    ];
    const problem = ['I4', waits.id, 'room is free while somebody waits for it'];
    expect(await found(db, free)).toEqual([problem]);
    // Inside the last call nothing has to be held.
    await db.setClock(at('09:30', 1));
    expect(await found(db, free)).toEqual([]);
    await db.setClock(at('09:29', 1));
    expect(await found(db, free)).toEqual([problem]);
    // Nor for who is set aside, or for what is closed.
    expect(
      await found(db, [
        ...free,
        `update app_public.waitlist_entries set stuck_at = app_private.clock(), stuck_reason = 'x'`,
      ]),
    ).toEqual([]);
    expect(await found(db, [...free, 'delete from app_public.opening_hours'])).toEqual([]);
  });
});

describe('I5, out of turn', () => {
  const orderBy = (order: string) => `do $$ begin execute replace(
    pg_get_functiondef('app_private.next_in_line(uuid[], tstzrange, uuid, uuid)'::regprocedure),
    'order by e.priority, e.joined_at, e.id', 'order by ${order}'); end $$`;

  async function queueOfThree({ db, world }: Scene) {
    const [holder, ...people] = await createUsers(db, 'Holder', 'Ann', 'Bea', 'Cem');
    const made = await book(db, holder, world.left, TIME);
    const ids: string[] = [];
    for (const person of people) ids.push((await join(db, person, world.left, TIME)).id);
    return { holder, made, ids };
  }

  rule('finds an offer to the last instead of the first', async (scene) => {
    const { db } = scene;
    const { holder, made, ids } = await queueOfThree(scene);
    await db.query('savepoint order_is_wrong');
    await db.query(orderBy('e.priority desc, e.joined_at desc, e.id desc'));
    await cancel(db, holder, made.id);
    expect((await entry(db, ids[2] as string)).status).toBe('offered');
    const rows = (await check(db)).map((row) => [row.invariant, row.subject_id, row.problem]);
    const expected = ids
      .slice(0, 2)
      .map((first) => ['I5', ids[2], `offered before somebody who came first: ${first}`]);
    expect(rows.toSorted()).toEqual(expected.toSorted());
    await db.query('rollback to savepoint order_is_wrong');
  });

  rule('finds one that ignores a priority', async (scene) => {
    const { db, world } = scene;
    const { holder, made, ids } = await queueOfThree(scene);
    await db.as({ role: 'reslot_user', userId: world.manager }, () =>
      db.query('select app_public.set_waitlist_priority($1, 1)', [ids[2]]),
    );
    await db.query('savepoint order_is_wrong');
    await db.query(orderBy('e.joined_at, e.id'));
    await cancel(db, holder, made.id);
    expect(await check(db)).toContainEqual({
      invariant: 'I5',
      subject_id: ids[0],
      problem: `offered before somebody who came first: ${ids[2]}`,
    });
    await db.query('rollback to savepoint order_is_wrong');
  });
});
