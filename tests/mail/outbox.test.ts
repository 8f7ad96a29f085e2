import { afterEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { type Inbox, startInbox } from '../../src/mail/inbox.ts';
import { LANGUAGES } from '../../src/mail/locale.ts';
import { KINDS, type MailModel } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import { sendDeliveries } from '../../src/mail/send.ts';
import { createMailTransport } from '../../src/mail/transport.ts';
import {
  checkInvariants,
  cloneDatabase,
  inTransaction,
  type TestDatabase,
  testDatabase,
} from '../support/database.ts';
import {
  at,
  book,
  booking,
  call,
  createUser,
  createWorld,
  entry,
  insert,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { ask } from '../support/guests.ts';
import { bookSeries } from '../support/series.ts';
import { createTour } from '../support/tours.ts';

const publicUrl = 'https://reslot.example';
const mailFrom = 'Reslot <bookings@reslot.example>';
const GAPS = /\{\{|undefined|\bnull\b|\bNaN\b|Invalid Date|\[object/;

describe('what the database says of a message', () => {
  it('can be put into words for every kind and language, each with the links it owes', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      const bea = await createUser(db, 'Bea');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const waiting = await join(db, bea, world.left, range('18:00', '20:00', 3));
      const tour = await createTour(db, world);
      const [first] = await bookSeries(db, alice, world.left);
      await db.query('savepoint before_mails');
      // Only what is to be paid by Stripe has a link for it.
      await insert(db, 'app_public.payments', {
        ...{ organization_id: world.organizationId, booking_id: made.id, provider: 'stripe' },
        ...{ purpose: 'price', amount: 80, currency: 'EUR' },
      });
      for (const kind of KINDS) {
        const { model, actions } = await modelOf(db, kind, {
          organizationId: world.organizationId,
          userId: world.manager,
          bookingId: (kind.startsWith('series_') ? first?.id : made.id) ?? '',
          customerId: made.customer_id,
          entryId: waiting.id,
          waitingId: waiting.customer_id,
          slotId: tour.slots[0] ?? '',
          offeringId: world.left,
        });
        for (const locale of LANGUAGES) {
          const organizerEmail = 'bookings@reslot.example';
          const mail = await renderMail({ kind, locale, model, publicUrl, organizerEmail });
          for (const part of [mail.subject, mail.text, mail.html]) expect(part).not.toMatch(GAPS);
          expect(mail.text).toContain('Riverside Halls');
          if (!kind.startsWith('account_')) {
            const name = ABOUT_SLOTS.test(kind) ? 'Old Town Walk' : 'Left half';
            expect(mail.text).toContain(name);
          }
          expect(Object.keys(model.tokens ?? {}).sort()).toEqual(actions);
        }
      }
      await db.query('rollback to savepoint before_mails');
    }));

  it('names what an offered place costs and where it is: the price it is held at', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      await db.query(
        `update app_public.offerings
         set price = 12.5, address = 'Uferstrasse 12', support_contact = 'Ms Novak' where id = $1`,
        [world.left],
      );
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const bea = await createUser(db, 'Bea');
      const waiting = await join(db, bea, world.left, range('18:00', '20:00', 3));
      const told = () =>
        db.value(
          'select app_private.entry_as_json(e) from app_public.waitlist_entries e where e.id = $1',
          [waiting.id],
        );
      const place = { currency: 'EUR', address: 'Uferstrasse 12', supportContact: 'Ms Novak' };
      expect(await told()).toMatchObject({ ...place, price: 12.5 });
      await call(db, alice, 'cancel_booking', { booking_id: made.id });
      await db.query('update app_public.offerings set price = 99 where id = $1', [world.left]);
      expect(await told()).toMatchObject({ ...place, price: 12.5, status: 'offered' });
    }));

  it('tells managers how to reach a customer, and nobody else', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const { email } = await db.one<{ email: string }>(
        `update app_public.customers set phone = '+43 1 234' where id = $1 returning email`,
        [made.customer_id],
      );
      const subjects = {
        organizationId: world.organizationId,
        userId: world.manager,
        bookingId: made.id,
        customerId: made.customer_id,
        entryId: '',
        waitingId: '',
      };
      const spared = await modelOf(db, 'booking_spared', subjects);
      expect(spared.model.booking?.customerContact).toBe(`+43 1 234, ${email}`);
      const reminder = await modelOf(db, 'booking_reminder', subjects);
      expect(reminder.model.booking?.customerContact).toBeUndefined();
    }));

  it('says what a changed purpose was, and nothing of one that has not changed', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      const { id } = await book(db, alice, world.left, range('18:00', '20:00', 3));
      const change = async (args: Record<string, unknown>) => {
        await call(db, alice, 'modify_booking', { booking_id: id, ...args });
        return db.value(
          `select data -> 'previous' ->> 'purpose' from app_public.notifications
           where booking_id = $1 and kind = 'booking_modified' order by id desc limit 1`,
          [id],
        );
      };
      expect(await change({ purpose: 'Choir' })).toBe('');
      expect(await change({ purpose: 'Drums' })).toBe('Choir');
      const [starts_at, ends_at] = range('12:00', '14:00', 3);
      expect(await change({ starts_at, ends_at })).toBeNull();
      expect(await change({ purpose: '' })).toBe('Drums');
    }));

  it('gives the link to claim again to who waits in the last call', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('18:00', '20:00'));
      const bea = await createUser(db, 'Bea');
      const waiting = await join(db, bea, world.left, range('18:00', '20:00'));
      const links = async () => {
        const { model } = await modelOf(db, 'links_again', {
          organizationId: world.organizationId,
          userId: world.manager,
          bookingId: '',
          customerId: waiting.customer_id,
          entryId: waiting.id,
          waitingId: waiting.customer_id,
        });
        return Object.keys(model.entries?.[0]?.tokens ?? {}).sort();
      };
      expect(await links()).toEqual(['leave']);
      await db.setClock(at('17:45', 1));
      expect(await links()).toEqual(['claim', 'leave']);
    }));
});

