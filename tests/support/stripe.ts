/**
 * A server that speaks as much of Stripe's API as we use, over HTTP, to the official library: checkouts
 * and refunds, with idempotency keys kept as Stripe keeps them, and events that are signed.
 */
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import Stripe from 'stripe';
import { parseConfig } from '../../src/config.ts';
import { createStripe } from '../../src/payments/stripe.ts';

export const WEBHOOK_SECRET = 'whsec_test0123456789';

type Json = Record<string, unknown>;

interface Session {
  id: string;
  amount: number;
  currency: string;
  metadata: Json;
  status: 'open' | 'complete' | 'expired';
  fields: URLSearchParams;
}

interface Intent {
  id: string;
  amount: number;
  currency: string;
  metadata: Json;
  refunded: number;
}

export interface StripeServer {
  stripe: Stripe;
  environment: Record<string, string>;
  sessions: Map<string, Session>;
  intents: Map<string, Intent>;
  /** How often each key was asked with. */
  keys: Map<string, number>;
  /**
   * Does what a request asks, and breaks off before the answer; and again, for the library itself
   * asks once more when a connection breaks.
   */
  loseAnswer(): void;
  /** Called when what a request asks has been done, before the answer. */
  beforeAnswer(path: string): Promise<void> | void;
  /** Answers so many requests with this and does nothing. */
  refuseNext(times: number, status: number, error: Json): void;
  /** Somebody pays on the page; out comes the event that says so. */
  pay(sessionId: string): Json;
  event(type: string, object: Json): Json;
  sessionObject(sessionId: string, more?: Json): Json;
  chargeObject(intentId: string): Json;
  stop(): Promise<void>;
}

export function signed(event: Json, options: { secret?: string; timestamp?: number } = {}) {
  const payload = JSON.stringify(event);
  return {
    payload,
    signature: Stripe.webhooks.generateTestHeaderString({
      payload,
      secret: options.secret ?? WEBHOOK_SECRET,
      ...(options.timestamp === undefined ? {} : { timestamp: options.timestamp }),
    }),
  };
}

