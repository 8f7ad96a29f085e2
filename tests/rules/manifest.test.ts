/** Who comes to a slot: needs, contacts, the manifest, and a message to everybody. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { call, createUser } from '../support/factories.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { cancel, createUsers, refused, rule, told, value } from './rule.ts';

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
    expect(rows[1]).toContain(`"'@SUM(1)"`);
    expect(rows[2]).toContain('"A seat in the shade","No nuts","No stairs"');
    for (const name of ['slot_manifest', 'slot_manifest_csv']) {
      await refused(db, 'RSNTF', ann, name, { slot_id: tour.slots[0] });
    }
  });
});

describe('A message to a slot', () => {
  rule('goes to everybody who has booked it, and to nobody else', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 2 });
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    await bookSlot(db, ann, tour, tour.slots[0]);
    const gone = await bookSlot(db, bob, tour, tour.slots[0]);
    await cancel(db, bob, gone.id);
    await bookSlot(db, cem, tour, tour.slots[1]);
    const message = { slot_id: tour.slots[0], message: 'Bring an umbrella' };
    expect(await call(db, world.manager, 'message_slot', message)).toEqual({ message_slot: 1 });
    const kinds = [await told(db, ann), await told(db, bob), await told(db, cem)];
    expect(kinds.map((list) => list.includes('message_slot'))).toEqual([true, false, false]);
    await refused(db, 'RSNTF', ann, 'message_slot', message);
    await refused(db, 'RSARG', world.manager, 'message_slot', { ...message, message: ' ' });
  });
});
