/**
 * Server and worker are killed around a payment, and are down while its time runs out: nobody pays without
 * having the room, and no room is kept unpaid; nothing is charged or given back twice.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type StripeServer, signed, startStripe } from '../support/stripe.ts';
import { type Api, startApi } from './api.ts';
import type { ProductProcess } from './processes.ts';
import { type Booked, eventually, type FaultWorld, HOUR, openWorld, times } from './world.ts';

jest.setTimeout(times(300_000, 1_800_000));

const PRICE = 8000;

let world: FaultWorld;
let stripe: StripeServer;
let api: Api;
let worker: ProductProcess;

beforeEach(async () => {
  stripe = await startStripe();
  world = await openWorld({ payment: 'on_booking', payment_provider: 'stripe' });
  // Of every hall that is made from now on.
  await world.query(
    `alter table app_public.offerings alter column price set default ${PRICE / 100}`,
  );
  [api, worker] = await Promise.all([
    startApi(world, stripe.environment),
    world.startWorker(stripe.environment),
  ]);
});
afterEach(async () => {
  await api.stop();
  await world.stop();
  await stripe.stop();
});

interface Row extends Record<string, unknown> {
  booking: string;
  payment: string;
  payment_id: string;
  checkout_id: string | null;
  refunded: string;
}

/** How a booking and its payment stand. */
async function rowOf({ id }: Booked): Promise<Row> {
  const rows = await world.query<Row>(
    `select b.status::text as booking, y.status::text as payment, y.id as payment_id, y.checkout_id, y.refunded
     from app_public.bookings b join app_public.payments y on y.booking_id = b.id where b.id = $1`,
    [id],
  );
  // Never a second one: nobody is charged twice.
  expect(rows).toHaveLength(1);
  return rows[0] as Row;
}

const becomes = (booked: Booked, wanted: Partial<Row>) =>
  eventually(async () => {
    const row = await rowOf(booked);
    return Object.entries(wanted).every(([key, value]) => row[key] === value);
  });

const begin = (booked: Booked) =>
  world.call(booked.userId, 'start_payment', { booking_id: booked.id });

/** The page to pay on, once it is there. */
const pageOf = (booked: Booked) => eventually(async () => (await rowOf(booked)).checkout_id);

/** Somebody who is to pay for a hall of its own, and somebody who waits for it. */
async function bookToPay(): Promise<{ booked: Booked; waiting: Booked }> {
  const booked = await world.book(new Date(Date.now() + 200 * HOUR));
  return { booked, waiting: await world.join(booked) };
}

async function isOffered({ id }: Booked): Promise<boolean> {
  const [entry] = await world.query<{ status: string }>(
    'select status::text from app_public.waitlist_entries where id = $1',
    [id],
  );
  return entry?.status === 'offered';
}

async function tell(event: Record<string, unknown>): Promise<number | 'no answer'> {
  const { payload, signature } = signed(event);
  const headers = { 'content-type': 'application/json', 'stripe-signature': signature };
  return fetch(`${api.url}/webhooks/stripe`, { method: 'POST', headers, body: payload }).then(
    ({ status }) => status,
    () => 'no answer' as const,
  );
}

/** Stripe does what is asked from now on and answers nobody; out comes when it has been asked for this. */
function withholdAnswers() {
  const asked = new Set<string>();
  stripe.beforeAnswer = (path) => {
    asked.add(path);
    return new Promise(() => undefined);
  };
  return (path: string) => eventually(async () => asked.has(path));
}

/** Backends of the server that wait for the room of an event. */
async function blockedServers(): Promise<number[]> {
  const { rows } = await world.admin.query<{ pid: number }>(
    `select pid from pg_stat_activity
     where datname = current_database() and usename = 'reslot_app'
       and wait_event_type = 'Lock' and query like '%take_stripe_event%'`,
  );
  return rows.map(({ pid }) => pid);
}

/** An event that the server has begun to take, and waits with for the room. */
async function beingTaken(booked: Booked) {
  const event = stripe.pay(String(await pageOf(booked)));
  const lock = await world.lockRow('app_public.bookings', booked.id);
  const before = await blockedServers();
  const answer = tell(event);
  const backend = await eventually(async () =>
    (await blockedServers()).find((pid) => !before.includes(pid)),
  );
  return { event, lock, answer, backend };
}

