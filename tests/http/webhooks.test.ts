/** `/webhooks/stripe`: whoever signs is believed, once; nobody else, and nobody learns why. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PoolClient } from 'pg';
import { parseConfig } from '../../src/config.ts';
import { mounts } from '../../src/parts.ts';
import { carryOutPayments } from '../../src/payments/work.ts';
import { openServer } from '../../src/server.ts';
import {
  type ClonedDatabase,
  cloneDatabase,
  type TestDatabase,
  tableHashes,
  testDatabase,
} from '../support/database.ts';
import {
  book,
  booking,
  call,
  createUser,
  createWorld,
  MONDAY,
  range,
  type World,
} from '../support/factories.ts';
import { paymentOf, setPrice } from '../support/payments.ts';
import { type StripeServer, signed, startStripe } from '../support/stripe.ts';

let database: ClonedDatabase;
let client: PoolClient;
let db: TestDatabase;
let world: World;
let stripe: StripeServer;
let ann: string;
let url: string;
let stopServer: () => Promise<void>;
let day = 3;

beforeAll(async () => {
  database = await cloneDatabase();
  client = await database.pool('admin').connect();
  await client.query('set role reslot_owner');
  db = testDatabase(client);
  world = await createWorld(db, { payment: 'on_booking', payment_provider: 'stripe' });
  await setPrice(db, world, 80);
  ann = await createUser(db, 'Ann');
  stripe = await startStripe();
  const config = parseConfig({
    ...{ NODE_ENV: 'test', PORT: '0', SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY },
    ...{ DATABASE_POOL_SIZE: '6', ...stripe.environment },
  });
  const server = await openServer(config);
  await server.serve(database.url('app'), mounts(config, null));
  url = server.url;
  stopServer = server.stop;
});
afterAll(async () => {
  await stopServer?.();
  await stripe?.stop();
  client?.release();
  await database?.drop();
});

async function change<T>(action: () => Promise<T>): Promise<T> {
  await client.query('begin');
  try {
    return await action();
  } finally {
    await client.query('commit');
  }
}

/** A booking with a page to pay on. */
async function asked(): Promise<{ id: string; session: string }> {
  day += 1;
  await db.setClock(MONDAY);
  const id = await change(async () => {
    const made = await book(db, ann, world.left, range('10:00', '12:00', day));
    await call(db, ann, 'start_payment', { booking_id: made.id });
    return made.id;
  });
  await carryOutPayments({
    ...{ pool: database.pool('worker'), stripe: stripe.stripe, publicUrl: url },
  });
  return { id, session: String((await paymentOf(db, id)).checkout_id) };
}

const post = (payload: string, headers: Record<string, string>) =>
  fetch(`${url}/webhooks/stripe`, { method: 'POST', body: payload, headers });

async function send(event: Record<string, unknown>, options: Parameters<typeof signed>[1] = {}) {
  const { payload, signature } = signed(event, options);
  return post(payload, { 'stripe-signature': signature, 'content-type': 'application/json' });
}

/** Not the notifications themselves: what was published meanwhile is marked so. */
async function hashes() {
  const { notifications: _, ...tables } = await tableHashes(db);
  return { ...tables, told: await db.value('select count(*) from app_public.notifications') };
}

