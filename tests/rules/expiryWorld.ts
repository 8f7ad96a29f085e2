/** What was to be delivered and is in progress, and how its expiry is asked for and put off. */
import type { TestDatabase } from '../support/database.ts';
import { advanceTo, at, book, booking, call, createUser, range } from '../support/factories.ts';
import type { Scene } from './rule.ts';

export const DELIVERED = { requires_delivery: true };

/** A booking of somebody that begins at ten o'clock and lasts an hour, on that day; it costs 80. */
export async function begin({ db, world }: Scene, day = 0, values: Record<string, unknown> = {}) {
  await db.query('update app_public.offerings set price = 80, category = $2 where id = $1', [
    ...[world.left, values.category ?? null],
  ]);
  await db.setClock(at('08:00', day));
  const ann = await createUser(db, 'Ann');
  const { id } = await book(db, ann, world.left, range('10:00', '11:00', day));
  await advanceTo(db, at('10:00', day));
  return { ann, id };
}

export const expiryOf = async (db: TestDatabase, id: string) =>
  ((await booking(db, id)).expires_at as Date | null)?.toISOString();

export const close = ({ db, world }: Scene, day: number, more: Record<string, unknown> = {}) =>
  call<{ id: string }>(db, world.manager, 'create_blackout', {
    ...{ organization_id: world.organizationId, kind: 'holiday', reason: 'Holiday' },
    ...{ starts_at: at('00:00', day), ends_at: at('24:00', day), ...more },
  });

export const keep = (db: TestDatabase, userId: string, booking_id: string) =>
  call(db, userId, 'keep_booking', { booking_id, reason: 'The paint has to dry.' });

export const eventsOf = async (db: TestDatabase, id: string) =>
  (
    await db.rows<{ what: string; outcome: string }>(
      `select what, outcome from app_public.automation_events
       where booking_id = $1 and what <> 'remind' order by id`,
      [id],
    )
  ).map(({ what, outcome }) => `${what}: ${outcome}`);

export const listed = (db: TestDatabase, userId: string) =>
  db.as({ role: 'reslot_user', userId, via: 'graphql' }, async () =>
    (await db.rows<{ id: string }>('select id from app_public.expired_bookings()')).map(
      ({ id }) => id,
    ),
  );
