/** Where photos are kept: a directory, or storage that speaks S3. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { directoryStorage } from '../../src/photos/directory.ts';
import { s3Storage } from '../../src/photos/s3.ts';
import { type ObjectStorage, startObjectStorage } from '../support/objectStorage.ts';

const ID = '019363a0-0000-7000-8000-0000000000ab';
const OTHER = '019363a0-0000-7000-8000-0000000000ac';
const PHOTO = Buffer.from('a photo');

let s3: ObjectStorage;
const directory = mkdtempSync(join(tmpdir(), 'reslot-photos-'));

beforeAll(async () => {
  s3 = await startObjectStorage();
});
afterEach(() => {
  s3.requests.length = 0;
});
afterAll(async () => {
  await s3?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const STORAGES = [
  ['a directory', () => directoryStorage(join(directory, 'photos'))],
  ['S3', () => s3Storage(s3.settings)],
] as const;

describe.each(STORAGES)('%s', (_name, make) => {
  test('gives back what was put there, until it is removed', async () => {
    const storage = make();
    await storage.put(ID, PHOTO);
    expect(await storage.get(ID)).toEqual(PHOTO);
    expect(await storage.get(OTHER)).toBeNull();
    await storage.remove(ID);
    expect(await storage.get(ID)).toBeNull();
  });

  test('takes the same again, and removes what is not there', async () => {
    const storage = make();
    await storage.put(ID, PHOTO);
    await storage.put(ID, PHOTO);
    await storage.remove(ID);
    await storage.remove(ID);
    expect(await storage.get(ID)).toBeNull();
  });
});

describe('In a directory', () => {
  const place = join(directory, 'own');
  const path = join(place, 'ab', `${ID}.jpg`);

  test('a photo is readable by nobody else on the machine, and nothing lies beside it', async () => {
    await directoryStorage(place).put(ID, PHOTO);
    expect(await readdir(dirname(path))).toEqual([`${ID}.jpg`]);
    expect(await readFile(path)).toEqual(PHOTO);
    expect((await stat(path)).mode & 0o077).toBe(0);
    expect((await stat(dirname(path))).mode & 0o077).toBe(0);
  });

  test('what a crash left half written is no photo, and goes with the photo', async () => {
    const storage = directoryStorage(place);
    await storage.remove(ID);
    await writeFile(`${path}.part`, 'a ph');
    expect(await storage.get(ID)).toBeNull();
    await storage.remove(ID);
    expect(await readdir(dirname(path))).toEqual([]);
  });

  test('that cannot be written to, it is said', async () => {
    await writeFile(join(directory, 'a-file'), '');
    const storage = directoryStorage(join(directory, 'a-file'));
    await expect(storage.put(ID, PHOTO)).rejects.toThrow();
    await expect(storage.get(ID)).rejects.toThrow();
  });
});

describe('In S3', () => {
  test('it lies below the address of the bucket, as what it is', async () => {
    await s3Storage(s3.settings).put(ID, PHOTO);
    expect([...s3.objects.keys()]).toEqual([`/photos/${ID}.jpg`]);
    expect(s3.requests).toEqual([{ method: 'PUT', path: `/photos/${ID}.jpg`, type: 'image/jpeg' }]);
    s3.objects.clear();
  });

  test('a storage that stumbles is asked again, and one that goes on so is given up', async () => {
    const storage = s3Storage(s3.settings);
    s3.failWith.push(500, 503);
    await storage.put(ID, PHOTO);
    expect(s3.requests).toHaveLength(3);
    s3.failWith.push(500, 500, 500);
    await expect(storage.get(ID)).rejects.toThrow('The photo storage answered 500.');
    s3.objects.clear();
  });

  test('a wrong key is refused, said, and not tried again', async () => {
    const storage = s3Storage({ ...s3.settings, secretAccessKey: 'another' });
    await expect(storage.put(ID, PHOTO)).rejects.toThrow('The photo storage answered 403.');
    expect(s3.requests).toHaveLength(1);
    expect(s3.objects.size).toBe(0);
  });

  test('a bucket that is not there is an error, whatever is asked of it', async () => {
    const storage = s3Storage({ ...s3.settings, url: s3.settings.url.replace('photos', 'none') });
    for (const ask of [
      () => storage.put(ID, PHOTO),
      () => storage.get(ID),
      () => storage.remove(ID),
    ]) {
      await expect(ask()).rejects.toThrow('The photo storage answered 404.');
    }
  });

  test('one that cannot be reached is an error, and not that there is no photo', async () => {
    const gone = await startObjectStorage();
    await gone.stop();
    await expect(s3Storage(gone.settings).get(ID)).rejects.toThrow();
  });
});
