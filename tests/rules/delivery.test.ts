/** What happens to a booking once it has begun: delivered, confirmed, completed. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createUser,
  createWorld,
  deliverMail,
  join,
  range,
} from '../support/factories.ts';
import { bookService, createService } from '../support/providers.ts';
import { cancel, deadlineOf, refused, rule, statusOf, told } from './rule.ts';
import { asked, begun, occupancies } from './service.ts';

describe('A delivery', () => {
  rule('waits for the start', async (scene) => {
    const { db } = scene;
    const { anna, args } = await asked(scene);
    await refused(db, 'RSTIM', anna.user, 'deliver_booking', args);
    await refused(db, 'RSTIM', anna.user, 'complete_booking', args);
  });

  rule('starts what no worker has started, and says so in the log', async (scene) => {
    const { db } = scene;
    const { anna, id, args } = await asked(scene);
    await db.setClock(at('10:00', 1));
    expect(await statusOf(db, id)).toEqual(['confirmed']);
    await call(db, anna.user, 'deliver_booking', args);
    const lines = await db.rows<{ status: string }>(
      `select new_values ->> 'status' as status from app_public.audit_log
       where record_id = $1 and new_values ? 'status' order by id`,
      [id],
    );
    expect(lines.map(({ status }) => status)).toEqual(['confirmed', 'in_progress', 'delivered']);
  });

  rule('gives the rest of the time to who waits, and tells the customer', async (scene) => {
    const { db } = scene;
    const { anna, carl, id, args } = await begun(scene);
    const words = { notes: ' Cut short. ', recommendations: 'Again in six weeks.' };
    const delivered = await call(db, anna.user, 'deliver_booking', { ...args, ...words });
    expect(delivered).toMatchObject({
      status: 'delivered',
      delivered_at: new Date(at('10:30', 1)),
      delivery_notes: 'Cut short.',
      recommendations: 'Again in six weeks.',
      delivery_answer_by: new Date(at('10:30', 4)),
      ended_at: null,
    });
    expect(await occupancies(scene, id)).toBe(0);
    expect(await deadlineOf(db, id)).toEqual({
      action: 'complete',
      due_at: new Date(at('10:30', 4)),
    });
    expect(await told(db, carl)).toContain('booking_delivered');
    // Somebody else has the rest of it, and the booking is not in the way.
    const other = await createUser(db, 'Other');
    expect((await book(db, other, anna.offering, range('10:40', '11:00'))).status).toBe(
      'confirmed',
    );
    // Again: the same.
    expect(await call(db, anna.user, 'deliver_booking', args)).toMatchObject({
      delivery_notes: 'Cut short.',
    });
    expect((await told(db, carl)).filter((kind) => kind === 'booking_delivered')).toHaveLength(1);
  });

  rule('hands on to who waits for the room', async ({ db, world }) => {
    const anna = await createService(db, world, 'Anna');
    const [holder, next] = [await createUser(db, 'Holder'), await createUser(db, 'Next')];
    const long = await bookService(db, holder, anna, range('08:10', '18:00', 0));
    const waiting = await join(db, next, anna.offering, range('14:00', '15:00', 0));
    await advanceTo(db, at('09:00'));
    await call(db, anna.user, 'deliver_booking', { booking_id: long.id });
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
  });

  rule('is confirmed by the customer, which completes it', async (scene) => {
    const { db, world } = scene;
    const { anna, carl, args, now } = await begun(scene);
    await refused(db, 'RSSTA', carl, 'confirm_delivery', args);
    await call(db, anna.user, 'deliver_booking', args);
    await refused(db, 'RSNTF', anna.user, 'confirm_delivery', args);
    await refused(db, 'RSNTF', world.manager, 'confirm_delivery', args);
    await db.setClock(at('12:00', 1));
    const confirmed = await call(db, carl, 'confirm_delivery', args);
    expect(confirmed).toMatchObject({
      status: 'completed',
      delivery_confirmed_at: new Date(at('12:00', 1)),
      ended_at: new Date(at('12:00', 1)),
    });
    expect(await call(db, carl, 'confirm_delivery', args)).toMatchObject({ status: 'completed' });
    await refused(db, 'RSSTA', anna.user, 'mark_no_show', args);
    await refused(db, 'RSSTA', world.manager, 'cancel_booking', { ...args, reason: 'No.' });
    expect((await now()).status).toBe('completed');
  });

  rule('without an answer is completed when the policy says', async (scene) => {
    const { db } = scene;
    const { anna, carl, args, now } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await advanceTo(db, at('10:29', 4));
    expect((await now()).status).toBe('delivered');
    await advanceTo(db, at('10:30', 4));
    expect(await now()).toMatchObject({ status: 'completed', delivery_confirmed_at: null });
    await refused(db, 'RSSTA', carl, 'confirm_delivery', args);
    // Nothing is mailed that nobody has to know.
    expect((await told(db, carl)).at(-1)).toBe('booking_delivered');
  });

  rule('is completed for the customer by a manager, and by nobody else', async (scene) => {
    const { db, world } = scene;
    const { anna, carl, args } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await refused(db, 'RSSTA', anna.user, 'complete_booking', args);
    await refused(db, 'RSNTF', carl, 'complete_booking', args);
    expect(await call(db, world.manager, 'complete_booking', args)).toMatchObject({
      status: 'completed',
      delivery_confirmed_at: null,
    });
  });

  rule('comes too late for who did not come, and for what was not accepted', async (scene) => {
    const { db } = scene;
    const { anna, carl, args } = await begun(scene);
    expect(await call(db, anna.user, 'mark_no_show', args)).toMatchObject({ status: 'no_show' });
    await refused(db, 'RSSTA', anna.user, 'deliver_booking', args);
    const other = await bookService(db, carl, anna, range('16:00', '17:00'));
    await cancel(db, carl, other.id);
    await refused(db, 'RSSTA', anna.user, 'deliver_booking', { booking_id: other.id });
  });

  rule('has words of at most 2,000 characters', async (scene) => {
    const { db } = scene;
    const { anna, args } = await begun(scene);
    await refused(db, 'RSARG', anna.user, 'deliver_booking', { ...args, notes: 'x'.repeat(2001) });
  });
});

describe('Where nothing has to be delivered', () => {
  rule('what begins is completed at its end, as everywhere', async (scene) => {
    const { now } = await begun(scene);
    await advanceTo(scene.db, at('11:00', 1));
    expect((await now()).status).toBe('completed');
  });

  rule('the provider completes it earlier, and the rest of the time is free', async (scene) => {
    const { db } = scene;
    const { anna, id, args } = await begun(scene);
    expect(await call(db, anna.user, 'complete_booking', args)).toMatchObject({
      status: 'completed',
      delivered_at: null,
    });
    expect(await occupancies(scene, id)).toBe(0);
  });
});

describe('Where it has to be delivered', () => {
  const policy = {
    requires_delivery: true,
    complete_delivered_after: '24:00',
    buffer_after: '00:15',
  };

  rule(
    'what is over stays in progress without its room, and its provider is asked',
    async (scene) => {
      const { db, world } = scene;
      const { anna, id, args, now } = await begun(scene);
      await refused(db, 'RSSTA', anna.user, 'complete_booking', args);
      await refused(db, 'RSSTA', world.manager, 'complete_booking', args);
      await advanceTo(db, at('11:14', 1));
      expect(await occupancies(scene, id)).toBe(1);
      await advanceTo(db, at('11:15', 1));
      expect(await now()).toMatchObject({
        status: 'in_progress',
        awaits_delivery_since: new Date(at('11:15', 1)),
      });
      expect(await occupancies(scene, id)).toBe(0);
      // Not for ever.
      expect(await deadlineOf(db, id)).toMatchObject({ action: 'expire' });
      expect((await told(db, anna.user)).at(-1)).toBe('delivery_due');
      expect(await told(db, world.manager)).not.toContain('delivery_due');

      await advanceTo(db, at('10:59', 2));
      expect((await now()).status).toBe('in_progress');
      await call(db, anna.user, 'deliver_booking', args);
      expect(await now()).toMatchObject({ status: 'delivered', awaits_delivery_since: null });
      await advanceTo(db, at('11:00', 3));
      expect((await now()).status).toBe('completed');
    },
    policy,
  );

  rule(
    'the managers are asked where no provider is a member',
    async ({ db, world }) => {
      const carl = await createUser(db, 'Carl');
      await book(db, carl, world.left, range('09:00', '10:00', 0));
      await advanceTo(db, at('10:30'));
      expect(await told(db, world.manager)).toEqual(['delivery_due']);
    },
    policy,
  );

  rule(
    'who did not come is still noted afterwards, and so is what is called off',
    async (scene) => {
      const { db } = scene;
      const { anna, args, now } = await begun(scene);
      await advanceTo(db, at('15:00', 1));
      await call(db, anna.user, 'mark_no_show', args);
      expect(await now()).toMatchObject({ status: 'no_show', awaits_delivery_since: null });
    },
    policy,
  );

  rule(
    'a blackout over what is done and waits for an answer cancels nothing',
    async (scene) => {
      const { db, world } = scene;
      const { anna, args, now } = await begun(scene);
      await call(db, anna.user, 'deliver_booking', args);
      await call(db, world.manager, 'create_blackout', {
        organization_id: world.organizationId,
        starts_at: at('10:00', 1),
        ends_at: at('20:00', 1),
        reason: 'Water',
        resource_id: anna.provider,
        cancel_bookings: true,
      });
      expect((await now()).status).toBe('delivered');
    },
    policy,
  );
});

test('the mail of a delivery goes out while there is something to confirm, and not after', () =>
  inTransaction(async (db) => {
    const scene = { db, world: await createWorld(db) };
    const { anna, carl, args } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await call(db, carl, 'confirm_delivery', args);
    expect((await deliverMail(db)).map(({ kind }) => kind)).not.toContain('booking_delivered');
  }));

test('erasing a person erases what was written about the delivery', () =>
  inTransaction(async (db) => {
    const scene = { db, world: await createWorld(db) };
    const { anna, carl, args, now } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', { ...args, notes: 'Carl has thin hair.' });
    await call(db, carl, 'erase_me', {});
    expect(await now()).toMatchObject({ status: 'delivered', delivery_notes: null });
    const kept = await db.rows(
      `select from app_public.audit_log a where a::text like '%thin hair%'
       union all select from app_public.notifications n where n::text like '%thin hair%'`,
    );
    expect(kept).toEqual([]);
  }));

test('of whoever is erased nothing is noted any more, and what is under way ends all the same', () =>
  inTransaction(async (db) => {
    const scene = { db, world: await createWorld(db) };
    const { carl, args, now } = await begun(scene);
    await call(db, carl, 'erase_me', {});
    await call(db, scene.world.manager, 'cancel_booking', { ...args, reason: 'Carl is ill.' });
    expect(await now()).toMatchObject({ status: 'cancelled', ended_reason: null });
    const kept = await db.rows(
      `select from app_public.audit_log a where a::text like '%is ill%'
       union all select from app_public.notifications n where n::text like '%is ill%'`,
    );
    expect(kept).toEqual([]);
  }));
