/** What time does next, as pure functions of a row and its policy: tables of cases. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  createWorld,
  entry,
  join,
  range,
  type World,
} from '../support/factories.ts';
import { advanceWithoutMail, cancel, deadlineOf, rule } from './rule.ts';

const START = at('18:00', 10);

/** A booking made long before its start; every case differs from it in what it names. */
const BOOKING = {
  status: 'confirmed',
  starts_at: START,
  ends_at: at('20:00', 10),
  room: `[${at('17:45', 10)},${at('20:30', 10)})`,
  made_at: at('08:00'),
  confirm_by: at('16:00', 10),
  reminders_done: 0,
};

async function next(
  db: TestDatabase,
  booking: Record<string, unknown>,
  policy: Record<string, unknown> = {},
): Promise<[string, string] | null> {
  const row = await db.one<{ action: string | null; due_at: Date | null }>(
    `select d.action::text, d.due_at
     from app_public.policy_versions v
     cross join lateral app_private.booking_deadline(
       jsonb_populate_record(null::app_public.bookings, $1),
       jsonb_populate_record(null::app_public.policy_versions, to_jsonb(v) || $2)) d
     limit 1`,
    [JSON.stringify({ ...BOOKING, ...booking }), JSON.stringify(policy)],
  );
  return row.action && row.due_at ? [row.action, row.due_at.toISOString()] : null;
}

