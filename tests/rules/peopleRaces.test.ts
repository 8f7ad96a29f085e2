/** Many at once, each with its control: with the protection taken out, the same race must be lost. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Pool } from 'pg';
import {
  type ClonedDatabase,
  checkInvariants,
  cloneDatabase,
  testDatabase,
} from '../support/database.ts';
import { createUser, createWorld, HASH, openMail } from './peopleWorld.ts';

const ANNA = 'anna@example.org';
const MANY = 10;

let database: ClonedDatabase;
let app: Pool;
let owner: Pool;
let anna: string;

beforeEach(async () => {
  database = await cloneDatabase();
  app = database.pool('app', MANY);
  owner = database.pool('owner', 2);
  await asOwner(async (db) => {
    await createWorld(db);
    anna = await createUser(db, ANNA);
  });
});

afterEach(async () => {
  await checkInvariants(owner);
  await database.drop();
});

async function asOwner<T>(action: (db: ReturnType<typeof testDatabase>) => Promise<T>): Promise<T> {
  const client = await owner.connect();
  try {
    await client.query('begin');
    await client.query('set local search_path = app_public, app_private, public');
    const result = await action(testDatabase(client));
    await client.query('commit');
    return result;
  } finally {
    client.release();
  }
}

/** Changes the text of a function; a change that finds nothing to change is an error. */
async function rewrite(name: string, changes: [string, string][]): Promise<void> {
  const { rows } = await owner.query('select pg_get_functiondef($1::regprocedure) as text', [name]);
  let text: string = rows[0].text;
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`${name} does not contain: ${from}`);
    text = text.replace(from, to);
  }
  await owner.query(text);
}

/** Runs the same statement many times at once; out come the results of those that succeeded. */
async function atOnce(sql: string, values: unknown[] = []) {
  // Opening connections takes longer than what is to happen at once.
  const clients = await Promise.all(Array.from({ length: MANY }, () => app.connect()));
  for (const client of clients) client.release();
  const outcomes = await Promise.allSettled(
    Array.from({ length: MANY }, (_, n) => app.query(sql.replaceAll('#', String(n)), values)),
  );
  return outcomes.flatMap((o) => (o.status === 'fulfilled' ? [o.value.rows[0]] : []));
}

describe('many sign-ins at once', () => {
  const compared = async () => {
    const checks = await atOnce('select * from app_private.begin_sign_in($1)', [ANNA]);
    expect(checks).toHaveLength(MANY);
    return checks.filter((check) => check.retry_after === null).length;
  };
  const slowly: [string, string] = [
    'v_now := app_private.clock();',
    'v_now := app_private.clock(); perform pg_sleep(0.5);',
  ];

  test('compare five passwords and no more', async () => {
    await rewrite('app_private.count_attempt(text)', [slowly]);
    expect(await compared()).toBe(5);
  });

  test('would compare more without the lock', async () => {
    await rewrite('app_private.count_attempt(text)', [
      slowly,
      ['do update set address_hash = excluded.address_hash', 'do nothing'],
      ['returning * into v_attempts;', '; select * into v_attempts from sign_in_attempts;'],
    ]);
    await app.query('select app_private.begin_sign_in($1)', [ANNA]);
    expect(await compared()).toBeGreaterThan(5);
  });
});

describe('one link followed many times at once', () => {
  const signedIn = async () => {
    const magic = await asOwner(async (db) => {
      await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [ANNA]);
      return (await openMail(db, ANNA, 'account_magic_link')).magic;
    });
    const sql = `select * from app_private.use_magic_link($1, sha256('#'))`;
    return (await atOnce(sql, [magic])).length;
  };
  const slowly: [string, string] = ['begin\n', 'begin\n perform pg_sleep(0.5);\n'];

  test('signs in once', async () => {
    await rewrite('app_private.use_account_link(text, app_private.link_action)', [slowly]);
    expect(await signedIn()).toBe(1);
  });

  test('would sign in more than once if it were only checked before', async () => {
    await rewrite('app_private.use_account_link(text, app_private.link_action)', [
      slowly,
      ['and t.used_at is null', ''],
    ]);
    expect(await signedIn()).toBeGreaterThan(1);
  });
});

describe('a refresh token used many times at once', () => {
  const open = () =>
    app.query(`select app_private.finish_sign_in($1, $2, sha256('a'))`, [anna, HASH]);
  const tokens = async (where = 'true') => {
    const { rows } = await owner.query(
      `select count(*)::int as count from app_private.refresh_tokens where ${where}`,
    );
    return rows[0].count;
  };

  test('has one successor', async () => {
    await open();
    const sessions = await atOnce(
      `select * from app_private.rotate_session(sha256('a'), sha256('b'))`,
    );
    expect(sessions.map(({ outcome }) => outcome)).toEqual(Array(MANY).fill('ok'));
    expect(await tokens()).toBe(2);
  });

  test('leaves no session behind when all are ended at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      await owner.query('delete from app_private.refresh_tokens');
      await open();
      await Promise.all([
        app.query(`select app_private.rotate_session(sha256('a'), sha256('b'))`),
        app.query('select app_private.sign_out_everywhere($1)', [anna]),
        app.query(`select app_private.rotate_session(sha256('a'), sha256('b'))`),
      ]);
      expect(await tokens('revoked_at is null')).toBe(0);
    }
  });
});

describe('one address signing up many times at once', () => {
  test('makes one account and at most five mails', async () => {
    const answers = await atOnce(`select app_private.sign_up('new@example.org', $1)`, [HASH]);
    expect(answers).toHaveLength(MANY);
    const { rows } = await owner.query(
      `select (select count(*)::int from app_public.users where email = 'new@example.org') as accounts,
              (select count(*)::int from app_public.notifications) as mails`,
    );
    expect(rows).toEqual([{ accounts: 1, mails: 5 }]);
  });
});

describe('two owners who leave at the same moment', () => {
  test('do not leave the organisation without an owner', async () => {
    const ben = await asOwner(async (db) => {
      const id = await createUser(db, 'ben@example.org');
      await db.query(
        `insert into memberships (organization_id, user_id, role)
         select o.id, u.id, 'owner' from organizations o, users u`,
      );
      return id;
    });
    const leave = async (userId: string) => {
      const client = await app.connect();
      try {
        await client.query('begin');
        await client.query(`select set_config('role', 'reslot_user', true),
          set_config('reslot.user_id', '${userId}', true)`);
        await client.query('select app_public.deactivate_account()');
        await client.query('commit');
        return 'left';
      } catch (error) {
        await client.query('rollback');
        return (error as { code: string }).code;
      } finally {
        client.release();
      }
    };
    const outcomes = await Promise.all([leave(anna), leave(ben)]);
    expect(outcomes.toSorted()).toEqual(['RSSTA', 'left']);
  });
});
