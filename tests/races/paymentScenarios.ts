/** Money that comes while time, or its customer, ends the booking that waits for it. */
import { expect } from '@jest/globals';
import { range } from '../support/factories.ts';
import {
  type Action,
  as,
  between,
  type Ground,
  literal,
  owner,
  type Scenario,
} from '../support/races.ts';
import { after, book, bookingOf, cancel, due, idOf, join, statusOf, tick, user } from './stage.ts';

const POLICY = { payment: 'on_booking', payment_provider: 'stripe' };

interface Owed {
  id: string;
  payment: string;
  entry: string;
  deadline: string;
}

/** User 0 has begun to pay 80 for what user 1 waits for. */
async function owed(ground: Ground, day: number): Promise<Owed> {
  const { left } = ground.world;
  await ground.db.query('update app_public.offerings set price = 80 where id = $1', [left]);
  const time = range('18:00', '20:00', day);
  const id = await idOf(ground, book(user(ground, 0), left, time));
  const entry = await idOf(ground, join(user(ground, 1), left, time));
  const payment = await idOf(ground, as(user(ground, 0), 'start_payment', { booking_id: id }));
  const deadline = ((await bookingOf(ground, id)).request_expires_at as Date).toISOString();
  return { id, payment, entry, deadline };
}

/** Stripe says that it was paid. */
function paid(payment: string, event: string): Action {
  const details = literal(
    JSON.stringify({ amount: '80.00', currency: 'eur', intent: `pi_${payment}`, checkout: 1 }),
  );
  return owner(
    `app_private.take_stripe_event(${literal(event)}, 'test', ${literal(payment)}, 'paid', ${details})`,
  );
}

const moneyOf = (ground: Ground, id: string) =>
  ground.db.rows<{ status: string; amount: string; refund_due: string }>(
    'select status::text, amount, refund_due from app_public.payments where booking_id = $1 order by id',
    [id],
  );

export const paidAtDeadline: Scenario = {
  name: 'money that comes at the deadline has its room, or goes back',
  policy: POLICY,
  prepare: async (ground, day) => {
    const { id, payment, entry, deadline } = await owed(ground, day);
    await ground.setClock(after(deadline, -1));
    return {
      actions: [
        between(0, 4, paid(payment, `evt_${payment}`)),
        between(2, 9, due(id)),
        between(1, 6, tick(deadline)),
        between(2, 9, due(id)),
      ],
      check: async ([told]) => {
        expect(told?.ok).toBe(true);
        await ground.act(due(id));
        const { status } = await bookingOf(ground, id);
        const kept = status === 'confirmed';
        expect(status).toBe(kept ? 'confirmed' : 'expired');
        expect(await moneyOf(ground, id)).toEqual([
          { status: 'paid', amount: '80.00', refund_due: kept ? '0.00' : '80.00' },
        ]);
        expect(await statusOf(ground, entry)).toBe(kept ? 'waiting' : 'offered');
      },
    };
  },
};

export const paidAndCancelled: Scenario = {
  name: 'what its customer cancels stays cancelled, and what comes for it goes back',
  policy: POLICY,
  prepare: async (ground, day) => {
    const { id, payment } = await owed(ground, day);
    return {
      actions: [paid(payment, `evt_${payment}`), cancel(user(ground, 0), id)],
      check: async (outcomes) => {
        expect(outcomes.map(({ ok }) => ok)).toEqual([true, true]);
        expect((await bookingOf(ground, id)).status).toBe('cancelled');
        expect(await moneyOf(ground, id)).toEqual([
          { status: 'paid', amount: '80.00', refund_due: '80.00' },
        ]);
      },
    };
  },
};

/** The customer's bank has the money; Stripe names what was paid, and not for what. */
function disputed(payment: string): Action {
  const details = literal(
    JSON.stringify({ state: 'open', currency: 'eur', intent: `pi_${payment}` }),
  );
  return owner(
    `app_private.take_stripe_event(${literal(`dp_${payment}`)}, 'test', null, 'disputed', ${details})`,
  );
}

export const paidAndDisputed: Scenario = {
  name: 'what is told of money at the moment at which it comes is not lost',
  policy: POLICY,
  prepare: async (ground, day) => {
    const { id, payment } = await owed(ground, day);
    return {
      actions: [
        between(0, 4, paid(payment, `evt_${payment}`)),
        between(0, 4, disputed(payment)),
        between(0, 4, disputed(payment)),
      ],
      check: async (outcomes) => {
        expect(outcomes.map(({ ok }) => ok)).toEqual([true, true, true]);
        expect(
          await ground.db.rows(
            'select status::text, dispute::text from app_public.payments where booking_id = $1',
            [id],
          ),
        ).toEqual([{ status: 'paid', dispute: 'open' }]);
      },
    };
  },
};

export const paidTwice: Scenario = {
  name: 'what is paid at the desk and by Stripe at once is kept once, however often Stripe says so',
  policy: POLICY,
  prepare: async (ground, day) => {
    const { id, payment } = await owed(ground, day);
    const desk = { booking_id: id, amount: 80, method: 'cash' };
    return {
      actions: [
        paid(payment, `evt_${payment}`),
        between(0, 4, as(ground.world.manager, 'record_payment', desk)),
        between(0, 4, paid(payment, `evt_${payment}`)),
      ],
      check: async ([, byHand]) => {
        expect((await bookingOf(ground, id)).status).toBe('confirmed');
        const money = await moneyOf(ground, id);
        expect(money).toHaveLength(byHand?.ok ? 2 : 1);
        const kept = money.map(({ amount, refund_due }) => Number(amount) - Number(refund_due));
        expect(kept.reduce((sum, each) => sum + each, 0)).toBe(80);
      },
    };
  },
};
