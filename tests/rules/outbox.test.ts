/** The outbox: what is sent, in which order, how often it is tried, and when it is given up. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  deliverMail,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, confirm, createUsers, refused, rule, type Scene } from './rule.ts';

interface Mail extends Record<string, unknown> {
  delivery_id: string;
  attempt: number;
  kind: string;
  address: string;
  model: { tokens: { cancel: string } };
}

const lease = (db: TestDatabase, batch = 50) =>
  db.rows<Mail>('select * from app_private.lease_deliveries($1)', [batch]);

async function leaseOne(db: TestDatabase): Promise<Mail> {
  const [mail] = await lease(db, 1);
  if (!mail) throw new Error('There is no mail to send.');
  return mail;
}

const failed = (db: TestDatabase, mail: Mail, error = '450 Later', permanent = false) =>
  db.value('select app_private.mark_delivery_failed($1, $2, $3, $4)', [
    mail.delivery_id,
    mail.attempt,
    error,
    permanent,
  ]);

const sent = (db: TestDatabase, mail: Mail) =>
  db.value('select app_private.mark_delivery_sent($1, $2)', [mail.delivery_id, mail.attempt]);

const renew = (db: TestDatabase, mail: Mail) =>
  db.value('select app_private.renew_lease($1, $2)', [mail.delivery_id, mail.attempt]);

const delivery = (db: TestDatabase, id: string) =>
  db.one('select * from app_public.deliveries where id = $1', [id]);

/** Alice has booked; there is one mail to send. */
async function oneMail({ db, world }: Scene): Promise<{ alice: string; mail: Mail; id: string }> {
  const alice = await createUser(db, 'Alice');
  const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
  const mail = await leaseOne(db);
  return { alice, mail, id: made.id };
}

describe('Every event', () => {
  rule('owes one notification with one delivery, written with it', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    const rows = await db.rows(
      `select n.kind, d.status::text, d.address is not null as addressed
       from app_public.notifications n left join app_public.deliveries d on d.notification_id = n.id`,
    );
    expect(rows).toEqual([{ kind: 'booking_received', status: 'queued', addressed: true }]);
  });

  rule('about one subject is told in the order in which it happened', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await call(db, alice, 'modify_booking', { booking_id: made.id, purpose: 'Choir' });
    await cancel(db, alice, made.id);
    // What was overtaken is not sent at all; only the end is still worth telling.
    const [first] = await lease(db);
    expect(first).toMatchObject({ kind: 'booking_cancelled' });
    await db.query(`update app_public.deliveries set status = 'queued' where status = 'obsolete'`);
    expect(await lease(db)).toEqual([]);
  });

  rule(
    'of two about one subject, the second waits for the first try of the first',
    async (scene) => {
      const { db } = scene;
      const { alice, mail, id } = await oneMail(scene);
      await call(db, alice, 'modify_booking', { booking_id: id, purpose: 'Choir' });
      expect(await lease(db)).toEqual([]);
      await failed(db, mail);
      // A first try that failed does not hold up what comes after it.
      expect(await lease(db)).toMatchObject([{ kind: 'booking_modified' }]);
    },
  );

  rule('that keeps a place from others goes out before receipts owed earlier', async (scene) => {
    const { db, world } = scene;
    const [alice, ben, carol] = await createUsers(db, 'Alice', 'Ben', 'Carol');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await join(db, ben, world.left, range('18:00', '20:00', 3));
    await book(db, carol, world.right, range('18:00', '20:00', 3));
    await cancel(db, alice, made.id);
    const kinds = (await lease(db)).map(({ kind }) => kind);
    expect(kinds[0]).toBe('slot_available');
    expect(kinds.slice(1).sort()).toEqual(['booking_cancelled', 'booking_received']);
  });

  rule('about other subjects does not wait', async (scene) => {
    const { db, world } = scene;
    const { alice } = await oneMail(scene);
    await book(db, alice, world.right, range('18:00', '20:00', 3));
    expect(await lease(db)).toHaveLength(1);
  });
});

