/** Claiming and declining, the last call, and deadlines that hold without a worker. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import {
  cancel,
  claim,
  createUsers,
  deadlineOf,
  decline,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

const TIME = range('18:00', '20:00', 3);

/** Bea has an offer whose mail was accepted; Cem waits behind her. */
async function offerBea({ db, world }: Scene, time = TIME) {
  const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
  const made = await book(db, holder, world.left, time);
  const first = await join(db, bea, world.left, time);
  const second = await join(db, cem, world.left, time);
  await cancel(db, holder, made.id);
  await deliverMail(db);
  return { holder, bea, cem, first, second };
}

describe('Claiming', () => {
  rule('turns the hold into a booking, to be confirmed like any other', async (scene) => {
    const { db } = scene;
    const { bea, first } = await offerBea(scene);
    const { hold_id } = await entry(db, first.id);
    const claimed = await claim(db, bea, first.id);
    expect(claimed).toMatchObject({
      id: hold_id,
      status: 'confirmed',
      hold_expires_at: null,
      unclaimed: false,
      confirm_by: new Date(at('16:00', 3)),
      attendance_confirmed_at: null,
    });
    expect(await entry(db, first.id)).toMatchObject({ status: 'claimed', booking_id: hold_id });
    expect(await deadlineOf(db, hold_id as string)).toMatchObject({ action: 'remind' });
    expect((await told(db, bea)).at(-1)).toBe('booking_claimed');
  });

  rule('twice gives the same booking and one message', async (scene) => {
    const { db } = scene;
    const { bea, first } = await offerBea(scene);
    const claimed = await claim(db, bea, first.id);
    await db.setClock(at('12:00'));
    expect(await claim(db, bea, first.id)).toEqual(claimed);
    expect((await told(db, bea)).filter((kind) => kind === 'booking_claimed')).toHaveLength(1);
  });

  rule('is possible until the deadline, not at it', async (scene) => {
    const { db } = scene;
    const { bea, first } = await offerBea(scene);
    await db.setClock(at('08:15'));
    await refused(db, 'RSEXP', bea, 'claim_slot', { entry_id: first.id });
    await db.setClock(at('08:14:59.999'));
    await claim(db, bea, first.id);
  });

  rule(
    'too late is refused, and the room goes to the next with or without a worker',
    async (scene) => {
      const { db } = scene;
      const { bea, cem, first, second } = await offerBea(scene);
      await db.setClock(at('09:00'));
      await refused(db, 'RSEXP', bea, 'claim_slot', { entry_id: first.id });
      // The refused call is undone as a whole; any call that succeeds settles what is due.
      expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
      await runDueDeadlines(db);
      expect(await statusOf(db, first.id, second.id)).toEqual(['expired', 'offered']);
      await refused(db, 'RSEXP', bea, 'claim_slot', { entry_id: first.id });
      await claim(db, cem, second.id);
    },
  );

  rule('is for its owner alone', async (scene) => {
    const { db, world } = scene;
    const { bea, cem, holder, first } = await offerBea(scene);
    for (const user of [cem, holder, world.manager, '']) {
      await refused(db, 'RSNTF', user, 'claim_slot', { entry_id: first.id });
      await refused(db, 'RSNTF', user, 'decline_slot', { entry_id: first.id });
    }
    await refused(db, 'RSNTF', bea, 'claim_slot', { entry_id: bea });
  });

  rule('out of turn is refused', async (scene) => {
    const { db } = scene;
    const { cem, second } = await offerBea(scene);
    await refused(db, 'RSSTA', cem, 'claim_slot', { entry_id: second.id });
    await refused(db, 'RSSTA', cem, 'decline_slot', { entry_id: second.id });
  });

  rule('ends the claimer’s other entries that overlap, no others', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.hall, TIME);
    await book(db, holder, world.left, range('20:00', '22:00', 3));
    const first = await join(db, bea, world.left, TIME);
    const overlapping = await join(db, bea, world.hall, range('19:00', '21:00', 3));
    const apart = await join(db, bea, world.left, range('20:00', '22:00', 3));
    const others = await join(db, cem, world.left, range('19:00', '20:00', 3));
    await cancel(db, holder, made.id);
    await claim(db, bea, first.id);
    expect(await statusOf(db, overlapping.id, apart.id, others.id)).toEqual([
      'closed',
      'waiting',
      'waiting',
    ]);
  });

  rule('ends what else the claimer waits for at that time, in other rooms too', async (scene) => {
    const { db, world } = scene;
    const [holder, other, bea] = await createUsers(db, 'Holder', 'Other', 'Bea');
    const made = await book(db, holder, world.left, TIME);
    await book(db, other, world.right, TIME);
    const claimed = await join(db, bea, world.left, TIME);
    const elsewhere = await join(db, bea, world.right, TIME);
    await cancel(db, holder, made.id);
    await claim(db, bea, claimed.id);
    expect(await statusOf(db, elsewhere.id)).toEqual(['closed']);
  });

  rule('ends what else is held for the claimer at that time, and it goes on', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.hall, TIME);
    const [left, right] = [
      await join(db, bea, world.left, TIME),
      await join(db, bea, world.right, TIME),
    ];
    const next = await join(db, cem, world.right, TIME);
    // Kept from her while she has an offer of the same room.
    const late = await book(db, holder, world.right, range('20:00', '21:00', 3));
    const after = await join(db, bea, world.right, range('20:00', '21:00', 3));
    await cancel(db, holder, made.id);
    await cancel(db, holder, late.id);
    expect(await statusOf(db, left.id, right.id, next.id, after.id)).toEqual([
      'offered',
      'offered',
      'waiting',
      'waiting',
    ]);
    await claim(db, bea, left.id);
    expect(await statusOf(db, right.id, next.id, after.id)).toEqual([
      'closed',
      'offered',
      'offered',
    ]);
  });

  rule('close to the start is the confirmation', async (scene) => {
    const { db } = scene;
    const { bea, first } = await offerBea(scene, range('18:00', '20:00', 0));
    expect(await claim(db, bea, first.id)).toMatchObject({
      attendance_confirmed_how: 'booking',
      confirm_by: null,
    });
  });

  rule(
    'ignores the cutoff and the limit of bookings a day',
    async (scene) => {
      const { db, world } = scene;
      const time = range('12:00', '14:00', 0);
      const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
      const made = await book(db, holder, world.left, time);
      await book(db, bea, world.right, range('18:00', '19:00', 0));
      const first = await join(db, bea, world.left, time);
      await db.setClock(at('10:30'));
      await cancel(db, holder, made.id);
      expect(await claim(db, bea, first.id)).toMatchObject({ status: 'confirmed' });
    },
    { booking_cutoff: '2 hours', max_bookings_per_day: 1 },
  );

  rule(
    'gives a request where a manager has to agree',
    async (scene) => {
      const { db, world } = scene;
      const { bea, first } = await offerBea(scene);
      const claimed = await claim(db, bea, first.id);
      expect(claimed).toMatchObject({ status: 'pending', confirm_by: null });
      expect(claimed.request_expires_at).toEqual(new Date(at('08:00', 1)));
      expect(await told(db, world.manager)).toContain('booking_requested');
      await call(db, world.manager, 'reject_booking', { booking_id: claimed.id });
      expect(await statusOf(db, first.id)).toEqual(['claimed']);
    },
    { requires_approval: true },
  );
});

