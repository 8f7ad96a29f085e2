/** Does what is to be done at Stripe, one payment after the other, each outside of any transaction. */
import type { Pool } from 'pg';
import type Stripe from 'stripe';
import { log } from '../log.ts';
import { beginCheckout, endCheckout, failureOf, giveBack, type PaymentWork } from './stripe.ts';

export interface PaymentServices {
  /** The login `reslot_worker`. */
  pool: Pool;
  stripe: Stripe | null;
  publicUrl: string;
  signal?: AbortSignal;
}

const BATCH = 10;
const NOT_SET_UP = { code: 'stripe_not_set_up', permanent: true };

/** Out comes how many went well, and how many did not. */
export async function carryOutPayments(services: PaymentServices) {
  const counts = { done: 0, failed: 0 };
  while (!services.signal?.aborted) {
    const { rows } = await services.pool.query<PaymentWork>(
      'select * from app_private.lease_payment_work($1)',
      [BATCH],
    );
    if (rows.length === 0) break;
    for (const work of rows) {
      if (await carryOut(services, work)) counts.done += 1;
      else counts.failed += 1;
    }
  }
  return counts;
}

async function carryOut(services: PaymentServices, work: PaymentWork): Promise<boolean> {
  const { pool, stripe } = services;
  const { payment_id, attempt, what } = work;
  try {
    if (!stripe) throw NOT_SET_UP;
    if (what === 'checkout') await checkout(services, stripe, work);
    else await refund(services, stripe, work);
    return true;
  } catch (error) {
    const { code, permanent } = error === NOT_SET_UP ? NOT_SET_UP : failureOf(error);
    log.warn('a payment did not go through', { payment: payment_id, what, attempt, code });
    await pool.query('select app_private.payment_work_failed($1, $2, $3, $4)', [
      ...[payment_id, attempt, code, permanent],
    ]);
    return false;
  }
}

async function checkout(
  { pool, publicUrl }: PaymentServices,
  stripe: Stripe,
  work: PaymentWork,
): Promise<void> {
  const { id, url } = await beginCheckout(stripe, work, { publicUrl });
  const { rows } = await pool.query<{ wanted: boolean }>(
    'select app_private.checkout_made($1, $2, $3, $4) as wanted',
    [work.payment_id, work.input.checkout, id, url],
  );
  if (!rows[0]?.wanted) await endCheckout(stripe, id);
}

async function refund({ pool }: PaymentServices, stripe: Stripe, work: PaymentWork): Promise<void> {
  try {
    await giveBack(stripe, work);
  } catch (error) {
    // By hand, in Stripe's own pages: that is as good.
    if (failureOf(error).code !== 'charge_already_refunded') throw error;
  }
  await pool.query('select app_private.refund_made($1, $2)', [work.payment_id, work.input.total]);
}
