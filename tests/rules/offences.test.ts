/** Who left places unused asks first, for a while: how that is counted, and what it changes. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createMember,
  createOrganization,
  createUser,
  createWorld,
  insert,
  join,
  range,
  type World,
} from '../support/factories.ts';
import { cancel, claim, createUsers, mailTo, miss, refused, revise, rule, told } from './rule.ts';

const ONE = { offence_limit: 1 };

/** Books and never answers. */
async function ghost(db: TestDatabase, world: World, userId: string, day: number): Promise<string> {
  await db.setClock(at('08:00', day - 3));
  const { id } = await book(db, userId, world.left, range('10:00', '11:00', day));
  await advanceTo(db, at('08:00', day));
  expect((await booking(db, id)).status).toBe('auto_cancelled');
  return id;
}

async function customerOf(db: TestDatabase, userId: string): Promise<string> {
  return db.value('select id from app_public.customers where user_id = $1', [userId]);
}

async function offenders(db: TestDatabase, userId: string, atLeast: number | null = null) {
  return db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.rows<Record<string, unknown>>(
      'select customer_name, auto_cancelled, no_shows from app_public.repeated_offenders(at_least => $1)',
      [atLeast],
    ),
  );
}

describe('Whoever left more places unused than the policy lets pass', () => {
  rule(
    'asks first: the booking is pending, and both sides are told why',
    async ({ db, world }) => {
      const gus = await createUser(db, 'Gus');
      await ghost(db, world, gus, 4);
      await miss(db, world, gus, 5);
      const asked = await book(db, gus, world.left, range('14:00', '15:00', 9));
      expect(asked.status).toBe('pending');
      expect((await told(db, world.manager)).at(-1)).toBe('booking_requested');
      const mail = await mailTo(db, gus, 'booking_received');
      expect(mail.subject).toMatch(/^Request received/);
      for (const part of [mail.text, mail.html]) {
        expect(part).toContain(
          'some of your earlier bookings were not confirmed in time or not used',
        );
      }
      expect((await mailTo(db, gus, 'booking_received', 'de')).text).toContain(
        'früheren Buchungen',
      );
      expect((await mailTo(db, world.manager, 'booking_requested')).text).toContain(
        'because 2 earlier bookings of this customer were released unconfirmed or not used',
      );
      const { status } = await call(db, world.manager, 'approve_booking', { booking_id: asked.id });
      expect(status).toBe('confirmed');
    },
    ONE,
  );

  rule(
    'is not asked up to the limit, nor is anybody else',
    async ({ db, world }) => {
      const [gus, otto] = await createUsers(db, 'Gus', 'Otto');
      await miss(db, world, gus, 1);
      expect((await book(db, gus, world.left, range('14:00', '15:00', 9))).status).toBe(
        'confirmed',
      );
      await miss(db, world, gus, 2);
      expect((await book(db, gus, world.left, range('16:00', '17:00', 9))).status).toBe('pending');
      expect((await book(db, otto, world.left, range('18:00', '19:00', 9))).status).toBe(
        'confirmed',
      );
    },
    ONE,
  );

  rule('books as everybody does under a policy without a limit', async ({ db, world }) => {
    const gus = await createUser(db, 'Gus');
    for (const day of [1, 2, 3]) await miss(db, world, gus, day);
    expect((await book(db, gus, world.left, range('14:00', '15:00', 9))).status).toBe('confirmed');
  });

  rule(
    'books as before once that is long enough ago',
    async ({ db, world }) => {
      const gus = await createUser(db, 'Gus');
      await miss(db, world, gus, 1);
      await db.setClock(at('10:29:59', 11));
      expect((await book(db, gus, world.left, range('14:00', '15:00', 15))).status).toBe('pending');
      await db.setClock(at('10:30', 11));
      expect((await book(db, gus, world.right, range('14:00', '15:00', 16))).status).toBe(
        'confirmed',
      );
    },
    { offence_limit: 0, offence_window: '10 days' },
  );

  rule(
    'is booked by a manager without being asked for',
    async ({ db, world }) => {
      const gus = await createUser(db, 'Gus');
      await miss(db, world, gus, 1);
      const email = await db.value('select email from app_public.users where id = $1', [gus]);
      const [starts_at, ends_at] = range('14:00', '15:00', 9);
      const made = await call(db, world.manager, 'create_booking_for', {
        ...{ offering_id: world.left, starts_at, ends_at, email },
      });
      expect(made.customer_id).toBe(await customerOf(db, gus));
      expect(made.status).toBe('confirmed');
    },
    { offence_limit: 0 },
  );

  rule(
    'asks also when moving a booking; a manager who moves it does not',
    async ({ db, world }) => {
      const gus = await createUser(db, 'Gus');
      const { id } = await book(db, gus, world.right, range('14:00', '15:00', 9));
      await miss(db, world, gus, 1);
      const move = (userId: string, [starts_at, ends_at]: [string, string]) =>
        call(db, userId, 'modify_booking', { booking_id: id, starts_at, ends_at });
      expect((await move(world.manager, range('15:00', '16:00', 9))).status).toBe('confirmed');
      expect((await move(gus, range('16:00', '17:00', 9))).status).toBe('pending');
      expect((await mailTo(db, gus, 'booking_modified')).text).toContain('earlier bookings');
    },
    { offence_limit: 0 },
  );
});