type Subjects = {
  organizationId: string;
  userId: string;
  bookingId: string;
  customerId: string;
  offeringId?: string;
  entryId: string;
  waitingId: string;
  slotId?: string;
};

const FOR_USERS =
  /^account_|^booking_requested$|^series_requested$|^booking_spared$|^blackout_conflict$|^slot_under_/;
const ABOUT_SLOTS = /^slot_under_/;
const ABOUT_ENTRIES =
  /^slot_available$|^offer_expired$|^last_call$|^entry_ended$|^waitlist_joined$/;

/** What a guest wants stands in no other table than that of the requests. */
async function askByMail(db: TestDatabase, offeringId: string): Promise<string> {
  const [startsAt, endsAt] = range('18:00', '20:00', 4);
  await ask(db, { offeringId, startsAt, endsAt });
  return db.value('select notification_id from app_private.guest_requests');
}

async function modelOf(db: TestDatabase, kind: string, subjects: Subjects) {
  const { organizationId, userId, bookingId, customerId, entryId, waitingId, slotId, offeringId } =
    subjects;
  const aboutEntry = ABOUT_ENTRIES.test(kind);
  const aboutSlot = ABOUT_SLOTS.test(kind);
  const aboutBooking =
    !aboutEntry && !aboutSlot && !kind.startsWith('account_') && kind !== 'links_again';
  const about = [aboutBooking ? bookingId : null, aboutEntry ? entryId : null];
  const note =
    kind === 'booking_link'
      ? await askByMail(db, offeringId ?? '')
      : FOR_USERS.test(kind)
        ? await db.value<string>('select app_private.notify_user($1, $2, $3, $4, $5, $6)', [
            organizationId,
            userId,
            kind,
            ...about,
            aboutSlot ? JSON.stringify({ slotId, booked: 2, minSize: 4 }) : '{}',
          ])
        : await db.value<string>('select app_private.notify_customer($1, $2, $3, $4)', [
            aboutEntry ? waitingId : customerId,
            kind,
            ...about,
          ]);
  const { model } = await db.one<{ model: MailModel }>(
    `select m.model from app_public.deliveries d, app_private.mail_model(d) m
     where d.notification_id = $1`,
    [note],
  );
  const { actions } = await db.one<{ actions: string[] }>(
    'select actions::text[] from app_private.notification_kinds where kind = $1',
    [kind],
  );
  return { model, actions: actions.sort() };
}

