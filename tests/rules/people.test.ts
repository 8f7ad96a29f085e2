import { describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  bookForGuest,
  createGuest,
  createUser,
  createWorld,
  HASH,
  mailsTo,
  openMail,
  openMails,
  scene,
} from './peopleWorld.ts';

const ANNA = 'anna@example.org';
const OTHER_HASH = HASH.replace('b', 'c');

const signUp = (db: TestDatabase, email: string, hash = HASH, name: string | null = null) =>
  db.query('select app_private.sign_up($1, $2, $3)', [email, hash, name]);
const userOf = (db: TestDatabase, email: string) =>
  db.one(
    `select u.*, s.password_hash from users u left join app_private.user_secrets s on s.user_id = u.id
     where u.email_normalised = $1`,
    [email],
  );
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

describe('signing up', () => {
  test('mails a link, and the account works only after it was followed', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, 'Anna@Example.org', HASH, 'Anna');
      expect(await userOf(db, ANNA)).toMatchObject({
        email: 'Anna@Example.org',
        email_verified_at: null,
        password_hash: null,
      });
      const { verify } = await openMail(db, ANNA, 'account_verify');
      await db.query('select app_private.verify_email($1)', [verify]);
      const user = await userOf(db, ANNA);
      expect(user.email_verified_at).not.toBeNull();
      expect(user.password_hash).toBe(HASH);
    }));

  test('tells the owner of an account by mail, and the caller nothing', () =>
    scene(async (db) => {
      await createWorld(db);
      await createUser(db, ANNA);
      const first = await db.query('select app_private.sign_up($1, $2)', [
        'ANNA@example.org',
        HASH,
      ]);
      const second = await db.query('select app_private.sign_up($1, $2)', [
        'new@example.org',
        HASH,
      ]);
      expect(first.rows).toEqual(second.rows);
      expect(await mailsTo(db, 'new@example.org')).toEqual(['account_verify']);
      expect(await mailsTo(db, ANNA)).toEqual(['account_exists']);
      const { magic, reset } = await openMail(db, ANNA, 'account_exists');
      await db.query(`select app_private.use_magic_link($1, ${hashOf('r')})`, [magic]);
      await db.query('select app_private.reset_password($1, $2)', [reset, OTHER_HASH]);
    }));

  test('before somebody else with their address gives nobody else a password', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, ANNA, OTHER_HASH, 'Mallory');
      await signUp(db, ANNA, HASH, 'Anna');
      const { verify } = await openMail(db, ANNA, 'account_verify');
      await db.query('select app_private.verify_email($1)', [verify]);
      expect(await userOf(db, ANNA)).toMatchObject({ password_hash: HASH, name: 'Anna' });
      expect(await db.value('select count(*) from app_private.pending_sign_ups')).toBe(0);
    }));

  test.each([
    ['no-address', null, null],
    ['a@b', null, null],
    [ANNA, 'two\nlines', null],
    [ANNA, null, 'English please'],
  ])('refuses %j with name %j and language %j', (email, name, locale) =>
    scene(async (db) => {
      await createWorld(db);
      const error = await db.fails('select app_private.sign_up($1, $2, $3, $4)', [
        email,
        HASH,
        name,
        locale,
      ]);
      expect(error.code).toBe('RSARG');
    }),
  );

  test('in the name of an organisation that does not exist is refused', () =>
    scene(async (db) => {
      await createWorld(db);
      const sql = `select app_private.sign_up($1, $2, organization_slug => 'none')`;
      expect((await db.fails(sql, [ANNA, HASH])).code).toBe('RSNTF');
    }));

  test('again and again fills no inbox: five mails an hour', () =>
    scene(async (db) => {
      await createWorld(db);
      for (let n = 0; n < 8; n++) await signUp(db, ANNA);
      expect(await mailsTo(db, ANNA)).toHaveLength(5);
    }));

  test('without proof of the address leaves nothing behind after 30 days', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, ANNA);
      await createUser(db, 'proven@example.org');
      await db.setClock(new Date(Date.now() + 31 * 86_400_000));
      expect(await db.value('select app_private.clean_up_accounts()')).toBe(1);
      expect(await db.rows('select email from users')).toEqual([{ email: 'proven@example.org' }]);
      expect(await mailsTo(db, ANNA)).toEqual([]);
    }));
});

