import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { dumpSchema } from '../../src/database/dumpSchema.ts';
import { MIGRATIONS_FOLDER, prepareDatabase } from '../../src/database/migrate.ts';
import { derivePasswords } from '../../src/database/roles.ts';
import { cloneDatabase, createEmptyDatabase } from '../support/database.ts';

/** The first lines that only one of two texts has. */
function differences(actual: string, expected: string): string[] {
  const [left, right] = [actual.split('\n'), expected.split('\n')];
  const only = (sign: string, these: string[], those: string[]) =>
    these.filter((line) => !those.includes(line)).map((line) => `${sign} ${line}`);
  const found = [...only('+', left, right), ...only('-', right, left)];
  if (found.length === 0 && actual !== expected) return ['the same lines in another order'];
  return found.slice(0, 20);
}

/** What the migrations that users run make of an empty database. */
let made: string;

beforeAll(async () => {
  const database = await cloneDatabase();
  made = await dumpSchema(database.pool('admin', 1));
  await database.drop();
});

describe('the schema', () => {
  test('is the one written down in schema/schema.sql (npm run schema writes it)', async () => {
    const written = await readFile(new URL('../../schema/schema.sql', import.meta.url), 'utf8');
    expect(differences(made, written)).toEqual([]);
  });

  test('describes tables, rights, policies and functions', () => {
    for (const text of ['create table app_public.bookings', 'create policy', 'grant select']) {
      expect(made).toContain(text);
    }
    expect(made).toContain('CREATE OR REPLACE FUNCTION app_private.clock()');
  });
});

describe('the recorded migrations', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'reslot-fixtures-'));
    await mkdir(join(folder, 'committed'));
    await cp(join(MIGRATIONS_FOLDER, 'fixtures'), join(folder, 'fixtures'), { recursive: true });
    await writeFile(join(folder, 'current.sql'), '--! include all.sql\n');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('lead to the same database as the fixtures, which are what one reads', async () => {
    const database = await createEmptyDatabase();
    await prepareDatabase({
      adminUrl: database.url('admin'),
      passwords: derivePasswords(process.env.RESLOT_TEST_SECRET_KEY ?? ''),
      current: true,
      migrationsFolder: folder,
    });
    const fixtures = await dumpSchema(database.pool('admin', 1));
    await database.drop();
    expect(differences(fixtures, made)).toEqual([]);
  });
});
