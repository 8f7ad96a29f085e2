/** The job that removes files, and what a crash at any point of an upload or of the job leaves behind. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import type { JobContext } from '../../src/jobs.ts';
import { createMailTransport } from '../../src/mail/transport.ts';
import { directoryStorage } from '../../src/photos/directory.ts';
import type { PhotoStorage } from '../../src/photos/storage.ts';
import photoFilesRemove from '../../tasks/photo_files__remove.ts';
import { type ClonedDatabase, cloneDatabase, testDatabase } from '../support/database.ts';
import { call, createWorld } from '../support/factories.ts';
import { type Begun, createBegun, keepPhoto } from '../support/photos.ts';

const directory = mkdtempSync(join(tmpdir(), 'reslot-photo-files-'));
const storage = directoryStorage(directory);
const BYTES = Buffer.from('a photo');

let database: ClonedDatabase;
let worker: pg.Pool;
let owner: pg.Pool;
let begun: Begun;

beforeAll(async () => {
  database = await cloneDatabase();
  owner = database.pool('owner', 1);
  worker = database.pool('worker', 1);
  begun = await change(async (db) => createBegun(db, await createWorld(db), 'Anna'));
});
afterEach(() => owner.query('select app_private.set_clock(null)'));
afterAll(async () => {
  await database?.drop();
  rmSync(directory, { recursive: true, force: true });
});

async function change<T>(action: (db: ReturnType<typeof testDatabase>) => Promise<T>): Promise<T> {
  const client = await owner.connect();
  try {
    await client.query('begin');
    const result = await action(testDatabase(client));
    await client.query('commit');
    return result;
  } finally {
    client.release();
  }
}

const begin = () =>
  change((db) =>
    db.as({ role: 'reslot_user', userId: begun.service.user }, () =>
      db.value<string>('select app_private.begin_photo($1)', [begun.booking]),
    ),
  );
const keep = (file: string) => change((db) => keepPhoto(db, begun.service.user, file));

const laterBy = (time: string) =>
  owner.query(`select app_private.set_clock(clock_timestamp() + $1::interval)`, [time]);

const known = async () => {
  const { rows } = await owner.query('select count(*)::integer from app_private.photo_files');
  return rows[0]?.count as number;
};

async function runJob(photos: PhotoStorage = storage): Promise<void> {
  const services = {
    ...{ pool: worker, photos, mailFrom: 'reslot@example.org', publicUrl: 'http://localhost' },
    transport: createMailTransport({ smtpUrl: 'smtp://127.0.0.1:1' }),
  };
  // Of what a job is given this one uses nothing else.
  await photoFilesRemove({}, { services } as unknown as JobContext);
}

/** As if the process were killed there. */
class Killed extends Error {}

const killed = (): Promise<never> => Promise.reject(new Killed());

describe('A file that no photo uses', () => {
  const UPLOADS: [string, (file: string) => Promise<unknown>][] = [
    ['before anything was written', async () => undefined],
    ['after the file was written', (file) => storage.put(file, BYTES)],
  ];

  test.each(UPLOADS)('is removed, whatever crashed on the way: %s', async (_name, upload) => {
    const file = await begin();
    await upload(file);
    // Another may be on its way just now.
    await runJob();
    expect(await known()).toBe(1);
    await laterBy('61 minutes');
    await runJob();
    expect([await known(), await storage.get(file)]).toEqual([0, null]);
  });

  const REMOVALS: [string, PhotoStorage][] = [
    ['before the file was removed', { ...storage, remove: killed }],
    [
      'after the file was removed, before that was noted',
      { ...storage, remove: (id) => storage.remove(id).then(killed) },
    ],
  ];

  test.each(REMOVALS)('is removed by the next job if one dies %s', async (_name, dying) => {
    const file = await begin();
    await storage.put(file, BYTES);
    await keep(file);
    await change((db) => call(db, begun.service.user, 'remove_photo', { photo_id: file }));
    await expect(runJob(dying)).rejects.toThrow(Killed);
    expect(await known()).toBe(1);
    await runJob();
    expect([await known(), await storage.get(file)]).toEqual([0, null]);
  });

  test('that cannot be removed keeps no other', async () => {
    const files = [await begin(), await begin(), await begin()];
    await laterBy('61 minutes');
    const remove = (id: string) => (id === files[1] ? killed() : storage.remove(id));
    await expect(runJob({ ...storage, remove })).rejects.toThrow(Killed);
    expect(await known()).toBe(1);
    await runJob();
    expect(await known()).toBe(0);
  });
});

test('The file of a photo stays, however long', async () => {
  const file = await begin();
  await storage.put(file, BYTES);
  await keep(file);
  await laterBy('10 days');
  await runJob();
  expect(await storage.get(file)).toEqual(BYTES);
  expect(await known()).toBe(1);
});
