/** Handing freed room on: to whom, in which order, and what stops it. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import {
  cancel,
  claim,
  createUsers,
  decline,
  leave,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

async function takeLeft({ db, world }: Scene, time = range('10:00', '14:00')) {
  const holder = await createUser(db, 'Holder');
  return { holder, taken: await book(db, holder, world.left, time) };
}

/** One new person for each time; out come their entries in order of joining. */
async function queueUp({ db, world }: Scene, ...times: [string, string][]) {
  const queue: { user: string; id: string }[] = [];
  for (const [from, to] of times) {
    const user = await createUser(db, `Person${queue.length}`);
    queue.push({ user, id: (await join(db, user, world.left, range(from, to))).id });
  }
  return queue;
}

const statuses = (db: TestDatabase, queue: { id: string }[]) =>
  statusOf(db, ...queue.map(({ id }) => id));

describe('Freed room', () => {
  rule('is held for the first, in the transaction that frees it', async (scene) => {
    const { db } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00'], ['10:00', '14:00']);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['offered', 'waiting']);
    const offered = await entry(db, queue[0]?.id as string);
    expect(offered).toMatchObject({ offered_at: new Date(at('08:00')), offer_expires_at: null });
    expect(await booking(db, offered.hold_id as string)).toMatchObject({
      status: 'held',
      customer_id: offered.customer_id,
      starts_at: new Date(at('10:00', 1)),
      hold_expires_at: new Date(at('09:30', 1)),
    });
    expect(await told(db, queue[0]?.user as string)).toEqual(['waitlist_joined', 'slot_available']);
  });

  rule('serves several people, each with a part of it', async (scene) => {
    const { db } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '11:00'], ['12:00', '14:00'], ['11:00', '12:00']);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['offered', 'offered', 'offered']);
  });

  rule('passes by who does not fit into it, who keeps the place', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene, range('10:00', '12:00'));
    const neighbour = await createUser(db, 'Neighbour');
    const next = await book(db, neighbour, world.left, range('12:00', '14:00'));
    const queue = await queueUp(scene, ['11:00', '13:00'], ['10:00', '11:30'], ['11:30', '12:00']);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['waiting', 'offered', 'offered']);
    await decline(db, queue[1]?.user as string, queue[1]?.id as string);
    await cancel(db, neighbour, next.id);
    expect(await statuses(db, queue)).toEqual(['waiting', 'declined', 'offered']);
    await leave(db, queue[2]?.user as string, queue[2]?.id as string);
    expect(await statuses(db, queue)).toEqual(['offered', 'declined', 'left']);
  });

  rule('serves a wait that reaches beyond it, where the rest is free already', async (scene) => {
    const { db } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['13:00', '17:00'], ['08:00', '10:30']);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['offered', 'offered']);
  });

  rule('goes to an earlier person in whole rather than to a later one in part', async (scene) => {
    const { db } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00'], ['10:00', '11:00']);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['offered', 'waiting']);
    await decline(db, queue[0]?.user as string, queue[0]?.id as string);
    expect(await statuses(db, queue)).toEqual(['declined', 'offered']);
  });

  rule('is open to everyone when nobody is left', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00']);
    await cancel(db, holder, taken.id);
    await decline(db, queue[0]?.user as string, queue[0]?.id as string);
    await book(db, holder, world.left, range('10:00', '14:00'));
  });

  rule(
    'needs its buffers free as well',
    async (scene) => {
      const { db, world } = scene;
      const { holder, taken } = await takeLeft(scene, range('10:00', '12:00'));
      const neighbour = await createUser(db, 'Neighbour');
      await book(db, neighbour, world.left, range('12:30', '14:00'));
      const queue = await queueUp(scene, ['10:00', '12:15'], ['10:00', '12:00']);
      await cancel(db, holder, taken.id);
      expect(await statuses(db, queue)).toEqual(['waiting', 'offered']);
    },
    { buffer_before: '30 minutes' },
  );

  rule('that has passed in part is handed on for what is left', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene, range('08:30', '12:00', 0));
    const user = await createUser(db, 'Bea');
    const rest = await join(db, user, world.left, range('11:00', '12:00', 0));
    await advanceTo(db, at('09:00'));
    await call(db, world.manager, 'cancel_booking', { booking_id: taken.id, reason: 'Left early' });
    expect(await entry(db, rest.id)).toMatchObject({ status: 'offered' });
    expect(holder).toBeDefined();
  });

  rule('for a time that is closed by now is offered to nobody', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00']);
    await db.query(`update app_public.opening_hours set closes = '13:00' where resource_id = $1`, [
      world.leftRoom,
    ]);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['waiting']);
  });

  rule('of an offering that was archived is offered to nobody', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00']);
    await db.query('update app_public.offerings set archived_at = created_at where id = $1', [
      world.left,
    ]);
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['waiting']);
  });
});

