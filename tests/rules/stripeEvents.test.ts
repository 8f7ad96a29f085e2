/** What Stripe tells comes late, twice and in any order; together it always means the same. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { newsOf } from '../../src/payments/events.ts';
import { CurrencyError, fromSmallest, toSmallest } from '../../src/payments/money.ts';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { advanceTo, at, booking, call, createWorld } from '../support/factories.ts';
import {
  begun,
  ordersOf,
  paymentOf,
  paymentsOf,
  record,
  stripeTells,
} from '../support/payments.ts';
import { cancel, refused, rule, told } from './rule.ts';

const STRIPE = { payment: 'on_booking', payment_provider: 'stripe' };

const endOf = async (db: TestDatabase, id: string) => {
  const payments = await paymentsOf(db, id);
  const { status, awaits_payment } = await booking(db, id);
  return {
    booking: { status, awaits_payment },
    payments: payments.map(({ status: s, amount, refund_due, refunded, reference }) => ({
      ...{ status: s, amount, refund_due, refunded, reference },
    })),
  };
};

async function tell(db: TestDatabase, payment: string, what: string): Promise<void> {
  const details = what === 'refunded' ? { refunded: '30.00' } : {};
  await stripeTells(db, `evt_${what}`, payment, what, details);
}

/** Each order in a transaction of its own, taken back to where they all began. */
async function endsOf(db: TestDatabase, orders: string[][], payment: string, id: string) {
  const ends = new Set<string>();
  for (const order of orders) {
    await db.query('savepoint begun');
    for (const what of order) await tell(db, payment, what);
    ends.add(JSON.stringify(await endOf(db, id)));
    await db.query('rollback to savepoint begun');
  }
  return [...ends].map((end) => JSON.parse(end) as Awaited<ReturnType<typeof endOf>>);
}

describe('The events of a payment', () => {
  rule(
    'end the same in every order, each of them told twice: paid, and partly given back',
    async (scene) => {
      const { db } = scene;
      const { id, payment } = await begun(scene);
      const orders = ordersOf(['paid', 'expired', 'failed', 'refunded']).map((order) => [
        ...order,
        ...order,
      ]);
      expect(orders).toHaveLength(24);
      expect(await endsOf(db, orders, payment, id)).toEqual([
        {
          booking: { status: 'confirmed', awaits_payment: false },
          payments: [
            {
              ...{ status: 'partly_refunded', amount: '80.00', reference: 'pi_1' },
              ...{ refund_due: '30.00', refunded: '30.00' },
            },
          ],
        },
      ]);
    },
    STRIPE,
  );

  rule(
    'are told to the customer once, however often they come',
    async (scene) => {
      const { db } = scene;
      const { ann, payment } = await begun(scene);
      for (const what of ['paid', 'paid', 'refunded', 'paid', 'refunded']) {
        await tell(db, payment, what);
      }
      expect(await told(db, ann)).toEqual(['payment_due', 'payment_received', 'payment_refunded']);
    },
    STRIPE,
  );

  rule(
    'that come after the room was released give all of the money back, in either order',
    async (scene) => {
      const { db } = scene;
      const { id, payment } = await begun(scene);
      await advanceTo(db, at('08:00', 1));
      expect(await booking(db, id)).toMatchObject({ status: 'expired' });
      const ends = await endsOf(db, ordersOf(['paid', 'expired']), payment, id);
      expect(ends).toMatchObject([
        {
          booking: { status: 'expired' },
          payments: [{ status: 'paid', refund_due: '80.00', refunded: '0.00' }],
        },
      ]);
      await tell(db, payment, 'paid');
      expect(
        await db.rows('select what, input from app_private.lease_payment_work(5)'),
      ).toMatchObject([
        { what: 'refund', input: { amount: '80.00', reference: 'pi_1', total: '80.00' } },
      ]);
    },
    STRIPE,
  );

  rule(
    'that tell of money a second time, paid at the desk meanwhile, give the second back',
    async (scene) => {
      const { db, world } = scene;
      const { id, payment } = await begun(scene);
      await record(db, world.manager, id, 80);
      for (const what of ['paid', 'refunded', 'paid']) await tell(db, payment, what);
      expect(await paymentsOf(db, id)).toMatchObject([
        { status: 'paid', method: 'cash', refund_due: '0.00' },
        { status: 'partly_refunded', method: 'stripe', refund_due: '80.00', refunded: '30.00' },
      ]);
    },
    STRIPE,
  );

  rule(
    'of an earlier checkout do not touch the one that was begun since',
    async (scene) => {
      const { db } = scene;
      const { ann, id, payment } = await begun(scene);
      await stripeTells(db, 'evt_1', payment, 'expired');
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'failed', error_code: 'checkout_expired' },
      });
      await call(db, ann, 'start_payment', { booking_id: id });
      await stripeTells(db, 'evt_2', payment, 'failed', { checkout: 1 });
      expect(await paymentOf(db, id)).toMatchObject({ status: 'processing', checkouts: 2 });
      await stripeTells(db, 'evt_3', payment, 'failed', { checkout: 2 });
      expect(await paymentOf(db, id)).toMatchObject({ status: 'failed' });
      expect((await told(db, ann)).at(-1)).toBe('payment_failed');
    },
    STRIPE,
  );

  rule(
    'are believed only about money of the right amount and currency, and about our payments',
    async (scene) => {
      const { db } = scene;
      const { id, payment } = await begun(scene);
      expect(await stripeTells(db, 'evt_1', payment, 'paid', { amount: '8.00' })).toBe(
        'another amount',
      );
      expect(await stripeTells(db, 'evt_2', payment, 'paid', { currency: 'usd' })).toBe(
        'another currency',
      );
      expect(await stripeTells(db, 'evt_3', id, 'paid')).toBe('not ours');
      expect(await paymentOf(db, id)).toMatchObject({ status: 'processing' });
    },
    STRIPE,
  );
});