describe('An offer to somebody over the limit', () => {
  rule(
    'says that a yes is needed, and becomes a request when claimed',
    async ({ db, world }) => {
      const [bea, gus] = await createUsers(db, 'Bea', 'Gus');
      await miss(db, world, gus, 1);
      const time = range('18:00', '20:00', 9);
      const taken = await book(db, bea, world.left, time);
      const waiting = await join(db, gus, world.left, time);
      await cancel(db, bea, taken.id);
      expect((await mailTo(db, gus, 'slot_available')).text).toContain('has approved it');
      const claimed = await claim(db, gus, waiting.id);
      expect(claimed.status).toBe('pending');
      expect((await mailTo(db, gus, 'booking_claimed')).text).toContain('earlier bookings');
    },
    { offence_limit: 0 },
  );

  rule(
    'is one also in the last call, where the first to claim gets it',
    async ({ db, world }) => {
      const [bea, gus] = await createUsers(db, 'Bea', 'Gus');
      await miss(db, world, gus, 1);
      const time = range('18:00', '20:00', 1);
      const taken = await book(db, bea, world.left, time);
      const waiting = await join(db, gus, world.left, time);
      await advanceTo(db, at('17:40', 1));
      await cancel(db, bea, taken.id);
      expect((await claim(db, gus, waiting.id)).status).toBe('pending');
    },
    { offence_limit: 0 },
  );
});

describe('Clearing what somebody did not use', () => {
  rule(
    'lets them book at once again, and says in the log who did so and why',
    async ({ db, world }) => {
      const gus = await createUser(db, 'Gus');
      await miss(db, world, gus, 1);
      const customer_id = await customerOf(db, gus);
      await refused(db, 'RSARG', world.manager, 'clear_offences', { customer_id, reason: ' ' });
      await call(db, world.manager, 'clear_offences', { customer_id, reason: 'Was in hospital.' });
      expect(await offenders(db, world.manager, 1)).toEqual([]);
      expect((await book(db, gus, world.left, range('14:00', '15:00', 9))).status).toBe(
        'confirmed',
      );
      const line = await db.one(
        `select reason, actor_user_id, new_values from app_public.audit_log
       where record_id = $1 and new_values ? 'offences_cleared_at'`,
        [customer_id],
      );
      expect(line).toMatchObject({ reason: 'Was in hospital.', actor_user_id: world.manager });
      await miss(db, world, gus, 2);
      expect((await book(db, gus, world.left, range('14:00', '15:00', 10))).status).toBe('pending');
    },
    { offence_limit: 0 },
  );

  rule(
    'is not for whoever manages only some offerings, nor for strangers',
    async ({ db, world }) => {
      const [gus, kim] = await createUsers(db, 'Gus', 'Kim');
      await createMember(db, world.organizationId, kim, 'manager', [world.left]);
      await miss(db, world, gus, 1);
      const args = { customer_id: await customerOf(db, gus), reason: 'A friend' };
      for (const user of [gus, kim]) await refused(db, 'RSNTF', user, 'clear_offences', args);
    },
  );
});