const wasTaken = async ({ id }: Record<string, unknown>) =>
  (await world.query('select from app_private.stripe_events where id = $1', [id])).length === 1;

/** Of an event under way the database may still take note, or lose it with the connection. */
async function letGo(
  { event, lock, backend }: Awaited<ReturnType<typeof beingTaken>>,
  commits: boolean,
): Promise<void> {
  if (!commits) await world.admin.query('select pg_terminate_backend($1)', [backend]);
  await lock.release();
  await eventually(async () => {
    const text = 'select from pg_stat_activity where pid = $1';
    return (await world.admin.query(text, [backend])).rowCount === 0;
  });
  expect(await wasTaken(event)).toBe(commits);
}

/** As if so much time had passed: the next worker need not wait for the leases of the dead one. */
async function endLeases(...booked: Booked[]): Promise<void> {
  const rows = await world.query(
    `update app_public.payments set next_attempt_at = app_private.clock()
     where booking_id = any ($1) and next_attempt_at > app_private.clock() returning id`,
    [booked.map(({ id }) => id)],
  );
  expect(rows).toHaveLength(booked.length);
}

/** How much of each payment of theirs has been given back there. */
async function refundedAtStripe(booked: Booked): Promise<number[]> {
  const { payment_id } = await rowOf(booked);
  return [...stripe.intents.values()]
    .filter(({ metadata }) => metadata.payment_id === payment_id)
    .map(({ refunded }) => refunded);
}

async function killOnce(): Promise<void> {
  const [early, lost, back] = [await bookToPay(), await bookToPay(), await bookToPay()];
  const [fresh, late] = [await bookToPay(), await bookToPay()];
  for (const { booked } of [early, lost, back, late]) await begin(booked);
  const latePage = String(await pageOf(late.booked));
  expect(await tell(stripe.pay(String(await pageOf(back.booked))))).toBe(200);
  const [taken, forgotten] = [await beingTaken(early.booked), await beingTaken(lost.booked)];
  const sessions = stripe.sessions.size;

  const whenAsked = withholdAnswers();
  await begin(fresh.booked);
  await whenAsked('/v1/checkout/sessions');
  await world.call(back.booked.userId, 'cancel_booking', { booking_id: back.booked.id });
  await whenAsked('/v1/refunds');
  await Promise.all([api.process.end('SIGKILL'), worker.end('SIGKILL')]);
  expect([await taken.answer, await forgotten.answer]).toEqual(['no answer', 'no answer']);
  await letGo(taken, true);
  await letGo(forgotten, false);

  // While nobody works and nobody listens, one pays, and their time is over.
  const lateEvent = stripe.pay(latePage);
  await world.query(
    'update app_public.bookings set request_expires_at = app_private.clock() where id = $1',
    [late.booked.id],
  );
  stripe.beforeAnswer = () => undefined;
  await endLeases(back.booked, fresh.booked);
  [, worker] = await Promise.all([
    api.restart(stripe.environment),
    world.startWorker(stripe.environment),
  ]);

  // Stripe sends everything again until it is answered, and once more for good measure.
  for (const { event } of [taken, forgotten]) {
    expect([await tell(event), await tell(event)]).toEqual([200, 200]);
  }
  for (const { booked } of [early, lost]) {
    expect(await rowOf(booked)).toMatchObject({ booking: 'confirmed', payment: 'paid' });
  }
  await becomes(back.booked, { booking: 'cancelled', payment: 'refunded' });
  expect(await refundedAtStripe(back.booked)).toEqual([PRICE]);
  await pageOf(fresh.booked);
  expect(stripe.sessions.size).toBe(sessions + 1);

  await becomes(late.booked, { booking: 'expired', payment: 'cancelled' });
  expect([await tell(lateEvent), await tell(lateEvent)]).toEqual([200, 200]);
  await becomes(late.booked, { booking: 'expired', payment: 'refunded' });
  expect(await refundedAtStripe(late.booked)).toEqual([PRICE]);
  const all = [early, lost, back, fresh, late];
  const offered = await Promise.all(all.map(({ waiting }) => isOffered(waiting)));
  expect(offered).toEqual([false, false, true, false, true]);
}

test('whoever is killed around a payment, it is made once, given back once, and goes with the room', async () => {
  for (let round = 0; round < times(2, 50); round++) await killOnce();
  expect(await world.broken()).toEqual([]);
});
