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
  createMember,
  createOrganization,
  createProvider,
  createUser,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { createUsers, deadlineOf, refused, rule, type Scene, told } from './rule.ts';

const DELIVERED = { requires_delivery: true };

/** A booking of somebody that begins at ten o'clock and lasts an hour, on that day; it costs 80. */
async function begin({ db, world }: Scene, day = 0, values: Record<string, unknown> = {}) {
  await db.query('update app_public.offerings set price = 80, category = $2 where id = $1', [
    ...[world.left, values.category ?? null],
  ]);
  await db.setClock(at('08:00', day));
  const ann = await createUser(db, 'Ann');
  const { id } = await book(db, ann, world.left, range('10:00', '11:00', day));
  await advanceTo(db, at('10:00', day));
  return { ann, id };
}

const expiryOf = async (db: TestDatabase, id: string) =>
  ((await booking(db, id)).expires_at as Date | null)?.toISOString();

const close = ({ db, world }: Scene, day: number, more: Record<string, unknown> = {}) =>
  call<{ id: string }>(db, world.manager, 'create_blackout', {
    ...{ organization_id: world.organizationId, kind: 'holiday', reason: 'Holiday' },
    ...{ starts_at: at('00:00', day), ends_at: at('24:00', day), ...more },
  });

const keep = (db: TestDatabase, userId: string, booking_id: string) =>
  call(db, userId, 'keep_booking', { booking_id, reason: 'The paint has to dry.' });

const eventsOf = async (db: TestDatabase, id: string) =>
  (
    await db.rows<{ what: string; outcome: string }>(
      `select what, outcome from app_public.automation_events
       where booking_id = $1 and what <> 'remind' order by id`,
      [id],
    )
  ).map(({ what, outcome }) => `${what}: ${outcome}`);

const listed = (db: TestDatabase, userId: string) =>
  db.as({ role: 'reslot_user', userId, via: 'graphql' }, async () =>
    (await db.rows<{ id: string }>('select id from app_public.expired_bookings()')).map(
      ({ id }) => id,
    ),
  );

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

describe('Whoever serves a booking, or manages it, keeps it', () => {
  rule(
    'for another grace, with a reason in the log',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await begin(scene);
      await db.setClock(at('09:00', 1));
      await refused(db, 'RSARG', world.manager, 'keep_booking', { booking_id: id, reason: '' });
      await refused(db, 'RSNTF', ann, 'keep_booking', { booking_id: id, reason: 'Please' });
      await keep(db, world.manager, id);
      expect(await expiryOf(db, id)).toBe(at('09:00', 2));
      const line = await db.one(
        `select reason, actor_user_id from app_public.audit_log
       where record_id = $1 and new_values ? 'expires_at' order by id desc limit 1`,
        [id],
      );
      expect(line).toEqual({ reason: 'The paint has to dry.', actor_user_id: world.manager });
      await advanceTo(db, at('09:00', 2));
      expect((await booking(db, id)).status).toBe('expired');
    },
    DELIVERED,
  );

  rule(
    'as its provider does, and no other one',
    async (scene) => {
      const { db, world } = scene;
      const [pia, paul] = await createUsers(db, 'Pia', 'Paul');
      await createProvider(db, world.organizationId, pia, world.leftRoom);
      await createProvider(db, world.organizationId, paul, world.rightRoom);
      const { id } = await begin(scene);
      await db.query('update app_public.bookings set provider_id = $2 where id = $1', [
        id,
        world.leftRoom,
      ]);
      await refused(db, 'RSNTF', paul, 'keep_booking', { booking_id: id, reason: 'Mine?' });
      expect((await keep(db, pia, id)).status).toBe('in_progress');
    },
    DELIVERED,
  );

  rule(
    'only while it is in progress and would expire',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await begin(scene);
      const args = { booking_id: id, reason: 'Not yet' };
      await advanceTo(db, at('11:00', 1));
      await refused(db, 'RSSTA', world.manager, 'keep_booking', args);
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

describe('Of what has expired', () => {
  rule(
    'nobody is told if the policy wants no mails',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await begin(scene);
      await advanceTo(db, at('11:00', 1));
      expect((await booking(db, id)).status).toBe('expired');
      expect(await told(db, ann)).not.toContain('service_expired');
      expect(await told(db, world.manager)).toEqual(['delivery_due']);
    },
    { ...DELIVERED, expiry_mails: false },
  );

  rule(
    'managers hear as well when it is a request that nobody answered',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, range('10:00', '11:00', 3));
      await advanceTo(db, at('08:00', 1));
      expect((await told(db, ann)).at(-1)).toBe('booking_expired');
      expect(await told(db, world.manager)).toEqual(['booking_requested', 'expiry_notice']);
      expect(await listed(db, world.manager)).toEqual([id]);
    },
    { requires_approval: true },
  );

  rule(
    'a manager lists what they manage, and others nothing',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id } = await begin(scene);
      const [kim, sam] = await createUsers(db, 'Kim', 'Sam');
      await createMember(db, world.organizationId, kim, 'manager', [world.right]);
      await createMember(db, (await createOrganization(db)).organizationId, sam, 'owner');
      await advanceTo(db, at('11:00', 1));
      expect(await listed(db, world.owner)).toEqual([id]);
      for (const user of [ann, kim, sam]) expect(await listed(db, user)).toEqual([]);
    },
    DELIVERED,
  );

  rule(
    'an admin ends at once what is overdue, of one organisation or of all',
    async (scene) => {
      const { db, world } = scene;
      const { id } = await begin(scene);
      await db.setClock(at('11:00', 1));
      const other = (await createOrganization(db)).organizationId;
      const ada = await createUser(db, 'Ada', { is_admin: true });
      const expire = (organizationId: string | null) =>
        db.as({ role: 'reslot_admin', userId: ada, via: 'graphql' }, () =>
          db.rows<{ id: string }>('select id from app_public.expire_overdue_bookings($1)', [
            organizationId,
          ]),
        );
      expect(await expire(other)).toEqual([]);
      expect(await expire(world.organizationId)).toEqual([{ id }]);
      await refused(db, 'RSNTF', world.owner, 'expire_overdue_bookings', {});
    },
    DELIVERED,
  );
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