describe('One customer', () => {
  rule('gets one offer at a time on a resource; the rest goes to the next', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const first = await join(db, alice, world.left, range('10:00', '11:00'));
    const second = await join(db, alice, world.left, range('12:00', '13:00'));
    const other = await join(db, bea, world.left, range('12:00', '13:00'));
    await cancel(db, holder, taken.id);
    expect(await statusOf(db, first.id, second.id, other.id)).toEqual([
      'offered',
      'waiting',
      'offered',
    ]);
  });

  rule('is offered what was kept back once the first offer is claimed', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    const first = await join(db, alice, world.left, range('10:00', '11:00'));
    const second = await join(db, alice, world.left, range('12:00', '13:00'));
    await cancel(db, holder, taken.id);
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
    await claim(db, alice, first.id);
    expect(await statusOf(db, first.id, second.id)).toEqual(['claimed', 'offered']);
  });

  rule(
    'is offered what was kept back once the first offer is declined, elsewhere',
    async (scene) => {
      const { db, world } = scene;
      const { holder, taken } = await takeLeft(scene);
      const alice = await createUser(db, 'Alice');
      const first = await join(db, alice, world.left, range('10:00', '11:00'));
      const second = await join(db, alice, world.left, range('12:00', '13:00'));
      await cancel(db, holder, taken.id);
      await decline(db, alice, first.id);
      expect(await statusOf(db, first.id, second.id)).toEqual(['declined', 'offered']);
    },
  );

  rule('who lets go is passed over with the other entries for the same room', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const whole = await join(db, alice, world.left, range('10:00', '14:00'));
    const part = await join(db, alice, world.left, range('10:00', '12:00'));
    const next = await join(db, bea, world.left, range('10:00', '14:00'));
    await cancel(db, holder, taken.id);
    await decline(db, alice, whole.id);
    expect(await statusOf(db, whole.id, part.id, next.id)).toEqual([
      'declined',
      'waiting',
      'offered',
    ]);
    // The next time it comes free, it is theirs again.
    await decline(db, bea, next.id);
    expect(await statusOf(db, part.id)).toEqual(['offered']);
  });

  rule('who lets go with nobody else waiting leaves the room to the public', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    const whole = await join(db, alice, world.left, range('10:00', '14:00'));
    const part = await join(db, alice, world.left, range('10:00', '12:00'));
    await cancel(db, holder, taken.id);
    await decline(db, alice, whole.id);
    expect(await statusOf(db, part.id)).toEqual(['waiting']);
    const again = await book(db, holder, world.left, range('10:00', '14:00'));
    await cancel(db, holder, again.id);
    expect(await statusOf(db, part.id)).toEqual(['offered']);
  });

  rule(
    'who lets go stays passed over while somebody else is offered what was kept',
    async (scene) => {
      const { db, world } = scene;
      const { holder, taken } = await takeLeft(scene, range('09:00', '16:00', 0));
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      const whole = await join(db, alice, world.left, range('11:00', '13:00', 0));
      const part = await join(db, alice, world.left, range('11:30', '12:30', 0));
      const far = await join(db, bea, world.left, range('14:00', '16:00', 0));
      const near = await join(db, bea, world.left, range('10:00', '12:00', 0));
      await cancel(db, holder, taken.id);
      expect(await statusOf(db, whole.id, part.id, far.id, near.id)).toEqual([
        'offered',
        'waiting',
        'offered',
        'waiting',
      ]);
      await decline(db, alice, whole.id);
      // Bea's nearer wait is inside its last call when her offer ends.
      await db.setClock(at('09:35'));
      await decline(db, bea, far.id);
      expect(await statusOf(db, part.id)).toEqual(['waiting']);
    },
  );

  rule('may have offers on two rooms at once', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const time = range('10:00', '12:00');
    const bookings = [
      await book(db, bea, world.left, time),
      await book(db, bea, world.right, time),
    ];
    const entries = [
      await join(db, alice, world.left, time),
      await join(db, alice, world.right, time),
    ];
    for (const { id } of bookings) await cancel(db, bea, id);
    expect(await statuses(db, entries)).toEqual(['offered', 'offered']);
  });
});

