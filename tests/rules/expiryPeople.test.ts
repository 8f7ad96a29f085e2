/** What people have to do with expiry: they keep a booking from it, hear of it, list it, and end what is overdue. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  createMember,
  createOrganization,
  createProvider,
  createUser,
  range,
} from '../support/factories.ts';
import { begin, DELIVERED, expiryOf, keep, listed } from './expiryWorld.ts';
import { createUsers, refused, rule, told } from './rule.ts';

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
