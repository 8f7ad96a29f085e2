/** Bookings by what a person says at the desk. */
import { describe, expect } from '@jest/globals';
import { at, book, call, createMember, createUser, join, range } from '../support/factories.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { cancel, createUsers, refused, rule, type Scene } from './rule.ts';

/** The ids that a manager finds, by start. */
async function find({ db, world }: Scene, args: Record<string, unknown>, userId = world.manager) {
  const list = Object.keys(args).map((name, n) => `"${name}" => $${n + 1}`);
  const rows = await db.as({ role: 'reslot_user', userId }, () =>
    db.rows<{ id: string }>(
      `select id from app_public.find_bookings(${list.join(', ')})`,
      Object.values(args),
    ),
  );
  return rows.map(({ id }) => id);
}

async function desk(scene: Scene) {
  const { db, world } = scene;
  const tour = await createTour(db, world);
  const [ann, bob] = [
    await createUser(db, 'Ann Müller', { email: 'ann@example.org', phone: '+43 660 1234' }),
    await createUser(db, 'Bob 50%', { email: 'bob@example.com' }),
  ];
  const hall = await book(db, ann, world.left, range('08:00', '09:00'));
  const walk = await bookSlot(db, ann, tour, tour.slots[0]);
  const later = await book(db, bob, world.left, range('14:00', '15:00'));
  return { tour, ann, bob, hall, walk, later };
}

describe('find_bookings', () => {
  rule('finds by reference, name, address, number and purpose, however written', async (scene) => {
    const { db } = scene;
    const { ann, hall, walk, later } = await desk(scene);
    await call(db, ann, 'modify_booking', { booking_id: hall.id, purpose: 'Choir rehearsal' });
    expect(await find(scene, { text: hall.reference.toLowerCase() })).toEqual([hall.id]);
    expect(await find(scene, { text: 'MÜLLER' })).toEqual([hall.id, walk.id]);
    expect(await find(scene, { text: 'ann@example' })).toEqual([hall.id, walk.id]);
    expect(await find(scene, { text: '660 12' })).toEqual([hall.id, walk.id]);
    expect(await find(scene, { text: ' choir ' })).toEqual([hall.id]);
    expect(await find(scene, { text: '50%' })).toEqual([later.id]);
    expect(await find(scene, { text: '%' })).toEqual([later.id]);
    expect(await find(scene, { text: 'nobody' })).toEqual([]);
  });

  rule('finds by offering, status and start, in the order of the starts', async (scene) => {
    const { db, world } = scene;
    const { tour, ann, bob, hall, walk, later } = await desk(scene);
    expect(await find(scene, {})).toEqual([hall.id, walk.id, later.id]);
    expect(await find(scene, { offering_id: tour.offering })).toEqual([walk.id]);
    expect(await find(scene, { organization_id: world.organizationId, text: 'ann' })).toEqual([
      ...[hall.id, walk.id],
    ]);
    expect(await find(scene, { from: at('10:00', 1), to: at('14:00', 1) })).toEqual([walk.id]);
    // A hold is somebody's offer, and is shown to who asks for holds.
    await join(db, ann, world.left, range('14:00', '15:00'));
    await cancel(db, bob, later.id);
    expect(await find(scene, { status: 'cancelled' })).toEqual([later.id]);
    expect(await find(scene, { offering_id: world.left })).toEqual([hall.id, later.id]);
    expect(await find(scene, { status: 'held' })).toHaveLength(1);
  });

  rule('finds for managers what they manage, and for others nothing', async (scene) => {
    const { db, world } = scene;
    const { tour, ann, walk } = await desk(scene);
    const [kim] = await createUsers(db, 'Kim');
    await createMember(db, world.organizationId, kim, 'manager', [tour.offering]);
    expect(await find(scene, { text: 'ann' }, kim)).toEqual([walk.id]);
    expect(await find(scene, { text: 'ann' }, ann)).toEqual([]);
    await refused(db, 'RSARG', world.manager, 'find_bookings', { text: 'x'.repeat(201) });
  });
});