describe('To pay by Stripe', () => {
  rule(
    'is begun by the customer, again with the same result, and not once it is too late',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id, payment } = await begun(scene);
      expect(await call(db, ann, 'start_payment', { booking_id: id })).toMatchObject({
        ...{ id: payment, status: 'processing', checkouts: 1 },
      });
      await refused(db, 'RSNTF', world.manager, 'start_payment', { booking_id: id });
      await db.setClock(at('08:00', 1));
      await refused(db, 'RSEXP', ann, 'start_payment', { booking_id: id });
      await cancel(db, ann, id);
      await refused(db, 'RSSTA', ann, 'start_payment', { booking_id: id });
    },
    STRIPE,
  );

  rule(
    'is tried again at growing intervals, up to an hour, and ends for good when it is refused',
    async (scene) => {
      const { db } = scene;
      const { id, payment } = await begun(scene);
      const waits: number[] = [];
      for (let attempt = 1; attempt <= 9; attempt += 1) {
        const [work] = await db.rows<{ attempt: number }>(
          'select * from app_private.lease_payment_work(5)',
        );
        expect(work?.attempt).toBe(attempt);
        expect(await db.rows('select * from app_private.lease_payment_work(5)')).toEqual([]);
        await db.query('select app_private.payment_work_failed($1, $2, $3, false)', [
          ...[payment, attempt, 'api_connection_error'],
        ]);
        const { next_attempt_at: next } = await paymentOf(db, id);
        const now = await db.value<Date>('select app_private.clock()');
        waits.push(((next as Date).getTime() - now.getTime()) / 1000);
        await db.setClock((next as Date).toISOString());
      }
      expect(waits).toEqual([30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
      await db.rows('select * from app_private.lease_payment_work(5)');
      await db.query('select app_private.payment_work_failed($1, 10, $2, true)', [
        payment,
        'parameter_invalid',
      ]);
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'failed', error_code: 'parameter_invalid', next_attempt_at: null },
      });
    },
    STRIPE,
  );

  rule(
    'gives back what is owed in steps that keep their key, however much more is owed meanwhile',
    async (scene) => {
      const { db, world } = scene;
      const { ann, id, payment } = await begun(scene);
      await tell(db, payment, 'paid');
      await db.query('update app_public.bookings set price = 60 where id = $1', [id]);
      const lease = () =>
        db.one<{ key: string; input: object }>('select * from app_private.lease_payment_work(5)');
      const first = await lease();
      expect(first).toMatchObject({
        ...{ key: `reslot:${payment}:refund:20.00`, input: { amount: '20.00', total: '20.00' } },
      });
      await cancel(db, ann, id);
      await db.setClock(at('08:01'));
      // The worker died: what it was about to do is done first.
      expect(await lease()).toMatchObject({ key: first.key, input: { amount: '20.00' } });
      await db.query(`select app_private.refund_made($1, 20)`, [payment]);
      expect(await lease()).toMatchObject({
        ...{ key: `reslot:${payment}:refund:80.00`, input: { amount: '60.00', total: '80.00' } },
      });
      await db.query(`select app_private.refund_made($1, 80)`, [payment]);
      expect(await paymentOf(db, id)).toMatchObject({
        ...{ status: 'refunded', refunded: '80.00', next_attempt_at: null, refunding: null },
      });
      await refused(db, 'RSARG', world.manager, 'record_refund', {
        payment_id: payment,
        amount: 1,
      });
    },
    STRIPE,
  );
});

