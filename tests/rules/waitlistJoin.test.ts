/** Who may wait, and for what. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  call,
  createMember,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { cancel, createUsers, decline, leave, refused, rule, type Scene, told } from './rule.ts';

const TIME = range('10:00', '12:00');

const asked = (offering_id: string, [starts_at, ends_at]: [string, string]) => ({
  offering_id,
  starts_at,
  ends_at,
});

async function takeLeft({ db, world }: Scene, time = TIME) {
  const holder = await createUser(db, 'Holder');
  return { holder, taken: await book(db, holder, world.left, time) };
}

describe('Joining', () => {
  rule('is for taken room only: what is free can be booked', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await refused(db, 'RSAVL', alice, 'join_waitlist', asked(world.left, TIME));
    await takeLeft(scene);
    await refused(db, 'RSAVL', alice, 'join_waitlist', asked(world.right, TIME));
    await refused(db, 'RSAVL', alice, 'join_waitlist', asked(world.left, range('12:00', '13:00')));
    await join(db, alice, world.left, range('11:59', '13:00'));
    expect(await told(db, alice)).toEqual(['waitlist_joined']);
  });

  rule('begins at the end of the queue, with the position told', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const first = await join(db, alice, world.left, TIME);
    await db.setClock(at('08:01'));
    const second = await join(db, bea, world.left, TIME);
    expect(first).toMatchObject({ status: 'waiting', priority: 100 });
    const position = (user: string, id: string) =>
      db.as({ role: 'reslot_user', userId: user }, () =>
        db.value(
          'select app_public.waitlist_entries_position(e) from app_public.waitlist_entries e where id = $1',
          [id],
        ),
      );
    expect(await position(alice, first.id)).toBe(1);
    expect(await position(bea, second.id)).toBe(2);
  });

  rule('works for room that is held for another', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await join(db, alice, world.left, TIME);
    await cancel(db, holder, taken.id);
    expect(await join(db, bea, world.left, TIME)).toMatchObject({ status: 'waiting' });
  });

  rule('is refused twice for the same, but not for another time that overlaps', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    await join(db, alice, world.left, TIME);
    await refused(db, 'RSDUP', alice, 'join_waitlist', asked(world.left, TIME));
    await join(db, alice, world.left, range('10:00', '11:00'));
  });

  rule('is refused while a booking of one’s own overlaps it', async (scene) => {
    const { db, world } = scene;
    const { holder } = await takeLeft(scene);
    await refused(db, 'RSDUP', holder, 'join_waitlist', asked(world.left, TIME));
    await refused(db, 'RSDUP', holder, 'join_waitlist', asked(world.left, range('11:30', '13:00')));
    // The hall is another offering; waiting for it while having its left half makes sense.
    await join(db, holder, world.hall, TIME);
  });

  rule(
    'is limited per local day of the event, over all offerings',
    async (scene) => {
      const { db, world } = scene;
      await takeLeft(scene, range('10:00', '18:00'));
      const alice = await createUser(db, 'Alice');
      await join(db, alice, world.left, range('10:00', '11:00'));
      const second = await join(db, alice, world.hall, range('11:00', '12:00'));
      const third = asked(world.left, range('12:00', '13:00'));
      const details = await refused(db, 'RSLIM', alice, 'join_waitlist', third);
      expect(details).toEqual({ maxEntriesPerDay: 2 });
      await leave(db, alice, second.id);
      await join(db, alice, world.left, range('12:00', '13:00'));
      const bea = await createUser(db, 'Bea');
      await join(db, bea, world.left, range('12:00', '13:00'));
    },
    { max_entries_per_day: 2 },
  );

  rule(
    'is refused where there is no waiting list',
    async (scene) => {
      const { db, world } = scene;
      await takeLeft(scene);
      const alice = await createUser(db, 'Alice');
      await refused(db, 'RSOFF', alice, 'join_waitlist', asked(world.left, TIME));
    },
    { waitlist_enabled: false },
  );

  rule('is refused for times that could not be booked anyway', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene, range('08:30', '12:00', 0));
    const alice = await createUser(db, 'Alice');
    for (const [from, to] of [
      [at('07:00'), at('09:00')],
      [at('10:00'), at('10:10')],
      [at('10:00'), 'infinity'],
      [at('11:00'), at('10:00')],
    ] as const) {
      await refused(db, 'RSTIM', alice, 'join_waitlist', asked(world.left, [from, to]));
    }
    await call(db, world.owner, 'create_blackout', {
      organization_id: world.organizationId,
      offering_id: world.left,
      starts_at: at('13:00'),
      ends_at: at('14:00'),
      reason: 'Works',
    });
    const overlapping = asked(world.left, [at('11:00'), at('13:30')]);
    await refused(db, 'RSBLK', alice, 'join_waitlist', overlapping);
    await refused(db, 'RSNTF', alice, 'join_waitlist', asked(world.policyId, TIME));
  });

  rule(
    'heeds no cutoff: a place that comes free late is better than none',
    async (scene) => {
      const { db, world } = scene;
      await takeLeft(scene, range('10:00', '12:00', 0));
      const alice = await createUser(db, 'Alice');
      await db.setClock(at('08:30'));
      await join(db, alice, world.left, range('10:00', '12:00', 0));
    },
    { booking_cutoff: '2 hours' },
  );

  rule('needs an account with a verified address', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const alice = await createUser(db, 'Alice', { email_verified_at: null });
    await refused(db, 'RSVER', alice, 'join_waitlist', asked(world.left, TIME));
    await refused(db, 'RSAUT', '', 'join_waitlist', asked(world.left, TIME));
  });

  rule('again is possible after an offer was declined or ran out, at the end', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const first = await join(db, alice, world.left, TIME);
    const second = await join(db, bea, world.left, TIME);
    await join(db, cem, world.left, TIME);
    await cancel(db, holder, taken.id);
    await advanceTo(db, at('08:20'));
    expect(await entry(db, first.id)).toMatchObject({ status: 'expired' });
    const again = await join(db, alice, world.left, TIME);
    await decline(db, bea, second.id);
    expect(await entry(db, again.id)).toMatchObject({ status: 'waiting' });
    await advanceTo(db, at('08:40'));
    expect(await entry(db, again.id)).toMatchObject({ status: 'offered' });
  });
});

describe('Leaving', () => {
  rule('is possible at any time while one waits, and twice', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const [alice, eve] = await createUsers(db, 'Alice', 'Eve');
    const mine = await join(db, alice, world.left, TIME);
    await refused(db, 'RSNTF', eve, 'leave_waitlist', { entry_id: mine.id });
    const left = await leave(db, alice, mine.id);
    expect(left).toMatchObject({ status: 'left', ended_at: new Date(at('08:00')) });
    expect(await leave(db, alice, mine.id)).toEqual(left);
    await join(db, alice, world.left, TIME);
  });

  rule('with an offer in hand passes it on at once', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const first = await join(db, alice, world.left, TIME);
    const second = await join(db, bea, world.left, TIME);
    await cancel(db, holder, taken.id);
    await leave(db, alice, first.id);
    expect(await entry(db, second.id)).toMatchObject({ status: 'offered' });
  });

  rule('can be done for somebody by a manager', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const [alice, other] = await createUsers(db, 'Alice', 'Other');
    await createMember(db, world.organizationId, other, 'manager', [world.right]);
    const theirs = await join(db, alice, world.left, TIME);
    await refused(db, 'RSNTF', other, 'leave_waitlist', { entry_id: theirs.id });
    expect(await leave(db, world.manager, theirs.id)).toMatchObject({ status: 'left' });
  });

  rule('is refused once the entry has ended otherwise', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    const mine = await join(db, alice, world.left, TIME);
    await cancel(db, holder, taken.id);
    await decline(db, alice, mine.id);
    await refused(db, 'RSSTA', alice, 'leave_waitlist', { entry_id: mine.id });
  });
});

describe('Priorities', () => {
  rule('are set by managers only, within bounds, and logged with the reason', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    const mine = await join(db, alice, world.left, TIME);
    const args = { entry_id: mine.id, priority: 1, reason: 'Regular' };
    await refused(db, 'RSNTF', alice, 'set_waitlist_priority', args);
    for (const priority of [-1, 1_000_001, null]) {
      await refused(db, 'RSARG', world.manager, 'set_waitlist_priority', { ...args, priority });
    }
    await call(db, world.manager, 'set_waitlist_priority', args);
    const logged = await db.one(
      `select actor_user_id, old_values ->> 'priority' as old, new_values ->> 'priority' as new, reason
       from app_public.audit_log where record_id = $1 and operation = 'update'`,
      [mine.id],
    );
    expect(logged).toEqual({
      actor_user_id: world.manager,
      old: '100',
      new: '1',
      reason: 'Regular',
    });
  });

  rule('put somebody first; among equals who joined first is first', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const people = await createUsers(db, 'Ann', 'Bea', 'Cem', 'Dan');
    const entries = [];
    for (const person of people) {
      entries.push((await join(db, person, world.left, TIME)).id);
      await db.setClock(at(`08:0${entries.length}`));
    }
    await call(db, world.manager, 'set_waitlist_priority', { entry_id: entries[2], priority: 50 });
    await call(db, world.manager, 'set_waitlist_priority', { entry_id: entries[0], priority: 200 });
    await cancel(db, holder, taken.id);
    const order = [];
    for (;;) {
      const [next] = await db.rows<{ id: string; user_id: string }>(
        `select e.id, c.user_id from app_public.waitlist_entries e
         join app_public.customers c on c.id = e.customer_id where e.status = 'offered'`,
      );
      if (!next) break;
      order.push(entries.indexOf(next.id));
      await decline(db, next.user_id, next.id);
    }
    expect(order).toEqual([2, 1, 3, 0]);
  });

  rule('do not take an offer away from who has it', async (scene) => {
    const { db, world } = scene;
    const { holder, taken } = await takeLeft(scene);
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const first = await join(db, alice, world.left, TIME);
    const second = await join(db, bea, world.left, TIME);
    await cancel(db, holder, taken.id);
    await db.setClock(at('08:01'));
    await call(db, world.manager, 'set_waitlist_priority', { entry_id: second.id, priority: 0 });
    expect(await entry(db, first.id)).toMatchObject({ status: 'offered' });
  });

  rule('of what has ended cannot be set', async (scene) => {
    const { db, world } = scene;
    await takeLeft(scene);
    const alice = await createUser(db, 'Alice');
    const mine = await join(db, alice, world.left, TIME);
    await leave(db, alice, mine.id);
    await refused(db, 'RSSTA', world.manager, 'set_waitlist_priority', {
      entry_id: mine.id,
      priority: 1,
    });
  });
});
