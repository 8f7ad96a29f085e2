/** What was to be delivered, and of which nobody says anything, does not stay in progress for ever. */
import { describe, expect } from '@jest/globals';
import { renderMail } from '../../src/mail/render.ts';
import { advanceTo, at, booking, call, runDueDeadlines } from '../support/factories.ts';
import { begin, close, DELIVERED, eventsOf, expiryOf, keep, listed } from './expiryWorld.ts';
import { deadlineOf, refused, rule, told } from './rule.ts';

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
    'stays for another grace when somebody has touched it',
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
      expect((await booking(db, id)).status).toBe('in_progress');
      await advanceTo(db, at('09:00', 2));
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
