import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ClonedDatabase, cloneDatabase, inTransaction } from '../support/database.ts';

describe('a test in a transaction', () => {
  test('runs as the owner, who is no superuser', async () => {
    await inTransaction(async (db) => {
      expect(await db.value('select current_user::text')).toBe('reslot_owner');
      expect(await db.value('select current_setting($1)', ['is_superuser'])).toBe('off');
    });
  });

  test('acts as somebody else and comes back, also after an error', async () => {
    await inTransaction(async (db) => {
      const who = () =>
        db.one(`select current_user::text as role, current_setting('reslot.user_id', true) as id`);
      const asUser = await db.as({ role: 'reslot_user', userId: 'u1' }, who);
      expect(asUser).toEqual({ role: 'reslot_user', id: 'u1' });
      expect(await who()).toEqual({ role: 'reslot_owner', id: '' });
      const failing = db.as({ role: 'reslot_user', userId: 'u1' }, () => db.query('select 1/0'));
      await expect(failing).rejects.toThrow('division by zero');
      expect((await who()).role).toBe('reslot_owner');
    });
  });

  test('gives the error of a statement and goes on', async () => {
    await inTransaction(async (db) => {
      const error = await db.fails('select 1/0');
      expect(error.code).toBe('22012');
      expect(await db.value('select 1')).toBe(1);
      await expect(db.fails('select 1')).rejects.toThrow('succeeded');
    });
  });

  test('leaves nothing behind', async () => {
    const create = () =>
      inTransaction((db) => db.query('create schema left_behind; create table left_behind.t ()'));
    await create();
    await create();
  });
});

describe('a cloned database', () => {
  let database: ClonedDatabase;
  beforeAll(async () => {
    database = await cloneDatabase();
  });
  afterAll(() => database.drop());

  test.each([
    ['owner', 'reslot_owner'],
    ['app', 'reslot_app'],
    ['worker', 'reslot_worker'],
  ] as const)('is reached as %s', async (role, user) => {
    const { rows } = await database.pool(role).query('select current_user::text as user');
    expect(rows).toEqual([{ user }]);
  });

  test('has the queue, owned by the worker', async () => {
    const { rows } = await database
      .pool('admin')
      .query(
        `select nspowner::regrole::text as owner from pg_namespace where nspname = 'graphile_worker'`,
      );
    expect(rows).toEqual([{ owner: 'reslot_worker' }]);
  });

  test('lets the API login become a caller, and nothing more', async () => {
    const pool = database.pool('app');
    const { rows } = await pool.query(
      `select array_agg(r order by r) as can from unnest(array['reslot_owner', 'reslot_worker',
         'reslot_anonymous', 'reslot_user', 'reslot_admin']) as r where pg_has_role(r, 'set')`,
    );
    expect(rows[0].can).toEqual(['reslot_admin', 'reslot_anonymous', 'reslot_user']);
  });
});