describe('The list of repeated offenders', () => {
  rule(
    'has the worst first, and only those over the limit unless told otherwise',
    async (scene) => {
      const { db, world } = scene;
      const [gus, hal, ida] = await createUsers(db, 'Gus', 'Hal', 'Ida');
      await ghost(db, world, gus, 4);
      for (const day of [5, 6]) await miss(db, world, gus, day);
      for (const day of [7, 8]) await miss(db, world, hal, day);
      await miss(db, world, ida, 9);
      const worst = { customer_name: 'Gus', auto_cancelled: 1, no_shows: 2 };
      const second = { customer_name: 'Hal', auto_cancelled: 0, no_shows: 2 };
      expect(await offenders(db, world.manager)).toEqual([worst, second]);
      expect(await offenders(db, world.manager, 1)).toEqual([
        ...[worst, second, { customer_name: 'Ida', auto_cancelled: 0, no_shows: 1 }],
      ]);
      await revise(db, world, { offence_limit: 2 });
      expect(await offenders(db, world.manager)).toEqual([worst]);
    },
  );

  rule('shows a manager what was left unused where they manage', async ({ db, world }) => {
    const [gus, kim, lea, stranger] = await createUsers(db, 'Gus', 'Kim', 'Lea', 'Sam');
    await createMember(db, world.organizationId, kim, 'manager', [world.right]);
    await createMember(db, world.organizationId, lea, 'manager', [world.left]);
    await createMember(db, (await createOrganization(db)).organizationId, stranger, 'owner');
    await miss(db, world, gus, 1);
    const seen = { customer_name: 'Gus', auto_cancelled: 0, no_shows: 1 };
    expect(await offenders(db, lea, 1)).toEqual([seen]);
    for (const user of [kim, stranger, gus]) expect(await offenders(db, user, 1)).toEqual([]);
  });
});

test('What a guest did not use counts for the account that takes the guest over', async () => {
  await inTransaction(async (db) => {
    const world = await createWorld(db, { offence_limit: 0 });
    const email = 'gus@example.org';
    const guest = await insert(db, 'app_public.customers', {
      ...{ organization_id: world.organizationId, name: 'Gus', email },
    });
    const [starts_at, ends_at] = range('10:00', '11:00', 0);
    const made = await call(db, world.manager, 'create_booking_for', {
      ...{ offering_id: world.left, starts_at, ends_at, email },
    });
    expect(made.customer_id).toBe(guest);
    await advanceTo(db, at('10:30'));
    await call(db, world.manager, 'mark_no_show', { booking_id: made.id });
    const gus = await createUser(db, 'Gus', { email });
    await book(db, gus, world.right, range('10:00', '11:00', 1));
    await db.query('select app_private.adopt_customers($1)', [gus]);
    expect((await book(db, gus, world.left, range('14:00', '15:00', 9))).status).toBe('pending');
  });
});

test.each([
  ['a limit under nothing', { offence_limit: -1 }],
  ['a window of nothing', { offence_window: '00:00:00' }],
])('A policy cannot have %s', (_, changes) =>
  inTransaction(async (db) => {
    const world = await createWorld(db);
    await refused(db, 'RSARG', world.owner, 'revise_policy', {
      policy_id: world.policyId,
      changes: JSON.stringify(changes),
    });
  }),
);
