/** When people are reminded. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, confirm, createUsers, deadlineOf, rule, type Scene, told } from './rule.ts';

async function reminders({ db }: Scene): Promise<[string, string][]> {
  const rows = await db.rows<{ kind: string; created_at: Date }>(
    `select kind, created_at from app_public.notifications
     where kind in ('booking_reminder', 'booking_reminder_info') order by id`,
  );
  return rows.map((row) => [row.kind, row.created_at.toISOString()]);
}

describe('Reminders', () => {
  rule('go out at each lead time; those after the answer only inform', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('12:00', 3));
    await confirm(db, alice, made.id);
    await advanceTo(db, at('19:00', 3));
    expect(await reminders(scene)).toEqual([
      ['booking_reminder', at('18:00', 2)],
      ['booking_reminder_info', at('17:00', 3)],
      ['booking_reminder_info', at('17:45', 3)],
    ]);
  });

  rule(
    'ask again as long as there is no answer and no deadline has passed',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('18:00', '20:00', 4));
      await advanceTo(db, at('15:00', 4));
      expect(await reminders(scene)).toEqual([
        ['booking_reminder', at('18:00', 2)],
        ['booking_reminder', at('18:00', 3)],
        ['booking_reminder', at('06:00', 4)],
      ]);
    },
    { reminder_leads: ['48 hours', '24 hours', '12 hours', '1 hour'] },
  );

  rule(
    'ask at once whoever books after the lead time but still has to confirm',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 1));
      expect(made.confirm_by).toEqual(new Date(at('16:00', 1)));
      expect(await deadlineOf(db, made.id)).toEqual({
        action: 'remind',
        due_at: new Date(at('08:00')),
      });
    },
    { reminder_leads: ['48 hours', '1 hour'] },
  );

  rule('do not ask who booked late; they inform at the leads that are left', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('08:45', '10:00', 0));
    await advanceTo(db, at('10:00'));
    expect(await reminders(scene)).toEqual([['booking_reminder_info', at('08:30')]]);
  });

  rule(
    'are sent once by a worker that was away for long, not once for each missed',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await confirm(db, alice, made.id);
      await db.setClock(at('17:50', 3));
      await runDueDeadlines(db);
      expect(await reminders(scene)).toEqual([['booking_reminder_info', at('17:50', 3)]]);
    },
  );

  rule('do not go out to who has cancelled', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await cancel(db, alice, made.id);
    await advanceTo(db, at('18:00', 3));
    expect(await reminders(scene)).toEqual([]);
  });

  rule('are doubled by no doubled job', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    for (let n = 0; n < 3; n++) {
      await db.query('select app_private.run_deadline($1)', [made.id]);
      await db.query('select app_private.remind($1)', [made.id]);
    }
    expect(await reminders(scene)).toHaveLength(1);
  });

  rule('are noted on the booking when the mail server has accepted them', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await runDueDeadlines(db);
    expect((await booking(db, made.id)).reminder_sent_at).toBeNull();
    const sent = () =>
      db.value('select app_public.bookings_reminder_sent(b) from app_public.bookings b');
    expect(await sent()).toBe(false);
    await advanceTo(db, at('18:10', 2));
    expect((await booking(db, made.id)).reminder_sent_at).toEqual(new Date(at('18:00', 2)));
    expect(await sent()).toBe(true);
  });

  rule('about a booking that was moved meanwhile are not sent any more', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await runDueDeadlines(db);
    const [starts_at, ends_at] = range('18:00', '20:00', 9);
    await call(db, alice, 'modify_booking', { booking_id: made.id, starts_at, ends_at });
    await advanceTo(db, at('19:00', 2));
    const statuses = await db.rows(
      `select n.kind, d.status::text from app_public.deliveries d
       join app_public.notifications n on n.id = d.notification_id order by n.id`,
    );
    expect(statuses).toEqual([
      { kind: 'booking_received', status: 'obsolete' },
      { kind: 'booking_reminder', status: 'obsolete' },
      { kind: 'booking_modified', status: 'sent' },
    ]);
    expect((await booking(db, made.id)).reminder_sent_at).toBeNull();
  });

  rule('that ask are for each booking by itself', async (scene) => {
    const { db, world } = scene;
    const [alice] = await createUsers(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '11:00', 3));
    await book(db, alice, world.right, range('12:00', '13:00', 3));
    await advanceTo(db, at('13:00', 2));
    expect((await told(db, alice)).filter((kind) => kind === 'booking_reminder')).toHaveLength(2);
  });

  rule(
    'state a deadline that holds, also those that are not the first',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await advanceTo(db, at('15:29', 3));
      await db.setClock(at('15:30', 3));
      await runDueDeadlines(db);
      const [mail] = await db.rows<{ kind: string; stated: string }>(
        `select kind, model -> 'booking' ->> 'confirmDeadlineAt' as stated
         from app_private.lease_deliveries(10)`,
      );
      expect(mail?.kind).toBe('booking_reminder');
      expect(new Date(mail?.stated ?? 0)).toEqual((await booking(db, made.id)).confirm_by);
    },
    { reminder_leads: ['24 hours', '2 hours 30 minutes'] },
  );
});
