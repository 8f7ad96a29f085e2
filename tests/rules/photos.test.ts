/** Photos of what was delivered: when, how many, until when, and what becomes of their files. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { call, createWorld, type World } from '../support/factories.ts';
import { addPhoto, type Begun, createBegun, keepPhoto } from '../support/photos.ts';
import { refused } from './rule.ts';

const NOW = '2030-06-10T10:00:00Z';

/** Anna's booking began an hour before this moment, at which the clock stands. */
type Taking = Begun & { db: TestDatabase; world: World; anna: string };

function rule(
  sentence: string,
  body: (scene: Taking) => Promise<void>,
  policy: Record<string, unknown> = {},
): void {
  test(sentence, () =>
    inTransaction(async (db) => {
      const world = await createWorld(db, policy);
      const begun = await createBegun(db, world, 'Anna', NOW);
      await body({ db, world, ...begun, anna: begun.service.user });
    }),
  );
}

const photos = ({ db, booking }: Taking) =>
  db.value<number>('select count(*) from app_public.booking_photos where booking_id = $1', [
    booking,
  ]);

const toRemove = ({ db }: Taking) =>
  db.as({ role: 'reslot_worker' }, () =>
    db.rows<{ id: string }>('select f as id from app_private.photo_files_to_remove() f'),
  );

const later = ({ db }: Taking, minutes: number) =>
  db.setClock(new Date(Date.parse(NOW) + minutes * 60_000).toISOString());

const begin = ({ db, booking, anna }: Taking) =>
  db.as({ role: 'reslot_user', userId: anna }, () =>
    db.value<string>('select app_private.begin_photo($1)', [booking]),
  );

/** The code of the error that it ends with. */
const refusedBy = (action: () => Promise<unknown>): Promise<unknown> =>
  action().then(
    () => 'not refused',
    (error) => error.code,
  );

describe('A delivery that needs a photo', () => {
  const needs = { delivery_needs_photo: true };

  rule(
    'is refused without one, and done with one',
    async (scene) => {
      const { db, anna, booking } = scene;
      await refused(db, 'RSARG', anna, 'deliver_booking', { booking_id: booking });
      await addPhoto(db, anna, booking);
      const done = await call(db, anna, 'deliver_booking', { booking_id: booking });
      expect(done).toMatchObject({ status: 'delivered' });
    },
    needs,
  );

  rule(
    'is not helped by a photo that was only begun, or deleted',
    async (scene) => {
      const { db, anna, booking } = scene;
      await begin(scene);
      const photo = await addPhoto(db, anna, booking);
      await call(db, anna, 'remove_photo', { photo_id: photo });
      await refused(db, 'RSARG', anna, 'deliver_booking', { booking_id: booking });
    },
    needs,
  );

  rule(
    'keeps its last photo, of two either can go',
    async (scene) => {
      const { db, anna, booking } = scene;
      const first = await addPhoto(db, anna, booking);
      await call(db, anna, 'deliver_booking', { booking_id: booking });
      await refused(db, 'RSSTA', anna, 'remove_photo', { photo_id: first });
      await addPhoto(db, anna, booking);
      await call(db, anna, 'remove_photo', { photo_id: first });
      expect(await photos(scene)).toBe(1);
    },
    needs,
  );

  rule('is one that the policy says; others are done without', async ({ db, anna, booking }) => {
    const done = await call(db, anna, 'deliver_booking', { booking_id: booking });
    expect(done).toMatchObject({ status: 'delivered' });
  });
});

