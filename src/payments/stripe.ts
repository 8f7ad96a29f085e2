/**
 * What we ask of Stripe: a page to pay on, and to give back. Each call has a key that the database
 * made; repeated with it, after an answer that was lost or a worker that died, it is the same call.
 */
import Stripe from 'stripe';
import type { Config } from '../config.ts';
import { toSmallest } from './money.ts';

/** Where the customer comes back to. */
type Addresses = { publicUrl: string };

/** One piece of work, as `lease_payment_work` hands it out. */
export interface PaymentWork {
  payment_id: string;
  attempt: number;
  what: 'checkout' | 'refund';
  key: string;
  input: {
    amount: string;
    /** Of a refund: what will have been given back in all. */
    total: string | null;
    currency: string;
    /** Of a refund: the PaymentIntent. */
    reference: string | null;
    checkout: number;
    bookingId: string;
    bookingReference: string;
    offeringName: string;
    email: string | null;
    frontEndUrl: string | null;
  };
}

const TIMEOUT_MS = 20_000;

/** Null where it is not set up. Retries are ours: they have to outlive the process. */
export function createStripe(config: Pick<Config, 'stripe'>): Stripe | null {
  if (!config.stripe) return null;
  const { secretKey, apiUrl } = config.stripe;
  const { hostname, port, protocol } = new URL(apiUrl);
  return new Stripe(secretKey, {
    host: hostname,
    port: port || (protocol === 'http:' ? 80 : 443),
    protocol: protocol === 'http:' ? 'http' : 'https',
    maxNetworkRetries: 0,
    timeout: TIMEOUT_MS,
    telemetry: false,
  });
}

export async function beginCheckout(
  stripe: Stripe,
  { payment_id, key, input }: PaymentWork,
  { publicUrl }: Addresses,
): Promise<{ id: string; url: string }> {
  const metadata = { payment_id, checkout: String(input.checkout) };
  const back = input.frontEndUrl
    ? `${input.frontEndUrl.replace(/\/+$/, '')}/bookings/${input.bookingId}`
    : `${publicUrl}/paid`;
  const session = await stripe.checkout.sessions.create(
    {
      mode: 'payment',
      client_reference_id: payment_id,
      metadata,
      // What becomes of the money is told with these, also if that news comes first.
      payment_intent_data: { metadata },
      ...(input.email ? { customer_email: input.email } : {}),
      line_items: [
        {
          quantity: 1,
          price_data: {
            currency: input.currency.toLowerCase(),
            unit_amount: toSmallest(input.amount, input.currency),
            product_data: { name: `${input.offeringName} (${input.bookingReference})` },
          },
        },
      ],
      success_url: back,
      cancel_url: back,
    },
    { idempotencyKey: key },
  );
  if (!session.url) throw new Error('Stripe has made a checkout without a page.');
  return { id: session.id, url: session.url };
}

/** A page that nobody is to pay on any more; if it cannot be closed, what is paid there goes back. */
export async function endCheckout(stripe: Stripe, sessionId: string): Promise<void> {
  await stripe.checkout.sessions.expire(sessionId).catch(() => undefined);
}

export async function giveBack(stripe: Stripe, { key, input }: PaymentWork): Promise<void> {
  if (!input.reference) throw new Error('Nobody knows which payment this is at Stripe.');
  await stripe.refunds.create(
    { payment_intent: input.reference, amount: toSmallest(input.amount, input.currency) },
    { idempotencyKey: key },
  );
}

/** In a word, and whether trying again is of no use. */
export function failureOf(error: unknown): { code: string; permanent: boolean } {
  if (error instanceof Stripe.errors.StripeError) {
    const code = error.code ?? error.type;
    const refused =
      error instanceof Stripe.errors.StripeInvalidRequestError ||
      error instanceof Stripe.errors.StripeIdempotencyError ||
      error instanceof Stripe.errors.StripeCardError;
    return { code, permanent: refused && code !== 'idempotency_key_in_use' };
  }
  const { code } = error as { code?: unknown };
  return {
    code: typeof code === 'string' ? code : 'unknown',
    permanent: code === 'currency_not_supported',
  };
}