describe('One bad entry', () => {
  rule('is set aside and reported, and cancels nobody’s cancellation', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00'], ['10:00', '14:00']);
    const bad = queue[0] as { id: string; user: string };
    await db.query(
      'update app_public.customers c set email = null, phone = $2 where c.user_id = $1',
      [bad.user, '1'],
    );
    await cancel(db, holder, taken.id);
    expect(await statuses(db, queue)).toEqual(['waiting', 'offered']);
    expect((await booking(db, taken.id)).status).toBe('cancelled');
    const stuck = await entry(db, bad.id);
    expect(stuck.stuck_at).toEqual(new Date(at('08:00')));
    expect(stuck.stuck_reason).toContain('address');
    const lengths = await call(db, world.manager, 'waitlist_lengths', {});
    expect(lengths).toMatchObject({ waiting: 1, offered: 1, stuck: 1 });
  });

  rule('does not show its customer what PostgreSQL said', async (scene) => {
    const { db } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [bad] = await queueUp(scene, ['10:00', '14:00']);
    await db.query(
      `alter table app_public.bookings add constraint secret_rule check (status <> 'held') not valid`,
    );
    await cancel(db, holder, taken.id);
    const { stuck_reason } = await entry(db, bad?.id ?? '');
    expect(stuck_reason).toBe('The offer could not be made (23514).');
  });

  rule('is not what a full disk makes of it: then nothing has changed', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const queue = await queueUp(scene, ['10:00', '14:00']);
    await db.query('savepoint room');
    await db.query(
      `create function app_private.full_disk() returns trigger language plpgsql
       as $$ begin raise disk_full; end $$`,
    );
    await db.query(
      `create trigger full_disk before insert on app_public.bookings for each row
       when (new.status = 'held') execute function app_private.full_disk()`,
    );
    await refused(db, '53100', holder, 'cancel_booking', { booking_id: taken.id });
    expect(await statuses(db, queue)).toEqual(['waiting']);
    expect(await entry(db, queue[0]?.id ?? '')).toMatchObject({ stuck_at: null });
    await db.query('rollback to savepoint room');
    await call(db, holder, 'cancel_booking', { booking_id: taken.id });
    expect(await statuses(db, queue)).toEqual(['offered']);
    expect(await told(db, world.manager)).toEqual([]);
  });

  rule('comes back into the queue when a manager has looked', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [bad] = (await queueUp(scene, ['10:00', '14:00'])) as [{ id: string; user: string }];
    const email = await db.value('select email from app_public.customers where user_id = $1', [
      bad.user,
    ]);
    const setEmail = (to: unknown) =>
      db.query('update app_public.customers set email = $2 where user_id = $1', [bad.user, to]);
    await setEmail(null);
    await cancel(db, holder, taken.id);
    expect(await statusOf(db, bad.id)).toEqual(['waiting']);
    await setEmail(email);
    await call(db, world.manager, 'set_waitlist_priority', { entry_id: bad.id, priority: 100 });
    expect(await entry(db, bad.id)).toMatchObject({ status: 'offered', stuck_at: null });
  });
});
