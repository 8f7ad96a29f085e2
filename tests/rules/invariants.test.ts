/**
 * What always holds is checked by views, and each view is checked here: something is broken by hand,
 * as the owner could and nobody else can, and the view has to say so. Those of room are checked in
 * roomInvariants.test.ts, of pools in poolInvariants.test.ts, of slots in slotInvariants.test.ts.
 */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  createUser,
  deliverMail,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { paymentOf, setPrice } from '../support/payments.ts';
import { bookSeries, cancelSeries } from '../support/series.ts';
import { check, found, oneBooking, oneOffer } from './invariants.ts';
import { cancel, claim, createUsers, rule } from './rule.ts';

describe('I6, deadlines', () => {
  rule('finds a claim after its deadline', async (scene) => {
    const { db } = scene;
    const { bea, first } = await oneOffer(scene);
    await deliverMail(db);
    await claim(db, bea, first.id);
    const late = (column: string) =>
      found(db, [
        `update app_public.waitlist_entries set ${column} = ended_at where id = '${first.id}'`,
      ]);
    const problem = ['I6', first.id, 'claimed after its deadline'];
    expect(await late('offer_expires_at')).toEqual([problem]);
    expect(await late('starts_at')).toEqual([problem]);
  });

  rule('finds an expiry before it', async (scene) => {
    const { db } = scene;
    const { first } = await oneOffer(scene);
    await advanceTo(db, at('08:15'));
    const problem = ['I6', first.id, 'expired before its deadline'];
    for (const deadline of [`ended_at + interval '1 second'`, 'null']) {
      expect(
        await found(db, [
          `update app_public.waitlist_entries set offer_expires_at = ${deadline} where id = '${first.id}'`,
        ]),
      ).toEqual([problem]);
    }
  });
});

describe('I7, messages', () => {
  rule('finds a message without a delivery', async (scene) => {
    const { db } = scene;
    await oneBooking(scene);
    const rows = await found(db, ['delete from app_public.deliveries']);
    expect(rows.map(([name, , problem]) => [name, problem])).toEqual([
      ['I7', 'notification without a delivery'],
    ]);
  });

  rule('finds what was not told, or told twice', async (scene) => {
    const { db } = scene;
    const { made, first, second } = await oneOffer(scene);
    const without = (kind: string) =>
      found(db, [`delete from app_public.notifications where kind = '${kind}'`]);
    const twice = (kind: string) =>
      found(db, [
        `with again as (
           insert into app_public.notifications (organization_id, customer_id, kind, booking_id, entry_id, data)
           select organization_id, customer_id, kind, booking_id, entry_id, data
           from app_public.notifications where kind = '${kind}' limit 1
           returning *)
         insert into app_public.deliveries (organization_id, notification_id, subject_id, address)
         select organization_id, id, coalesce(booking_id, entry_id), 'a@example.com' from again`,
      ]);
    for (const [kind, id, problem] of [
      ['booking_cancelled', made.id, 'it was not told once how the booking ended'],
      ['slot_available', first.id, 'it was not told once of an offer'],
    ] as const) {
      expect(await without(kind)).toEqual([['I7', id, problem]]);
      expect(await twice(kind)).toEqual([['I7', id, problem]]);
    }
    await advanceTo(db, at('08:15'));
    const ended = ['I7', first.id, 'it was not told once that the wait has ended'];
    expect(await without('offer_expired')).toEqual([ended]);
    expect(await twice('offer_expired')).toEqual([ended]);
    expect(second.id).not.toBe(first.id);
  });

  rule('finds dates of a series of whose end the one message says nothing', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await bookSeries(db, alice, world.left);
    await cancelSeries(db, alice, made[0]?.id ?? '', 'all');
    const rows = await found(db, [
      `update app_public.notifications set data = data #- '{bookingIds,1}' where kind = 'series_cancelled'`,
    ]);
    expect(rows).toEqual([['I7', made[1]?.id, 'it was not told once how the booking ended']]);
  });

  rule(
    'finds dates of a series of whose payment the one message says nothing',
    async (scene) => {
      const { db, world } = scene;
      await setPrice(db, world, 80);
      const made = await bookSeries(db, await createUser(db, 'Alice'), world.left);
      const rows = await found(db, [
        `update app_public.notifications set data = data #- '{paymentIds,1}' where kind = 'series_payment_due'`,
      ]);
      const { id } = await paymentOf(db, made[1]?.id ?? '');
      expect(rows).toEqual([['I7', id, 'it was not told once what is to be paid']]);
    },
    { payment: 'on_booking' },
  );
});