describe('Declining', () => {
  rule('lets the next person hear at once', async (scene) => {
    const { db } = scene;
    const { bea, cem, first, second } = await offerBea(scene);
    const declined = await decline(db, bea, first.id);
    expect(declined).toMatchObject({ status: 'declined', ended_at: new Date(at('08:00')) });
    expect(await statusOf(db, second.id)).toEqual(['offered']);
    expect((await told(db, cem)).at(-1)).toBe('slot_available');
    expect(await decline(db, bea, first.id)).toEqual(declined);
  });

  rule('after claiming is refused, as is claiming after declining', async (scene) => {
    const { db } = scene;
    const { bea, cem, first, second } = await offerBea(scene);
    await decline(db, bea, first.id);
    await refused(db, 'RSSTA', bea, 'claim_slot', { entry_id: first.id });
    await claim(db, cem, second.id);
    await refused(db, 'RSSTA', cem, 'decline_slot', { entry_id: second.id });
  });

  rule('after the deadline is too late', async (scene) => {
    const { db } = scene;
    const { bea, first } = await offerBea(scene);
    await advanceTo(db, at('08:20'));
    await refused(db, 'RSEXP', bea, 'decline_slot', { entry_id: first.id });
  });
});

describe('What is due is due, worker or no worker', () => {
  rule('an overdue hold is settled by the next who touches its room', async (scene) => {
    const { db, world } = scene;
    const { holder, first, second } = await offerBea(scene);
    await db.setClock(at('08:16'));
    const [starts_at, ends_at] = TIME;
    const wanted = { offering_id: world.left, starts_at, ends_at };
    await refused(db, 'RSFUL', holder, 'create_booking', wanted);
    await book(db, holder, world.left, range('10:00', '11:00', 5));
    expect(await statusOf(db, first.id, second.id)).toEqual(['expired', 'offered']);
  });

  rule('with nobody left behind it, the room can be booked at once', async (scene) => {
    const { db, world } = scene;
    const { holder, cem, first, second } = await offerBea(scene);
    await call(db, cem, 'leave_waitlist', { entry_id: second.id });
    await db.setClock(at('08:16'));
    await book(db, holder, world.left, TIME);
    expect(await statusOf(db, first.id)).toEqual(['expired']);
  });

  rule('a booking of the hall settles a hold on its half', async (scene) => {
    const { db, world } = scene;
    const { holder, cem, second } = await offerBea(scene);
    await call(db, cem, 'leave_waitlist', { entry_id: second.id });
    await db.setClock(at('08:16'));
    await book(db, holder, world.hall, TIME);
  });

  rule('an overdue hold on one half keeps nobody from the hall', async ({ db, world }) => {
    const people = await createUsers(db, 'Ann', 'Bea', 'Cem', 'Dan', 'Eve');
    const [ann, bea, cem, dan, eve] = people;
    const left = await book(db, ann, world.left, TIME);
    const right = await book(db, bea, world.right, TIME);
    const first = await join(db, cem, world.right, TIME);
    const hall = await join(db, dan, world.hall, TIME);
    await db.setClock(at('08:01'));
    const half = await join(db, eve, world.left, TIME);
    await cancel(db, bea, right.id);
    await deliverMail(db);
    expect(await statusOf(db, first.id, hall.id)).toEqual(['offered', 'waiting']);
    // Nobody has settled it when the other half is freed: who waits for both was there first.
    await db.setClock(at('08:17'));
    await cancel(db, ann, left.id);
    expect(await statusOf(db, first.id, hall.id, half.id)).toEqual([
      'expired',
      'offered',
      'waiting',
    ]);
  });

  rule('a hold that is not due is not settled', async (scene) => {
    const { db, world } = scene;
    const { holder, first } = await offerBea(scene);
    await db.setClock(at('08:14'));
    await book(db, holder, world.left, range('10:00', '11:00', 5));
    expect(await statusOf(db, first.id)).toEqual(['offered']);
  });
});

