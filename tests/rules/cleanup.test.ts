/** What is kept, and for how long. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  createWorld,
  deliverMail,
  range,
} from '../support/factories.ts';
import { rule } from './rule.ts';

const count = (db: TestDatabase, table: string, where = 'true') =>
  db.value<number>(`select count(*) from ${table} where ${where}`);

const cleanup = (db: TestDatabase, batch = 1000) =>
  db.as({ role: 'reslot_worker' }, () =>
    db.value<number>('select app_private.cleanup($1)', [batch]),
  );

const POLICY = {
  audit_retention: '40 days',
  notification_retention: '20 days',
  delivery_retention: '10 days',
};

describe('Cleaning up', () => {
  rule(
    'keeps everything for the time the policy says, and no longer',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('10:00', '12:00'));
      await deliverMail(db);
      const left = async () => [
        await count(db, 'app_public.deliveries'),
        await count(db, 'app_public.notifications'),
        await count(db, 'app_public.audit_log', `organization_id = '${world.organizationId}'`),
      ];
      const [, , lines] = await left();
      await db.setClock(at('07:59', 10));
      await cleanup(db);
      expect(await left()).toEqual([1, 1, lines]);
      await db.setClock(at('08:01', 10));
      await cleanup(db);
      expect(await left()).toEqual([0, 1, lines]);
      await db.setClock(at('08:01', 20));
      await cleanup(db);
      expect(await left()).toEqual([0, 0, lines]);
      await db.setClock(at('08:01', 40));
      await cleanup(db);
      expect(await left()).toEqual([0, 0, 0]);
      expect(await count(db, 'app_public.bookings')).toBe(1);
    },
    POLICY,
  );

  rule(
    'leaves mails that are still on their way, and their notifications',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('10:00', '12:00'));
      await db.setClock(at('08:00', 30));
      await cleanup(db);
      expect(await count(db, 'app_public.deliveries')).toBe(1);
      expect(await count(db, 'app_public.notifications')).toBe(1);
    },
    POLICY,
  );

  rule('obeys each organisation’s own default policy', async ({ db }) => {
    await createWorld(db, POLICY);
    await db.setClock(at('08:00', 100));
    await cleanup(db);
    const kept = await db.rows(
      `select count(distinct organization_id) from app_public.audit_log where organization_id is not null`,
    );
    expect(kept).toEqual([{ count: 1 }]);
  });

  rule('goes in batches, and says whether there is more', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    await db.setClock('2040-01-01T00:00:00Z');
    let rounds = 0;
    while ((await cleanup(db, 5)) > 0) rounds++;
    expect(rounds).toBeGreaterThan(2);
    expect(await count(db, 'app_public.audit_log')).toBe(0);
  });

  rule('keeps idempotency keys two days, spent links thirty', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const [starts_at, ends_at] = range('10:00', '12:00');
    await call(db, alice, 'create_booking', {
      offering_id: world.left,
      starts_at,
      ends_at,
      idempotency_key: 'k',
    });
    await deliverMail(db);
    const left = async () => [
      await count(db, 'app_private.idempotency_keys'),
      await count(db, 'app_private.link_tokens'),
    ];
    await db.setClock(at('07:59', 2));
    await cleanup(db);
    expect(await left()).toEqual([1, 1]);
    await db.setClock(at('08:01', 2));
    await cleanup(db);
    expect(await left()).toEqual([0, 1]);
    // The link was good until the end of the booking.
    await db.setClock(at('11:59', 31));
    await cleanup(db);
    expect(await left()).toEqual([0, 1]);
    await db.setClock(at('12:01', 31));
    await cleanup(db);
    expect(await left()).toEqual([0, 0]);
  });
});