describe('I8, the log', () => {
  rule('finds a change that is not in it', async (scene) => {
    const { db } = scene;
    const { first } = await oneOffer(scene);
    expect(
      await found(db, [
        `delete from app_public.audit_log where record_id = '${first.id}' and new_values ->> 'status' = 'offered'`,
      ]),
    ).toEqual([['I8', first.id, 'last change of status is not in the audit log']]);
    const { made } = await oneBooking({
      ...scene,
      world: { ...scene.world, hall: scene.world.right },
    });
    expect(
      await found(db, [`delete from app_public.audit_log where record_id = '${made.id}'`]),
    ).toEqual([['I8', made.id, 'last change of status is not in the audit log']]);
  });

  rule('finds a change that there is not', async (scene) => {
    const { db } = scene;
    const { made } = await oneOffer(scene);
    const rows = await found(db, [
      `alter table app_public.bookings disable trigger bookings_check_transition`,
      `update app_public.bookings set status = 'no_show' where id = '${made.id}'`,
    ]);
    expect(rows).toEqual([
      ['I8', made.id, 'change of status that the transition table does not know'],
    ]);
  });
});

describe('I10, releases', () => {
  rule('finds one whose reminder was not accepted, not in time, or came back', async (scene) => {
    const { db, world } = scene;
    const ghost = await createUser(db, 'Ghost');
    const made = await book(db, ghost, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('16:00', 3));
    const problem = [
      'I10',
      made.id,
      'released without an accepted reminder and the minimum notice',
    ];
    const booking = (change: string) => [
      `update app_public.bookings set ${change} where id = '${made.id}'`,
    ];
    const delivery = (change: string) => [
      `update app_public.deliveries d set ${change} from app_public.notifications n
       where n.id = d.notification_id and n.kind = 'booking_reminder'`,
    ];
    for (const statements of [
      booking('reminder_sent_at = null'),
      booking(`reminder_sent_at = auto_cancelled_at - interval '59 minutes'`),
      booking('starts_at = auto_cancelled_at, room = tstzrange(auto_cancelled_at, ends_at)'),
      delivery(`status = 'dead', sent_at = null`),
      delivery(`sent_at = '${at('15:01', 3)}'`),
      delivery(`bounced_at = '${at('15:01', 3)}'`),
    ]) {
      expect(await found(db, statements)).toEqual([problem]);
    }
    // What came back only afterwards could not be known.
    expect(await found(db, delivery(`bounced_at = '${at('16:01', 3)}'`))).toEqual([]);
  });
});

describe('I11, lost places', () => {
  rule('finds one whose offer was not accepted, or not early enough', async (scene) => {
    const { db } = scene;
    const { first } = await oneOffer(scene);
    await advanceTo(db, at('08:15'));
    const problem = [
      'I11',
      first.id,
      'lost its place without an accepted offer and the minimum window',
    ];
    const delivery = (change: string) => [
      `update app_public.deliveries d set ${change} from app_public.notifications n
       where n.id = d.notification_id and n.entry_id = '${first.id}' and n.kind = 'slot_available'`,
    ];
    expect(await found(db, delivery(`sent_at = '${at('08:10:01')}'`))).toEqual([problem]);
    expect(await found(db, delivery(`status = 'dead', sent_at = null`))).toEqual([problem]);
    expect(await found(db, delivery(`sent_at = '${at('08:10')}'`))).toEqual([]);
  });
});