describe('A lease', () => {
  rule('hands out no more than asked for, and each mail to one worker', async (scene) => {
    const { db, world } = scene;
    for (const offering of [world.left, world.right]) {
      const alice = await createUser(db, 'Alice');
      await book(db, alice, offering, range('18:00', '20:00', 3));
    }
    const first = await lease(db, 1);
    const second = await lease(db, 1);
    expect([first.length, second.length]).toEqual([1, 1]);
    expect(first[0]?.delivery_id).not.toBe(second[0]?.delivery_id);
    expect(await lease(db)).toEqual([]);
  });

  rule(
    'lasts 15 seconds; then another may try, and the first is believed no more',
    async (scene) => {
      const { db } = scene;
      const { mail } = await oneMail(scene);
      const recover = () => db.value('select app_private.recover_lost_work()');
      await db.setClock(at('08:00:14'));
      await recover();
      expect(await lease(db)).toEqual([]);
      await db.setClock(at('08:00:16'));
      await recover();
      const [again] = await lease(db);
      expect(again).toMatchObject({ delivery_id: mail.delivery_id, attempt: 2 });
      expect(await renew(db, mail)).toBe(false);
      expect(await sent(db, mail)).toBe(false);
      expect(await failed(db, mail)).toBe(false);
      expect(await sent(db, again as Mail)).toBe(true);
      expect(await sent(db, again as Mail)).toBe(false);
    },
  );

  rule('lasts as long as the worker says that the dialogue goes on', async (scene) => {
    const { db } = scene;
    const { mail } = await oneMail(scene);
    for (const time of ['08:00:12', '08:00:24', '08:00:36']) {
      await db.setClock(at(time));
      expect(await renew(db, mail)).toBe(true);
      expect(await db.value('select app_private.recover_lost_work()')).toBe(0);
    }
    expect(await lease(db)).toEqual([]);
    await sent(db, mail);
    expect(await renew(db, mail)).toBe(false);
  });

  rule('that ran out while nobody else has taken it up still counts as sent', async (scene) => {
    const { db } = scene;
    const { mail } = await oneMail(scene);
    await db.setClock(at('08:05'));
    await db.query('select app_private.recover_lost_work()');
    expect(await sent(db, mail)).toBe(true);
    expect(await delivery(db, mail.delivery_id)).toMatchObject({ status: 'sent', attempts: 1 });
  });
});

describe('A try that fails', () => {
  rule('is made again after 2, 4, 8 seconds and so on up to five minutes', async (scene) => {
    const { db } = scene;
    let { mail } = await oneMail(scene);
    const waits: number[] = [];
    for (let n = 0; n < 10; n++) {
      await failed(db, mail);
      const now = await db.value<Date>('select app_private.clock()');
      const { next_attempt_at } = await delivery(db, mail.delivery_id);
      waits.push((next_attempt_at.getTime() - now.getTime()) / 1000);
      expect(await lease(db)).toEqual([]);
      await db.setClock(next_attempt_at);
      mail = await leaseOne(db);
    }
    expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    expect(mail.attempt).toBe(11);
  });

  rule(
    'is the last one when the refusal is final, or it was tried long enough',
    async (scene) => {
      const { db, world } = scene;
      const { mail } = await oneMail(scene);
      await failed(db, mail, '550 No such user', true);
      expect(await delivery(db, mail.delivery_id)).toMatchObject({
        status: 'dead',
        last_error: '550 No such user',
      });
      const bea = await createUser(db, 'Bea');
      await book(db, bea, world.right, range('18:00', '20:00', 5));
      const other = await leaseOne(db);
      await db.setClock(at('09:59'));
      await failed(db, other);
      await db.setClock(at('10:05'));
      const later = await leaseOne(db);
      await failed(db, later);
      expect(await delivery(db, other.delivery_id)).toMatchObject({ status: 'dead' });
    },
    { mail_give_up_after: '2 hours' },
  );

  rule('is seen by managers, and can be tried again by hand', async (scene) => {
    const { db, world } = scene;
    const { alice, mail } = await oneMail(scene);
    await failed(db, mail, '550 No such user', true);
    const args = { delivery_id: mail.delivery_id };
    expect(await call(db, world.manager, 'failed_deliveries', {})).toMatchObject({
      id: mail.delivery_id,
    });
    await refused(db, 'RSNTF', alice, 'retry_delivery', args);
    const other = await createUser(db, 'Other');
    await db.as({ role: 'reslot_user', userId: other }, async () => {
      expect(await db.rows('select * from app_public.failed_deliveries()')).toEqual([]);
    });
    await call(db, world.manager, 'retry_delivery', args);
    const again = await leaseOne(db);
    expect(again).toMatchObject({ delivery_id: mail.delivery_id, attempt: 2 });
    await sent(db, again);
    await refused(db, 'RSSTA', world.manager, 'retry_delivery', args);
  });
});

