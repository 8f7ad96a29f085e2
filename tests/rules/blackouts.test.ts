/** Closing a resource, an offering or a whole organisation for a time. */
import { describe, expect } from '@jest/globals';
import {
  at,
  book,
  booking,
  call,
  createMember,
  createUser,
  createWorld,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import {
  cancel,
  createUsers,
  deadlineOf,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

type Row = { id: string } & Record<string, unknown>;

function blackout(
  { world }: Scene,
  scope: Record<string, unknown>,
  [starts_at, ends_at] = range('10:00', '12:00'),
): Record<string, unknown> {
  return { organization_id: world.organizationId, starts_at, ends_at, reason: 'Works', ...scope };
}

const create = (scene: Scene, args: Record<string, unknown>) =>
  call<Row>(scene.db, scene.world.owner, 'create_blackout', args);

const lift = (scene: Scene, id: string) =>
  call(scene.db, scene.world.owner, 'lift_blackout', { blackout_id: id });

describe('A blackout', () => {
  rule('of a resource closes every offering that uses it', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await create(scene, blackout(scene, { resource_id: world.leftRoom }));
    const [starts_at, ends_at] = range('11:00', '13:00');
    for (const offering_id of [world.left, world.hall]) {
      await refused(db, 'RSBLK', alice, 'create_booking', { offering_id, starts_at, ends_at });
    }
    await book(db, alice, world.right, range('11:00', '13:00'));
    await book(db, alice, world.left, range('12:00', '13:00'));
    await book(db, alice, world.left, range('09:00', '10:00'));
  });

  rule('of an offering closes it and nothing else', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await create(scene, blackout(scene, { offering_id: world.hall }));
    const [starts_at, ends_at] = range('11:00', '13:00');
    await refused(db, 'RSBLK', alice, 'create_booking', {
      offering_id: world.hall,
      starts_at,
      ends_at,
    });
    await book(db, alice, world.left, range('11:00', '13:00'));
  });

  rule('of the organisation closes all of it, and no other', async (scene) => {
    const { db, world } = scene;
    const other = await createWorld(db);
    const alice = await createUser(db, 'Alice');
    await create(scene, blackout(scene, {}));
    const [starts_at, ends_at] = range('11:00', '13:00');
    for (const offering_id of [world.left, world.right, world.hall]) {
      await refused(db, 'RSBLK', alice, 'create_booking', { offering_id, starts_at, ends_at });
    }
    await book(db, alice, other.left, range('11:00', '13:00'));
  });

  rule('names its reason to who is refused', async (scene) => {
    const { db, world } = scene;
    await create(scene, blackout(scene, { offering_id: world.left, kind: 'maintenance' }));
    const alice = await createUser(db, 'Alice');
    const [starts_at, ends_at] = range('11:00', '13:00');
    const failure = await db.as({ role: 'reslot_user', userId: alice }, () =>
      db.fails('select app_public.create_booking($1, $2, $3)', [world.left, starts_at, ends_at]),
    );
    expect(failure.message).toContain('Works');
  });

  rule('is for those who manage what it closes', async (scene) => {
    const { db, world } = scene;
    const [alice, half, provider] = await createUsers(db, 'Alice', 'Half', 'Pro');
    await createMember(db, world.organizationId, half, 'manager', [world.right]);
    await createMember(db, world.organizationId, provider, 'provider');
    const other = await createWorld(db);
    for (const [user, scope] of [
      [alice, { offering_id: world.right }],
      [provider, { offering_id: world.right }],
      [half, { offering_id: world.left }],
      [half, { resource_id: world.rightRoom }],
      [half, {}],
      [other.owner, { offering_id: world.left }],
      [world.owner, { offering_id: other.left }],
      [world.owner, { resource_id: other.leftRoom }],
    ] as const) {
      await refused(db, 'RSNTF', user, 'create_blackout', blackout(scene, scope));
      await refused(
        db,
        'RSNTF',
        user,
        'blackout_conflicts',
        (() => {
          const { reason: _, ...args } = blackout(scene, scope);
          return args;
        })(),
      );
    }
    await call(db, half, 'create_blackout', blackout(scene, { offering_id: world.right }));
  });

  rule('needs a reason, a real range, and one scope', async (scene) => {
    const { db, world } = scene;
    const owner = world.owner;
    const whole = blackout(scene, { offering_id: world.left });
    await refused(db, 'RSARG', owner, 'create_blackout', { ...whole, reason: ' ' });
    await refused(db, 'RSARG', owner, 'create_blackout', {
      ...whole,
      resource_id: world.leftRoom,
    });
    for (const times of [
      { starts_at: at('12:00'), ends_at: at('12:00') },
      { starts_at: at('12:00'), ends_at: at('11:00') },
      { starts_at: '-infinity' },
      { ends_at: 'infinity' },
      { ends_at: null },
    ]) {
      await refused(db, 'RSTIM', owner, 'create_blackout', { ...whole, ...times });
    }
  });
});

