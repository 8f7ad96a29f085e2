/** What Stripe tells us, as far as it concerns a payment. */
import type Stripe from 'stripe';
import { fromSmallest } from './money.ts';

export interface News {
  /** Null of what names only the money: its PaymentIntent, in `details`. */
  paymentId: string | null;
  what: 'paid' | 'failed' | 'expired' | 'refunded' | 'disputed' | 'returned';
  /** What is told by more than one event counts once under this name. */
  once?: string;
  details: Record<string, string | number>;
}

/** Undefined for whatever is of no concern, or not ours. */
export function newsOf(event: Stripe.Event): News | undefined {
  switch (event.type) {
    case 'checkout.session.completed':
      // With some methods the page is done before the money is there; that is told later.
      return event.data.object.payment_status === 'paid'
        ? ofSession(event.data.object, 'paid')
        : undefined;
    case 'checkout.session.async_payment_succeeded':
      return ofSession(event.data.object, 'paid');
    case 'checkout.session.async_payment_failed':
      return ofSession(event.data.object, 'failed');
    case 'checkout.session.expired':
      return ofSession(event.data.object, 'expired');
    case 'charge.refunded':
      return ofCharge(event.data.object);
    case 'charge.dispute.created':
    case 'charge.dispute.updated':
    case 'charge.dispute.closed':
      return ofDispute(event.data.object);
    case 'refund.failed':
    case 'refund.updated':
      return event.data.object.status === 'failed' ? ofFailedRefund(event.data.object) : undefined;
    default:
      return undefined;
  }
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/;

function ofSession(session: Stripe.Checkout.Session, what: News['what']): News | undefined {
  const paymentId = session.metadata?.payment_id;
  const { amount_total: amount, currency } = session;
  if (!paymentId || !UUID.test(paymentId) || amount === null || !currency) return undefined;
  return {
    paymentId,
    what,
    details: {
      amount: fromSmallest(amount, currency),
      currency,
      checkout: Number(session.metadata?.checkout ?? 0),
      code: 'payment_failed',
      ...intentOf(session.payment_intent),
    },
  };
}

/** How much has been given back in all, whether we did it or somebody in Stripe's own pages. */
function ofCharge(charge: Stripe.Charge): News | undefined {
  const { payment_id: paymentId } = charge.metadata;
  const { amount_refunded: refunded, currency } = charge;
  if (!paymentId || !UUID.test(paymentId)) return undefined;
  return {
    paymentId,
    what: 'refunded',
    details: {
      currency,
      refunded: fromSmallest(refunded, currency),
      ...intentOf(charge.payment_intent),
    },
  };
}

/** As far as it matters here: whether the bank only asks, has the money, or has decided. */
function stateOf(status: Stripe.Dispute['status']): 'inquiry' | 'open' | 'won' | 'lost' {
  if (status === 'lost') return 'lost';
  if (status === 'won' || status === 'warning_closed' || status === 'prevented') return 'won';
  return status.startsWith('warning') ? 'inquiry' : 'open';
}

/** Disputes and refunds carry no word of ours, only the PaymentIntent of what was paid. */
function ofDispute({ payment_intent, status, currency }: Stripe.Dispute): News | undefined {
  const intent = intentOf(payment_intent);
  if (!intent.intent) return undefined;
  const details = { state: stateOf(status), currency, ...intent };
  return { paymentId: null, what: 'disputed', details };
}

/** The customer's bank did not take it; the money is back in our account at Stripe. */
function ofFailedRefund({ id, amount, currency, payment_intent }: Stripe.Refund): News | undefined {
  const intent = intentOf(payment_intent);
  if (!intent.intent) return undefined;
  const details = { amount: fromSmallest(amount, currency), currency, ...intent };
  return { paymentId: null, what: 'returned', once: `${id} failed`, details };
}

function intentOf(intent: string | { id: string } | null): { intent?: string } {
  if (!intent) return {};
  return { intent: typeof intent === 'string' ? intent : intent.id };
}
