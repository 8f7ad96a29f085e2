/** The matrix beneath the API: what the roles of the database may, read from the catalogue and tried. */
import { expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import { createWorld } from '../support/factories.ts';
import { createScene } from './matrix/scene.ts';
import { checkColumns, checkExecute, checkFunction, signatures } from './matrix/sql.ts';

test('every role may execute the functions that are declared for it, and no other', () =>
  inTransaction(async (db) => {
    expect(await checkExecute(db)).toEqual([]);
  }));

test('every role may read and write the columns that are declared for it, and do nothing else', () =>
  inTransaction(async (db) => {
    expect(await checkColumns(db)).toEqual([]);
  }));

test(
  'every function for clients answers everybody as declared, also without the API',
  () =>
    inTransaction(async (db) => {
      await db.query('savepoint scene');
      const scene = await createScene(db, await createWorld(db));
      const findings: string[] = [];
      const functions = await signatures(db);
      for (const fn of functions) findings.push(...(await checkFunction(db, scene, fn)));
      expect(findings).toEqual([]);
      expect(functions.length).toBeGreaterThan(40);
      // The scene has rows that time alone would not make.
      await db.query('rollback to savepoint scene');
    }),
  120_000,
);
