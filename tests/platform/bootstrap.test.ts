import { describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { withScratchCluster } from '../../src/database/commitMigration.ts';
import { assertServerVersion, prepareDatabase } from '../../src/database/migrate.ts';
import { urlFor } from '../../src/database/pools.ts';
import { derivePasswords, scramVerifier } from '../../src/database/roles.ts';
import { cloneDatabase } from '../support/database.ts';

const passwords = derivePasswords(process.env.RESLOT_TEST_SECRET_KEY ?? '');

describe('preparing a database', () => {
  test('refuses a PostgreSQL that is too old, in words', () => {
    expect(() => assertServerVersion(170_006, '17.6')).toThrow(
      'Reslot needs PostgreSQL 18 or newer, and DATABASE_URL leads to version 17.6.',
    );
    expect(() => assertServerVersion(180_000, '18.0')).not.toThrow();
  });

  test('says where it looked when there is no database, and not the password', async () => {
    const adminUrl = 'postgres://somebody:hunter2@127.0.0.1:1/nowhere';
    const attempt = prepareDatabase({ adminUrl, passwords, current: false });
    await expect(attempt).rejects.toThrow('The database nowhere at 127.0.0.1:1 cannot be reached');
    await expect(attempt).rejects.not.toThrow('hunter2');
  });

  test('may be done again, and by several at once', async () => {
    const database = await cloneDatabase();
    const adminUrl = database.url('admin');
    const prepare = () => prepareDatabase({ adminUrl, passwords, current: true });
    await Promise.all([prepare(), prepare(), prepare()]);
    await prepare();
    await database.drop();
  });

  test('may be done for several databases of one server at once', async () => {
    const databases = await Promise.all([cloneDatabase(), cloneDatabase(), cloneDatabase()]);
    await Promise.all(
      databases.map((database) =>
        prepareDatabase({ adminUrl: database.url('admin'), passwords, current: true }),
      ),
    );
    await Promise.all(databases.map((database) => database.drop()));
  });

  test('works for an administrator who is no superuser, as hosted databases have them', async () => {
    await withScratchCluster(async (cluster) => {
      const root = new pg.Client({ connectionString: cluster.url() });
      await root.connect();
      await root.query("create role operator login createrole password 'operator'");
      await root.query('create database hosted owner operator');
      await root.end();
      const adminUrl = `postgres://operator:operator@127.0.0.1:${cluster.port}/hosted`;
      await prepareDatabase({ adminUrl, passwords, current: true });
      await prepareDatabase({ adminUrl, passwords, current: true });
      const app = new pg.Client({
        connectionString: urlFor(adminUrl, 'reslot_app', passwords.app),
      });
      await app.connect();
      expect((await app.query('select app_private.dispatch() as done')).rows).toEqual([
        { done: 0 },
      ]);
      await app.end();
    });
  });

  test('says whom it takes when the user may not do it, as after somebody else has done it', async () => {
    await withScratchCluster(async (cluster) => {
      const adminUrl = cluster.url();
      await prepareDatabase({ adminUrl, passwords, current: true });
      const root = new pg.Client({ connectionString: adminUrl });
      await root.connect();
      await root.query("create role another login createrole password 'another'");
      await root.query('create database theirs owner another');
      await root.end();
      const attempt = prepareDatabase({
        adminUrl: `postgres://another:another@127.0.0.1:${cluster.port}/theirs`,
        passwords,
        current: true,
      });
      await expect(attempt).rejects.toThrow(
        'The user another of DATABASE_URL may not prepare the database (permission denied to alter role). ' +
          'It takes a superuser, or the user who made the roles of Reslot on this server and may create extensions.',
      );
    });
  });

  test('has no query compiled: that takes longer than to run it', async () => {
    const database = await cloneDatabase();
    for (const role of ['app', 'worker'] as const) {
      expect((await database.pool(role).query('show jit')).rows).toEqual([{ jit: 'off' }]);
    }
    await database.drop();
  });

  test('keeps the passwords of the logins out of the statements', async () => {
    const database = await cloneDatabase();
    const { rows } = await database
      .pool('admin')
      .query(`select rolpassword as stored from pg_authid where rolname = 'reslot_app'`);
    expect(rows[0].stored).toBe(scramVerifier(passwords.app));
    const wrong = new pg.Client({
      connectionString: database.url('app').replace(passwords.app, passwords.worker),
    });
    await expect(wrong.connect()).rejects.toThrow('password authentication failed');
    await database.drop();
  });
});