describe('A blackout over bookings', () => {
  rule('is refused with their list', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const hit = await book(db, alice, world.hall, range('11:00', '13:00'));
    await book(db, alice, world.left, range('13:00', '14:00'));
    const args = blackout(scene, { resource_id: world.leftRoom });
    const details = await refused<{ bookings: { id: string; reference: string }[] }>(
      db,
      'RSBLK',
      world.owner,
      'create_blackout',
      args,
    );
    expect(details.bookings).toMatchObject([{ id: hit.id, reference: hit.reference }]);
    const { reason: _, ...range_ } = args;
    expect(await call(db, world.manager, 'blackout_conflicts', range_)).toMatchObject({
      id: hit.id,
    });
    expect((await booking(db, hit.id)).status).toBe('confirmed');
  });

  rule('told to cancel them does, and says why', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const hit = await book(db, alice, world.hall, range('11:00', '13:00'));
    const waits = await join(db, bea, world.right, range('11:00', '13:00'));
    await create(scene, blackout(scene, { resource_id: world.leftRoom, cancel_bookings: true }));
    expect(await booking(db, hit.id)).toMatchObject({ status: 'cancelled', ended_reason: 'Works' });
    expect((await told(db, alice)).at(-1)).toBe('message_blackout');
    // The other half of the hall is open, and waited for.
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('takes an offer back without taking the place in the queue', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    await deliverMail(db);
    const closed = await create(scene, blackout(scene, { offering_id: world.left }));
    expect(await entry(db, waits.id)).toMatchObject({
      status: 'waiting',
      hold_id: null,
      offer_expires_at: null,
    });
    await refused(db, 'RSSTA', bea, 'claim_slot', { entry_id: waits.id });
    await lift(scene, closed.id);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('leaves alone what is over, and what only touches it', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const ended = await book(db, alice, world.left, range('10:00', '12:00'));
    await cancel(db, alice, ended.id);
    await book(db, alice, world.left, range('09:00', '10:00'));
    await book(db, alice, world.left, range('12:00', '13:00'));
    await create(scene, blackout(scene, { offering_id: world.left }));
  });
});

describe('A blackout of the whole organisation', () => {
  rule('leaves one job for each resource', async (scene) => {
    const { db, world } = scene;
    await create(scene, blackout(scene, {}));
    const sweeps = await db.rows<{ id: string; resource_id: string }>(
      'select id, resource_id from app_private.blackout_sweeps',
    );
    expect(new Set(sweeps.map((sweep) => sweep.resource_id))).toEqual(
      new Set([world.leftRoom, world.rightRoom]),
    );
    for (const { id } of sweeps) {
      expect(await deadlineOf(db, id)).toMatchObject({ action: 'sweep_blackout' });
    }
    expect(await runDueDeadlines(db)).toEqual(['sweep_blackout', 'sweep_blackout']);
    expect(await runDueDeadlines(db)).toEqual([]);
  });

  rule('told to cancel does so in its jobs, each booking once', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const whole = await book(db, alice, world.hall, range('10:00', '11:00'));
    const half = await book(db, bea, world.left, range('11:00', '12:00'));
    await create(scene, blackout(scene, { cancel_bookings: true }));
    await runDueDeadlines(db);
    expect(await statusOf(db, whole.id, half.id)).toEqual(['cancelled', 'cancelled']);
    expect((await told(db, alice)).filter((kind) => kind === 'message_blackout')).toHaveLength(1);
  });

  rule('finds a booking that was on its way when it was entered', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    // As if the booking had been committed between the check and the blackout.
    await db.query(
      `with made as (
         insert into app_public.blackouts (organization_id, starts_at, ends_at, reason)
         values ($1, $2, $3, 'Holiday') returning id)
       select app_private.plan_sweeps(id) from made`,
      [world.organizationId, ...range('10:00', '12:00')],
    );
    await db.query('select app_private.plan_sweeps(id) from app_public.blackouts');
    await runDueDeadlines(db);
    expect((await booking(db, made.id)).status).toBe('confirmed');
    expect(await told(db, world.manager)).toEqual(['blackout_conflict']);
  });

  rule('is in force before its jobs: an offer in it cannot be claimed any more', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    await create(scene, blackout(scene, {}));
    await refused(db, 'RSBLK', bea, 'claim_slot', { entry_id: waits.id });
    await runDueDeadlines(db);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
  });

  rule('takes back the offers in it', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    const closed = await create(scene, blackout(scene, {}));
    await runDueDeadlines(db);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
    await lift(scene, closed.id);
    await runDueDeadlines(db);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });
});

describe('Lifting a blackout', () => {
  rule('opens the time, first to those who wait', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    const closed = await create(
      scene,
      blackout(scene, { resource_id: world.leftRoom, cancel_bookings: true }),
    );
    expect((await booking(db, made.id)).status).toBe('cancelled');
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
    expect(await lift(scene, closed.id)).toMatchObject({ lifted_at: new Date(at('08:00')) });
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
    await book(db, alice, world.left, range('12:00', '13:00'));
  });

  rule('twice is once', async (scene) => {
    const { db, world } = scene;
    const closed = await create(scene, blackout(scene, { offering_id: world.left }));
    const lifted = await lift(scene, closed.id);
    await db.setClock(at('09:00'));
    expect(await lift(scene, closed.id)).toEqual(lifted);
  });

  rule('leaves closed what another one still closes', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, alice, world.left, range('10:00', '12:00'));
    const waits = await join(db, bea, world.left, range('10:00', '12:00'));
    const args = { cancel_bookings: true };
    const first = await create(scene, blackout(scene, { resource_id: world.leftRoom, ...args }));
    await create(
      scene,
      blackout(scene, { offering_id: world.left, ...args }, range('11:00', '12:00')),
    );
    await lift(scene, first.id);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
  });

  rule('is for those who manage what it closed', async (scene) => {
    const { db, world } = scene;
    const [alice, half] = await createUsers(db, 'Alice', 'Half');
    await createMember(db, world.organizationId, half, 'manager', [world.right]);
    const closed = await create(scene, blackout(scene, { offering_id: world.left }));
    for (const user of [alice, half]) {
      await refused(db, 'RSNTF', user, 'lift_blackout', { blackout_id: closed.id });
    }
    await refused(db, 'RSNTF', world.owner, 'lift_blackout', { blackout_id: world.left });
  });
});
