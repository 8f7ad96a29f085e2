/** What was to be delivered, and of which nobody says anything, does not stay in progress for ever. */
import { describe, expect } from '@jest/globals';
import { renderMail } from '../../src/mail/render.ts';
import type { TestDatabase } from '../support/database.ts';
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
import { record } from '../support/payments.ts';
import { addPhoto } from '../support/photos.ts';
import { begin, close, DELIVERED, eventsOf, expiryOf, keep, listed } from './expiryWorld.ts';
import { deadlineOf, refused, rule, type Scene, told } from './rule.ts';

describe('A booking that has to be delivered, and of which nobody says anything,', () => {
  rule(
    'expires a day after its end, not a second earlier, and is given back in full',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await begin(scene);
      await advanceTo(db, at('10:59:59', 1));
      expect(await booking(db, id)).toMatchObject({ status: 'in_progress' });
      await advanceTo(db, at('11:00', 1));
      expect(await booking(db, id)).toMatchObject({
        ...{ status: 'expired', ended_at: new Date(at('11:00', 1)), refund: '80.00' },
        ended_reason: 'Nobody said in time that it was done.',
      });
      expect(await eventsOf(db, id)).toEqual([
        'start: done',
        'await_delivery: done',
        'expire: done',
      ]);
      expect((await told(db, ann)).at(-1)).toBe('service_expired');
      expect(await told(db, world.manager)).toEqual(['delivery_due', 'expiry_notice']);
      expect(await listed(db, world.manager)).toEqual([id]);
    },
    DELIVERED,
  );

  rule(
    'is told of to both sides, with the way to book again',
    async (scene) => {
      const { db, world } = scene;
      const { ann } = await begin(scene);
      await advanceTo(db, at('11:00', 1));
      const mails = await db.rows<{
        kind: 'service_expired';
        model: Record<string, unknown>;
        user: string;
      }>(
        `select m.kind, m.model, coalesce(n.user_id, c.user_id) as user from app_public.deliveries d
       join app_public.notifications n on n.id = d.notification_id and n.kind in ('service_expired', 'expiry_notice')
       left join app_public.customers c on c.id = n.customer_id
       cross join lateral app_private.mail_model(d) m`,
      );
      expect(mails.map(({ user }) => user).sort()).toEqual(
        [ann, world.manager, world.owner].sort(),
      );
      const origin = { publicUrl: 'https://reslot.example', organizerEmail: 'b@reslot.example' };
      for (const { kind, model } of mails) {
        for (const locale of ['en', 'de']) {
          const { text, html } = await renderMail({ kind, model, locale, ...origin });
          for (const part of [text, html]) expect(part).toContain('https://riverside.example');
        }
      }
    },
    DELIVERED,
  );

  rule(
    'expires by the category of the offering, if the policy has a time for that',
    async (scene) => {
      const { db } = scene;
      const { id } = await begin(scene, 0, { category: 'cleaning' });
      expect(await expiryOf(db, id)).toBe(at('13:00'));
      const other = await begin(scene, 1, { category: 'gardening' });
      expect(await expiryOf(db, other.id)).toBe(at('17:00', 1));
    },
    { ...DELIVERED, expiry_grace: '6 hours', expiry_grace_by_category: '{"cleaning": "2 hours"}' },
  );

  rule(
    'expires after the weekend, if that does not count',
    async (scene) => {
      const { id } = await begin(scene, 4);
      expect(await expiryOf(scene.db, id)).toBe(at('11:00', 7));
    },
    { ...DELIVERED, expiry_skips_weekends: true },
  );

  rule(
    'expires after a holiday that was known, and after one that was entered later',
    async (scene) => {
      const { db } = scene;
      await close(scene, 1);
      const { id } = await begin(scene);
      expect(await expiryOf(db, id)).toBe(at('11:00', 2));
      await close(scene, 2, { offering_id: scene.world.left });
      await advanceTo(db, at('11:00', 2));
      expect(await eventsOf(db, id)).toEqual([
        'start: done',
        'await_delivery: done',
        'expire: postponed',
      ]);
      expect(await deadlineOf(db, id)).toEqual({
        action: 'expire',
        due_at: new Date(at('11:00', 3)),
      });
      await advanceTo(db, at('11:00', 3));
      expect((await booking(db, id)).status).toBe('expired');
    },
    { ...DELIVERED, expiry_skips_holidays: true },
  );

  rule(
    'expires in time all the same when a holiday is another’s, is lifted, or is none',
    async (scene) => {
      const { db, world } = scene;
      await close(scene, 1, { offering_id: world.right });
      await close(scene, 1, { kind: 'weather', offering_id: world.left });
      const { id: lifted } = await close(scene, 1, { offering_id: world.left });
      await call(db, world.manager, 'lift_blackout', { blackout_id: lifted });
      const { id } = await begin(scene);
      expect(await expiryOf(db, id)).toBe(at('11:00', 1));
    },
    { ...DELIVERED, expiry_skips_holidays: true },
  );

  rule(
    'stays for another grace when somebody has touched it, its photos or its payments',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await begin(scene);
      await db.setClock(at('09:00', 1));
      await db.query(
        `select set_config('reslot.user_id', $1, true), set_config('reslot.via', 'graphql', true)`,
        [world.manager],
      );
      await db.query(`update app_public.bookings set purpose = 'The left wall' where id = $1`, [
        id,
      ]);
      await db.query(`select set_config('reslot.user_id', '', true)`);
      await advanceTo(db, at('11:00', 1));
      expect(await eventsOf(db, id)).toEqual([
        'start: done',
        'await_delivery: done',
        'expire: postponed',
      ]);
      await advanceTo(db, at('08:59:59', 2));
      await addPhoto(db, world.manager, id);
      await advanceTo(db, at('08:59:58', 3));
      await record(db, world.manager, id, 80);
      await advanceTo(db, at('08:59:57', 4));
      expect((await booking(db, id)).status).toBe('in_progress');
      await advanceTo(db, at('08:59:58', 4));
      expect((await booking(db, id)).status).toBe('expired');
    },
    DELIVERED,
  );

  rule(
    'expires however late the worker is',
    async (scene) => {
      const { db } = scene;
      const { id } = await begin(scene);
      await db.setClock(at('11:00', 20));
      await runDueDeadlines(db);
      expect((await booking(db, id)).status).toBe('expired');
    },
    DELIVERED,
  );
});