describe('The next deadline of a booking', () => {
  const answered = { attendance_confirmed_at: at('09:00'), attendance_confirmed_how: 'account' };
  const asked = { reminders_done: 1, reminder_sent_at: at('18:00', 9) };

  test.each<[string, Record<string, unknown>, Record<string, unknown>, [string, string] | null]>([
    ['fresh: the first reminder', {}, {}, ['remind', at('18:00', 9)]],
    [
      'made after the first lead time, still to be confirmed: the reminder at once',
      { made_at: at('20:00', 9) },
      {},
      ['remind', at('20:00', 9)],
    ],
    [
      'reminded: the confirmation deadline, before the second reminder',
      asked,
      {},
      ['auto_cancel', at('16:00', 10)],
    ],
    [
      'reminded, but never released: the second reminder',
      asked,
      { auto_cancel: 'off' },
      ['remind', at('17:00', 10)],
    ],
    [
      'in dry run: the deadline as well',
      asked,
      { auto_cancel: 'dry_run' },
      ['auto_cancel', at('16:00', 10)],
    ],
    [
      'in dry run, reported: the second reminder',
      { ...asked, would_auto_cancel_at: at('16:00', 10) },
      { auto_cancel: 'dry_run' },
      ['remind', at('17:00', 10)],
    ],
    [
      'spared: the second reminder',
      { ...asked, spared_at: at('16:00', 10) },
      {},
      ['remind', at('17:00', 10)],
    ],
    [
      'overridden: the second reminder',
      { ...asked, override_at: at('12:00', 10), override_reason: 'x' },
      {},
      ['remind', at('17:00', 10)],
    ],
    ['confirmed early: the first reminder informs', answered, {}, ['remind', at('18:00', 9)]],
    [
      'confirmed after the first: the second',
      { ...answered, ...asked },
      {},
      ['remind', at('17:00', 10)],
    ],
    ['all reminders done: the start', { ...answered, reminders_done: 3 }, {}, ['start', START]],
    [
      'made an hour and a minute before: the second reminder informs',
      { ...answered, made_at: at('16:59', 10), confirm_by: null },
      {},
      ['remind', at('17:00', 10)],
    ],
    [
      'made half an hour before: the third',
      { ...answered, made_at: at('17:30', 10), confirm_by: null },
      {},
      ['remind', at('17:45', 10)],
    ],
    [
      'made five minutes before: the start',
      { ...answered, made_at: at('17:55', 10), confirm_by: null },
      {},
      ['start', START],
    ],
    [
      'a reminder and the deadline at one moment: the reminder first',
      { reminders_done: 1, confirm_by: at('17:00', 10) },
      {},
      ['remind', at('17:00', 10)],
    ],
    [
      'in progress: complete when the buffer is over',
      { status: 'in_progress' },
      {},
      ['complete', at('20:30', 10)],
    ],
    [
      'the provider is reminded at a time of their own',
      { ...answered, reminders_done: 3, provider_id: '0197a000-0000-7000-8000-00000000dead' },
      { provider_reminder_lead: '00:10:00' },
      ['remind_provider', at('17:50', 10)],
    ],
    [
      'the provider was reminded: the start',
      {
        ...{ ...answered, reminders_done: 3, provider_reminded_at: at('17:50', 10) },
        provider_id: '0197a000-0000-7000-8000-00000000dead',
      },
      { provider_reminder_lead: '00:10:00' },
      ['start', START],
    ],
    [
      'booked later than the provider would have been reminded: the start',
      {
        ...{ ...answered, reminders_done: 3, made_at: at('17:51', 10) },
        provider_id: '0197a000-0000-7000-8000-00000000dead',
      },
      { provider_reminder_lead: '00:10:00' },
      ['start', START],
    ],
    [
      'in progress, to be delivered: its room is given back when the buffer is over',
      { status: 'in_progress' },
      { requires_delivery: true },
      ['await_delivery', at('20:30', 10)],
    ],
    [
      'over and to be delivered: nothing, until somebody says so',
      { status: 'in_progress', awaits_delivery_since: at('20:30', 10) },
      { requires_delivery: true },
      null,
    ],
    [
      'delivered: completed when its customer was told, whatever the policy says by now',
      { status: 'delivered', delivery_answer_by: at('20:00', 13) },
      { complete_delivered_after: '01:00:00' },
      ['complete', at('20:00', 13)],
    ],
    [
      'held: expires',
      { status: 'held', hold_expires_at: at('08:15') },
      {},
      ['expire_hold', at('08:15')],
    ],
    [
      'pending: the request expires, nothing else',
      { status: 'pending', request_expires_at: at('08:00', 1), confirm_by: null },
      {},
      ['expire_request', at('08:00', 1)],
    ],
    ...['cancelled', 'auto_cancelled', 'rejected', 'expired', 'completed', 'no_show'].map(
      (status): [string, Record<string, unknown>, Record<string, unknown>, null] => [
        `${status}: nothing`,
        { status },
        {},
        null,
      ],
    ),
  ])('%s', (_, booking, policy, expected) =>
    inTransaction(async (db) => {
      await createWorld(db);
      expect(await next(db, booking, policy)).toEqual(expected);
    }),
  );

  rule('doing it always sets another one, or none: it comes to an end', async ({ db }) => {
    // Whatever was done before, at most reminders, deadline, start and completion are left.
    for (let done = 0; done <= 3; done++) {
      const found = await next(db, { reminders_done: done });
      expect(found).not.toBeNull();
    }
  });
});

describe('What a policy makes of a booking', () => {
  const terms = (db: TestDatabase, madeAt: string, needsApproval: boolean) =>
    db.one(
      `select t.* from app_public.policy_versions v
       join app_public.offerings f on f.policy_id = v.policy_id
       cross join lateral app_private.terms_of(v, $1, $2, case when $3
         then app_private.answer_by(v, f.id, null, $1, $2, $2) end) t limit 1`,
      [START, madeAt, needsApproval],
    );

  test.each([
    [
      'long before: to be confirmed',
      at('08:00'),
      false,
      { status: 'confirmed', confirm_by: new Date(at('16:00', 10)) },
    ],
    [
      'a day before to the second: to be confirmed',
      at('18:00', 9),
      false,
      { confirm_by: new Date(at('16:00', 10)) },
    ],
    [
      'a second later: confirmed by booking',
      at('18:00:01', 9),
      false,
      { confirm_by: null, attendance_confirmed_how: 'booking' },
    ],
    [
      'to be approved, long before: a day to answer',
      at('08:00'),
      true,
      { status: 'pending', request_expires_at: new Date(at('08:00', 1)) },
    ],
    [
      'to be approved, on the day: half of the time left',
      at('12:00', 10),
      true,
      { request_expires_at: new Date(at('15:00', 10)) },
    ],
  ])('%s', (_, madeAt, needsApproval, expected) =>
    inTransaction(async (db) => {
      await createWorld(db);
      expect(await terms(db, madeAt, needsApproval)).toMatchObject(expected);
    }),
  );
});

