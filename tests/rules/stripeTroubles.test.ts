/** What goes wrong after a payment: the customer's bank asks for the money, or does not take what is given back. */
import { describe, expect, test } from '@jest/globals';
import { newsOf } from '../../src/payments/events.ts';
import type { TestDatabase } from '../support/database.ts';
import { call } from '../support/factories.ts';
import { begun, ordersOf, paymentOf, stripeTells } from '../support/payments.ts';
import { cancel, mailTo, refused, rule, told } from './rule.ts';

const STRIPE = { payment: 'on_booking', payment_provider: 'stripe' };

/** Of disputes and refunds Stripe says only what was paid, not for what. */
const news = (db: TestDatabase, what: string, event = what) =>
  what === 'returned'
    ? stripeTells(db, `evt_${event}`, null, 'returned', { amount: '30.00' })
    : stripeTells(db, `evt_${event}`, null, 'disputed', { state: what });

const troubles = async (db: TestDatabase, manager: string) =>
  (await told(db, manager)).filter((kind) => kind === 'payment_trouble').length;

const work = (db: TestDatabase) => db.rows('select what from app_private.lease_payment_work(5)');

describe('What goes wrong after a payment', () => {
  rule(
    'ends the same in every order, told twice, and before the payment itself',
    async ({ db, world }) => {
      const { id, payment } = await begun({ db, world });
      const ends = new Set<string>();
      for (const order of ordersOf(['paid', 'open', 'lost', 'returned'])) {
        await db.query('savepoint begun');
        for (const what of [...order, ...order]) {
          if (what === 'paid') await stripeTells(db, 'evt_paid', payment, what);
          else await news(db, what);
        }
        const { status, dispute, returned, refund_due } = await paymentOf(db, id);
        ends.add(JSON.stringify({ status, dispute, returned, refund_due }));
        await db.query('rollback to savepoint begun');
      }
      expect([...ends].map((end) => JSON.parse(end))).toEqual([
        { status: 'paid', dispute: 'lost', returned: '30.00', refund_due: '0.00' },
      ]);
    },
    STRIPE,
  );

  rule(
    'is told to managers, once for each step, and keeps the money from being given back as well',
    async ({ db, world }) => {
      const { ann, id, payment } = await begun({ db, world });
      await stripeTells(db, 'evt_paid', payment, 'paid');
      for (const what of ['inquiry', 'open', 'open', 'inquiry']) await news(db, what);
      expect(await troubles(db, world.manager)).toBe(2);
      expect((await mailTo(db, world.manager, 'payment_trouble')).text).toContain('answer in time');
      await cancel(db, ann, id);
      expect(await paymentOf(db, id)).toMatchObject({ dispute: 'open', refund_due: '80.00' });
      expect(await work(db)).toEqual([]);
      await news(db, 'won');
      expect(await work(db)).toEqual([{ what: 'refund' }]);
      expect((await mailTo(db, world.manager, 'payment_trouble', 'de')).text).toContain('für Sie');
    },
    STRIPE,
  );

  rule(
    'is over for a refund that came back once it was given in another way',
    async ({ db, world }) => {
      const { ann, id, payment } = await begun({ db, world });
      await stripeTells(db, 'evt_paid', payment, 'paid');
      await cancel(db, ann, id);
      await stripeTells(db, 'evt_refund', payment, 'refunded', { refunded: '80.00' });
      await news(db, 'returned');
      expect((await mailTo(db, world.manager, 'payment_trouble')).text).toContain(
        '€30.00 that were',
      );
      await refused(db, 'RSARG', world.manager, 'record_refund', {
        payment_id: payment,
        amount: 31,
      });
      const again = { payment_id: payment, amount: 30, idempotency_key: 'desk' };
      for (const args of [again, again]) await call(db, world.manager, 'record_refund', args);
      expect(await paymentOf(db, id)).toMatchObject({ status: 'refunded', returned: '0.00' });
      await refused(db, 'RSARG', world.manager, 'record_refund', {
        payment_id: payment,
        amount: 1,
      });
    },
    STRIPE,
  );

  rule(
    'is nothing to us when it is of money that is not ours',
    async ({ db, world }) => {
      const { id } = await begun({ db, world });
      expect(await news(db, 'open')).toBe('not known yet');
      expect(await stripeTells(db, 'evt_x', null, 'returned', { intent: null })).toBe('not ours');
      expect(await paymentOf(db, id)).toMatchObject({ dispute: null });
      expect(await troubles(db, world.manager)).toBe(0);
    },
    STRIPE,
  );
});

describe('Of what Stripe sends', () => {
  const read = (type: string, object: Record<string, unknown>) =>
    newsOf({ id: 'evt_1', type, data: { object } } as unknown as Parameters<typeof newsOf>[0]);

  test.each([
    ['created', 'needs_response', 'open'],
    ['created', 'warning_needs_response', 'inquiry'],
    ['updated', 'under_review', 'open'],
    ['closed', 'warning_closed', 'won'],
    ['closed', 'won', 'won'],
    ['closed', 'lost', 'lost'],
  ])('a dispute that is %s with status %s is %s', (type, status, state) => {
    const dispute = { object: 'dispute', payment_intent: { id: 'pi_1' }, currency: 'eur', status };
    expect(read(`charge.dispute.${type}`, dispute)).toEqual({
      ...{ paymentId: null, what: 'disputed', details: { state, currency: 'eur', intent: 'pi_1' } },
    });
  });

  test('a refund that has failed counts once, whichever event tells of it, and others do not count', () => {
    const refund = { id: 're_1', amount: 3000, currency: 'eur', payment_intent: 'pi_1' };
    const failed = { ...refund, status: 'failed' };
    expect(read('refund.failed', failed)).toEqual(read('refund.updated', failed));
    expect(read('refund.failed', failed)).toEqual({
      ...{ paymentId: null, what: 'returned', once: 're_1 failed' },
      details: { amount: '30.00', currency: 'eur', intent: 'pi_1' },
    });
    expect(read('refund.updated', { ...refund, status: 'succeeded' })).toBeUndefined();
    expect(read('refund.failed', { ...failed, payment_intent: null })).toBeUndefined();
  });
});