describe('What was overtaken is not sent', () => {
  rule('a reminder that was answered', async (scene) => {
    const { db } = scene;
    const { alice, mail, id } = await oneMail(scene);
    await sent(db, mail);
    await db.setClock(at('18:00', 2));
    await runDueDeadlines(db);
    await confirm(db, alice, id);
    expect(await deliverMail(db)).toEqual([]);
  });

  rule('an offer that is over', async (scene) => {
    const { db, world } = scene;
    const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
    const made = await book(db, holder, world.left, range('18:00', '20:00', 3));
    const waits = await join(db, bea, world.left, range('18:00', '20:00', 3));
    await cancel(db, holder, made.id);
    await call(db, bea, 'decline_slot', { entry_id: waits.id });
    const kinds = (await deliverMail(db)).map(({ kind }) => kind);
    expect(kinds).not.toContain('slot_available');
    expect(kinds).not.toContain('waitlist_joined');
  });

  rule(
    'anything about a booking whose start has come, but its end is always told',
    async (scene) => {
      const { db, world } = scene;
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      await book(db, alice, world.left, range('09:00', '10:00', 0));
      const other = await book(db, bea, world.right, range('09:00', '10:00', 0));
      await cancel(db, bea, other.id);
      await db.setClock(at('09:00'));
      expect((await deliverMail(db)).map(({ kind }) => kind)).toEqual(['booking_cancelled']);
    },
  );
});

describe('Links', () => {
  rule('are issued anew for each try, stored only as hashes, bound to one row', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    const mail = await leaseOne(db);
    const token = mail.model.tokens.cancel;
    expect(token).toMatch(/^[A-Za-z0-9_-]{22}$/);
    const stored = await db.one(
      'select * from app_private.link_tokens where token_hash = app_private.hash_token($1)',
      [token],
    );
    expect(stored).toMatchObject({ action: 'cancel', expires_at: new Date(at('20:00', 3)) });
    expect(JSON.stringify(await db.rows('select * from app_private.link_tokens'))).not.toContain(
      token,
    );
    await failed(db, mail);
    await db.setClock(at('08:01'));
    const again = await leaseOne(db);
    expect(again.model.tokens.cancel).not.toBe(token);
  });

  rule('go with a try that nobody got, and no others do', async (scene) => {
    const { db } = scene;
    const { mail } = await oneMail(scene);
    const links = () => db.rows('select token_hash from app_private.link_tokens order by 1');
    const first = await links();
    await failed(db, mail);
    await db.setClock(at('08:01'));
    const again = await leaseOne(db);
    const withdraw = (tokens: string[]) =>
      db.value('select app_private.withdraw_links($1, $2)', [mail.delivery_id, tokens]);
    const tokens = Object.values(again.model.tokens);
    expect(await withdraw(['A'.repeat(22)])).toBe(0);
    expect(await withdraw(tokens)).toBe(tokens.length);
    expect(await links()).toEqual(first);
  });
});
