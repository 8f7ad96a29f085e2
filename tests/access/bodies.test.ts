import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';

/** Functions with a statement that waits for a lock and then reads as of before it waited. */
async function lockersThatReadOn(db: TestDatabase): Promise<string[]> {
  const rows = await db.rows<{ name: string }>(
    `select p.oid::regprocedure::text as name from pg_proc p
     where p.pronamespace in ('app_public'::regnamespace, 'app_private'::regnamespace)
       and case p.prolang when (select l.oid from pg_language l where l.lanname = 'sql')
         then coalesce(nullif(p.prosrc, ''), pg_get_functiondef(p.oid)) ~ '\\mlock_\\w+\\('
         else p.prosrc ~ '(from|join|lateral)\\s+app_private\\.lock_' end
     order by 1`,
  );
  return rows.map(({ name }) => name);
}

describe('Function bodies', () => {
  // The fixtures are loaded without checking bodies, because functions call each other both ways.
  test('all compile, now that everything they name exists', () =>
    inTransaction(async (db) => {
      const functions = await db.rows<{ name: string; definition: string }>(
        `select p.oid::regprocedure::text as name, pg_get_functiondef(p.oid) as definition
         from pg_proc p where p.pronamespace in ('app_public'::regnamespace, 'app_private'::regnamespace)
           and p.prokind = 'f'
           -- The two that belong to the worker cannot be made again by anybody else.
           and p.proowner = 'reslot_owner'::regrole`,
      );
      expect(functions.length).toBeGreaterThan(100);
      await db.query('set local check_function_bodies = on');
      const broken: string[] = [];
      for (const { name, definition } of functions) {
        await db.query('savepoint body');
        await db.query(definition).catch(async (error: Error) => {
          broken.push(`${name}: ${error.message}`);
          await db.query('rollback to savepoint body');
        });
      }
      expect(broken).toEqual([]);
    }));

  test('that do not compile would be noticed', () =>
    inTransaction(async (db) => {
      const error = await db.fails(
        'create function app_private.broken() returns int language sql return app_private.missing()',
      );
      expect(error.code).toBe('42883');
    }));

  // A statement sees what was there when it began, also of the rows it then had to wait for.
  test('lock in a statement of its own', () =>
    inTransaction(async (db) => {
      expect(await lockersThatReadOn(db)).toEqual([]);
      await db.query(
        `create function app_private.too_late() returns bigint language sql as
           'select count(*) from app_private.lock_booking(null) b'`,
      );
      await db.query(
        `create function app_private.too_late_as_well() returns bigint language plpgsql as
           'begin return (select count(*) from app_private.lock_booking(null) b); end'`,
      );
      expect(await lockersThatReadOn(db)).toEqual([
        'app_private.too_late()',
        'app_private.too_late_as_well()',
      ]);
    }));
});
