/** Payments, as tests ask for them. */
import type { TestDatabase } from './database.ts';
import { book, call, createUser, range, type World } from './factories.ts';

export type PaymentRow = Record<string, unknown> & {
  id: string;
  status: string;
  amount: string;
  refund_due: string;
  refunded: string;
};

export const setPrice = (db: TestDatabase, { left, right, hall }: World, price: number) =>
  db.query('update app_public.offerings set price = $1 where id = any ($2)', [
    price,
    [left, right, hall],
  ]);

/** In the order in which they were asked for. */
export const paymentsOf = (db: TestDatabase, bookingId: string): Promise<PaymentRow[]> =>
  db.rows('select * from app_public.payments where booking_id = $1 order by id', [bookingId]);

export async function paymentOf(db: TestDatabase, bookingId: string): Promise<PaymentRow> {
  const payment = (await paymentsOf(db, bookingId)).at(-1);
  if (!payment) throw new Error('There is no payment.');
  return payment;
}

export const record = (
  db: TestDatabase,
  userId: string,
  bookingId: string,
  amount: number,
  more: Record<string, unknown> = {},
): Promise<PaymentRow> =>
  call(db, userId, 'record_payment', { booking_id: bookingId, amount, method: 'cash', ...more });

/** Somebody has booked for 80, four days ahead, and has begun to pay. */
export async function begun({ db, world }: { db: TestDatabase; world: World }) {
  await setPrice(db, world, 80);
  const ann = await createUser(db, 'Ann');
  const { id } = await book(db, ann, world.left, range('10:00', '12:00', 4));
  const payment = await call(db, ann, 'start_payment', { booking_id: id });
  return { ann, id, payment: String(payment.id) };
}

/** Every order of them. */
export function ordersOf<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first, n) =>
    ordersOf(items.filter((_, m) => m !== n)).map((rest) => [first, ...rest]),
  );
}

/** What the server does with an event whose signature is good. */
export const stripeTells = async (
  db: TestDatabase,
  event: string,
  paymentId: string | null,
  what: string,
  details: Record<string, unknown> = {},
): Promise<string> =>
  (
    await db.one<{ result: string }>(
      'select app_private.take_stripe_event($1, $2, $3, $4, $5) as result',
      [
        ...[event, `test.${what}`, paymentId, what],
        { amount: '80.00', currency: 'eur', intent: 'pi_1', checkout: 1, ...details },
      ],
    )
  ).result;
