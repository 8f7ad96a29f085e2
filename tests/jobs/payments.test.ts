/**
 * The job that speaks to Stripe, with the official library, to a server that speaks its API. Whatever
 * is lost in between, nothing is charged or given back twice.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Pool, PoolClient } from 'pg';
import { newsOf } from '../../src/payments/events.ts';
import { carryOutPayments } from '../../src/payments/work.ts';
import {
  type ClonedDatabase,
  cloneDatabase,
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
  MONDAY,
  range,
  type World,
} from '../support/factories.ts';
import { type PaymentRow, paymentOf, setPrice } from '../support/payments.ts';
import { type StripeServer, startStripe } from '../support/stripe.ts';

let database: ClonedDatabase;
let client: PoolClient;
let db: TestDatabase;
let world: World;
let server: StripeServer;
let workerPool: Pool;
let ann: string;
let day = 3;

beforeAll(async () => {
  database = await cloneDatabase();
  client = await database.pool('admin').connect();
  await client.query('set role reslot_owner');
  db = testDatabase(client);
  world = await createWorld(db, {
    ...{ payment: 'on_booking', payment_provider: 'stripe', auto_cancel: 'off' },
  });
  await setPrice(db, world, 80);
  ann = await createUser(db, 'Ann');
  server = await startStripe();
  workerPool = database.pool('worker');
});
afterAll(async () => {
  await server?.stop();
  client?.release();
  await database?.drop();
});

/** Committed at once: the worker has a connection of its own. */
async function change<T>(action: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    const result = await action();
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

const start = (booking_id: string) => change(() => call(db, ann, 'start_payment', { booking_id }));
const cancel = (booking_id: string) =>
  change(() => call(db, ann, 'cancel_booking', { booking_id }));
const bookDay = () => change(() => book(db, ann, world.left, range('10:00', '12:00', day)));

const work = () =>
  carryOutPayments({
    pool: workerPool,
    stripe: server.stripe,
    publicUrl: 'https://reslot.example',
  });

/** Each on a day of its own. */
async function begin(): Promise<string> {
  day += 1;
  await db.setClock(MONDAY);
  const { id } = await bookDay();
  await start(id);
  return id;
}

const checkoutOf = (payment: PaymentRow): string => String(payment.checkout_id);

/** What the server makes of an event; see tests/http/webhooks.test.ts for how it comes in. */
async function hear(event: Record<string, unknown>): Promise<void> {
  const news = newsOf(event as unknown as Parameters<typeof newsOf>[0]);
  if (!news) throw new Error('This is no news.');
  await db.query('select app_private.take_stripe_event($1, $2, $3, $4, $5)', [
    ...[event.id, event.type, news.paymentId, news.what, news.details],
  ]);
}

describe('A checkout', () => {
  test('is made with the amount, what it is for, and where to go afterwards', async () => {
    const id = await begin();
    expect(await work()).toEqual({ done: 1, failed: 0 });
    const payment = await paymentOf(db, id);
    const session = server.sessions.get(checkoutOf(payment));
    expect(session).toMatchObject({ amount: 8000, currency: 'eur' });
    expect(Object.fromEntries(session?.fields ?? [])).toMatchObject({
      ...{ mode: 'payment', client_reference_id: payment.id },
      ...{ 'payment_intent_data[metadata][payment_id]': payment.id },
      success_url: `https://riverside.example/bookings/${id}`,
    });
    expect(payment).toMatchObject({ status: 'processing', next_attempt_at: null });
    expect(payment.checkout_url).toMatch(/\/pay\/cs_test_/);
  });

  test('that was made when the answer was lost is the same one when asked again', async () => {
    const id = await begin();
    const before = server.sessions.size;
    server.loseAnswer();
    expect(await work()).toEqual({ done: 0, failed: 1 });
    expect(await paymentOf(db, id)).toMatchObject({ status: 'processing', checkout_id: null });
    await db.setClock(at('08:01'));
    expect(await work()).toEqual({ done: 1, failed: 0 });
    expect(server.sessions.size).toBe(before + 1);
    expect([...server.keys.values()].at(-1)).toBe(3);
  });

  test('that is paid before we know that it was made is paid all the same, and not made again', async () => {
    const id = await begin();
    server.loseAnswer();
    expect(await work()).toEqual({ done: 0, failed: 1 });
    const made = [...server.sessions.keys()].at(-1) ?? '';
    await hear(server.pay(made));
    expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
    await db.setClock(at('08:01'));
    expect(await work()).toEqual({ done: 0, failed: 0 });
    expect(await paymentOf(db, id)).toMatchObject({ status: 'paid', amount: '80.00' });
    expect([...server.intents.values()].filter(({ metadata }) => metadata.payment_id)).toHaveLength(
      1,
    );
  });

  test('that Stripe cannot make now is tried again, and one that it refuses is not', async () => {
    const id = await begin();
    server.refuseNext(1, 503, { type: 'api_error', message: 'Later' });
    await work();
    expect(await paymentOf(db, id)).toMatchObject({ status: 'processing', attempts: 1 });
    await db.setClock(at('08:01'));
    server.refuseNext(1, 400, { type: 'invalid_request_error', code: 'amount_too_small' });
    await work();
    expect(await paymentOf(db, id)).toMatchObject({
      ...{ status: 'failed', error_code: 'amount_too_small', next_attempt_at: null },
    });
    await start(id);
    await work();
    expect(await paymentOf(db, id)).toMatchObject({ status: 'processing', checkouts: 2 });
  });

  test('of a booking that was cancelled meanwhile is closed', async () => {
    const id = await begin();
    const lease = 'select * from app_private.lease_payment_work(1)';
    await workerPool.query(lease);
    await cancel(id);
    const { id: next } = await bookDay();
    await start(next);
    expect(await work()).toEqual({ done: 1, failed: 0 });
    expect((await paymentOf(db, id)).status).toBe('cancelled');
  });

  test('on a server without Stripe fails, and says why', async () => {
    const id = await begin();
    await carryOutPayments({ pool: workerPool, stripe: null, publicUrl: 'https://reslot.example' });
    expect(await paymentOf(db, id)).toMatchObject({
      ...{ status: 'failed', error_code: 'stripe_not_set_up' },
    });
  });
});

describe('A refund', () => {
  async function paid(): Promise<{ id: string; intent: string }> {
    const id = await begin();
    await work();
    await hear(server.pay(checkoutOf(await paymentOf(db, id))));
    return { id, intent: String((await paymentOf(db, id)).reference) };
  }

  test('follows a cancellation, once, though the answer is lost and the worker dies', async () => {
    const { id, intent } = await paid();
    await cancel(id);
    server.loseAnswer();
    expect(await work()).toEqual({ done: 0, failed: 1 });
    expect(server.intents.get(intent)?.refunded).toBe(8000);
    expect(await paymentOf(db, id)).toMatchObject({ status: 'paid', refunded: '0.00' });
    await db.setClock(at('08:01'));
    expect(await work()).toEqual({ done: 1, failed: 0 });
    expect(server.intents.get(intent)?.refunded).toBe(8000);
    expect(await paymentOf(db, id)).toMatchObject({ status: 'refunded', refunded: '80.00' });
  });

  test('is the same whether its news or its job comes first, and is told once', async () => {
    for (const newsFirst of [true, false]) {
      const { id, intent } = await paid();
      await cancel(id);
      if (newsFirst) {
        server.loseAnswer();
        expect(await work()).toEqual({ done: 0, failed: 1 });
        await hear(server.event('charge.refunded', server.chargeObject(intent)));
        await db.setClock(at('08:02'));
        expect(await work()).toEqual({ done: 0, failed: 0 });
      } else {
        await work();
        await hear(server.event('charge.refunded', server.chargeObject(intent)));
      }
      expect(await paymentOf(db, id)).toMatchObject({ status: 'refunded', refunded: '80.00' });
      expect(
        await db.value(
          `select count(*)::int from app_public.notifications
           where booking_id = $1 and kind = 'payment_refunded'`,
          [id],
        ),
      ).toBe(1);
    }
  });

  test('that somebody has made by hand in the pages of Stripe is noted, and not made again', async () => {
    const { id, intent } = await paid();
    const made = server.intents.get(intent);
    if (!made) throw new Error('There is no such payment.');
    made.refunded = made.amount;
    await cancel(id);
    expect(await work()).toEqual({ done: 1, failed: 0 });
    expect(await paymentOf(db, id)).toMatchObject({ status: 'refunded' });
  });

  test('gives all of it back that came after the room was released', async () => {
    const id = await begin();
    await work();
    const session = checkoutOf(await paymentOf(db, id));
    await db.setClock(at('08:00', 1));
    await db.query('select app_private.run_deadline($1)', [id]);
    expect(await booking(db, id)).toMatchObject({ status: 'expired' });
    const event = server.pay(session);
    await hear(event);
    await work();
    expect(await paymentOf(db, id)).toMatchObject({ status: 'refunded', refunded: '80.00' });
    expect(await db.rows('select * from app_private.check_invariants()')).toEqual([]);
  });
});
