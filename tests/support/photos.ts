/** A booking of a service that has begun, as it is while its provider takes photos. */
import type { TestDatabase } from './database.ts';
import { createUser, MONDAY, range, type World } from './factories.ts';
import { bookService, createService, type Service } from './providers.ts';

export interface Begun {
  booking: string;
  customer: string;
  service: Service;
}

/** It began an hour ago and goes on for an hour, by the clock, which stands from then on if told. */
export async function createBegun(
  db: TestDatabase,
  world: World,
  name: string,
  now: string | null = null,
): Promise<Begun> {
  await db.setClock(MONDAY);
  const service = await createService(db, world, name);
  const customer = await createUser(db, `${name}Customer`);
  const { id } = await bookService(db, customer, service, range('10:00', '12:00'));
  await db.setClock(now);
  await db.query(
    `with moved as (
       update app_public.bookings b set starts_at = k.now - interval '1 hour', ends_at = k.now + interval '1 hour',
         room = tstzrange(k.now - interval '1 hour', k.now + interval '1 hour'), attendance_confirmed_at = k.now,
         attendance_confirmed_how = 'not_needed'
       from (select app_private.clock() as now) k where b.id = $1 returning b.id, b.room)
     update app_private.occupancies o set during = m.room from moved m where o.booking_id = m.id`,
    [id],
  );
  return { booking: id, customer, service };
}

/** A photo without its file. */
export async function addPhoto(db: TestDatabase, userId: string, booking: string): Promise<string> {
  const file = await db.as({ role: 'reslot_user', userId }, () =>
    db.value<string>('select app_private.begin_photo($1)', [booking]),
  );
  await keepPhoto(db, userId, file);
  return file;
}

/** Of its own, as that of real ones is. */
export const contentOf = (file: string) => file.replaceAll('-', '').repeat(2);

export const keepPhoto = (db: TestDatabase, userId: string, file: string) =>
  db.as({ role: 'reslot_user', userId }, () =>
    db.query('select app_private.keep_photo($1, 4, 3, 1000, $2)', [file, contentOf(file)]),
  );
