/**
 * `/webhooks/stripe`: what Stripe tells us. Nobody else is believed: the signature is checked over the
 * bytes as they came. Events may come late, twice and in any order; the database makes of them what
 * they mean together.
 */
import express, { type Express, type Request } from 'express';
import type { Pool } from 'pg';
import type Stripe from 'stripe';
import { log } from '../log.ts';
import { newsOf } from '../payments/events.ts';

export type WebhookOptions = {
  app: Express;
  /** The login `reslot_app`. */
  appPool: Pool;
  stripe: Stripe;
  secret: string;
  /** Called after a change has been committed, to send on its way what the change owes. */
  afterCommit(): void;
};

const BODY_LIMIT = '512kb';

export function mountWebhooks({ app, appPool, stripe, secret, afterCommit }: WebhookOptions): void {
  app.post(
    '/webhooks/stripe',
    express.raw({ type: () => true, limit: BODY_LIMIT }),
    async (request, response) => {
      const event = readEvent(request, stripe, secret);
      if (!event) {
        log.warn('a webhook was refused');
        // Not why: whoever forges one learns nothing.
        response.status(400).json({ error: { message: 'The request cannot be read.' } });
        return;
      }
      const outcome = await take(appPool, event);
      log.info('webhook', { event: event.id, type: event.type, outcome });
      if (outcome !== 'no concern') afterCommit();
      response.json({ received: true });
    },
  );
}

function readEvent(request: Request, stripe: Stripe, secret: string): Stripe.Event | undefined {
  const body: unknown = request.body;
  const signature = request.get('stripe-signature');
  if (!Buffer.isBuffer(body) || !signature) return undefined;
  try {
    return stripe.webhooks.constructEvent(body, signature, secret);
  } catch {
    return undefined;
  }
}

async function take(pool: Pool, event: Stripe.Event): Promise<string> {
  const news = newsOf(event);
  if (!news) return 'no concern';
  const { rows } = await pool.query<{ outcome: string }>(
    'select app_private.take_stripe_event($1, $2, $3, $4, $5) as outcome',
    [news.once ?? event.id, event.type, news.paymentId, news.what, news.details],
  );
  const outcome = rows[0]?.outcome ?? 'nothing';
  // Somebody has to look: money came that is not what was asked for.
  if (outcome.startsWith('another')) {
    log.error('a payment is not what was asked for', { payment: news.paymentId, outcome });
  }
  return outcome;
}