describe('The table of deadlines', () => {
  async function waiting(db: TestDatabase, world: World) {
    const [holder, bea] = [await createUser(db, 'Holder'), await createUser(db, 'Bea')];
    const made = await book(db, holder, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    return { holder, bea, made, waits };
  }

  rule('has one row a subject, which follows its row', async ({ db, world }) => {
    const { holder, made, waits } = await waiting(db, world);
    expect(await deadlineOf(db, waits.id)).toEqual({
      action: 'lapse',
      due_at: new Date(at('10:00', 1)),
    });
    await cancel(db, holder, made.id);
    expect(await deadlineOf(db, made.id)).toBeUndefined();
    // While an entry is offered, the deadline is its hold's.
    expect(await deadlineOf(db, waits.id)).toBeUndefined();
    const { hold_id } = await entry(db, waits.id);
    expect(await deadlineOf(db, hold_id as string)).toMatchObject({ action: 'expire_hold' });
  });

  rule('a deadline that moves loses its mark and the trace of failures', async ({ db, world }) => {
    const { holder, made } = await waiting(db, world);
    await db.query(`update app_private.deadlines set queued_at = due_at where subject_id = $1`, [
      made.id,
    ]);
    await db.query(`select app_private.note_deadline_failure($1, 'boom')`, [made.id]);
    const row = () =>
      db.one(
        'select queued_at, attempts, last_error from app_private.deadlines where subject_id = $1',
        [made.id],
      );
    expect(await row()).toMatchObject({ attempts: 1, last_error: 'boom' });
    // What does not move it leaves it alone.
    await call(db, holder, 'modify_booking', { booking_id: made.id, purpose: 'Choir' });
    expect(await row()).toMatchObject({ attempts: 1 });
    const [starts_at, ends_at] = range('13:00', '14:00', 5);
    await call(db, holder, 'modify_booking', { booking_id: made.id, starts_at, ends_at });
    expect(await row()).toEqual({ queued_at: null, attempts: 0, last_error: null });
  });

  rule('what is done too early is not done, and its mark is cleared', async ({ db, world }) => {
    const { made } = await waiting(db, world);
    await db.query('update app_private.deadlines set queued_at = due_at where subject_id = $1', [
      made.id,
    ]);
    expect(await db.value('select app_private.run_deadline($1)', [made.id])).toBe('early');
    expect(
      await db.value('select queued_at from app_private.deadlines where subject_id = $1', [
        made.id,
      ]),
    ).toBeNull();
  });

  rule('what is not there any more is gone, quietly', async ({ db, world }) => {
    const { holder, made } = await waiting(db, world);
    await cancel(db, holder, made.id);
    expect(await db.value('select app_private.run_deadline($1)', [made.id])).toBe('gone');
    for (const name of ['remind', 'auto_cancel', 'expire_request', 'complete_booking']) {
      await db.query(`select app_private.${name}($1)`, [made.id]);
    }
    await db.query('select app_private.start_booking($1)', [made.id]);
    expect(
      await db.value('select status::text from app_public.bookings where id = $1', [made.id]),
    ).toBe('cancelled');
  });

  rule('everything done twice is as if done once', async ({ db, world }) => {
    const { waits } = await waiting(db, world);
    await advanceWithoutMail(db, at('12:30', 1));
    const counts = () =>
      db.rows('select kind, count(*) from app_public.notifications group by 1 order by 1');
    const before = await counts();
    const subjects = await db.rows<{ id: string }>(
      'select id from app_public.bookings union all select id from app_public.waitlist_entries',
    );
    for (const { id } of subjects) {
      await db.query('select app_private.run_deadline($1)', [id]);
      await db.query('select app_private.expire_hold_when_due($1)', [id]);
    }
    await db.query('select app_private.lapse($1)', [waits.id]);
    expect(await counts()).toEqual(before);
  });
});