describe('a link that proves an address', () => {
  test('works once', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, ANNA);
      const { verify } = await openMail(db, ANNA, 'account_verify');
      await db.query('select app_private.verify_email($1)', [verify]);
      expect((await db.fails('select app_private.verify_email($1)', [verify])).code).toBe('RSEXP');
    }));

  test('does not do what another link is for', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, ANNA);
      const { verify } = await openMail(db, ANNA, 'account_verify');
      const reset = await db.fails('select app_private.reset_password($1, $2)', [verify, HASH]);
      const magic = await db.fails(`select app_private.use_magic_link($1, ${hashOf('r')})`, [
        verify,
      ]);
      expect([reset.code, magic.code]).toEqual(['RSEXP', 'RSEXP']);
    }));

  test('is over when its time has come', () =>
    scene(async (db) => {
      await createWorld(db);
      await signUp(db, ANNA);
      const { verify } = await openMail(db, ANNA, 'account_verify');
      await db.setClock(new Date(Date.now() + 8 * 86_400_000));
      expect((await db.fails('select app_private.verify_email($1)', [verify])).code).toBe('RSEXP');
    }));

  test('to sign in is mailed to accounts only, and signs in', () =>
    scene(async (db) => {
      await createWorld(db);
      const id = await createUser(db, ANNA);
      for (const email of [ANNA, 'nobody@example.org']) {
        await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [
          email,
        ]);
      }
      expect(await db.value('select count(*) from deliveries')).toBe(1);
      const { magic } = await openMail(db, ANNA, 'account_magic_link');
      const use = `select * from app_private.use_magic_link($1, ${hashOf('refresh')})`;
      expect(await db.one(use, [magic])).toMatchObject({ outcome: 'ok', user_id: id });
      expect((await db.fails(use, [magic])).code).toBe('RSEXP');
    }));

  test('to choose a new password ends all sessions, all other links, and the wait after failures', () =>
    scene(async (db) => {
      await createWorld(db);
      const id = await createUser(db, ANNA);
      await db.query(`select app_private.open_session($1, ${hashOf('s')})`, [id]);
      await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [ANNA]);
      await db.query(`select app_private.request_account_link($1, 'account_reset')`, [ANNA]);
      const mails = await openMails(db, ANNA);
      const magic = mails.account_magic_link?.magic;
      const reset = mails.account_reset?.reset;
      expect(await tryToSignIn(db, ANNA, 6)).toBe(30);
      await db.query('select app_private.reset_password($1, $2)', [reset, OTHER_HASH]);
      expect(await userOf(db, ANNA)).toMatchObject({ password_hash: OTHER_HASH });
      expect(await tryToSignIn(db, ANNA)).toBeNull();
      const old = await db.one(
        `select * from app_private.rotate_session(${hashOf('s')}, ${hashOf('t')})`,
      );
      expect(old.outcome).toBe('over');
      const other = await db.fails(`select app_private.use_magic_link($1, ${hashOf('r')})`, [
        magic,
      ]);
      expect(other.code).toBe('RSEXP');
    }));
});

describe('guests who lost their links', () => {
  test('get them by mail, three times an hour, and strangers get nothing', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      await bookForGuest(world, 'Guest@example.org');
      await openMail(db, 'guest@example.org', 'booking_received');
      for (let n = 0; n < 5; n++) {
        const answers = [];
        for (const email of ['guest@example.org', 'nobody@example.org']) {
          const { rows } = await db.query('select app_private.send_links_again($1)', [email]);
          answers.push(rows);
        }
        expect(answers[0]).toEqual(answers[1]);
      }
      expect(await mailsTo(db, 'guest@example.org')).toEqual(Array(3).fill('links_again'));
      expect(await mailsTo(db, 'nobody@example.org')).toEqual([]);
    }));

  test('hear that there is nothing only if there is nothing anywhere', () =>
    scene(async (db) => {
      const first = await createWorld(db, 'first');
      const second = await createWorld(db, 'second');
      await createGuest(first, ANNA);
      await bookForGuest(second, ANNA);
      await db.query('select app_private.send_links_again($1)', [ANNA]);
      const told = await db.rows(
        `select organization_id from notifications where kind = 'links_again'`,
      );
      expect(told).toEqual([{ organization_id: second.organizationId }]);
    }));

  test('get those of the organisation they name', () =>
    scene(async (db) => {
      const first = await createWorld(db, 'first');
      const second = await createWorld(db, 'second');
      await createGuest(first, ANNA);
      await createGuest(second, ANNA);
      await db.query(`select app_private.send_links_again($1, 'second')`, [ANNA]);
      const owed = await db.rows('select organization_id from notifications');
      expect(owed).toEqual([{ organization_id: second.organizationId }]);
    }));
});

describe('people functions for the server', () => {
  test('can be called by nobody who comes through the API', () =>
    scene(async (db) => {
      const rows = await db.rows(
        `select p.oid::regprocedure::text as name, r.rolname
         from pg_proc p, pg_roles r
         where p.pronamespace = 'app_private'::regnamespace
           and p.proname in ('sign_up', 'verify_email', 'begin_sign_in', 'begin_password_check', 'finish_sign_in',
             'rotate_session', 'sign_out', 'sign_out_everywhere', 'session_role', 'request_account_link',
             'use_magic_link', 'reset_password', 'change_password', 'send_links_again')
           and r.rolname in ('reslot_anonymous', 'reslot_user', 'reslot_admin', 'reslot_worker')
           and has_function_privilege(r.oid, p.oid, 'execute')`,
      );
      expect(rows).toEqual([]);
    }));
});
