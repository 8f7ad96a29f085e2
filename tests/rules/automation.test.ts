/** What time did to a booking can be read: what, when it was due, when it was done, and what came of it. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  createUser,
  createWorld,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { advanceWithoutMail, cancel, confirm, createUsers, rule } from './rule.ts';

const START = range('18:00', '20:00', 3);

interface Event {
  what: string;
  due_at: Date;
  done_at: Date | null;
  outcome: string;
  attempts: number;
  reminder: number | null;
}

/** As its customer reads them. */
function eventsOf(db: TestDatabase, userId: string, bookingId: string): Promise<Event[]> {
  return db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.rows<Event & Record<string, unknown>>(
      `select what, due_at, done_at, outcome, attempts, reminder
       from app_public.automation_events where booking_id = $1 order by id`,
      [bookingId],
    ),
  );
}

const inShort = (events: Event[]) =>
  events.map(({ what, outcome, due_at }) => [what, outcome, due_at.toISOString()]);

const failing = (db: TestDatabase, id: string, message: string, code?: string) =>
  db.query('select app_private.note_deadline_failure($1, $2, $3)', [id, message, code]);

const errorOf = (db: TestDatabase, userId: string, bookingId: string) =>
  db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.value<string | null>(
      `select app_private.automation_error(e.id) from app_public.automation_events e
       where e.booking_id = $1 and e.outcome = 'failed'`,
      [bookingId],
    ),
  );

describe('Of a booking one can read', () => {
  rule(
    'that it was reminded, each time, and that it began and was completed',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, START);
      await confirm(db, ann, id);
      await advanceTo(db, at('20:00', 3));
      const events = await eventsOf(db, ann, id);
      expect(inShort(events)).toEqual([
        ['remind', 'done', at('18:00', 2)],
        ['remind', 'done', at('17:00', 3)],
        ['remind', 'done', at('17:45', 3)],
        ['start', 'done', at('18:00', 3)],
        ['complete', 'done', at('20:00', 3)],
      ]);
      expect(events.map(({ reminder }) => reminder)).toEqual([1, 2, 3, null, null]);
      expect(events[0]).toMatchObject({ done_at: new Date(at('18:00', 2)), attempts: 1 });
    },
  );

  rule('that it was released, and how late', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceTo(db, at('15:59', 3));
    await db.setClock(at('16:07', 3));
    await runDueDeadlines(db);
    expect((await eventsOf(db, ann, id)).at(-1)).toMatchObject({
      ...{ what: 'auto_cancel', outcome: 'done', reminder: null },
      ...{ due_at: new Date(at('16:00', 3)), done_at: new Date(at('16:07', 3)) },
    });
  });

  rule(
    'that it would have been released, under a policy that rehearses',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, START);
      await advanceTo(db, at('16:00', 3));
      expect(inShort(await eventsOf(db, ann, id)).at(-1)).toEqual([
        'auto_cancel',
        'dry_run',
        at('16:00', 3),
      ]);
    },
    { auto_cancel: 'dry_run' },
  );

  rule('that it was spared, because the reminder was never accepted', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceWithoutMail(db, at('16:00', 3));
    expect(inShort(await eventsOf(db, ann, id))).toEqual([
      ['remind', 'done', at('18:00', 2)],
      ['auto_cancel', 'spared', at('16:00', 3)],
    ]);
  });

  rule('that the release was put off, so that there is time to answer', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceWithoutMail(db, at('15:30', 3));
    // The mail server has accepted it, and the worker has died before it noted that on the booking.
    await db.query(
      `update app_public.deliveries d set status = 'sent', sent_at = $1 from app_public.notifications n
       where n.id = d.notification_id and n.kind = 'booking_reminder'`,
      [at('15:30', 3)],
    );
    await advanceWithoutMail(db, at('16:30', 3));
    expect(inShort(await eventsOf(db, ann, id)).slice(1)).toEqual([
      ['auto_cancel', 'postponed', at('16:00', 3)],
      ['auto_cancel', 'done', at('16:30', 3)],
    ]);
  });

  rule(
    'that a request was not answered',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, START);
      await advanceTo(db, at('08:00', 1));
      expect(inShort(await eventsOf(db, ann, id))).toEqual([
        ['expire_request', 'done', at('08:00', 1)],
      ]);
    },
    { requires_approval: true },
  );

  rule('that an offer ran out, also if somebody else’s request ended it', async ({ db, world }) => {
    const [ann, bea, cem] = await createUsers(db, 'Ann', 'Bea', 'Cem');
    const { id } = await book(db, ann, world.left, START);
    await join(db, bea, world.left, START);
    await cancel(db, ann, id);
    await advanceTo(db, at('08:10'));
    const hold = await db.value<string>(`select id from app_public.bookings where status = 'held'`);
    const until = await db.value<Date>(
      'select hold_expires_at from app_public.bookings where id = $1',
      [hold],
    );
    await db.setClock(until.toISOString());
    await book(db, cem, world.left, START);
    expect(inShort(await eventsOf(db, bea, hold))).toEqual([
      ['expire_hold', 'done', until.toISOString()],
    ]);
  });

  rule('nothing that the world had overtaken', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceTo(db, at('15:00', 3));
    await confirm(db, ann, id);
    const before = await eventsOf(db, ann, id);
    await db.setClock(at('16:00', 3));
    await db.query('select app_private.auto_cancel($1)', [id]);
    expect(await eventsOf(db, ann, id)).toEqual(before);
  });
});