describe('The whole chain', () => {
  rule('passes a room from hand to hand until somebody takes it', async (scene) => {
    const { db, world } = scene;
    const [ghost, ...queue] = await createUsers(db, 'Ghost', 'Ann', 'Bea', 'Cem', 'Dan');
    const made = await book(db, ghost, world.left, TIME);
    const entries: { id: string }[] = [];
    for (const person of queue) entries.push(await join(db, person, world.left, TIME));
    await advanceTo(db, at('16:00', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
    await decline(db, queue[0] as string, entries[0]?.id as string);
    await advanceTo(db, at('16:40', 3));
    const [first, second, third, fourth] = await statusOf(db, ...entries.map(({ id }) => id));
    expect([first, second]).toEqual(['declined', 'expired']);
    expect([third, fourth]).toContain('offered');
    const current = entries[third === 'offered' ? 2 : 3] as { id: string };
    await claim(db, queue[third === 'offered' ? 2 : 3] as string, current.id);
    await advanceTo(db, at('21:00', 3));
    expect(
      await db.value(`select count(*) from app_public.bookings where status = 'completed'`),
    ).toBe(1);
  });

  rule('is open to somebody without the app: by what the mail carries', async (scene) => {
    const { db } = scene;
    const someone = await createUser(db, 'Someone');
    expect(await told(db, someone)).toEqual([]);
    const actions = await db.rows(
      `select kind, actions::text[] from app_private.notification_kinds
       where kind in ('slot_available', 'last_call', 'booking_reminder') order by kind`,
    );
    expect(actions).toEqual([
      { kind: 'booking_reminder', actions: ['confirm', 'cancel'] },
      { kind: 'last_call', actions: ['claim', 'leave'] },
      { kind: 'slot_available', actions: ['claim', 'decline'] },
    ]);
  });
});
