import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';

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
});