describe('What could not be done', () => {
  rule('is one line, which counts, and ends when it is done after all', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceTo(db, at('17:59', 2));
    await db.setClock(at('18:00', 2));
    await failing(db, id, 'canceling statement due to lock timeout', '55P03');
    await failing(db, id, 'deadlock detected', '40P01');
    const failed = { what: 'remind', outcome: 'failed', done_at: null };
    expect(await eventsOf(db, ann, id)).toMatchObject([{ ...failed, attempts: 2 }]);
    await db.setClock(at('18:01', 2));
    await runDueDeadlines(db);
    expect(await eventsOf(db, ann, id)).toMatchObject([
      {
        what: 'remind',
        outcome: 'done',
        attempts: 3,
        reminder: 1,
        done_at: new Date(at('18:01', 2)),
      },
    ]);
  });

  rule('says what went wrong to managers, in words and without SQL', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await failing(
      db,
      id,
      'duplicate key value violates unique constraint "bookings_pkey"',
      '23505',
    );
    expect(await errorOf(db, world.manager, id)).toMatch(/^An internal error; the operator/);
    expect(await errorOf(db, ann, id)).toBeNull();
    await failing(db, id, 'canceling statement due to lock timeout', '55P03');
    expect(await errorOf(db, world.manager, id)).toBe('The database was busy.');
    await failing(db, id, 'There is no such booking.', 'RSNTF');
    expect(await errorOf(db, world.manager, id)).toBe('There is no such booking.');
  });

  rule('leaves no line for what is no booking', async ({ db, world }) => {
    const [ann, bea] = await createUsers(db, 'Ann', 'Bea');
    await book(db, ann, world.left, START);
    const { id } = await join(db, bea, world.left, START);
    await failing(db, id, 'boom');
    expect(await db.rows('select from app_public.automation_events')).toEqual([]);
  });
});

test('The record is kept as long as notifications are', async () => {
  await inTransaction(async (db) => {
    const world = await createWorld(db, { notification_retention: '30 days' });
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, START);
    await advanceTo(db, at('20:00', 3));
    const released = (await eventsOf(db, ann, id)).at(-1);
    expect(released?.what).toBe('auto_cancel');
    await db.setClock(at('15:59', 33));
    await db.query('select app_private.cleanup()');
    expect(await eventsOf(db, ann, id)).toEqual([released]);
    await db.setClock(at('16:01', 33));
    await db.query('select app_private.cleanup()');
    expect(await eventsOf(db, ann, id)).toEqual([]);
  });
});
