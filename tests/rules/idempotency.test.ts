/** The same request twice is one request. */
import { describe, expect } from '@jest/globals';
import { at, book, call, createUser, join, range } from '../support/factories.ts';
import { cancel, createUsers, refused, rule, type Scene } from './rule.ts';

type Row = { id: string } & Record<string, unknown>;

function wish({ world }: Scene, key: string | null, more: Record<string, unknown> = {}) {
  const [starts_at, ends_at] = range('10:00', '12:00');
  return { offering_id: world.left, starts_at, ends_at, idempotency_key: key, ...more };
}

const count = ({ db }: Scene, table: string) =>
  db.value<number>(`select count(*) from app_public.${table}`);

describe('An idempotency key', () => {
  rule('with the same input gives the same booking, and one message', async (scene) => {
    const { db } = scene;
    const alice = await createUser(db, 'Alice');
    const first = await call<Row>(db, alice, 'create_booking', wish(scene, 'a'));
    await db.setClock(at('09:00'));
    expect(await call(db, alice, 'create_booking', wish(scene, 'a'))).toEqual(first);
    expect([await count(scene, 'bookings'), await count(scene, 'notifications')]).toEqual([1, 1]);
  });

  rule('gives the booking as it is now, also when it has ended', async (scene) => {
    const { db } = scene;
    const alice = await createUser(db, 'Alice');
    const first = await call<Row>(db, alice, 'create_booking', wish(scene, 'a'));
    await cancel(db, alice, first.id);
    const again = await call(db, alice, 'create_booking', wish(scene, 'a'));
    expect(again).toMatchObject({ id: first.id, status: 'cancelled' });
  });

  rule('with other input is refused', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await call(db, alice, 'create_booking', wish(scene, 'a'));
    for (const change of [
      { ends_at: at('13:00', 1) },
      { offering_id: world.right },
      { purpose: 'Choir' },
      { party_size: 2 },
    ]) {
      await refused(db, 'RSARG', alice, 'create_booking', wish(scene, 'a', change));
    }
    expect(await count(scene, 'bookings')).toBe(1);
  });

  rule('belongs to its caller and its operation', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await call(db, alice, 'create_booking', wish(scene, 'a'));
    await call(db, bea, 'create_booking', wish(scene, 'a', { offering_id: world.right }));
    await call(db, bea, 'join_waitlist', wish(scene, 'a'));
    expect([await count(scene, 'bookings'), await count(scene, 'waitlist_entries')]).toEqual([
      2, 1,
    ]);
  });

  rule('of a request that failed can be used again', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, bea, world.left, range('10:00', '12:00'));
    await refused(db, 'RSFUL', alice, 'create_booking', wish(scene, 'a'));
    await cancel(db, bea, made.id);
    await call(db, alice, 'create_booking', wish(scene, 'a'));
  });

  rule('makes one blackout, which is over when it is lifted once', async (scene) => {
    const { db, world } = scene;
    const [starts_at, ends_at] = range('10:00', '12:00');
    const closure = {
      organization_id: world.organizationId,
      resource_id: world.leftRoom,
      starts_at,
      ends_at,
      reason: 'Burst pipe',
      idempotency_key: 'b',
    };
    const made = await call<Row>(db, world.manager, 'create_blackout', closure);
    expect(await call(db, world.manager, 'create_blackout', closure)).toEqual(made);
    await refused(db, 'RSARG', world.manager, 'create_blackout', { ...closure, reason: 'Flood' });
    expect(await count(scene, 'blackouts')).toBe(1);
    await call(db, world.manager, 'lift_blackout', { blackout_id: made.id });
    await book(db, await createUser(db, 'Alice'), world.left, range('10:00', '12:00'));
  });

  rule('works for waiting and for managers’ bookings as well', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, bea, world.left, range('10:00', '12:00'));
    const entry = await call<Row>(db, alice, 'join_waitlist', wish(scene, 'w'));
    expect(await call(db, alice, 'join_waitlist', wish(scene, 'w'))).toEqual(entry);
    await refused(db, 'RSARG', alice, 'join_waitlist', wish(scene, 'w', { note: 'Please' }));
    const guest = wish(scene, 'g', { offering_id: world.right, name: 'G', email: 'g@example.com' });
    const made = await call<Row>(db, world.manager, 'create_booking_for', guest);
    expect(await call(db, world.manager, 'create_booking_for', guest)).toEqual(made);
    await refused(db, 'RSARG', world.manager, 'create_booking_for', { ...guest, name: 'H' });
  });

  rule('has 1 to 200 characters', async (scene) => {
    const { db } = scene;
    const alice = await createUser(db, 'Alice');
    for (const key of ['', 'x'.repeat(201)]) {
      await refused(db, 'RSARG', alice, 'create_booking', wish(scene, key));
    }
    await call(db, alice, 'create_booking', wish(scene, 'x'.repeat(200)));
  });

  rule('is not needed: without one every request counts', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await call(db, alice, 'create_booking', wish(scene, null));
    await refused(db, 'RSFUL', alice, 'create_booking', wish(scene, null));
    const bea = await createUser(db, 'Bea');
    await join(db, bea, world.left, range('10:00', '12:00'));
  });
});