describe('the outbox, the worker’s login and a mail server', () => {
  const closers: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  });

  async function setUp() {
    const database = await cloneDatabase();
    closers.push(() => database.drop());
    const inbox = await startInbox({ port: 0 });
    closers.push(() => inbox.stop());
    const pool = database.pool('worker', 6);
    const send = async (smtpUrl = inbox.smtpUrl) => {
      const transport = createMailTransport({ smtpUrl });
      try {
        return await sendDeliveries({ pool, transport, publicUrl, mailFrom, limit: 50 });
      } finally {
        transport.close();
      }
    };
    const owner = database.pool('owner', 1);
    const act = <T>(action: (db: TestDatabase) => Promise<T>) => committed(owner, action);
    return { inbox, send, act };
  }

  it('carry the chain from a booking to the next person’s offer and its claim window', async () => {
    const { inbox, send, act } = await setUp();
    const time = range('18:00', '20:00', 3);
    const ids = await act(async (db) => {
      const world = await createWorld(db);
      const [ghost, bea] = [await createUser(db, 'Ghost'), await createUser(db, 'Bea')];
      const made = await book(db, ghost, world.left, time);
      const waiting = await join(db, bea, world.left, time);
      return { made: made.id, waiting: waiting.id };
    });
    await send();
    expect(arrived(inbox)).toEqual(['booking_received', 'waitlist_joined']);

    await act(async (db) => {
      await db.setClock(at('18:00', 2));
      await runDueDeadlines(db);
    });
    expect(await send()).toEqual({ sent: 1, failed: 0 });
    expect(arrived(inbox)).toEqual(['booking_reminder']);
    const reminded = await act((db) => booking(db, ids.made));
    expect(reminded.reminder_sent_at).not.toBeNull();

    await act(async (db) => {
      await db.setClock(at('16:00', 3));
      await runDueDeadlines(db);
    });
    await send();
    expect(arrived(inbox)).toEqual(['booking_auto_cancelled', 'slot_available']);
    const offered = await act((db) => entry(db, ids.waiting));
    expect(offered).toMatchObject({ status: 'offered' });
    expect(offered.offer_expires_at?.getTime()).toBeGreaterThan(Date.parse(at('16:00', 3)));
  });

  it('lose no mail to an outage: it goes out under the same Message-ID once the server is back', async () => {
    const { inbox, send, act } = await setUp();
    await act(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('18:00', '20:00', 3));
    });
    expect(await send('smtp://127.0.0.1:1')).toEqual({ sent: 0, failed: 1 });
    expect(await send()).toEqual({ sent: 0, failed: 0 }); // it waits before it is tried again
    await act((db) => db.setClock(at('08:01')));
    expect(await send()).toEqual({ sent: 1, failed: 0 });
    const [delivery] = await act((db) =>
      db.rows('select id, status, attempts, last_error from app_public.deliveries'),
    );
    expect(delivery).toMatchObject({ status: 'sent', attempts: 2, last_error: null });
    const id = inbox.messages()[0]?.headers.find(({ name }) => name === 'message-id');
    expect(id?.value).toContain(delivery?.id);
  });

  it('send each message once, however many send at the same time', async () => {
    const { inbox, send, act } = await setUp();
    await act(async (db) => {
      const world = await createWorld(db, { max_bookings_per_day: 50 });
      for (let hour = 0; hour < 12; hour += 1) {
        const user = await createUser(db, `User${hour}`);
        const from = `${String(hour).padStart(2, '0')}:00`;
        await book(db, user, world.left, range(from, from.replace(':00', ':45'), 4));
      }
    });
    const counts = await Promise.all([send(), send(), send()]);
    expect(counts.reduce((sum, { sent }) => sum + sent, 0)).toBe(12);
    expect(new Set(inbox.messages().map(({ to }) => to[0])).size).toBe(12);
    expect(inbox.messages()).toHaveLength(12);
  });
});

async function committed<T>(pool: Pool, action: (db: TestDatabase) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    const result = await action(testDatabase(client));
    await checkInvariants(client);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

/** The kinds that have arrived since the last look. */
function arrived(inbox: Inbox): string[] {
  const kinds = inbox.messages().map(({ kind }) => kind ?? '');
  inbox.clear();
  return kinds.sort();
}
