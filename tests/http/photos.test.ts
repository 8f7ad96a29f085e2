/** Photos over HTTP: what is taken, what is made of it, and who gets it. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { call } from '../support/factories.ts';
import { type Begun, createBegun } from '../support/photos.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

interface Photo {
  id: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
}

interface Got {
  status: number;
  headers: Headers;
  bytes: Buffer;
  /** Of a refusal. */
  code: string | undefined;
  photo: Photo;
}

let world: GraphqlWorld;
let begun: Begun;
let jpeg: Buffer;

const solid = (width: number, height: number) =>
  sharp({ create: { width, height, channels: 3, background: '#a33' } });

beforeAll(async () => {
  world = await createGraphqlWorld({ environment: { PHOTOS_MAX_MB: '1' } });
  begun = await world.change((db) => createBegun(db, world, 'Anna'));
  jpeg = await solid(300, 200).jpeg().toBuffer();
});
afterAll(() => world?.stop());

async function ask(path: string, userId?: string, init: RequestInit = {}): Promise<Got> {
  const authorization = userId && `Bearer ${await world.tokenFor(userId)}`;
  const response = await fetch(new URL(path, world.url), {
    ...init,
    headers: { ...(authorization && { authorization }), ...(init.headers as object) },
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const isJson = response.headers.get('content-type')?.startsWith('application/json');
  const body = isJson && bytes.length > 0 ? JSON.parse(bytes.toString()) : {};
  const { status, headers } = response;
  return { status, headers, bytes, code: body.errors?.[0]?.extensions.code, photo: body };
}

const send = (body: Buffer, type = 'image/jpeg', userId = begun.service.user) =>
  ask(`/bookings/${begun.booking}/photos`, userId, {
    method: 'POST',
    headers: { 'content-type': type },
    body: new Uint8Array(body),
  });

const remove = (id: string) =>
  world.ask(
    'mutation ($id: UUID!) { removePhoto(input: {photoId: $id}) { result { id } } }',
    { id },
    begun.service.user,
  );

const pathOf = (id: string) => join(world.config.photosDir, id.slice(-2), `${id}.jpg`);

const filesInStore = async () =>
  (await readdir(world.config.photosDir, { recursive: true, withFileTypes: true })).filter(
    (entry) => entry.isFile(),
  ).length;

describe('A photo', () => {
  test('is stored as a picture drawn anew, with its size, and told where it is', async () => {
    const { status, headers, photo } = await send(jpeg);
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/photos/${photo.id}`);
    expect(Object.keys(photo).sort()).toEqual(
      ['bytes', 'createdAt', 'height', 'id', 'sha256', 'width'].sort(),
    );
    const file = await readFile(pathOf(photo.id));
    expect(file.equals(jpeg)).toBe(false);
    expect([photo.width, photo.height, photo.bytes]).toEqual([300, 200, file.length]);
    expect(photo.sha256).toBe(createHash('sha256').update(file).digest('hex'));
    // Sent again, it is no second one.
    const again = await send(jpeg);
    expect([again.status, again.headers.get('location'), again.photo]).toEqual([
      ...[200, `/photos/${photo.id}`, photo],
    ]);
    await remove(photo.id);
  });

  test('says nothing any more of where, when and with what it was taken, and stands upright', async () => {
    const taken = await solid(300, 200)
      .withExif({
        IFD0: { Make: 'SecretCamera' },
        IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '48/1 12/1 30/1' },
      })
      .withXmp('<x:xmpmeta xmlns:x="adobe:ns:meta/"><who>SecretPerson</who></x:xmpmeta>')
      .withIccProfile('p3')
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer();
    expect(taken.includes('SecretCamera') && taken.includes('SecretPerson')).toBe(true);
    const { photo } = await send(taken);
    const file = await readFile(pathOf(photo.id));
    const { exif, xmp, icc, iptc, orientation } = await sharp(file).metadata();
    expect({ exif, xmp, icc, iptc, orientation }).toEqual({});
    for (const secret of ['SecretCamera', 'SecretPerson', 'GPS', 'Exif']) {
      expect(file.includes(secret)).toBe(false);
    }
    expect([photo.width, photo.height]).toEqual([200, 300]);
    await remove(photo.id);
  });

  test.each(['png', 'webp'] as const)(
    'is taken as %s as well, whatever it is called',
    async (kind) => {
      const { status, photo } = await send(await solid(40, 30)[kind]().toBuffer(), 'text/plain');
      expect(status).toBe(201);
      expect((await sharp(await readFile(pathOf(photo.id))).metadata()).format).toBe('jpeg');
      await remove(photo.id);
    },
  );

  test('that is very large becomes smaller', async () => {
    const { photo } = await send(await solid(5_120, 1_000).jpeg({ quality: 40 }).toBuffer());
    expect([photo.width, photo.height]).toEqual([2_560, 500]);
    await remove(photo.id);
  });

  test('loses what was hidden in its file: a page, an archive', async () => {
    const hidden = '<script>alert(1)</script>PK\u0003\u0004';
    const { status, photo } = await send(Buffer.concat([jpeg, Buffer.from(hidden)]));
    expect(status).toBe(201);
    const file = await readFile(pathOf(photo.id));
    expect(file.includes('script') || file.includes('PK\u0003\u0004')).toBe(false);
    expect(file.subarray(-2).toString('hex')).toBe('ffd9');
    await remove(photo.id);
  });
});

describe('What is no photo', () => {
  const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script/></svg>';
  const BAD: [string, () => Buffer | Promise<Buffer>][] = [
    ['nothing', () => Buffer.alloc(0)],
    ['a page', () => Buffer.from('<!doctype html><script>alert(1)</script>')],
    ['an SVG', () => Buffer.from(SVG)],
    ['a GIF', () => solid(9, 9).gif().toBuffer()],
    ['a TIFF', () => solid(9, 9).tiff().toBuffer()],
    ['half a photo', () => jpeg.subarray(0, jpeg.length / 2)],
    // Some kilobytes, and 64 million pixels.
    ['a bomb', () => solid(8_000, 8_000).png({ compressionLevel: 9 }).toBuffer()],
  ];

  test.each(BAD)(
    '%s is refused although its header says JPEG, and nothing is kept',
    async (_n, make) => {
      const before = await filesInStore();
      const { status, code } = await send(await make());
      expect([status, code]).toEqual([415, 'RSARG']);
      expect(await filesInStore()).toBe(before);
      const count = 'select count(*)::integer from app_public.booking_photos';
      expect(await world.change((db) => db.value(count))).toBe(0);
    },
  );

  test('too many bytes are refused before they are looked at', async () => {
    const { status, code } = await send(Buffer.alloc(1_000_001));
    expect([status, code]).toEqual([413, 'RSARG']);
  });

  test('a body that is compressed is refused: it could be any size', async () => {
    const sent = await ask(`/bookings/${begun.booking}/photos`, begun.service.user, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg', 'content-encoding': 'gzip' },
      body: new Uint8Array(jpeg),
    });
    expect(sent.status).toBe(415);
  });
});

describe('Who adds one', () => {
  const post = (path: string, userId?: string, headers: Record<string, string> = {}) =>
    ask(path, userId, { method: 'POST', body: new Uint8Array(jpeg), headers });

  test('is the provider, a manager or an admin; for others there is no such booking', async () => {
    const path = `/bookings/${begun.booking}/photos`;
    const other = await world.change((db) => createBegun(db, world, 'Bert'));
    const nothing = await post(`/bookings/${world.left}/photos`, begun.service.user);
    expect([nothing.status, nothing.code]).toEqual([404, 'RSNTF']);
    expect((await post('/bookings/nonsense/photos', world.manager)).status).toBe(404);
    for (const userId of [begun.customer, other.service.user, other.customer, world.stranger]) {
      const refused = await post(path, userId);
      expect(refused.status).toBe(404);
      expect(refused.bytes.equals(nothing.bytes)).toBe(true);
    }
    for (const userId of [world.manager, world.admin]) {
      const { status, photo } = await post(path, userId);
      expect(status).toBe(201);
      await remove(photo.id);
    }
  });

  test('is nobody without a token that counts', async () => {
    const path = `/bookings/${begun.booking}/photos`;
    for (const headers of [{}, { authorization: 'Bearer x' }] as Record<string, string>[]) {
      const refused = await post(path, undefined, headers);
      expect([refused.status, refused.code]).toEqual([401, 'RSAUT']);
    }
  });

  test('cannot add more than the policy says', async () => {
    const full = await world.change(async (db) => {
      const made = await createBegun(db, world, 'Cleo');
      await db.query(
        `with v as (
           insert into app_public.policy_versions (organization_id, policy_id, version, max_photos)
           select organization_id, policy_id, 99, 1 from app_public.policy_versions where policy_id = $2 limit 1
           returning id)
         update app_public.bookings b set policy_version_id = v.id from v where b.id = $1`,
        [made.booking, world.policyId],
      );
      return made;
    });
    const path = `/bookings/${full.booking}/photos`;
    expect((await post(path, full.service.user)).status).toBe(201);
    const second = await post(path, full.service.user);
    expect([second.status, second.code]).toEqual([409, 'RSLIM']);
  });
});

describe('Who gets one', () => {
  let photo: Photo;
  let path: string;
  beforeAll(async () => {
    ({ photo } = await send(jpeg));
    path = `/photos/${photo.id}`;
  });

  test('is the customer, the provider, a manager, an admin', async () => {
    const file = await readFile(pathOf(photo.id));
    for (const userId of [begun.customer, begun.service.user, world.manager, world.admin]) {
      const { status, bytes } = await ask(path, userId);
      expect(status).toBe(200);
      expect(bytes.equals(file)).toBe(true);
    }
  });

  test('is nobody else: it looks as if it were not there', async () => {
    const other = await world.change((db) => createBegun(db, world, 'Dora'));
    const nothing = await ask(`/photos/${begun.booking}`, world.stranger);
    for (const userId of [world.stranger, other.customer, other.service.user]) {
      const refused = await ask(path, userId);
      expect([refused.status, refused.code]).toEqual([404, 'RSNTF']);
      expect(refused.bytes.equals(nothing.bytes)).toBe(true);
    }
    expect((await ask(path)).status).toBe(401);
    expect((await ask('/photos/nonsense', world.admin)).status).toBe(404);
  });

  test('is told that it is a picture, theirs alone, and whole', async () => {
    const { headers } = await ask(path, begun.customer, { headers: { range: 'bytes=0-9' } });
    expect(headers.get('content-type')).toBe('image/jpeg');
    expect(headers.get('content-length')).toBe(String(photo.bytes));
    expect(headers.get('cache-control')).toBe('private, no-cache');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-disposition')).toBe(`inline; filename="photo-${photo.id}.jpg"`);
    expect(headers.get('accept-ranges')).toBe('none');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  test('can ask for its size alone, and whether it is still the same', async () => {
    const head = await ask(path, begun.customer, { method: 'HEAD' });
    expect([head.status, head.bytes.length]).toEqual([200, 0]);
    expect(head.headers.get('content-length')).toBe(String(photo.bytes));
    // As a browser asks that has it already.
    const headers = { 'if-none-match': `"${photo.sha256}"`, 'cache-control': 'max-age=0' };
    expect((await ask(path, begun.customer, { headers })).status).toBe(304);
    // First whose it is.
    expect((await ask(path, world.stranger, { headers })).status).toBe(404);
  });

  test('sees in the API what there is', async () => {
    const document = `query ($id: UUID!) { booking(id: $id) { bookingPhotos { nodes { id width bytes } } } }`;
    const { data } = await world.ask(document, { id: begun.booking }, begun.customer);
    const { id, width, bytes } = photo;
    expect(data).toEqual({ booking: { bookingPhotos: { nodes: [{ id, width, bytes }] } } });
  });

  test('gets nothing if the file is gone or another', async () => {
    await rm(pathOf(photo.id));
    const { status, code, headers } = await ask(path, begun.customer);
    expect([status, code]).toEqual([404, 'RSNTF']);
    expect(headers.get('content-type')).toContain('application/json');
  });
});

test('Deleted by its provider, a photo is there for nobody any more', async () => {
  const { photo } = await send(jpeg);
  expect((await remove(photo.id)).data).toEqual({ removePhoto: { result: { id: photo.id } } });
  expect((await ask(`/photos/${photo.id}`, begun.service.user)).status).toBe(404);
  await world.change((db) =>
    call(db, begun.service.user, 'complete_booking', { booking_id: begun.booking }),
  );
  const { status, code } = await send(jpeg);
  expect([status, code]).toEqual([409, 'RSSTA']);
});