describe('Deadlines', () => {
  rule('that are missing, wrong or left over are found', async (scene) => {
    const { db } = scene;
    const { made, second, hold } = await oneOffer(scene);
    const wrong = (id: string) => ['deadlines', id, 'deadline is not what the row says'];
    for (const id of [hold, second.id]) {
      expect(
        await found(db, [`delete from app_private.deadlines where subject_id = '${id}'`]),
      ).toEqual([wrong(id)]);
    }
    expect(
      await found(db, [
        `update app_private.deadlines set due_at = due_at + interval '1 second' where subject_id = '${hold}'`,
      ]),
    ).toEqual([wrong(hold)]);
    expect(
      await found(db, [
        `insert into app_private.deadlines (subject_id, subject, organization_id, action, due_at)
         values ('${made.id}', 'booking', '${scene.world.organizationId}', 'remind', app_private.clock())`,
      ]),
    ).toEqual([['deadlines', made.id, 'deadline of something that has ended']]);
  });

  rule('of freed room and of blackouts are looked at as well', async (scene) => {
    const { db, world } = scene;
    const insert = `insert into app_private.freeings (organization_id, resource_ids, during)
      values ('${world.organizationId}', array['${world.leftRoom}'::uuid], '[2030-06-04,2030-06-05)')`;
    const rows = await found(db, [
      insert,
      `insert into app_public.blackouts (organization_id, starts_at, ends_at, reason)
       values ('${world.organizationId}', '2030-06-04', '2030-06-05', 'x')`,
      'select app_private.plan_sweeps(id) from app_public.blackouts',
      'delete from app_private.deadlines',
    ]);
    expect(rows.map(([name, , problem]) => [name, problem])).toEqual(
      Array(3).fill(['deadlines', 'deadline is not what the row says']),
    );
    expect(await found(db, [insert])).toEqual([]);
  });
});

describe('Payments', () => {
  rule(
    'are asked for as long as a booking waits for them, not after its end, and not kept for nothing',
    async (scene) => {
      const { db, world } = scene;
      await db.query('update app_public.offerings set price = 80 where id = $1', [world.left]);
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, range('10:00', '12:00', 4));
      const [quiet, loud] = ['disable', 'enable'].map(
        (word) => `alter table app_public.bookings ${word} trigger bookings_keep_payments_update`,
      ) as [string, string];
      const problems = async (...steps: string[]) =>
        (await found(db, [quiet, ...steps, loud]))
          .filter(([name]) => name === 'payments')
          .map(([, subject, problem]) => [subject, problem]);
      const pay = (status: string) => `update app_public.payments set status = '${status}'`;
      expect(await problems(pay('cancelled'))).toEqual([
        [id, 'waits for a payment that nobody asks for'],
      ]);
      const end = `select app_private.end_booking('${id}', 'cancelled', 'Ill', refund => 80)`;
      expect(await problems(end)).toEqual([[id, 'asks to be paid although it has ended']]);
      const paid = `${pay('paid')}, method = 'cash', processed_at = created_at`;
      expect(await problems(paid, end)).toEqual([
        [id, 'more is kept of what was paid than is owed'],
      ]);
    },
    { payment: 'on_booking' },
  );
});

describe('On the wall clock', () => {
  rule('they hold as well, where no two things happen at one moment', async ({ db, world }) => {
    await db.setClock(null);
    const hours = (n: number) => new Date(Date.now() + n * 3_600_000).toISOString();
    const [start, middle, end] = [hours(72), hours(73), hours(74)];
    const [holder, bea, cem, dan] = await createUsers(db, 'Holder', 'Bea', 'Cem', 'Dan');
    const made = await book(db, holder, world.hall, [start, end]);
    const whole = await join(db, bea, world.hall, [start, end]);
    await join(db, bea, world.left, [start, middle]);
    const half = await join(db, cem, world.left, [start, end]);
    await join(db, dan, world.right, [middle, end]);
    await cancel(db, holder, made.id);
    await deliverMail(db);
    expect(await check(db)).toEqual([]);
    await db.as({ role: 'reslot_user', userId: bea }, () =>
      db.query('select app_public.decline_slot($1)', [whole.id]),
    );
    expect((await entry(db, half.id)).status).toBe('offered');
    expect(await check(db)).toEqual([]);
    // Handing on again unmarks who was passed over; that is no reason to call the offer out of turn.
    await db.query('select app_private.hand_on(array[$1::uuid], tstzrange($2, $3))', [
      world.leftRoom,
      start,
      end,
    ]);
    expect(await check(db)).toEqual([]);
    await claim(db, cem, half.id);
  });
});

describe('All of them', () => {
  rule('are asked by check_invariants, and by operators', async ({ db }) => {
    const views = await db.rows<{ name: string }>(
      `select viewname as name from pg_views where schemaname = 'app_private' order by 1`,
    );
    const definition = await db.value<string>(
      `select pg_get_functiondef('app_private.check_invariants()'::regprocedure)`,
    );
    expect(views.length).toBeGreaterThan(9);
    for (const { name } of views) expect(definition).toContain(`app_private.${name}`);
    await db.as({ role: 'reslot_admin' }, async () => {
      expect(await db.rows('select * from app_private.check_invariants()')).toEqual([]);
    });
  });
});