describe('A request that nobody answers', () => {
  const asked = async ({ db, world }: Scene, days: number, category: string | null = null) => {
    await db.query('update app_public.offerings set category = $2 where id = $1', [
      ...[world.left, category],
    ]);
    const ann = await createUser(db, 'Ann');
    return { ann, ...(await book(db, ann, world.left, range('10:00', '11:00', days))) };
  };
  const byOf = async (db: TestDatabase, id: string) =>
    ((await booking(db, id)).request_expires_at as Date).toISOString();
  const policy = {
    ...{ requires_approval: true, request_ttl: '6 hours', expiry_skips_weekends: true },
    expiry_grace_by_category: '{"cleaning": "48 hours"}',
  };

  rule(
    'ends by its category and without the weekend, but never later than half of the time left',
    async (scene) => {
      const { db } = scene;
      // Monday.
      expect(await byOf(db, (await asked(scene, 7, 'gardening')).id)).toBe(at('14:00'));
      expect(await byOf(db, (await asked(scene, 8, 'cleaning')).id)).toBe(at('08:00', 2));
      await db.setClock(at('20:00', 4));
      expect(await byOf(db, (await asked(scene, 14)).id)).toBe(at('02:00', 7));
      expect(await byOf(db, (await asked(scene, 9, 'cleaning')).id)).toBe(at('03:00', 7));
      const { id } = await asked(scene, 6);
      expect(await byOf(db, id)).toBe(at('15:00', 5));
      await advanceTo(db, at('15:00', 5));
      expect((await booking(db, id)).status).toBe('expired');
    },
    policy,
  );

  rule(
    'stays for another grace when somebody has touched or kept it, or a holiday came in between',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await asked(scene, 2);
      await db.setClock(at('12:00'));
      await call(db, ann, 'modify_booking', { booking_id: id, purpose: 'The left wall' });
      await advanceTo(db, at('17:59'));
      expect(await eventsOf(db, id)).toEqual(['expire_request: postponed']);
      await refused(db, 'RSNTF', ann, 'keep_booking', { booking_id: id, reason: 'Please' });
      await keep(db, world.manager, id);
      expect(await byOf(db, id)).toBe(at('23:59'));
      await close(scene, 0);
      await advanceTo(db, at('23:59'));
      expect(await byOf(db, id)).toBe(at('06:00', 1));
      await advanceTo(db, at('06:00', 1));
      expect((await booking(db, id)).status).toBe('expired');
    },
    { ...policy, expiry_skips_holidays: true },
  );

  rule(
    'ends also under a policy that lets nothing else expire: it takes room from others',
    async (scene) => {
      const { db } = scene;
      const { id } = await asked(scene, 2);
      await advanceTo(db, at('14:00'));
      expect((await booking(db, id)).status).toBe('expired');
    },
    { ...policy, expiry: 'off' },
  );
});

