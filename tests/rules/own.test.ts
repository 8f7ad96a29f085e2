/** What is one's own: bookings, waiting list, notifications; and what the log says of it. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createUser,
  createWorld,
  deliverMail,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { cancel, claim, confirm, createUsers, refused, rule } from './rule.ts';

const mine = <T extends Record<string, unknown>>(db: TestDatabase, userId: string, sql: string) =>
  db.as({ role: 'reslot_user', userId }, () => db.rows<T>(sql));

describe('My bookings', () => {
  rule('are those of all organisations, by start, and nobody else’s', async ({ db, world }) => {
    const other = await createWorld(db);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const late = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const early = await book(db, alice, other.left, range('09:00', '10:00', 0));
    await book(db, bea, world.right, range('18:00', '20:00', 3));
    const ids = async (sql: string) =>
      (await mine<{ id: string }>(db, alice, sql)).map(({ id }) => id);
    expect(await ids('select id from app_public.my_bookings()')).toEqual([early.id, late.id]);
    await advanceTo(db, at('12:00'));
    expect(await ids('select id from app_public.my_bookings(true)')).toEqual([late.id]);
    expect(await ids('select id from app_public.my_bookings(false)')).toEqual([early.id]);
    await db.as({ role: 'reslot_user' }, async () => {
      expect(await db.rows('select * from app_public.my_bookings()')).toEqual([]);
    });
  });

  rule('do not show a hold, neither while it lives nor afterwards', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    const shown = () => mine(db, bea, 'select * from app_public.my_bookings()');
    expect(await shown()).toEqual([]);
    await call(db, bea, 'decline_slot', { entry_id: waits.id });
    expect(await shown()).toEqual([]);
  });
});

describe('My waiting list', () => {
  rule('has position and seconds left, seen by nobody else', async ({ db, world }) => {
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await join(db, bea, world.left, range('10:00', '12:00'));
    await join(db, cem, world.left, range('11:00', '13:00'));
    const seen = (user: string) =>
      mine(
        db,
        user,
        `select status::text, app_public.waitlist_entries_position(w) as position,
           app_public.waitlist_entries_seconds_left(w) as seconds
         from app_public.my_waitlist() w`,
      );
    expect(await seen(bea)).toEqual([{ status: 'waiting', position: 1, seconds: null }]);
    expect(await seen(cem)).toEqual([{ status: 'waiting', position: 2, seconds: null }]);
    await cancel(db, alice, made.id);
    expect(await seen(bea)).toEqual([{ status: 'offered', position: 1, seconds: null }]);
    await deliverMail(db);
    await db.setClock(at('08:01:30.5'));
    expect(await seen(bea)).toEqual([{ status: 'offered', position: 1, seconds: 809 }]);
    await db.setClock(at('08:16'));
    expect(await seen(bea)).toMatchObject([{ seconds: 0 }]);
    const spied = await mine(
      db,
      cem,
      `select app_public.waitlist_entries_position(w) as position
       from app_public.waitlist_entries w where status = 'offered'`,
    );
    expect(spied).toEqual([]);
    expect(await seen(alice)).toEqual([]);
  });

  rule('shows what has ended when asked to', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await call(db, bea, 'leave_waitlist', { entry_id: waits.id });
    expect(await mine(db, bea, 'select * from app_public.my_waitlist()')).toEqual([]);
    const all = await mine(
      db,
      bea,
      `select id, app_public.waitlist_entries_position(w) as position from app_public.my_waitlist(false) w`,
    );
    expect(all).toEqual([{ id: waits.id, position: null }]);
  });
});

describe('My notifications', () => {
  rule(
    'are newest first, read and unread, mine as customer and as manager',
    async ({ db, world }) => {
      const [alice] = await createUsers(db, 'Alice');
      const made = await book(db, alice, world.left, range('10:00', '12:00'));
      await cancel(db, alice, made.id);
      const kinds = async (unread: boolean) =>
        (
          await mine<{ kind: string }>(
            db,
            alice,
            `select kind from app_public.my_notifications(${unread})`,
          )
        ).map(({ kind }) => kind);
      expect(await kinds(false)).toEqual(['booking_cancelled', 'booking_received']);
      const [newest] = await mine<{ id: string }>(
        db,
        alice,
        'select id from app_public.my_notifications()',
      );
      expect(
        await call(db, alice, 'mark_notifications_read', { ids: [newest?.id as string] }),
      ).toEqual({ mark_notifications_read: 1 });
      expect(await kinds(true)).toEqual(['booking_received']);
      expect(await call(db, alice, 'mark_notifications_read', {})).toEqual({
        mark_notifications_read: 1,
      });
      expect(await kinds(true)).toEqual([]);
      expect(await kinds(false)).toHaveLength(2);
    },
  );

  rule('of others can be neither read nor marked', async ({ db, world }) => {
    const [alice, eve] = await createUsers(db, 'Alice', 'Eve');
    await book(db, alice, world.left, range('10:00', '12:00'));
    expect(await mine(db, eve, 'select * from app_public.my_notifications()')).toEqual([]);
    const ids = (await db.rows<{ id: string }>('select id from app_public.notifications')).map(
      ({ id }) => id,
    );
    expect(await call(db, eve, 'mark_notifications_read', { ids })).toEqual({
      mark_notifications_read: 0,
    });
    await refused(db, 'RSAUT', '', 'mark_notifications_read', {});
  });

  rule('hold identifiers and times, no names', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    const data = await db.rows('select data from app_public.notifications');
    expect(JSON.stringify(data)).not.toContain('Alice');
  });
});

describe('The log', () => {
  interface Line extends Record<string, unknown> {
    status: string;
    actor: string | null;
    via: string;
    reason: string | null;
  }
  const lines = (db: TestDatabase, id: string) =>
    db.rows<Line>(
      `select new_values ->> 'status' as status, actor_user_id as actor, via, reason
       from app_public.audit_log where record_id = $1 and new_values ? 'status' order by id`,
      [id],
    );

  rule('has each change of status with who, how and why', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await call(db, alice, 'cancel_booking', { booking_id: made.id, reason: 'Ill' });
    const { hold_id } = await entry(db, waits.id);
    await claim(db, bea, waits.id);
    expect(await lines(db, made.id)).toEqual([
      { status: 'confirmed', actor: alice, via: 'graphql', reason: null },
      { status: 'cancelled', actor: alice, via: 'graphql', reason: 'Ill' },
    ]);
    expect(await lines(db, waits.id)).toMatchObject([
      { status: 'waiting', actor: bea },
      { status: 'offered', actor: alice },
      { status: 'claimed', actor: bea },
    ]);
    expect(await lines(db, hold_id as string)).toMatchObject([
      { status: 'held', actor: alice },
      { status: 'confirmed', actor: bea },
    ]);
  });

  rule('says of what time does that a job did it, and why', async ({ db, world }) => {
    const ghost = await createUser(db, 'Ghost');
    const made = await book(db, ghost, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('16:00', 3));
    expect((await lines(db, made.id)).at(-1)).toEqual({
      status: 'auto_cancelled',
      actor: null,
      via: 'job',
      reason: 'Attendance was not confirmed in time.',
    });
  });

  rule('does not carry a reason over to what follows in the transaction', async ({ db, world }) => {
    const [alice] = await createUsers(db, 'Alice');
    const first = await book(db, alice, world.left, range('10:00', '12:00', 3));
    const second = await book(db, alice, world.right, range('10:00', '12:00', 3));
    await call(db, world.manager, 'override_auto_cancel', { booking_id: first.id, reason: 'VIP' });
    await confirm(db, alice, second.id);
    const reason = await db.value(
      `select reason from app_public.audit_log
       where record_id = $1 and new_values ? 'attendance_confirmed_at'`,
      [second.id],
    );
    expect(reason).toBeNull();
  });

  rule('is read by customers for their own, by managers for theirs', async ({ db, world }) => {
    const [alice, eve] = await createUsers(db, 'Alice', 'Eve');
    const other = await createWorld(db);
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const readable = async (user: string) =>
      (await mine(db, user, `select id from app_public.audit_log where record_id = '${made.id}'`))
        .length;
    expect(await readable(alice)).toBe(1);
    expect(await readable(world.manager)).toBe(1);
    expect(await readable(eve)).toBe(0);
    expect(await readable(other.owner)).toBe(0);
  });

  rule('holds no names, addresses, purposes or notes', async ({ db, world }) => {
    const alice = await createUser(db, 'Liddell', { phone: '+43 1 234' });
    await call(db, alice, 'create_booking', {
      offering_id: world.left,
      starts_at: at('10:00', 1),
      ends_at: at('12:00', 1),
      purpose: 'Tea with the hatter',
    });
    const text = JSON.stringify(await db.rows('select * from app_public.audit_log'));
    for (const word of ['Liddell', 'liddell', '+43 1 234', 'hatter']) {
      expect(text).not.toContain(word);
    }
  });

  rule('knows a status only by the transitions there are', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    for (const status of ['held', 'rejected', 'expired', 'completed', 'delivered']) {
      const failure = await db.fails(
        'update app_public.bookings set status = $2, ended_at = app_private.clock() where id = $1',
        [made.id, status],
      );
      expect(failure.code).toBe('RSSTA');
    }
    await cancel(db, alice, made.id);
    const failure = await db.fails(
      `update app_public.bookings set status = 'confirmed', ended_at = null where id = $1`,
      [made.id],
    );
    expect(failure.code).toBe('RSSTA');
  });
});