export async function startStripe(): Promise<StripeServer> {
  const sessions: StripeServer['sessions'] = new Map();
  const intents: StripeServer['intents'] = new Map();
  const keys: StripeServer['keys'] = new Map();
  const answers = new Map<string, { hash: string; status: number; body: Json }>();
  const faults = { lose: 0, refusals: [] as { status: number; error: Json }[] };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function answer(request: IncomingMessage, response: ServerResponse) {
    let text = '';
    for await (const chunk of request) text += chunk;
    const send = (status: number, body: Json) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    const refusal = faults.refusals.shift();
    if (refusal) {
      send(refusal.status, { error: refusal.error });
      return;
    }
    const { status, body } = repeated(request, text);
    await running.beforeAnswer(request.url ?? '');
    if (faults.lose > 0) {
      faults.lose -= 1;
      request.socket.destroy();
      return;
    }
    send(status, body);
  }

  /** The same key is the same request, and has the same answer. */
  function repeated(request: IncomingMessage, text: string): { status: number; body: Json } {
    const key = request.headers['idempotency-key'];
    if (typeof key !== 'string') return act(request.url ?? '', new URLSearchParams(text));
    keys.set(key, (keys.get(key) ?? 0) + 1);
    const hash = createHash('sha256').update(`${request.url} ${text}`).digest('hex');
    const earlier = answers.get(key);
    if (earlier && earlier.hash !== hash) {
      return {
        status: 400,
        body: { error: { type: 'idempotency_error', message: 'other input' } },
      };
    }
    const given = earlier ?? { hash, ...act(request.url ?? '', new URLSearchParams(text)) };
    answers.set(key, given);
    return given;
  }

  function act(path: string, fields: URLSearchParams): { status: number; body: Json } {
    if (path === '/v1/checkout/sessions') return { status: 200, body: createSession(fields) };
    if (path === '/v1/refunds') return createRefund(fields);
    const [, id] = /^\/v1\/checkout\/sessions\/(\w+)\/expire$/.exec(path) ?? [];
    const session = sessions.get(id ?? '');
    if (session) {
      session.status = 'expired';
      return { status: 200, body: sessionObject(session.id) };
    }
    return { status: 404, body: { error: { type: 'invalid_request_error', message: path } } };
  }

  function createSession(fields: URLSearchParams): Json {
    const id = `cs_test_${sessions.size + 1}`;
    const item = 'line_items[0][price_data]';
    sessions.set(id, {
      ...{ id, status: 'open', fields },
      amount: Number(fields.get(`${item}[unit_amount]`)),
      currency: String(fields.get(`${item}[currency]`)),
      metadata: {
        payment_id: fields.get('metadata[payment_id]'),
        checkout: fields.get('metadata[checkout]'),
      },
    });
    return sessionObject(id);
  }

  function createRefund(fields: URLSearchParams): { status: number; body: Json } {
    const intent = intents.get(String(fields.get('payment_intent')));
    const amount = Number(fields.get('amount'));
    const refuse = (code: string) => ({
      ...{ status: 400, body: { error: { type: 'invalid_request_error', code, message: code } } },
    });
    if (!intent) return refuse('resource_missing');
    if (intent.refunded === intent.amount) return refuse('charge_already_refunded');
    if (intent.refunded + amount > intent.amount) return refuse('amount_too_large');
    intent.refunded += amount;
    return { status: 200, body: { id: `re_${randomUUID()}`, object: 'refund', amount } };
  }

  function sessionObject(id: string, more: Json = {}): Json {
    const session = sessions.get(id);
    if (!session) throw new Error(`There is no checkout ${id}.`);
    return {
      ...{ id, object: 'checkout.session', url: `${apiUrl}/pay/${id}`, status: session.status },
      ...{ amount_total: session.amount, currency: session.currency, metadata: session.metadata },
      ...{ payment_status: 'unpaid', payment_intent: null },
      ...more,
    };
  }

  function pay(sessionId: string): Json {
    const session = sessions.get(sessionId);
    if (session?.status !== 'open') throw new Error('Nobody can pay there.');
    session.status = 'complete';
    const { amount, currency, metadata } = session;
    const id = `pi_${intents.size + 1}`;
    intents.set(id, { id, amount, currency, metadata, refunded: 0 });
    return event(
      'checkout.session.completed',
      sessionObject(sessionId, { payment_status: 'paid', payment_intent: id }),
    );
  }

  function chargeObject(intentId: string): Json {
    const intent = intents.get(intentId);
    if (!intent) throw new Error(`There is no payment ${intentId}.`);
    return {
      ...{ id: `ch_${intentId}`, object: 'charge', payment_intent: intentId },
      ...{ amount: intent.amount, amount_refunded: intent.refunded },
      ...{ currency: intent.currency, metadata: intent.metadata },
    };
  }

  const event = (type: string, object: Json): Json => ({
    ...{ id: `evt_${randomUUID()}`, object: 'event', type, data: { object } },
  });

  const environment = {
    STRIPE_SECRET_KEY: 'sk_test_0123456789',
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    STRIPE_API_URL: apiUrl,
  };
  const config = parseConfig({ ...environment, SECRET_KEY: 'x'.repeat(32), NODE_ENV: 'test' });
  const stripe = createStripe(config);
  if (!stripe) throw new Error('Stripe is not set up.');
  const running: StripeServer = {
    beforeAnswer: () => undefined,
    ...{ stripe, environment, sessions, intents, keys, pay, event, sessionObject, chargeObject },
    loseAnswer: () => {
      faults.lose += 2;
    },
    refuseNext: (times, status, error) => {
      for (let n = 0; n < times; n += 1) faults.refusals.push({ status, error });
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return running;
}