describe('Nothing expires', () => {
  rule(
    'under a policy that switches it off',
    async (scene) => {
      const { db } = scene;
      const { id } = await begin(scene);
      await advanceTo(db, at('11:00', 30));
      expect(await booking(db, id)).toMatchObject({ status: 'in_progress', expires_at: null });
    },
    { ...DELIVERED, expiry: 'off' },
  );

  rule(
    'under one that rehearses: it is noted, once',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await begin(scene);
      await advanceTo(db, at('11:00', 30));
      expect(await booking(db, id)).toMatchObject({
        ...{ status: 'in_progress', would_expire_at: new Date(at('11:00', 1)) },
      });
      expect(await eventsOf(db, id)).toEqual([
        'start: done',
        'await_delivery: done',
        'expire: dry_run',
      ]);
      expect(await told(db, ann)).not.toContain('service_expired');
      await keep(db, world.manager, id);
      expect(await deadlineOf(db, id)).toEqual({
        action: 'expire',
        due_at: new Date(at('11:00', 31)),
      });
    },
    { ...DELIVERED, expiry: 'dry_run' },
  );

  rule('that need not be delivered: it is completed at its end', async (scene) => {
    const { db, world } = scene;
    const { id } = await begin(scene);
    expect(await expiryOf(db, id)).toBeUndefined();
    await refused(db, 'RSSTA', world.manager, 'keep_booking', { booking_id: id, reason: 'No' });
    await advanceTo(db, at('11:00'));
    expect((await booking(db, id)).status).toBe('completed');
  });
});

rule('Whatever time does to a booking can be noted as an automation event', async ({ db }) => {
  const missing = await db.rows<{ name: string }>(
    `select a::text as name from unnest(enum_range(null::app_private.deadline_action)) a
     except select e::text from unnest(enum_range(null::app_public.automation_action)) e order by 1`,
  );
  expect(missing.map(({ name }) => name)).toEqual([
    ...['check_minimum', 'end_slot', 'lapse', 'last_call', 'sweep_blackout'],
  ]);
});

rule('A policy is refused whose graces are none', async ({ db, world }) => {
  for (const changes of [
    { expiry_grace: '00:00:00' },
    { expiry_grace_by_category: { cleaning: 'soon' } },
  ]) {
    await refused(db, 'RSARG', world.owner, 'revise_policy', {
      policy_id: world.policyId,
      changes: JSON.stringify(changes),
    });
  }
});