describe('An event', () => {
  test('that is signed confirms the booking that waits; sent again, and at once many times, it changes nothing', async () => {
    const { id, session } = await asked();
    const event = stripe.pay(session);
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(event)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
    expect(await paymentOf(db, id)).toMatchObject({ status: 'paid', method: 'stripe' });
    const before = await hashes();
    expect((await send(event)).status).toBe(200);
    expect(await hashes()).toEqual(before);
  });

  test('that is forged, changed, too old or not signed is refused, always in the same words, and changes nothing', async () => {
    const { session } = await asked();
    const event = stripe.pay(session);
    const before = await hashes();
    const { payload, signature } = signed(event);
    const now = Math.floor(Date.now() / 1000);
    const forged = [
      await send(event, { secret: 'whsec_somebody_else' }),
      await send(event, { timestamp: now - 301 }),
      await post(payload.replace('8000', '1'), { 'stripe-signature': signature }),
      await post(`${payload} `, { 'stripe-signature': signature }),
      await post(payload, { 'stripe-signature': 't=1,v1=00' }),
      await post(payload, { 'stripe-signature': '' }),
      await post(payload, {}),
      await post('', { 'stripe-signature': signature }),
    ];
    expect(forged.map(({ status }) => status)).toEqual(Array(8).fill(400));
    expect(new Set(await Promise.all(forged.map((answer) => answer.text())))).toEqual(
      new Set(['{"error":{"message":"The request cannot be read."}}']),
    );
    expect(await hashes()).toEqual(before);
    expect((await send(event)).status).toBe(200);
  });

  test('that tells of a dispute, or of a refund that came back, is noted once, whatever brings it', async () => {
    const { id, session } = await asked();
    await send(stripe.pay(session));
    const money = { payment_intent: (await paymentOf(db, id)).reference, currency: 'eur' };
    const refund = { ...money, id: 're_1', amount: 3000, status: 'failed' };
    for (const event of [
      stripe.event('charge.dispute.created', { ...money, status: 'needs_response' }),
      stripe.event('refund.updated', refund),
      stripe.event('refund.failed', refund),
    ]) {
      expect((await send(event)).status).toBe(200);
    }
    expect(await paymentOf(db, id)).toMatchObject({ dispute: 'open', returned: '30.00' });
  });

  test('that came just before it would be too old is taken', async () => {
    const { id, session } = await asked();
    const timestamp = Math.floor(Date.now() / 1000) - 240;
    expect((await send(stripe.pay(session), { timestamp })).status).toBe(200);
    expect(await paymentOf(db, id)).toMatchObject({ status: 'paid' });
  });

  test('of no concern, or of somebody else, is acknowledged, so that it does not come again', async () => {
    const { session } = await asked();
    const before = await hashes();
    const strange = stripe.sessionObject(session, { metadata: { payment_id: world.left } });
    for (const event of [
      stripe.event('customer.created', { id: 'cus_1', object: 'customer' }),
      stripe.event('checkout.session.expired', strange),
      stripe.event('checkout.session.completed', stripe.sessionObject(session)),
    ]) {
      expect((await send(event)).status).toBe(200);
    }
    expect(await hashes()).toEqual(before);
  });

  test('that tells of a refund before that of the payment is understood all the same', async () => {
    const { id, session } = await asked();
    const paid = stripe.pay(session);
    const intent = [...stripe.intents.keys()].at(-1) ?? '';
    const made = stripe.intents.get(intent);
    if (!made) throw new Error('Nobody has paid.');
    made.refunded = 3000;
    expect((await send(stripe.event('charge.refunded', stripe.chargeObject(intent)))).status).toBe(
      200,
    );
    expect((await send(paid)).status).toBe(200);
    expect(await booking(db, id)).toMatchObject({ status: 'confirmed' });
    expect(await paymentOf(db, id)).toMatchObject({
      ...{ status: 'partly_refunded', refunded: '30.00', reference: intent },
    });
  });

  test('too large to be one is refused unread', async () => {
    expect((await post('x'.repeat(600_000), { 'stripe-signature': 't=1,v1=00' })).status).toBe(413);
  });
});

test('Without Stripe there is nothing at its address', async () => {
  const config = parseConfig({
    ...{ NODE_ENV: 'test', PORT: '0', SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY },
  });
  const server = await openServer(config);
  try {
    await server.serve(database.url('app'), mounts(config, null));
    const answer = await fetch(`${server.url}/webhooks/stripe`, { method: 'POST', body: '{}' });
    expect(answer.status).toBe(404);
  } finally {
    await server.stop();
  }
});
