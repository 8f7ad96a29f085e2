/** A deposit from those who left places unused, where the policy asks for one instead of a manager's yes, or for both. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  type BookingRow,
  book,
  booking,
  call,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import { ask, GINA, openMails } from '../support/guests.ts';
import { paymentOf, paymentsOf, record, setPrice } from '../support/payments.ts';
import { bookSeries } from '../support/series.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { cancel, claim, mailTo, miss, refused, rule, type Scene, statusOf, told } from './rule.ts';

const ASKED = { status: 'pending', awaits_payment: true, demands_deposit: true };
const BOOKED = { status: 'confirmed', awaits_payment: false, demands_deposit: false };
const DEPOSIT = { offence_limit: 0, offender_demand: 'deposit' };
const LATER = range('14:00', '16:00', 9);

/** Somebody did not come; everything costs 80. It is the morning of the second day. */
async function offender({ db, world }: Scene, price = 80): Promise<string> {
  await setPrice(db, world, price);
  const gus = await createUser(db, 'Gus');
  await miss(db, world, gus, 1);
  return gus;
}

describe('Whoever left a place unused, and is asked for a deposit,', () => {
  rule(
    'books once it is paid, and is told why; others book as ever',
    async (scene) => {
      const { db, world } = scene;
      const [gus, bea] = [await offender(scene), await createUser(db, 'Bea')];
      expect(await book(db, bea, world.right, LATER)).toMatchObject(BOOKED);
      const { id } = await book(db, gus, world.left, LATER);
      expect(await booking(db, id)).toMatchObject({
        ...{ ...ASKED, request_expires_at: new Date(at('10:30', 2)) },
      });
      expect(await paymentsOf(db, id)).toMatchObject([{ purpose: 'deposit', amount: '24.00' }]);
      const why = /asked for a deposit because some of your earlier bookings/;
      const mail = await mailTo(db, gus, 'payment_due');
      for (const part of [mail.text, mail.html]) expect(part).toMatch(why);
      expect((await mailTo(db, gus, 'payment_due', 'de')).text).toContain('Anzahlung gebeten');
      await record(db, world.manager, id, 24);
      expect(await booking(db, id)).toMatchObject({ status: 'confirmed', demands_deposit: true });
      await advanceTo(db, at('14:30', 8));
      await call(db, gus, 'confirm_booking', { booking_id: id });
      await advanceTo(db, at('17:00', 9));
      // The rest is paid as everybody pays here, of which nothing is noted.
      expect(await statusOf(db, id)).toEqual(['completed']);
      expect(await paymentsOf(db, id)).toHaveLength(1);
    },
    DEPOSIT,
  );

  rule(
    'loses the room that is not paid for in time to whoever waits',
    async (scene) => {
      const { db, world } = scene;
      const [gus, bea] = [await offender(scene), await createUser(db, 'Bea')];
      const { id } = await book(db, gus, world.left, LATER);
      const waiting = await join(db, bea, world.left, LATER);
      await advanceTo(db, at('10:30', 2));
      expect(await statusOf(db, id)).toEqual(['expired']);
      expect((await paymentOf(db, id)).status).toBe('cancelled');
      expect((await entry(db, waiting.id)).status).toBe('offered');
      expect((await told(db, gus)).at(-1)).toBe('booking_unpaid');
    },
    DEPOSIT,
  );

  rule(
    'does not get it back for not coming again, and pays the rest where all is paid on completion',
    async (scene) => {
      const { db, world } = scene;
      const gus = await offender(scene);
      const made: BookingRow[] = [];
      for (const time of [range('14:00', '15:00', 1), range('16:00', '17:00', 1)]) {
        const row = await book(db, gus, world.left, time);
        await record(db, world.manager, row.id, 24);
        made.push(row);
      }
      const [absent, present] = made.map(({ id }) => id) as [string, string];
      await advanceTo(db, at('14:30', 1));
      await call(db, world.manager, 'mark_no_show', { booking_id: absent });
      await advanceTo(db, at('17:00', 1));
      expect(await paymentsOf(db, absent)).toMatchObject([{ status: 'paid', refund_due: '0.00' }]);
      expect(await paymentsOf(db, present)).toMatchObject([
        { status: 'paid', amount: '24.00' },
        { status: 'due', amount: '56.00', purpose: 'balance' },
      ]);
    },
    { ...DEPOSIT, payment: 'on_completion' },
  );

  rule(
    'needs a yes for what costs nothing, and pays no more where everybody pays first',
    async (scene) => {
      const { db, world } = scene;
      const gus = await offender(scene, 0);
      expect(await book(db, gus, world.left, LATER)).toMatchObject({
        ...{ status: 'pending', awaits_payment: false, demands_deposit: false },
      });
      await call(db, world.manager, 'revise_policy', {
        ...{ policy_id: world.policyId, changes: { payment: 'on_booking' } },
      });
      await setPrice(db, world, 80);
      const { id } = await book(db, gus, world.right, LATER);
      expect(await booking(db, id)).toMatchObject({ ...ASKED, demands_deposit: false });
      expect(await paymentsOf(db, id)).toMatchObject([{ purpose: 'price', amount: '80.00' }]);
    },
    DEPOSIT,
  );

  rule(
    'is not asked when a manager enters or moves the booking, but when moving it',
    async (scene) => {
      const { db, world } = scene;
      const gus = await offender(scene);
      const email = await db.value('select email from app_public.users where id = $1', [gus]);
      const move = (userId: string, id: unknown, [starts_at, ends_at]: [string, string]) =>
        call(db, userId, 'modify_booking', { booking_id: id, starts_at, ends_at });
      const [starts_at, ends_at] = LATER;
      const { id, ...made } = await call(db, world.manager, 'create_booking_for', {
        ...{ offering_id: world.left, starts_at, ends_at, email },
      });
      expect(made).toMatchObject(BOOKED);
      expect(await move(world.manager, id, range('10:00', '12:00', 9))).toMatchObject(BOOKED);
      expect(await move(gus, id, range('12:00', '14:00', 9))).toMatchObject(ASKED);
      expect(await paymentOf(db, String(id))).toMatchObject({ status: 'due', amount: '24.00' });
      // Once it is paid, moving asks for nothing more.
      await record(db, world.manager, String(id), 24);
      expect((await move(gus, id, range('16:00', '18:00', 9))).status).toBe('confirmed');
      expect(await paymentsOf(db, String(id))).toHaveLength(1);
      // What is cleared while it is open is not asked of what is booked or moved from then on.
      const open = await book(db, gus, world.right, LATER);
      await call(db, world.manager, 'clear_offences', {
        customer_id: open.customer_id,
        reason: 'Ill',
      });
      expect(await move(gus, open.id, range('10:00', '12:00', 9))).toMatchObject(BOOKED);
      expect((await paymentOf(db, open.id)).status).toBe('cancelled');
    },
    DEPOSIT,
  );

  rule(
    'pays it as well for what is claimed, which the offer says',
    async (scene) => {
      const { db, world } = scene;
      const [gus, bea] = [await offender(scene), await createUser(db, 'Bea')];
      for (const [time, day] of [
        [LATER, 2],
        [range('18:00', '20:00', 3), 3],
      ] as const) {
        const taken = await book(db, bea, world.left, [...time]);
        const waiting = await join(db, gus, world.left, [...time]);
        // The second is freed inside the last call.
        await advanceTo(db, at('17:40', day));
        await cancel(db, bea, taken.id);
        if (day === 2) {
          expect((await mailTo(db, gus, 'slot_available')).text).toContain('once €24.00 are paid');
        }
        expect(await claim(db, gus, waiting.id)).toMatchObject(ASKED);
      }
    },
    { ...DEPOSIT, auto_cancel: 'off' },
  );

  rule(
    "has first a manager's yes where both are asked for",
    async (scene) => {
      const { db, world } = scene;
      const gus = await offender(scene);
      const { id } = await book(db, gus, world.left, LATER);
      expect(await booking(db, id)).toMatchObject({ ...ASKED, awaits_payment: false });
      expect(await paymentsOf(db, id)).toEqual([]);
      await call(db, world.manager, 'approve_booking', { booking_id: id });
      expect(await booking(db, id)).toMatchObject(ASKED);
      await record(db, world.manager, id, 24);
      expect(await statusOf(db, id)).toEqual(['confirmed']);
    },
    { ...DEPOSIT, offender_demand: 'both' },
  );

  rule(
    'pays it for each date of a series, and for places, of which the quote says how much',
    async (scene) => {
      const { db, world } = scene;
      const gus = await offender(scene);
      for (const made of await bookSeries(db, gus, world.left, { first_date: '2030-06-18' })) {
        expect(await booking(db, made.id)).toMatchObject(ASKED);
        expect(await paymentOf(db, made.id)).toMatchObject({ amount: '24.00' });
      }
      const tour = await createTour(db, world, { price: 50, days: 3 });
      const [bea, slot] = [await createUser(db, 'Bea'), tour.slots.at(-1)];
      const dueFirst = (userId: string) =>
        db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
          db.value('select due_first from app_public.quote($1, 2)', [slot]),
        );
      expect([await dueFirst(gus), await dueFirst(bea)].map(Number)).toEqual([30, 0]);
      const { id } = await bookSlot(db, gus, tour, slot, { party_size: 2 });
      expect(await paymentOf(db, id)).toMatchObject({ amount: '30.00' });
    },
    DEPOSIT,
  );

  rule(
    'reads of it on the page of the link by which guests book',
    async (scene) => {
      const { db, world } = scene;
      await setPrice(db, world, 80);
      const [starts_at, ends_at] = range('10:00', '11:00', 0);
      const made = await call(db, world.manager, 'create_booking_for', {
        ...{ offering_id: world.left, starts_at, ends_at, ...GINA },
      });
      await advanceTo(db, at('10:30'));
      await call(db, world.manager, 'mark_no_show', { booking_id: made.id });
      await ask(db, { offeringId: world.left, startsAt: LATER[0], endsAt: LATER[1] });
      const book = (await openMails(db)).find(({ kind }) => kind === 'booking_link')?.tokens.book;
      const page = await db.value<Record<string, object>>('select app_private.read_link($1)', [
        book,
      ]);
      expect(page.booking).toMatchObject({ price: 80, payFirst: 24, needsApproval: false });
    },
    DEPOSIT,
  );
});

rule('A policy cannot demand anything else', async ({ db, world }) => {
  await refused(db, 'RSARG', world.owner, 'revise_policy', {
    ...{ policy_id: world.policyId, changes: { offender_demand: 'a song' } },
  });
});
