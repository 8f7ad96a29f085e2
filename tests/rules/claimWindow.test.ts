/** How long an offer is held. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  createUser,
  createWorld,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import {
  advanceWithoutMail,
  cancel,
  claim,
  offerTo,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
  versionWith,
} from './rule.ts';

describe('The planned window', () => {
  test.each([
    // until last call, fitting customers, window
    ['48:00:00', 1, '00:15:00', 'far from the start: as the policy says'],
    ['48:00:00', 100, '00:15:00', 'far from the start: also with many waiting'],
    [
      '01:00:00',
      1,
      '00:15:00',
      'two turns of 30 minutes would fit: still no longer than the policy',
    ],
    ['00:40:00', 3, '00:10:00', 'four turns in 40 minutes'],
    ['01:30:00', 5, '00:15:00', 'six turns in 90 minutes'],
    ['01:30:00', 100, '00:11:15', 'no more than eight turns are planned'],
    ['00:20:00', 100, '00:05:00', 'never under the minimum'],
    ['00:00:01', 1, '00:05:00', 'never under the minimum, even at the last moment'],
    ['00:20:00', 1, '00:10:00', 'at most its share of the time that is left'],
  ])('%s before the last call with %d waiting is %s: %s', (left, fitting, expected) =>
    inTransaction(async (db) => {
      await createWorld(db);
      const planned = await db.value(
        `select app_private.planned_window(${versionWith({})}, $1::interval, $2) = $3::interval`,
        [left, fitting, expected],
      );
      expect(planned).toBe(true);
    }),
  );

  test.each([
    ['100:00:00', 1, '24:00:00', 'a long window'],
    ['40:00:00', 1, '20:00:00', 'is capped as a share of the time left'],
    ['40:00:00', 3, '10:00:00', 'and by the people waiting'],
  ])('with 24 hours to claim: %s before, %d waiting: %s, %s', (left, fitting, expected) =>
    inTransaction(async (db) => {
      await createWorld(db);
      const policy = versionWith({ claim_window: '24:00:00' });
      const planned = await db.value(
        `select app_private.planned_window(${policy}, $1::interval, $2) = $3::interval`,
        [left, fitting, expected],
      );
      expect(planned).toBe(true);
    }),
  );

  rule('counts people, not entries, and only those who fit into what was freed', async (scene) => {
    const { db, world } = scene;
    const time = range('10:00', '12:00', 0);
    const holder = await createUser(db, 'Holder');
    const [bea, cem] = [await createUser(db, 'Bea'), await createUser(db, 'Cem')];
    const made = await book(db, holder, world.left, time);
    const neighbour = await book(db, holder, world.left, range('12:00', '13:00', 0));
    const first = await join(db, bea, world.left, time);
    await join(db, bea, world.left, range('10:00', '11:00', 0));
    await join(db, cem, world.left, range('11:00', '13:00', 0));
    await db.setClock(at('09:10'));
    await cancel(db, holder, made.id);
    // 20 minutes until the last call, one person: two turns.
    expect(
      await db.value('select claim_window::text from app_public.waitlist_entries where id = $1', [
        first.id,
      ]),
    ).toBe('00:10:00');
    expect(neighbour).toBeDefined();
  });

  rule('is counted once, when the offer is made', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene, range('10:00', '12:00', 0));
    const before = await entry(db, waiting.id);
    await advanceWithoutMail(db, at('09:20'));
    await deliverMail(db);
    const after = await entry(db, waiting.id);
    expect(after.claim_window).toEqual(before.claim_window);
    expect(after.offer_expires_at).toEqual(new Date(at('09:35')));
  });
});

describe('The window runs', () => {
  rule('from the moment the mail server has accepted the offer', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene);
    await advanceWithoutMail(db, at('11:00'));
    expect(await entry(db, waiting.id)).toMatchObject({
      status: 'offered',
      offer_expires_at: null,
    });
    await deliverMail(db);
    const running = await entry(db, waiting.id);
    expect(running.offer_expires_at).toEqual(new Date(at('11:15')));
    const hold = await booking(db, running.hold_id as string);
    expect(hold.hold_expires_at).toEqual(running.offer_expires_at);
  });

  rule('once: sending or noting the mail again does not prolong it', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene);
    await deliverMail(db);
    await db.setClock(at('08:10'));
    await db.query('update app_public.deliveries set followed_up_at = null');
    await db.query(
      'select app_private.follow_up_delivery(id) from app_public.deliveries where sent_at is not null',
    );
    expect((await entry(db, waiting.id)).offer_expires_at).toEqual(new Date(at('08:15')));
  });

  rule('to a clock time that the mail states, and is never shorter than stated', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene);
    // The acceptance comes some seconds after the mail was written, and in order.
    let stated: string | undefined;
    for (;;) {
      const mails = await db.rows<{
        delivery_id: string;
        attempt: number;
        kind: string;
        model: { entry?: { offerExpiresAt?: string } };
      }>('select * from app_private.lease_deliveries(10)');
      if (mails.length === 0) break;
      await db.setClock(at('08:00:20'));
      for (const mail of mails) {
        if (mail.kind === 'slot_available') stated = mail.model.entry?.offerExpiresAt;
        await db.query('select app_private.mark_delivery_sent($1, $2)', [
          mail.delivery_id,
          mail.attempt,
        ]);
        await db.query('select app_private.follow_up_delivery($1)', [mail.delivery_id]);
      }
      await db.setClock(at('08:00'));
    }
    expect(new Date(stated as string)).toEqual(new Date(at('08:15')));
    expect((await entry(db, waiting.id)).offer_expires_at).toEqual(new Date(at('08:15:20')));
    await db.setClock(at('08:00:20'));
  });

  rule('to its end, not a second longer, and then the next is offered', async (scene) => {
    const { db, world } = scene;
    const { bea, waiting } = await offerTo(scene);
    const cem = await createUser(db, 'Cem');
    const next = await join(db, cem, world.left, range('10:00', '12:00'));
    await advanceTo(db, at('08:14:59'));
    expect(await statusOf(db, waiting.id, next.id)).toEqual(['offered', 'waiting']);
    await advanceTo(db, at('08:15'));
    expect(await statusOf(db, waiting.id, next.id)).toEqual(['expired', 'offered']);
    expect((await told(db, bea)).at(-1)).toBe('offer_expired');
  });

  rule('to the start at the very latest', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene, range('08:31', '10:00', 0));
    await advanceTo(db, at('08:00:50'));
    const { offer_expires_at } = await entry(db, waiting.id);
    expect(offer_expires_at && offer_expires_at <= new Date(at('08:31'))).toBe(true);
  });
});

describe('While no mail goes out', () => {
  rule('an offer is kept until the last call, then the entry waits again', async (scene) => {
    const { db, world } = scene;
    const { waiting } = await offerTo(scene, range('12:00', '14:00', 0), 1);
    await advanceWithoutMail(db, at('11:29:59'));
    expect((await entry(db, waiting.id)).status).toBe('offered');
    await advanceWithoutMail(db, at('11:30'));
    expect(await entry(db, waiting.id)).toMatchObject({ status: 'waiting', hold_id: null });
    await book(db, await createUser(db, 'Public'), world.left, range('12:00', '14:00', 0));
  });

  rule('nobody further down the queue loses anything either', async (scene) => {
    const { db } = scene;
    await offerTo(scene, range('12:00', '14:00', 0), 3);
    await advanceWithoutMail(db, at('11:45'));
    const rows = await db.rows('select distinct status::text from app_public.waitlist_entries');
    expect(rows).toEqual([{ status: 'waiting' }]);
    await advanceWithoutMail(db, at('12:00'));
  });

  rule('an offer can be claimed, for the app shows it', async (scene) => {
    const { db } = scene;
    const { bea, waiting } = await offerTo(scene);
    await advanceWithoutMail(db, at('20:00'));
    expect(await claim(db, bea, waiting.id)).toMatchObject({ status: 'confirmed' });
  });

  rule('no mail offers anything after the last call', async (scene) => {
    const { db } = scene;
    const { bea, waiting } = await offerTo(scene, range('12:00', '14:00', 0));
    await db.setClock(at('11:40'));
    const sent = await deliverMail(db);
    expect(sent.map(({ kind }) => kind)).not.toContain('slot_available');
    await runDueDeadlines(db);
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
    expect(await claim(db, bea, waiting.id)).toMatchObject({ status: 'confirmed' });
  });

  async function acceptLate(scene: Scene, acceptedAt: string) {
    const { db } = scene;
    const { waiting } = await offerTo(scene, range('12:00', '14:00', 0));
    await db.setClock(at('11:29'));
    let mail: { delivery_id: string; attempt: number } | undefined;
    while (!mail) {
      [mail] = await db.rows<{ delivery_id: string; attempt: number }>(
        'select * from app_private.lease_deliveries(1) where kind = $1',
        ['slot_available'],
      );
      await db.query(
        `select app_private.mark_delivery_sent(id, attempts) from app_public.deliveries
         where status = 'sending' and id is distinct from $1`,
        [mail?.delivery_id],
      );
    }
    await db.setClock(at(acceptedAt));
    await db.query('select app_private.mark_delivery_sent($1, $2)', [
      mail.delivery_id,
      mail.attempt,
    ]);
    await db.query('select app_private.follow_up_delivery($1)', [mail.delivery_id]);
    return waiting;
  }

  rule(
    'a mail that was accepted too late for any window costs nobody their place',
    async (scene) => {
      const { db } = scene;
      const waiting = await acceptLate(scene, '11:56');
      expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
      await advanceTo(db, at('12:00'));
      expect(await statusOf(db, waiting.id)).toEqual(['lapsed']);
    },
  );

  rule('a mail on its way at the last call is as good as its word', async (scene) => {
    const { db } = scene;
    const waiting = await acceptLate(scene, '11:30:05');
    const { offer_expires_at } = await entry(db, waiting.id);
    expect(offer_expires_at && offer_expires_at >= new Date(at('11:35'))).toBe(true);
    await advanceTo(db, at('12:00'));
    expect(await statusOf(db, waiting.id)).toEqual(['expired']);
  });
});

describe('An offer that cannot be delivered for good', () => {
  async function refuseMail(db: TestDatabase): Promise<void> {
    for (let round = 0; round < 3; round++) {
      const mails = await db.rows<{ delivery_id: string; attempt: number; kind: string }>(
        'select * from app_private.lease_deliveries(10)',
      );
      for (const mail of mails) {
        const permanent = mail.kind === 'slot_available';
        await db.query(
          permanent
            ? `select app_private.mark_delivery_failed($1, $2, '550 No such user', true)`
            : 'select app_private.mark_delivery_sent($1, $2)',
          [mail.delivery_id, mail.attempt],
        );
        await db.query('select app_private.follow_up_delivery($1)', [mail.delivery_id]);
        if (permanent) return;
      }
    }
  }

  rule('goes to the next; the entry keeps its place, set aside with the reason', async (scene) => {
    const { db, world } = scene;
    const { bea, waiting } = await offerTo(scene, range('10:00', '12:00'), 1);
    await refuseMail(db);
    const aside = await entry(db, waiting.id);
    expect(aside).toMatchObject({ status: 'waiting', stuck_at: new Date(at('08:00')) });
    expect(aside.stuck_reason).toContain('550 No such user');
    const offered = await db.rows(
      `select id from app_public.waitlist_entries where status = 'offered'`,
    );
    expect(offered).toHaveLength(1);
    await refused(db, 'RSSTA', bea, 'claim_slot', { entry_id: waiting.id });
    expect(world).toBeDefined();
  });

  rule('repeating the note of it changes nothing', async (scene) => {
    const { db } = scene;
    const { waiting } = await offerTo(scene, range('10:00', '12:00'), 1);
    await refuseMail(db);
    const before = await entry(db, waiting.id);
    await db.query('update app_public.deliveries set followed_up_at = null');
    await db.query(
      `select app_private.follow_up_delivery(id) from app_public.deliveries where status = 'dead'`,
    );
    expect(await entry(db, waiting.id)).toEqual(before);
  });
});
