/** Who comes to a slot: needs, contacts, the manifest, and a message to everybody. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { at, call, createUser, deliverMail, MONDAY } from '../support/factories.ts';
import { bookSlot, createTour, generate, waitFor } from '../support/tours.ts';
import { cancel, createUsers, refused, rule, type Scene, told, value } from './rule.ts';

const needs = {
  special_requests: 'A seat in the shade',
  dietary_needs: 'No nuts',
  access_needs: 'No stairs',
};

const asManager = <T extends Record<string, unknown>>(
  db: TestDatabase,
  userId: string,
  sql: string,
  params: unknown[],
) => db.as({ role: 'reslot_user', userId }, () => db.rows<T>(sql, params));

describe('What people need', () => {
  rule('is kept with the booking, can be changed, and is not in the log', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], needs);
    expect(made).toMatchObject(needs);
    const change = { booking_id: made.id, dietary_needs: 'No fish', access_needs: '' };
    expect(await call(db, ann, 'modify_booking', change)).toMatchObject({
      ...{ ...needs, dietary_needs: 'No fish', access_needs: null },
    });
    const logged = await value<string>(
      db,
      `string_agg(new_values::text, '') from app_public.audit_log where record_id = $1`,
      [made.id],
    );
    expect(logged).not.toMatch(/nuts|fish|stairs|shade/);
    const long = { offering_id: tour.offering, slot_id: tour.slots[0] };
    const text = 'x'.repeat(501);
    await refused(db, 'RSARG', ann, 'create_booking', { ...long, dietary_needs: text });
  });

  rule('goes when the person is erased', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0], needs);
    await db.as({ role: 'reslot_user', userId: ann }, () =>
      db.query('select app_public.erase_me()'),
    );
    const left = await db.one(
      `select special_requests, dietary_needs, access_needs from app_public.bookings where id = $1`,
      [made.id],
    );
    expect(Object.values(left)).toEqual([null, null, null]);
  });
});

describe('The manifest of a slot', () => {
  rule('has who comes, how many, how to reach them, and what they need', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann', { phone: '+43 1 2' });
    const bob = await createUser(db, 'Bob');
    await bookSlot(db, ann, tour, tour.slots[0], { adults: 2, children: 1, ...needs });
    const gone = await bookSlot(db, bob, tour, tour.slots[0]);
    await cancel(db, bob, gone.id);
    await call(db, world.manager, 'create_booking_for', {
      ...{ offering_id: tour.offering, slot_id: tour.slots[0], name: '=Eve "E"' },
      ...{ phone: '+43 664', needs_confirmation: false, dietary_needs: '@SUM(1)' },
      access_needs: '＝1+1',
    });
    const sql = 'select * from app_public.slot_manifest($1)';
    const lines = await asManager(db, world.manager, sql, [tour.slots[0]]);
    expect(lines).toMatchObject([
      { customer_name: '=Eve "E"', phone: '+43 664', adults: 1, attendance_confirmed: true },
      { customer_name: 'Ann', phone: '+43 1 2', adults: 2, children: 1, places: 3, ...needs },
    ]);
    const csv = 'select app_public.slot_manifest_csv($1) as csv';
    const [file] = await asManager<{ csv: string }>(db, world.manager, csv, [tour.slots[0]]);
    const rows = file?.csv.split('\r\n') ?? [];
    expect(rows).toHaveLength(4);
    // Nothing in it is run as a formula.
    expect(rows[1]).toContain(`"'=Eve ""E""","'+43 664"`);
    expect(rows[1]).toContain(`"'@SUM(1)","'＝1+1"`);
    expect(rows[2]).toContain('"A seat in the shade","No nuts","No stairs"');
    for (const name of ['slot_manifest', 'slot_manifest_csv']) {
      await refused(db, 'RSNTF', ann, name, { slot_id: tour.slots[0] });
    }
  });
});

async function slotOfTwo({ db, world }: Scene) {
  const tour = await createTour(db, world);
  const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
  await bookSlot(db, ann, tour, tour.slots[0]);
  await bookSlot(db, ann, tour, tour.slots[0], { party_size: 2 });
  const last = await bookSlot(db, bob, tour, tour.slots[0]);
  await deliverMail(db);
  const message = { slot_id: tour.slots[0], message: 'Bring an umbrella' };
  const write = (more: Record<string, unknown> = {}) =>
    call<{ message_slot: number }>(db, world.manager, 'message_slot', { ...message, ...more });
  return { tour, ann, bob, last, message, write };
}

const messages = async (db: TestDatabase, userId: string) =>
  (await told(db, userId)).filter((kind) => kind === 'message_slot').length;

describe('A message to a slot', () => {
  rule('goes once to each who has booked it, and to nobody else', async (scene) => {
    const { db, world } = scene;
    const { tour, ann, bob, last, write } = await slotOfTwo(scene);
    const [cem, dan] = await createUsers(db, 'Cem', 'Dan');
    await waitFor(db, cem, tour, { day: '2030-06-04', party_size: 5 });
    await cancel(db, bob, last.id);
    const [next] = await generate(db, world, tour.schedule, '2030-06-05', '2030-06-05');
    await bookSlot(db, dan, tour, next?.slot_id ?? undefined);
    expect(await write({ subject: 'Rain' })).toEqual({ message_slot: 1 });
    const counts: number[] = [];
    for (const userId of [ann, bob, cem, dan]) counts.push(await messages(db, userId));
    expect(counts).toEqual([1, 0, 0, 0]);
  });

  rule('is written down with who wrote it, without its words', async (scene) => {
    const { db, world } = scene;
    const { write } = await slotOfTwo(scene);
    await write();
    const lines = await db.rows(
      `select actor_user_id, operation, new_values ->> 'data' as data, customer_id is not null as known
       from app_public.audit_log where table_name = 'notifications'`,
    );
    const line = { actor_user_id: world.manager, operation: 'insert', data: '[personal]' };
    expect(lines).toEqual([
      { ...line, known: true },
      { ...line, known: true },
    ]);
  });

  rule('is sent once for a key, however often it is asked for', async (scene) => {
    const { db, world } = scene;
    const { ann, message, write } = await slotOfTwo(scene);
    expect(await write({ idempotency_key: 'rain' })).toEqual({ message_slot: 2 });
    expect(await write({ idempotency_key: 'rain' })).toEqual({ message_slot: 2 });
    expect(await messages(db, ann)).toBe(1);
    const other = { ...message, message: 'Other words', idempotency_key: 'rain' };
    await refused(db, 'RSARG', world.manager, 'message_slot', other);
  });

  rule('is not sent any more to who has cancelled meanwhile', async (scene) => {
    const { db } = scene;
    const { bob, last, write } = await slotOfTwo(scene);
    await write();
    await cancel(db, bob, last.id);
    const sent = await deliverMail(db);
    expect(sent.map(({ kind }) => kind).sort()).toEqual(['booking_cancelled', 'message_slot']);
  });

  rule('goes when the person is erased', async (scene) => {
    const { db } = scene;
    const { ann, write } = await slotOfTwo(scene);
    await write({ subject: 'Dear Ann' });
    await db.as({ role: 'reslot_user', userId: ann }, () =>
      db.query('select app_public.erase_me()'),
    );
    const left = await value<number>(
      db,
      `count(*)::int from app_public.notifications n left join app_public.customers c on c.id = n.customer_id
       where n.data::text ~ 'umbrella|Dear' and c.erased_at is not null`,
    );
    expect(left).toBe(0);
  });

  rule('is for managers, has words within bounds, and comes before the start', async (scene) => {
    const { db, world } = scene;
    const { ann, message } = await slotOfTwo(scene);
    const { slot_id } = message;
    await refused(db, 'RSNTF', ann, 'message_slot', message);
    const wrong = [
      { message: ' ' },
      { message: 'x'.repeat(2001) },
      { subject: 'x'.repeat(201) },
      { subject: 'Two\nlines' },
    ];
    for (const words of wrong) {
      await refused(db, 'RSARG', world.manager, 'message_slot', { ...message, ...words });
    }
    await db.setClock(at('10:30', 1));
    await refused(db, 'RSTIM', world.manager, 'message_slot', message);
    await db.setClock(MONDAY);
    const end = { slot_id, reason: 'Storm', cancel_bookings: true };
    await call(db, world.manager, 'cancel_slot', end);
    await refused(db, 'RSSTA', world.manager, 'message_slot', message);
  });
});
