import { describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { createUser, HASH, scene } from './peopleWorld.ts';

const ANNA = 'anna@example.org';
const OTHER_HASH = HASH.replace('b', 'c');

const hashOf = (text: string) => `sha256(convert_to('${text}', 'UTF8'))`;

/** Begins so many sign-ins; out come the seconds the last one has to wait. */
async function tryToSignIn(db: TestDatabase, email: string, times = 1): Promise<number | null> {
  let retryAfter: number | null = null;
  for (let n = 0; n < times; n++) {
    const check = await db.one('select * from app_private.begin_sign_in($1)', [email]);
    retryAfter = check.retry_after;
  }
  return retryAfter;
}

describe('the sign-in limiter', () => {
  test('lets five attempts pass, then doubles the wait from 30 seconds to an hour', () =>
    scene(async (db) => {
      await createUser(db, ANNA);
      const start = Date.now();
      let now = start;
      await db.setClock(new Date(now));
      expect(await tryToSignIn(db, ANNA, 5)).toBeNull();
      const waits: number[] = [];
      for (let n = 0; n < 9; n++) {
        const wait = await tryToSignIn(db, ANNA);
        if (wait === null) throw new Error('not locked');
        waits.push(wait);
        now += wait * 1000;
        await db.setClock(new Date(now));
        expect(await tryToSignIn(db, ANNA)).toBeNull();
      }
      expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }));

  test('treats an address nobody has in the same way', () =>
    scene(async (db) => {
      await createUser(db, ANNA);
      await db.setClock(new Date());
      const known = [await tryToSignIn(db, ANNA, 5), await tryToSignIn(db, ANNA)];
      const unknown = [
        await tryToSignIn(db, 'nobody@example.org', 5),
        await tryToSignIn(db, 'nobody@example.org'),
      ];
      expect(unknown).toEqual(known);
    }));

  test('counts one address however it is written', () =>
    scene(async (db) => {
      await createUser(db, ANNA);
      for (const email of [ANNA, 'ANNA@example.org', ' anna@EXAMPLE.org ', ANNA, ANNA]) {
        expect(await tryToSignIn(db, email)).toBeNull();
      }
      expect(await tryToSignIn(db, 'Anna@Example.Org')).toBeGreaterThan(0);
    }));

  test('is not made longer by attempts during the wait, and forgets after success', () =>
    scene(async (db) => {
      const id = await createUser(db, ANNA);
      await db.setClock(new Date());
      await tryToSignIn(db, ANNA, 5);
      expect(await tryToSignIn(db, ANNA, 50)).toBe(30);
      await db.setClock(new Date(Date.now() + 31_000));
      await tryToSignIn(db, ANNA);
      await db.query(`select app_private.finish_sign_in($1, $2, ${hashOf('s')})`, [id, HASH]);
      expect(await tryToSignIn(db, ANNA, 5)).toBeNull();
    }));

  test.each([
    ['unverified', 'email_verified_at = null'],
    ['deactivated', 'deactivated_at = app_private.clock()'],
  ])('gives no hash of an account that is %s', (_state, change) =>
    scene(async (db) => {
      await createUser(db, ANNA);
      await db.query(`update users set ${change}`);
      expect(await db.one('select * from app_private.begin_sign_in($1)', [ANNA])).toEqual({
        retry_after: null,
        user_id: null,
        password_hash: null,
      });
    }),
  );

  test('opens no session if the password was changed while it was compared', () =>
    scene(async (db) => {
      const id = await createUser(db, ANNA);
      await db.query('update app_private.user_secrets set password_hash = $1', [OTHER_HASH]);
      const sql = `select app_private.finish_sign_in($1, $2, ${hashOf('s')})`;
      expect((await db.fails(sql, [id, HASH])).code).toBe('RSCRD');
    }));
});

describe('a session', () => {
  const rotate = (db: TestDatabase, token: string, successor: string) =>
    db.one(`select * from app_private.rotate_session(${hashOf(token)}, ${hashOf(successor)})`);

  const open = async (db: TestDatabase) => {
    const id = await createUser(db, ANNA);
    await db.setClock(new Date());
    const session = await db.one(`select * from app_private.open_session($1, ${hashOf('a')})`, [
      id,
    ]);
    return { id, sessionId: session.session_id as string };
  };
  const roleOf = (db: TestDatabase, id: string, sessionId: string) =>
    db.value('select app_private.session_role($1, $2)', [id, sessionId]);

  test('is continued by each refresh token once', () =>
    scene(async (db) => {
      const { id, sessionId } = await open(db);
      expect(await rotate(db, 'a', 'b')).toEqual({
        outcome: 'ok',
        user_id: id,
        session_id: sessionId,
      });
      expect(await rotate(db, 'b', 'c')).toMatchObject({ outcome: 'ok', session_id: sessionId });
      expect(await roleOf(db, id, sessionId)).toBe('reslot_user');
    }));

  test('ends when a refresh token comes again later: somebody stole it', () =>
    scene(async (db) => {
      const { id, sessionId } = await open(db);
      await rotate(db, 'a', 'b');
      await db.setClock(new Date(Date.now() + 11_000));
      expect(await rotate(db, 'a', 'b')).toMatchObject({ outcome: 'over' });
      expect(await rotate(db, 'b', 'c')).toMatchObject({ outcome: 'over' });
      expect(await roleOf(db, id, sessionId)).toBeNull();
    }));

  test('gives two tabs that refresh at once the same successor, also when one is ahead', () =>
    scene(async (db) => {
      const { id } = await open(db);
      await rotate(db, 'a', 'b');
      expect(await rotate(db, 'a', 'b')).toMatchObject({ outcome: 'ok', user_id: id });
      expect(await db.value('select count(*) from app_private.refresh_tokens')).toBe(2);
      await rotate(db, 'b', 'c');
      expect(await rotate(db, 'a', 'b')).toMatchObject({ outcome: 'again' });
      expect(await rotate(db, 'b', 'c')).toMatchObject({ outcome: 'ok' });
      expect(await db.value('select count(*) from app_private.refresh_tokens')).toBe(3);
    }));

  test('lasts 30 days without use', () =>
    scene(async (db) => {
      await open(db);
      await db.setClock(new Date(Date.now() + 30.1 * 86_400_000));
      expect(await rotate(db, 'a', 'b')).toMatchObject({ outcome: 'over' });
    }));

  test('of a token nobody issued there is none', () =>
    scene(async (db) => {
      await open(db);
      expect(await rotate(db, 'made up', 'b')).toMatchObject({ outcome: 'over' });
    }));

  test('ends by signing out, and the others stay', () =>
    scene(async (db) => {
      const { id, sessionId } = await open(db);
      const other = await db.one(`select * from app_private.open_session($1, ${hashOf('x')})`, [
        id,
      ]);
      await db.query(`select app_private.sign_out(${hashOf('a')})`);
      expect(await roleOf(db, id, sessionId)).toBeNull();
      expect(await roleOf(db, id, other.session_id)).toBe('reslot_user');
      await db.query('select app_private.sign_out_everywhere($1)', [id]);
      expect(await roleOf(db, id, other.session_id)).toBeNull();
    }));

  test('of a user who became admin acts as admin, of one deactivated as nobody', () =>
    scene(async (db) => {
      const { id, sessionId } = await open(db);
      await db.query('select app_private.make_admin($1)', [ANNA]);
      expect(await roleOf(db, id, sessionId)).toBe('reslot_admin');
      await db.query('select app_private.unmake_admin($1)', [ANNA]);
      await db.query('update users set deactivated_at = app_private.clock()');
      expect(await roleOf(db, id, sessionId)).toBeNull();
    }));

  test('survives a change of password in its own place only', () =>
    scene(async (db) => {
      const { id, sessionId } = await open(db);
      const other = await db.one(`select * from app_private.open_session($1, ${hashOf('x')})`, [
        id,
      ]);
      await db.query('select app_private.change_password($1, $2, $3, $4)', [
        id,
        HASH,
        OTHER_HASH,
        sessionId,
      ]);
      expect(await roleOf(db, id, sessionId)).toBe('reslot_user');
      expect(await roleOf(db, id, other.session_id)).toBeNull();
    }));
});
