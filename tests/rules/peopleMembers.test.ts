import { describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { addMember, createUser, createWorld, scene, type World } from './peopleWorld.ts';

const ANNA = 'anna@example.org';
const BEN = 'ben@example.org';

const asUser = <T>(db: TestDatabase, userId: string, action: () => Promise<T>) =>
  db.as({ role: 'reslot_user', userId }, action);
describe('members', () => {
  const set = (world: World, owner: string, args: unknown[], more = '') =>
    asUser(world.db, owner, () =>
      world.db.value<string>(`select id from set_member($1, $2, $3 ${more})`, [
        world.organizationId,
        ...args,
      ]),
    );

  test('are made, changed and removed by owners', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const ben = await createUser(db, BEN);
      await addMember(world, anna, 'owner');
      const id = await set(
        world,
        anna,
        [BEN.toUpperCase(), 'manager', false, [world.offeringId]],
        ', $4, $5',
      );
      expect(
        await asUser(db, ben, () => db.rows('select app_private.managed_offering_ids()')),
      ).toHaveLength(1);
      const list = await asUser(db, anna, () =>
        db.rows('select email, role, all_offerings, offering_ids from members($1)', [
          world.organizationId,
        ]),
      );
      expect(list).toEqual([
        { email: ANNA, role: 'owner', all_offerings: true, offering_ids: [] },
        { email: BEN, role: 'manager', all_offerings: false, offering_ids: [world.offeringId] },
      ]);
      expect(await set(world, anna, [BEN, 'provider'])).toBe(id);
      await asUser(db, anna, () => db.query('select remove_member($1)', [id]));
      expect(await db.value('select count(*) from memberships')).toBe(1);
    }));

  test('get no more than the offerings that are named', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const ben = await createUser(db, BEN);
      await addMember(world, anna, 'owner');
      const named = `role => 'manager', offering_ids => array[$3::uuid]`;
      const call = (more: string, email: string) =>
        `select all_offerings from set_member(organization_id => $1, email => '${email}', ${more})`;
      await asUser(db, anna, async () => {
        const args = [world.organizationId, world.offeringId];
        const text = call(named, BEN).replace('$3', '$2');
        expect(await db.value(text, args)).toBe(false);
        for (const more of [`${named}, all_offerings => true`, named.replace('manager', 'owner')]) {
          const failure = await db.fails(call(more, BEN).replace('$3', '$2'), args);
          expect(failure.code).toBe('RSARG');
        }
      });
      expect(
        await asUser(db, ben, () => db.rows('select app_private.managed_offering_ids()')),
      ).toHaveLength(1);
    }));

  test('cannot be the business of anybody else', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const ben = await createUser(db, BEN);
      const owner = await addMember(world, anna, 'owner');
      await addMember(world, ben, 'manager');
      const errors = await asUser(db, ben, async () => [
        await db.fails(`select set_member($1, $2, 'owner')`, [world.organizationId, BEN]),
        await db.fails('select remove_member($1)', [owner]),
      ]);
      expect(errors.map(({ code }) => code)).toEqual(['RSNTF', 'RSNTF']);
    }));

  test('need a verified account', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      await createUser(db, BEN);
      await db.query('update users set email_verified_at = null where email = $1', [BEN]);
      await addMember(world, anna, 'owner');
      for (const email of [BEN, 'nobody@example.org']) {
        const error = await asUser(db, anna, () =>
          db.fails(`select set_member($1, $2, 'manager')`, [world.organizationId, email]),
        );
        expect(error.code).toBe('RSNTF');
      }
    }));

  test('of named offerings need offerings of the organisation', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const other = await createWorld(db, 'other');
      const anna = await createUser(db, ANNA);
      await addMember(world, anna, 'owner');
      const fails = (offerings: string[]) =>
        asUser(db, anna, () =>
          db.fails(`select set_member($1, $2, 'manager', false, $3)`, [
            world.organizationId,
            ANNA,
            offerings,
          ]),
        );
      expect((await fails([])).code).toBe('RSARG');
      await createUser(db, BEN);
      const error = await asUser(db, anna, () =>
        db.fails(`select set_member($1, $2, 'manager', false, $3)`, [
          world.organizationId,
          BEN,
          [world.offeringId, other.offeringId],
        ]),
      );
      expect(error.code).toBe('RSNTF');
    }));

  test('include one owner at all times', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const ben = await createUser(db, BEN);
      const owner = await addMember(world, anna, 'owner');
      const remove = () => asUser(db, anna, () => db.fails('select remove_member($1)', [owner]));
      const demote = () =>
        asUser(db, anna, () =>
          db.fails(`select set_member($1, $2, 'manager')`, [world.organizationId, ANNA]),
        );
      expect([(await remove()).code, (await demote()).code]).toEqual(['RSSTA', 'RSSTA']);
      await addMember(world, ben, 'owner');
      await db.query('update users set deactivated_at = app_private.clock() where id = $1', [ben]);
      expect([(await remove()).code, (await demote()).code]).toEqual(['RSSTA', 'RSSTA']);
      await db.query('update users set deactivated_at = null');
      await asUser(db, anna, () => db.query('select remove_member($1)', [owner]));
    }));

  test('may give up their own role', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const ben = await createUser(db, BEN);
      const id = await addMember(world, ben, 'provider');
      await asUser(db, ben, () => db.query('select remove_member($1)', [id]));
      expect(await db.value('select count(*) from memberships')).toBe(0);
    }));
});

describe('operators', () => {
  test('are made in psql by operators, and by nobody over the API', () =>
    scene(async (db) => {
      const anna = await createUser(db, ANNA);
      const denied = await asUser(db, anna, () =>
        db.fails('select app_private.make_admin($1)', [ANNA]),
      );
      expect(denied.code).toBe('42501');
      await db.as({ role: 'reslot_admin' }, () =>
        db.query('select app_private.make_admin($1)', [ANNA]),
      );
      expect(await db.value('select is_admin from users')).toBe(true);
      expect((await db.fails('select app_private.make_admin($1)', [BEN])).code).toBe('RSNTF');
    }));
});
