/** Confirming attendance, asking a manager, and a manager's exception. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  createWorld,
  entry,
  join,
  range,
} from '../support/factories.ts';
import {
  advanceWithoutMail,
  cancel,
  confirm,
  createUsers,
  deadlineOf,
  refused,
  rule,
  told,
} from './rule.ts';

describe('What a booking begins as', () => {
  test.each([
    ['three days before: to be confirmed by the deadline', '18:00', 3, at('16:00', 3), null],
    ['exactly a day before: to be confirmed', '08:00', 1, at('06:00', 1), null],
    ['a second less: that was the confirmation', '07:59:59', 1, null, 'booking'],
    ['an hour before: that was the confirmation', '09:00', 0, null, 'booking'],
  ])('made %s', (_, from, days, confirmBy, how) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      const starts = at(from, days);
      const ends = new Date(new Date(starts).getTime() + 3_600_000).toISOString();
      const made = await book(db, alice, world.left, [starts, ends]);
      expect(made).toMatchObject({
        status: 'confirmed',
        confirm_by: confirmBy && new Date(confirmBy),
        attendance_confirmed_how: how,
        attendance_confirmed_at: how && new Date(at('08:00')),
      });
    }),
  );
});

describe('Confirming', () => {
  rule('is possible before the reminder, which then only informs', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    expect(await confirm(db, alice, made.id)).toMatchObject({
      attendance_confirmed_how: 'account',
      attendance_confirmed_at: new Date(at('08:00')),
    });
    await advanceTo(db, at('21:00', 3));
    expect(await told(db, alice)).toEqual([
      'booking_received',
      'booking_reminder_info',
      'booking_reminder_info',
      'booking_reminder_info',
    ]);
    expect((await booking(db, made.id)).status).toBe('completed');
  });

  rule('twice has one result', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const first = await confirm(db, alice, made.id);
    await db.setClock(at('09:00'));
    expect(await confirm(db, alice, made.id)).toEqual(first);
  });

  rule('is up to the customer alone', async ({ db, world }) => {
    const [alice, eve] = await createUsers(db, 'Alice', 'Eve');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    for (const user of [eve, world.manager, world.owner]) {
      await refused(db, 'RSNTF', user, 'confirm_booking', { booking_id: made.id });
    }
  });

  rule('counts until the release, and not after', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const kept = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const lost = await book(db, bea, world.right, range('18:00', '20:00', 3));
    await advanceTo(db, at('15:59:59', 3));
    await db.setClock(at('16:00', 3));
    await confirm(db, alice, kept.id);
    await advanceTo(db, at('16:00', 3));
    expect((await booking(db, kept.id)).status).toBe('confirmed');
    expect((await booking(db, lost.id)).status).toBe('auto_cancelled');
    await refused(db, 'RSSTA', bea, 'confirm_booking', { booking_id: lost.id });
  });

  rule('is refused once it has begun, was cancelled, or waits for a yes', async (scene) => {
    const { db, world } = scene;
    const [alice] = await createUsers(db, 'Alice');
    const cancelled = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await cancel(db, alice, cancelled.id);
    await refused(db, 'RSSTA', alice, 'confirm_booking', { booking_id: cancelled.id });
    const ghost = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 3));
    await refused(db, 'RSTIM', alice, 'confirm_booking', { booking_id: ghost.id });
  });
});

describe('Where a manager has to agree', () => {
  const policy = { requires_approval: true };

  rule(
    'a booking is pending, takes its room, and the managers are asked',
    async ({ db, world }) => {
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      expect(made).toMatchObject({
        status: 'pending',
        request_expires_at: new Date(at('08:00', 1)),
        confirm_by: null,
        attendance_confirmed_at: null,
      });
      expect(await told(db, world.manager)).toEqual(['booking_requested']);
      expect(await told(db, world.owner)).toEqual(['booking_requested']);
      const [starts_at, ends_at] = range('18:00', '20:00', 3);
      const wanted = { offering_id: world.left, starts_at, ends_at };
      await refused(db, 'RSFUL', bea, 'create_booking', wanted);
      await refused(db, 'RSSTA', alice, 'confirm_booking', { booking_id: made.id });
    },
    policy,
  );

  rule(
    'the yes makes it a booking like any other, once',
    async ({ db, world }) => {
      const [alice] = await createUsers(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await refused(db, 'RSNTF', alice, 'approve_booking', { booking_id: made.id });
      const args = { booking_id: made.id, note: 'Welcome' };
      const approved = await call(db, world.manager, 'approve_booking', args);
      expect(approved).toMatchObject({ status: 'confirmed', confirm_by: new Date(at('16:00', 3)) });
      expect(await call(db, world.owner, 'approve_booking', args)).toEqual(approved);
      expect(await told(db, alice)).toEqual(['booking_received', 'booking_approved']);
      expect(await deadlineOf(db, made.id)).toMatchObject({ action: 'remind' });
    },
    policy,
  );

  rule(
    'the no frees the room for who waits',
    async ({ db, world }) => {
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const waiting = await join(db, bea, world.left, range('18:00', '20:00', 3));
      const args = { booking_id: made.id, reason: 'Private party' };
      await refused(db, 'RSNTF', bea, 'reject_booking', args);
      const rejected = await call(db, world.manager, 'reject_booking', args);
      expect(rejected).toMatchObject({ status: 'rejected', ended_reason: 'Private party' });
      expect(await call(db, world.manager, 'reject_booking', args)).toEqual(rejected);
      await refused(db, 'RSSTA', world.manager, 'approve_booking', { booking_id: made.id });
      expect((await entry(db, waiting.id)).status).toBe('offered');
      expect(await told(db, alice)).toEqual(['booking_received', 'booking_rejected']);
    },
    policy,
  );

  rule(
    'a request nobody answers expires in time for others, and the room goes on',
    async ({ db, world }) => {
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 0));
      expect(made.request_expires_at).toEqual(new Date(at('13:00')));
      const waiting = await join(db, bea, world.left, range('18:00', '20:00', 0));
      await advanceTo(db, at('12:59:59'));
      expect((await booking(db, made.id)).status).toBe('pending');
      await db.setClock(at('13:00'));
      await refused(db, 'RSEXP', world.manager, 'approve_booking', { booking_id: made.id });
      await advanceTo(db, at('13:00'));
      expect((await booking(db, made.id)).status).toBe('expired');
      expect((await entry(db, waiting.id)).status).toBe('offered');
      expect((await told(db, alice)).at(-1)).toBe('booking_expired');
    },
    policy,
  );

  rule(
    'whoever asks on the day itself is expected to come once it is agreed',
    async ({ db, world }) => {
      const [alice] = await createUsers(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 0));
      const approved = await call(db, world.manager, 'approve_booking', { booking_id: made.id });
      expect(approved).toMatchObject({ attendance_confirmed_how: 'booking', confirm_by: null });
    },
    policy,
  );

  rule(
    'a booking that needs no yes cannot be refused one',
    async ({ db, world }) => {
      const [alice] = await createUsers(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await call(db, world.manager, 'approve_booking', { booking_id: made.id });
      await refused(db, 'RSSTA', world.manager, 'reject_booking', { booking_id: made.id });
      await cancel(db, alice, made.id);
      await refused(db, 'RSSTA', world.manager, 'approve_booking', { booking_id: made.id });
    },
    policy,
  );
});

describe('A manager overrides the release', () => {
  rule('with a reason, in the log, apart from the confirmation', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const args = { booking_id: made.id, reason: 'She rang up' };
    await refused(db, 'RSNTF', alice, 'override_auto_cancel', args);
    await refused(db, 'RSARG', world.manager, 'override_auto_cancel', { ...args, reason: ' ' });
    const overridden = await call(db, world.manager, 'override_auto_cancel', args);
    expect(overridden).toMatchObject({
      override_at: new Date(at('08:00')),
      override_by: world.manager,
      override_reason: 'She rang up',
      attendance_confirmed_at: null,
    });
    const logged = await db.value(
      `select reason from app_public.audit_log
       where record_id = $1 and new_values ? 'override_at' and actor_user_id = $2`,
      [made.id, world.manager],
    );
    expect(logged).toBe('She rang up');
    await advanceTo(db, at('21:00', 3));
    expect((await booking(db, made.id)).status).toBe('completed');
  });

  rule('before it, not after', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('16:00', 3));
    const args = { booking_id: made.id, reason: 'Too late' };
    await refused(db, 'RSSTA', world.manager, 'override_auto_cancel', args);
    await book(db, alice, world.left, range('18:00', '20:00', 3));
  });

  rule('and still the customer may confirm', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await call(db, world.manager, 'override_auto_cancel', { booking_id: made.id, reason: 'VIP' });
    expect(await confirm(db, alice, made.id)).toMatchObject({
      attendance_confirmed_how: 'account',
    });
  });

  rule('and takes it off the list of those spared', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceWithoutMail(db, at('16:00', 3));
    expect((await booking(db, made.id)).spared_at).not.toBeNull();
    await call(db, world.manager, 'override_auto_cancel', { booking_id: made.id, reason: 'Rang' });
    expect((await booking(db, made.id)).spared_at).toBeNull();
  });
});