describe('The states of a payment', () => {
  const STATES = [
    'due',
    'processing',
    'failed',
    'paid',
    'partly_refunded',
    'refunded',
    'cancelled',
  ];

  test('are changed as the table says, and in no other way', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db, STRIPE);
      const { id } = await begun({ db, world });
      const allowed = new Set(
        (
          await db.rows<{ from_status: string; to_status: string }>(
            'select from_status::text, to_status::text from app_private.payment_transitions',
          )
        ).map(({ from_status: from, to_status: to }) => `${from} ${to}`),
      );
      await db.query('alter table app_public.payments disable trigger payments_check_transition');
      const set = (status: string) => {
        const given = { refunded: 80, partly_refunded: 30 }[status] ?? 0;
        const paid = status === 'paid' || given > 0;
        return db.query(
          `update app_public.payments set status = $2, refunded = $3, refund_due = $3,
             processed_at = $4, method = $5 where booking_id = $1`,
          [id, status, given, paid ? at('08:00') : null, paid ? 'stripe' : null],
        );
      };
      for (const from of STATES) {
        for (const to of STATES.filter((state) => state !== from)) {
          await db.query('savepoint as_it_was');
          await set(from);
          await db.query(
            'alter table app_public.payments enable trigger payments_check_transition',
          );
          const code = await set(to).then(
            () => 'done',
            (error: { code: string }) => error.code,
          );
          expect(`${from} ${to}: ${code}`).toBe(
            `${from} ${to}: ${allowed.has(`${from} ${to}`) ? 'done' : 'RSSTA'}`,
          );
          await db.query('rollback to savepoint as_it_was');
        }
      }
    }));
});

describe('Amounts', () => {
  test('are whole numbers of the smallest unit there, and the same again when they come back', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 999_999_999 }),
        fc.constantFrom('EUR', 'usd', 'HUF', 'UGX'),
        (n, of) => {
          expect(toSmallest(fromSmallest(n, of), of)).toBe(n);
        },
      ),
    );
    expect(toSmallest('80.5', 'EUR')).toBe(8050);
    expect(toSmallest('80.00', 'JPY')).toBe(80);
    expect(fromSmallest(80, 'jpy')).toBe('80.00');
    expect(() => toSmallest('80.50', 'JPY')).toThrow(RangeError);
    expect(() => toSmallest('1e3', 'EUR')).toThrow(RangeError);
    expect(() => toSmallest('80.00', 'KWD')).toThrow(CurrencyError);
  });

  test('of events that are not about a payment of ours are not looked at', () => {
    const session = { metadata: { payment_id: 'somebody else' }, amount_total: 1, currency: 'eur' };
    const event = { type: 'checkout.session.expired', data: { object: session } };
    expect(newsOf(event as unknown as Parameters<typeof newsOf>[0])).toBeUndefined();
  });
});
