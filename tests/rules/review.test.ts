/** Faults that a review of the SQL found, each with the case that showed it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { cloneDatabase, type TestDatabase, testDatabase } from '../support/database.ts';
import {
  at,
  book,
  booking,
  call,
  createUser,
  createWorld,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { createUsers, refused, revise, rule, type Scene, statusOf, told } from './rule.ts';

describe('A reason in the audit log', () => {
  rule('stays with the change it was given for', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const taken = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await call(db, alice, 'cancel_booking', { booking_id: taken.id, reason: 'Private' });
    expect((await entry(db, waits.id)).status).toBe('offered');
    const lines = await db.rows<{ record_id: string }>(
      `select record_id from app_public.audit_log where reason = 'Private'`,
    );
    expect(lines).toEqual([{ record_id: taken.id }]);
  });
});

describe('A blackout of the whole organisation', () => {
  const close = ({ db, world }: Scene, cancel_bookings: boolean) =>
    call<{ id: string }>(db, world.owner, 'create_blackout', {
      organization_id: world.organizationId,
      starts_at: at('08:00', 1),
      ends_at: at('20:00', 1),
      reason: 'Holiday',
      cancel_bookings,
    });

  rule('once lifted serves who came first, in whichever room', async (scene) => {
    const { db, world } = scene;
    const [alice, bea, carl] = await createUsers(db, 'Alice', 'Bea', 'Carl');
    const time = range('10:00', '12:00');
    await book(db, alice, world.hall, time);
    const first = await join(db, bea, world.right, time);
    const second = await join(db, carl, world.hall, time);
    const blackout = await close(scene, true);
    await runDueDeadlines(db);
    await db.setClock(at('08:01'));
    await call(db, world.owner, 'lift_blackout', { blackout_id: blackout.id });
    // The sweep of the left room comes first, and the hall uses both.
    for (const resource of [world.leftRoom, world.rightRoom]) {
      await db.query(
        `select app_private.run_deadline(s.id) from app_private.blackout_sweeps s where s.resource_id = $1`,
        [resource],
      );
    }
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
  });

  rule('tells the managers once of a booking over two rooms', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.hall, range('10:00', '12:00'));
    // As if the booking had been committed between the check and the blackout.
    await db.query(
      `insert into app_public.blackouts (organization_id, starts_at, ends_at, reason)
       values ($1, $2, $3, 'Holiday')`,
      [world.organizationId, at('08:00', 1), at('20:00', 1)],
    );
    await db.query('select app_private.plan_sweeps(id) from app_public.blackouts');
    await runDueDeadlines(db);
    await db.query('select app_private.sweep_blackout(id) from app_private.blackout_sweeps');
    expect(await told(db, world.manager)).toEqual(['blackout_conflict']);
  });
});

describe('Retention', () => {
  rule('cannot reach beyond the beginning of the calendar', async ({ db, world }) => {
    await refused(db, 'RSARG', world.owner, 'revise_policy', {
      policy_id: world.policyId,
      changes: JSON.stringify({ audit_retention: '200000 years' }),
    });
    await db.query('select app_private.cleanup()');
  });
});

describe('Ending what is overdue', () => {
  test('takes the rooms in the order in which everybody does', async () => {
    const clone = await cloneDatabase();
    const pool = clone.pool('owner', 2);
    const [one, two] = [await pool.connect(), await pool.connect()];
    try {
      const db = testDatabase(one);
      await one.query('begin');
      const world = await createWorld(db, { requires_approval: true, request_ttl: '1 hour' });
      const alice = await createUser(db, 'Alice');
      // The room that is locked last is overdue first.
      await book(db, alice, world.right, range('10:00', '12:00'));
      await db.setClock(at('08:01'));
      await book(db, alice, world.left, range('10:00', '12:00'));
      await db.setClock(at('10:00'));
      await one.query('commit');

      const lock = 'select from app_public.resources where id = $1 for no key update';
      await one.query('begin');
      await one.query(lock, [world.leftRoom]);
      await two.query('set role reslot_admin');
      const ended = two.query('select app_public.expire_due() as ended');
      await waitUntilBlocked(db);
      await one.query(lock, [world.rightRoom]);
      await one.query('commit');
      expect((await ended).rows).toEqual([{ ended: 2 }]);
    } finally {
      one.release(true);
      two.release(true);
      await clone.drop();
    }
  });
});

describe('Applying a policy', () => {
  rule('keeps to the deadline that the first mail stated', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const mail = await db.one<{ stated: string }>(
      `select model -> 'booking' ->> 'confirmDeadlineAt' as stated from app_private.lease_deliveries(10)`,
    );
    expect(new Date(mail.stated)).toEqual(new Date(at('16:00', 3)));
    await revise(db, world, { confirm_deadline: '05:00:00' });
    await call(db, world.owner, 'apply_policy', { policy_id: world.policyId });
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('16:00', 3)));
  });
});

describe('An idempotency key', () => {
  rule('means the same in every time zone', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const [starts_at, ends_at] = range('10:00', '12:00');
    const args = { offering_id: world.left, starts_at, ends_at, idempotency_key: 'one' };
    const made = await call(db, alice, 'create_booking', args);
    await db.query(`set local timezone to 'America/New_York'`);
    await db.query(`set local datestyle to 'German'`);
    expect(await call(db, alice, 'create_booking', args)).toMatchObject({ id: made.id });
  });
});

describe('An account that takes over two guests', () => {
  test('does not cross with room that is handed on to one of them', async () => {
    const clone = await cloneDatabase();
    const pool = clone.pool('owner', 2);
    const [one, two] = [await pool.connect(), await pool.connect()];
    try {
      const db = testDatabase(one);
      await one.query('begin');
      const world = await createWorld(db);
      const [alice, bea, carl] = await createUsers(db, 'Alice', 'Bea', 'Carl');
      const guests = await db.rows<{ id: string }>(
        `insert into app_public.customers (organization_id, name, email)
         select $1, 'Guest', u.email from app_public.users u, generate_series(1, 2) where u.id = $2
         returning id`,
        [world.organizationId, bea],
      );
      const taken = await book(db, alice, world.left, range('10:00', '12:00'));
      const waits = await join(db, carl, world.left, range('10:00', '12:00'));
      await db.query('update app_public.waitlist_entries set customer_id = $1 where id = $2', [
        guests[0]?.id,
        waits.id,
      ]);
      await one.query('commit');

      await one.query('begin');
      await one.query('select from app_public.resources where id = $1 for no key update', [
        world.leftRoom,
      ]);
      const adopted = two.query('select app_private.adopt_customers($1)', [bea]);
      await waitUntilBlocked(db);
      await call(db, alice, 'cancel_booking', { booking_id: taken.id });
      await one.query('commit');
      await adopted;
      const owner = await db.value(
        `select c.user_id from app_public.waitlist_entries e
         join app_public.customers c on c.id = e.customer_id where e.id = $1`,
        [waits.id],
      );
      expect(owner).toBe(bea);
      expect(await statusOf(db, waits.id)).toEqual(['offered']);
    } finally {
      one.release(true);
      two.release(true);
      await clone.drop();
    }
  });
});

async function waitUntilBlocked(db: TestDatabase): Promise<void> {
  const blocked = `exists (select from pg_locks l where not l.granted and l.locktype = 'transactionid')`;
  while (!(await db.value<boolean>(`select ${blocked}`))) await sleep(20);
}

describe('An exemption from release', () => {
  rule(
    'ends when the customer moves the booking, not when a manager does',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const override = { booking_id: made.id, reason: 'A regular' };
      const move = (userId: string, days: number) =>
        call<{ override_at: Date | null }>(db, userId, 'modify_booking', {
          booking_id: made.id,
          starts_at: at('18:00', days),
          ends_at: at('20:00', days),
        });
      await call(db, world.manager, 'override_auto_cancel', override);
      expect((await move(world.manager, 4)).override_at).not.toBeNull();
      expect((await move(alice, 5)).override_at).toBeNull();
    },
  );
});

describe('An account that takes over a guest', () => {
  rule('keeps one offer for a room, and waits on for the other', async ({ db, world }) => {
    const [holder, bea, guest] = await createUsers(db, 'Holder', 'Bea', 'Guest');
    const early = range('10:00', '12:00', 3);
    const late = range('14:00', '16:00', 3);
    const taken = [
      await book(db, holder, world.left, early),
      await book(db, holder, world.left, late),
    ];
    const first = await join(db, bea, world.left, early);
    const second = await join(db, guest, world.left, late);
    for (const { id } of taken) await call(db, holder, 'cancel_booking', { booking_id: id });
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'offered']);
    // The guest turns out to have Bea's address.
    await db.query(
      `update app_public.customers c set user_id = null, email = u.email
       from app_public.users u where c.user_id = $1 and u.id = $2`,
      [guest, bea],
    );
    await db.query('select app_private.adopt_customers($1)', [bea]);
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
    await call(db, bea, 'decline_slot', { entry_id: first.id });
    expect(await statusOf(db, second.id)).toEqual(['offered']);
  });
});
