/** What is owed and not sent by mail, and what is never held back. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { at, book, call, join, range, runDueDeadlines } from '../support/factories.ts';
import { cancel, createUsers, rule, told } from './rule.ts';

describe('Mail is withheld', () => {
  const statuses = async (db: TestDatabase, userId: string) =>
    (
      await db.rows<{ kind: string; status: string; last_error: string }>(
        `select n.kind, d.status::text, d.last_error from app_public.notifications n
         join app_public.deliveries d on d.notification_id = n.id
         join app_public.customers c on c.id = n.customer_id
         where c.user_id = $1 order by n.id`,
        [userId],
      )
    ).map((row) => [row.kind, row.status, row.last_error]);

  rule(
    'beyond the daily limit, except what costs a booking if missed',
    async (scene) => {
      const { db, world } = scene;
      const [alice] = await createUsers(db, 'Alice');
      for (const hour of [10, 12, 14]) {
        await book(db, alice, world.left, range(`${hour}:00`, `${hour + 1}:00`, 2));
      }
      const [last] = await db.rows<{ id: string }>(
        'select id from app_public.bookings order by id desc limit 1',
      );
      await cancel(db, alice, last?.id as string);
      expect(await statuses(db, alice)).toEqual([
        ['booking_received', 'queued', null],
        ['booking_received', 'queued', null],
        ['booking_received', 'suppressed', 'daily limit'],
        ['booking_cancelled', 'queued', null],
      ]);
      // The next day it goes on.
      await db.setClock(at('08:01', 1));
      await book(db, alice, world.left, range('16:00', '17:00', 2));
      expect((await statuses(db, alice)).at(-1)).toEqual(['booking_received', 'queued', null]);
      // In the app all of it can be read.
      expect(await told(db, alice)).toHaveLength(5);
    },
    { max_mails_per_day: 2, max_bookings_per_day: 10 },
  );

  rule('from who has unsubscribed, if it is optional', async (scene) => {
    const { db, world } = scene;
    const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
    await book(db, bea, world.right, range('10:00', '11:00', 3));
    await db.query(
      'update app_public.customers set unsubscribed_at = created_at where user_id = $1',
      [bea],
    );
    const made = await book(db, holder, world.left, range('10:00', '11:00', 3));
    await join(db, bea, world.left, range('10:00', '11:00', 3));
    await cancel(db, holder, made.id);
    await db.setClock(at('10:00', 2));
    await runDueDeadlines(db);
    expect(await statuses(db, bea)).toEqual([
      ['booking_received', 'queued', null],
      ['waitlist_joined', 'suppressed', 'unsubscribed'],
      ['slot_available', 'queued', null],
      ['booking_reminder', 'queued', null],
    ]);
  });

  rule('where there is no address', async (scene) => {
    const { db, world } = scene;
    const [starts_at, ends_at] = range('10:00', '11:00');
    await call(db, world.manager, 'create_booking_for', {
      offering_id: world.left,
      starts_at,
      ends_at,
      name: 'Walk-in',
      needs_confirmation: false,
    });
    const rows = await db.rows('select status::text, last_error from app_public.deliveries');
    expect(rows).toEqual([{ status: 'suppressed', last_error: 'no address' }]);
  });

  rule(
    'never when it asks for confirmation, offers a place, or says that one was lost',
    async ({ db }) => {
      const rows = await db.rows<{ kind: string }>(
        `select kind from app_private.notification_kinds where costs_a_booking and not is_optional order by kind`,
      );
      expect(rows.map(({ kind }) => kind)).toEqual(
        expect.arrayContaining([
          'booking_reminder',
          'slot_available',
          'last_call',
          'booking_auto_cancelled',
          'booking_cancelled',
          'booking_rejected',
          'booking_expired',
          'message_blackout',
        ]),
      );
    },
  );
});