describe('Photos', () => {
  rule(
    'are as many as the policy says, also if more were begun',
    async (scene) => {
      const { db, anna, booking } = scene;
      const begun = [await begin(scene), await begin(scene), await begin(scene)] as const;
      await keepPhoto(db, anna, begun[0]);
      await keepPhoto(db, anna, begun[1]);
      expect(await refusedBy(() => keepPhoto(db, anna, begun[2]))).toBe('RSLIM');
      expect(await refusedBy(() => addPhoto(db, anna, booking))).toBe('RSLIM');
      expect(await photos(scene)).toBe(2);
    },
    { max_photos: 2 },
  );

  rule('come and go until the booking is completed', async (scene) => {
    const { db, anna, booking, customer } = scene;
    const photo = await addPhoto(db, anna, booking);
    await call(db, anna, 'deliver_booking', { booking_id: booking });
    await addPhoto(db, anna, booking);
    await call(db, customer, 'confirm_delivery', { booking_id: booking });
    await refused(db, 'RSSTA', anna, 'remove_photo', { photo_id: photo });
    expect(await refusedBy(() => addPhoto(db, anna, booking))).toBe('RSSTA');
    expect(await photos(scene)).toBe(2);
  });

  rule('of what has not begun are too early', async (scene) => {
    const { db, anna, booking } = scene;
    await later(scene, -90);
    expect(await refusedBy(() => addPhoto(db, anna, booking))).toBe('RSTIM');
  });

  rule('are deleted by whoever serves the booking, and never by its customer', async (scene) => {
    const { db, anna, booking, customer, world } = scene;
    const photo = await addPhoto(db, anna, booking);
    await refused(db, 'RSNTF', customer, 'remove_photo', { photo_id: photo });
    await call(db, world.manager, 'remove_photo', { photo_id: photo });
    await refused(db, 'RSNTF', world.manager, 'remove_photo', { photo_id: photo });
  });

  rule('go with the customer who is erased, and none comes after that', async (scene) => {
    const { db, anna, booking, customer, world } = scene;
    const photo = await addPhoto(db, anna, booking);
    const begun = await begin(scene);
    const id = await db.value('select id from app_public.customers where user_id = $1', [customer]);
    await call(db, world.owner, 'erase_customer', { customer_id: id });
    expect(await photos(scene)).toBe(0);
    expect(await toRemove(scene)).toEqual([{ id: photo }]);
    expect(await refusedBy(() => keepPhoto(db, anna, begun))).toBe('RSNTF');
    expect(await refusedBy(() => addPhoto(db, anna, booking))).toBe('RSNTF');
  });

  rule(
    'are kept for the time that the policy says',
    async (scene) => {
      const { db, anna, booking } = scene;
      const photo = await addPhoto(db, anna, booking);
      const cleanUp = () =>
        db.as({ role: 'reslot_worker' }, () => db.query('select app_private.cleanup()'));
      await later(scene, 20 * 24 * 60 - 1);
      await cleanUp();
      expect([await photos(scene), await toRemove(scene)]).toEqual([1, []]);
      await later(scene, 20 * 24 * 60 + 1);
      await cleanUp();
      expect([await photos(scene), await toRemove(scene)]).toEqual([0, [{ id: photo }]]);
    },
    { photo_retention: '20 days' },
  );

  rule(
    'are in what their customer is given of their data',
    async ({ db, anna, booking, customer }) => {
      const photo = await addPhoto(db, anna, booking);
      const { export_my_data: all } = await call<{ export_my_data: { photos: { id: string }[] } }>(
        ...([db, customer, 'export_my_data', {}] as const),
      );
      expect(all.photos.map(({ id }) => id)).toEqual([photo]);
    },
  );
});

describe('A file', () => {
  rule(
    'without a photo is removed after an hour, and taken into use no more by then',
    async (scene) => {
      const { db, anna } = scene;
      const file = await begin(scene);
      await later(scene, 29);
      await db.query('savepoint kept');
      await keepPhoto(db, anna, file);
      expect(await toRemove(scene)).toEqual([]);
      await db.query('rollback to savepoint kept');
      // Between the two nobody touches it, so that one who is slow never meets the job.
      await later(scene, 31);
      expect(await refusedBy(() => keepPhoto(db, anna, file))).toBe('RSEXP');
      await later(scene, 59);
      expect(await toRemove(scene)).toEqual([]);
      await later(scene, 60);
      expect(await toRemove(scene)).toEqual([{ id: file }]);
    },
  );

  rule('that a photo uses is not forgotten, whoever asks', async (scene) => {
    const { db, anna, booking } = scene;
    const photo = await addPhoto(db, anna, booking);
    await later(scene, 59);
    await db.as({ role: 'reslot_worker' }, () =>
      db.query('select app_private.forget_photo_file($1)', [photo]),
    );
    expect(await db.value('select count(*) from app_private.photo_files')).toBe(1);
    expect(await toRemove(scene)).toEqual([]);
  });
});
