/** The release of what nobody confirmed, and I10: no mail, no release. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import {
  advanceWithoutMail,
  confirm,
  createUsers,
  refused,
  rule,
  type Scene,
  told,
} from './rule.ts';

const START = range('18:00', '20:00', 3);

async function bookGhost({ db, world }: Scene) {
  const ghost = await createUser(db, 'Ghost');
  return { ghost, made: await book(db, ghost, world.left, START) };
}

async function bounceReminders({ db }: Scene): Promise<void> {
  await db.query(
    `select app_private.record_bounce(d.id) from app_public.deliveries d
     join app_public.notifications n on n.id = d.notification_id
     where n.kind = 'booking_reminder' and d.status = 'sent'`,
  );
}

describe('An unconfirmed booking is released', () => {
  rule('at its deadline, not a second earlier, with the reason', async (scene) => {
    const { db } = scene;
    const { ghost, made } = await bookGhost(scene);
    await advanceTo(db, at('15:59:59', 3));
    expect((await booking(db, made.id)).status).toBe('confirmed');
    await advanceTo(db, at('16:00', 3));
    expect(await booking(db, made.id)).toMatchObject({
      status: 'auto_cancelled',
      auto_cancelled_at: new Date(at('16:00', 3)),
      auto_cancel_reason: 'Attendance was not confirmed in time.',
    });
    expect((await told(db, ghost)).at(-1)).toBe('booking_auto_cancelled');
  });

  rule('and its room is held at once for the next', async (scene) => {
    const { db, world } = scene;
    const { made } = await bookGhost(scene);
    const bea = await createUser(db, 'Bea');
    const waiting = await join(db, bea, world.left, START);
    await advanceTo(db, at('16:00', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
    expect(await entry(db, waiting.id)).toMatchObject({
      status: 'offered',
      offered_at: new Date(at('16:00', 3)),
    });
  });

  rule('never when it was confirmed, however late the worker is', async (scene) => {
    const { db } = scene;
    const { ghost, made } = await bookGhost(scene);
    await advanceTo(db, at('15:00', 3));
    await db.setClock(at('16:30', 3));
    await confirm(db, ghost, made.id);
    await db.query('select app_private.auto_cancel($1)', [made.id]);
    await db.query('select app_private.run_deadline($1)', [made.id]);
    expect((await booking(db, made.id)).status).toBe('confirmed');
  });

  rule('never after its start: then somebody may be sitting there', async (scene) => {
    const { db, world } = scene;
    const { made } = await bookGhost(scene);
    await advanceTo(db, at('15:00', 3));
    await db.setClock(at('18:05', 3));
    await db.as({ role: 'reslot_admin' }, () => db.query('select app_public.auto_cancel_now()'));
    await runDueDeadlines(db);
    expect((await booking(db, made.id)).status).toBe('in_progress');
    expect(await told(db, world.manager)).toContain('booking_spared');
  });

  rule('by none of the doubled or early jobs', async (scene) => {
    const { db } = scene;
    const { ghost, made } = await bookGhost(scene);
    await advanceTo(db, at('15:00', 3));
    const run = () => db.value('select app_private.run_deadline($1)', [made.id]);
    expect(await run()).toBe('early');
    await db.query('select app_private.auto_cancel($1)', [made.id]);
    expect((await booking(db, made.id)).status).toBe('confirmed');
    await db.setClock(at('16:00', 3));
    expect(await run()).toBe('auto_cancel');
    expect(await run()).toBe('gone');
    await db.query('select app_private.auto_cancel($1)', [made.id]);
    const releases = (await told(db, ghost)).filter((kind) => kind === 'booking_auto_cancelled');
    expect(releases).toHaveLength(1);
  });
});

describe('The switch', () => {
  rule(
    'off: reminders still ask, nothing is released',
    async (scene) => {
      const { db } = scene;
      const { ghost, made } = await bookGhost(scene);
      await advanceTo(db, at('21:00', 3));
      expect((await booking(db, made.id)).status).toBe('completed');
      expect(await told(db, ghost)).toContain('booking_reminder');
    },
    { auto_cancel: 'off' },
  );

  rule(
    'dry run: reports what it would have released, and releases nothing',
    async (scene) => {
      const { db, world } = scene;
      const { ghost, made } = await bookGhost(scene);
      await advanceTo(db, at('17:00', 3));
      expect(await booking(db, made.id)).toMatchObject({
        status: 'confirmed',
        would_auto_cancel_at: new Date(at('16:00', 3)),
      });
      const reported = await call(db, world.manager, 'bookings_that_would_be_released', {});
      expect(reported).toMatchObject({ id: made.id });
      const eve = await createUser(db, 'Eve');
      await db.as({ role: 'reslot_user', userId: eve }, async () => {
        expect(await db.rows('select * from app_public.bookings_that_would_be_released()')).toEqual(
          [],
        );
      });
      await advanceTo(db, at('21:00', 3));
      expect((await booking(db, made.id)).status).toBe('completed');
      expect(await told(db, ghost)).not.toContain('booking_auto_cancelled');
    },
    { auto_cancel: 'dry_run' },
  );

  rule(
    'dry run: whom I10 spares is not reported as released',
    async (scene) => {
      const { db } = scene;
      const { made } = await bookGhost(scene);
      await advanceWithoutMail(db, at('16:30', 3));
      const seen = await booking(db, made.id);
      expect(seen).toMatchObject({ would_auto_cancel_at: null });
      expect(seen.spared_at).not.toBeNull();
    },
    { auto_cancel: 'dry_run' },
  );
});

describe('Without an accepted reminder', () => {
  rule('a booking is spared, and its managers see why', async (scene) => {
    const { db, world } = scene;
    const { made } = await bookGhost(scene);
    await advanceWithoutMail(db, at('17:59', 3));
    expect(await booking(db, made.id)).toMatchObject({
      status: 'confirmed',
      spared_at: new Date(at('16:00', 3)),
    });
    expect(await told(db, world.manager)).toEqual(['booking_spared']);
    expect(await call(db, world.manager, 'spared_bookings', {})).toMatchObject({ id: made.id });
    await advanceTo(db, at('21:00', 3));
    expect((await booking(db, made.id)).status).toBe('completed');
  });

  rule('accepted with less than the notice: the deadline moves', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await advanceWithoutMail(db, at('15:30', 3));
    await deliverMail(db);
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('16:30', 3)));
    await advanceTo(db, at('16:29:59', 3));
    expect((await booking(db, made.id)).status).toBe('confirmed');
    await advanceTo(db, at('16:30', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
  });

  rule('accepted after it was spared, but in time: it is asked after all', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await advanceWithoutMail(db, at('16:20', 3));
    expect((await booking(db, made.id)).spared_at).not.toBeNull();
    await deliverMail(db);
    expect(await booking(db, made.id)).toMatchObject({
      spared_at: null,
      confirm_by: new Date(at('17:20', 3)),
    });
    await advanceTo(db, at('17:20', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
  });

  rule('accepted too late for any notice before the start: it stays', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await advanceWithoutMail(db, at('17:00', 3));
    await deliverMail(db);
    await advanceTo(db, at('21:00', 3));
    expect((await booking(db, made.id)).status).toBe('completed');
  });

  rule('accepted, but the worker died before noting it: it is found in time', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await advanceWithoutMail(db, at('18:00', 2));
    // The mail that the booking was received comes before the reminder.
    for (let n = 0; n < 2; n++) {
      await db.query(
        `select app_private.mark_delivery_sent(l.delivery_id, l.attempt)
         from app_private.lease_deliveries(10) l`,
      );
    }
    expect((await booking(db, made.id)).reminder_sent_at).toBeNull();
    await advanceWithoutMail(db, at('16:00', 3));
    expect(await booking(db, made.id)).toMatchObject({
      status: 'auto_cancelled',
      reminder_sent_at: new Date(at('18:00', 2)),
    });
  });

  rule('that bounced: it is spared', async (scene) => {
    const { db, world } = scene;
    const { made } = await bookGhost(scene);
    await advanceTo(db, at('10:00', 3));
    await bounceReminders(scene);
    expect((await booking(db, made.id)).reminder_sent_at).toBeNull();
    await advanceTo(db, at('17:50', 3));
    expect(await booking(db, made.id)).toMatchObject({ status: 'confirmed' });
    expect(await told(db, world.manager)).toEqual(['booking_spared']);
  });

  rule(
    'when the first bounced, the next one counts',
    async (scene) => {
      const { db } = scene;
      const { made } = await bookGhost(scene);
      await advanceTo(db, at('17:00', 2));
      await bounceReminders(scene);
      await advanceTo(db, at('12:01', 3));
      expect((await booking(db, made.id)).reminder_sent_at).toEqual(new Date(at('12:00', 3)));
      await advanceTo(db, at('16:00', 3));
      expect((await booking(db, made.id)).status).toBe('auto_cancelled');
    },
    { reminder_leads: ['48 hours', '6 hours'] },
  );

  rule('by a worker that was away: it asks first, and leaves the notice', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await db.setClock(at('16:10', 3));
    await runDueDeadlines(db);
    expect((await booking(db, made.id)).status).toBe('confirmed');
    await deliverMail(db);
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('17:10', 3)));
    await advanceTo(db, at('17:10', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
  });

  rule('of who has no address: it is spared', async (scene) => {
    const { db } = scene;
    const { made } = await bookGhost(scene);
    await db.query('update app_public.customers set email = null where id = $1', [
      made.customer_id,
    ]);
    await advanceTo(db, at('17:59', 3));
    expect((await booking(db, made.id)).spared_at).not.toBeNull();
  });
});

describe('auto_cancel_now', () => {
  rule('does what the worker would do, for admins only', async (scene) => {
    const { db, world } = scene;
    const { made } = await bookGhost(scene);
    const [late] = await createUsers(db, 'Late');
    const spared = await book(db, late, world.right, START);
    await advanceTo(db, at('15:00', 3));
    await db.query(
      `update app_public.deliveries d set bounced_at = sent_at from app_public.notifications n
       where n.id = d.notification_id and n.booking_id = $1`,
      [spared.id],
    );
    await db.query('update app_public.bookings set reminder_sent_at = null where id = $1', [
      spared.id,
    ]);
    await refused(db, 'RSNTF', world.owner, 'auto_cancel_now', {});
    const now = () =>
      db.as({ role: 'reslot_admin' }, () =>
        db.rows<{ id: string }>('select * from app_public.auto_cancel_now()'),
      );
    expect(await now()).toEqual([]);
    await db.setClock(at('16:00', 3));
    expect((await now()).map(({ id }) => id)).toEqual([made.id]);
    expect((await booking(db, spared.id)).spared_at).not.toBeNull();
    expect(await now()).toEqual([]);
  });
});
