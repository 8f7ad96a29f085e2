/** Money: what is shown is what is sold, to the cent, and what is given back. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { at, book, booking, call, createUser, createWorld, range } from '../support/factories.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';
import { cancel, refused, rule, value } from './rule.ts';

const FIGURES = [
  ...['person_price', 'adult_price', 'child_price', 'infant_price', 'subtotal', 'discount'],
  ...['tax', 'tax_included', 'price', 'currency'],
];

const figures = (row: Record<string, unknown>) =>
  Object.fromEntries(FIGURES.map((name) => [name, comparable(row[name])]));

/** As numbers: 20.00 and 20 are the same amount. */
const comparable = (found: unknown) =>
  typeof found === 'string' && /^-?[\d.]+$/.test(found) ? Number(found) : found;

async function quoteFor(db: TestDatabase, tour: Tour, party: object, slot = tour.slots[0]) {
  const args = { slot_id: slot, ...party };
  const list = Object.keys(args).map((name, n) => `${name} => $${n + 1}`);
  return db.as({ role: 'reslot_anonymous' }, () =>
    db.one(`select * from app_public.quote(${list.join(', ')})`, Object.values(args)),
  );
}

describe('A quote', () => {
  rule('counts adults, children and infants, and says the tax that is in it', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { price: 24 });
    const found = figures(await quoteFor(db, tour, { adults: 2, children: 3, infants: 1 }));
    expect(found).toEqual({
      ...{ person_price: 24, adult_price: 24, child_price: 16.8, infant_price: 0 },
      // 98.4 / 1.1 is 89.4545…
      ...{ subtotal: 98.4, discount: 0, tax: 8.95, tax_included: true, price: 98.4 },
      currency: 'EUR',
    });
  });

  rule(
    'takes the discount of a group before the tax that is added',
    async ({ db, world }) => {
      const tour = await createTour(db, world, { price: 19.99, schedule: { capacity: 20 } });
      const found = figures(await quoteFor(db, tour, { adults: 5, children: 1 }));
      // 5 × 20.00 + 14.00 = 114; 15 % of it off; 20 % of 96.90 on top.
      expect(found).toMatchObject({ adult_price: 20, child_price: 14, subtotal: 114 });
      expect(found).toMatchObject({ discount: 17.1, tax: 19.38, price: 116.28 });
      expect(figures(await quoteFor(db, tour, { adults: 5 }))).toMatchObject({ discount: 0 });
    },
    { rounding: 0.5, group_from: 6, group_discount: 0.15, tax_included: false, tax_rate: 0.2 },
  );

  rule('is by the price of the slot, else of the schedule, else of the offering', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { price: 24 });
    const price = async () => figures(await quoteFor(db, tour, { adults: 1 })).price;
    const prices = [await price()];
    await db.query('update app_public.schedules set price = 22 where id = $1', [tour.schedule]);
    prices.push(await price());
    await db.query('update app_public.slots set price = 18 where id = $1', [tour.slots[0]]);
    prices.push(await price());
    expect(prices).toEqual([24, 22, 18]);
  });

  rule('has no cents in a currency that has none', async ({ db, world }) => {
    await db.query(`update app_public.organizations set currency = 'JPY' where id = $1`, [
      world.organizationId,
    ]);
    const tour = await createTour(db, world, { price: 1501 });
    const found = figures(await quoteFor(db, tour, { adults: 1, children: 1 }));
    expect(found).toMatchObject({ child_price: 1051, price: 2552, tax: 232 });
  });
});

/** In whole cents, by another way: everything that is rounded is a fraction of integers, halves up. */
function reference(
  price: number,
  party: { adults: number; children: number; infants: number },
  policy: Policy,
) {
  const round = (numerator: bigint, denominator: bigint) =>
    (2n * numerator + denominator) / (2n * denominator);
  const step = BigInt(policy.rounding);
  const unit = (percent: number) => round(BigInt(price) * BigInt(percent), 100n * step) * step;
  const [adult, child, infant] = [unit(100), unit(policy.child), unit(policy.infant)] as const;
  const subtotal =
    BigInt(party.adults) * adult + BigInt(party.children) * child + BigInt(party.infants) * infant;
  const size = party.adults + party.children + party.infants;
  const off = size >= policy.groupFrom ? policy.discount : 0;
  const discount = round(subtotal * BigInt(off), 100n);
  const net = subtotal - discount;
  const rate = BigInt(policy.tax);
  const tax = policy.included ? round(net * rate, 100n + rate) : round(net * rate, 100n);
  return [adult, child, infant, subtotal, discount, tax, policy.included ? net : net + tax].map(
    (cents) => Number(cents) / 100,
  );
}

interface Policy {
  child: number;
  infant: number;
  discount: number;
  groupFrom: number;
  tax: number;
  included: boolean;
  /** In cents. */
  rounding: number;
}

const policies = fc.record<Policy>({
  child: fc.integer({ min: 0, max: 100 }),
  infant: fc.integer({ min: 0, max: 100 }),
  discount: fc.integer({ min: 0, max: 100 }),
  groupFrom: fc.integer({ min: 2, max: 12 }),
  tax: fc.integer({ min: 0, max: 100 }),
  included: fc.boolean(),
  rounding: fc.constantFrom(1, 5, 10, 50, 100),
});
const parties = fc.record({
  adults: fc.integer({ min: 1, max: 6 }),
  children: fc.integer({ min: 0, max: 5 }),
  infants: fc.integer({ min: 0, max: 3 }),
});
const prices = fc.integer({ min: 0, max: 9_999_999 });

/** In force at once, for bookings made from now on. */
async function useRates(db: TestDatabase, policyId: string, policy: Policy): Promise<void> {
  await db.query(
    `insert into app_public.policy_versions (organization_id, policy_id, version, child_rate, infant_rate,
       group_discount, group_from, tax_rate, tax_included, rounding, max_bookings_per_day)
     select v.organization_id, v.policy_id, v.version + 1, $2::numeric / 100, $3::numeric / 100, $4::numeric / 100,
       $5, $6::numeric / 100, $7, $8::numeric / 100, 1000
     from app_public.policy_versions v where v.policy_id = $1 order by v.version desc limit 1`,
    [
      ...[policyId, policy.child, policy.infant, policy.discount, policy.groupFrom, policy.tax],
      ...[policy.included, policy.rounding],
    ],
  );
}

describe('Whatever the rates, the prices and the party', () => {
  test(
    'the quote is what is sold, the sum of its parts, and right to the cent',
    () =>
      inTransaction(async (db) => {
        const world = await createWorld(db);
        const tour = await createTour(db, world, { schedule: { capacity: 100_000 } });
        const ann = await createUser(db, 'Ann');
        await fc.assert(
          fc.asyncProperty(policies, parties, prices, async (policy, party, price) => {
            await useRates(db, world.policyId, policy);
            await db.query('update app_public.slots set price = $2::numeric / 100 where id = $1', [
              ...[tour.slots[0], price],
            ]);
            const shown = figures(await quoteFor(db, tour, party));
            const sold = await bookSlot(db, ann, tour, tour.slots[0], party);
            expect(figures(sold)).toEqual(shown);
            expect([
              ...[shown.adult_price, shown.child_price, shown.infant_price],
              ...[shown.subtotal, shown.discount, shown.tax, shown.price],
            ]).toEqual(reference(price, party, policy));
          }),
          { numRuns: 100 },
        );
      }),
    120_000,
  );

  test(
    'a change there and back is neutral, on the way it costs what it would if booked so',
    () =>
      inTransaction(async (db) => {
        const world = await createWorld(db);
        const tour = await createTour(db, world, { days: 2, schedule: { capacity: 1_000 } });
        const ann = await createUser(db, 'Ann');
        await db.query('update app_public.slots set price = 17.77 where id = $1', [tour.slots[1]]);
        await fc.assert(
          fc.asyncProperty(
            policies,
            parties,
            parties,
            fc.boolean(),
            async (policy, one, two, moves) => {
              await useRates(db, world.policyId, policy);
              const [home, away] = [tour.slots[0], moves ? tour.slots[1] : tour.slots[0]];
              const made = await bookSlot(db, ann, tour, home, one);
              const change = (slot: string | undefined, party: object) =>
                call(db, ann, 'modify_booking', { booking_id: made.id, slot_id: slot, ...party });
              const changed = await change(away, two);
              expect(figures(changed)).toEqual(figures(await quoteFor(db, tour, two, away)));
              await change(home, one);
              const back = await booking(db, made.id);
              expect(figures(back)).toEqual(figures(made));
              expect(back).toMatchObject({ slot_id: home, places: made.places, ...one });
              await cancel(db, ann, made.id);
            },
          ),
          { numRuns: 30 },
        );
      }),
    120_000,
  );
});

describe('A booking that is cancelled', () => {
  const refundOf = async (db: TestDatabase, id: string) => Number((await booking(db, id)).refund);

  rule('gives back all, half or nothing, as its start nears', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 3, price: 33.33 });
    const ann = await createUser(db, 'Ann');
    const refunds: number[] = [];
    for (const slot of [tour.slots[2], tour.slots[1], tour.slots[0]]) {
      const made = await bookSlot(db, ann, tour, slot);
      await cancel(db, ann, made.id);
      refunds.push(await refundOf(db, made.id));
    }
    expect(refunds).toEqual([33.33, 33.33, 16.67]);
    const late = await bookSlot(db, ann, tour, tour.slots[0]);
    await db.setClock(at('10:30'));
    await cancel(db, ann, late.id);
    expect(await refundOf(db, late.id)).toBe(0);
  });

  rule('gives back no more by being moved far ahead first, except by a manager', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 9 });
    const ann = await createUser(db, 'Ann');
    const movedBy = async (mover: string, hour: string) => {
      await db.setClock(at('08:00'));
      const { id: booking_id } = await bookSlot(db, ann, tour, tour.slots[0]);
      await db.setClock(at(hour));
      const slot_id = tour.slots[8];
      await call(db, mover, 'modify_booking', { booking_id, slot_id });
      await cancel(db, ann, booking_id);
      return refundOf(db, booking_id);
    };
    expect(await movedBy(ann, '09:00')).toBe(10);
    expect(await movedBy(ann, '10:30')).toBe(0);
    expect(await movedBy(world.manager, '10:30')).toBe(20);
    // Of a room as of a walk, and a second move brings nothing back either.
    await db.query('update app_public.offerings set price = 20 where id = $1', [world.left]);
    const move = (booking_id: string, [starts_at, ends_at]: [string, string]) =>
      call(db, ann, 'modify_booking', { booking_id, starts_at, ends_at });
    const room = await book(db, ann, world.left, range('18:00', '20:00'));
    await move(room.id, range('18:00', '20:00', 8));
    await move(room.id, range('18:00', '20:00', 9));
    await cancel(db, ann, room.id);
    expect(await refundOf(db, room.id)).toBe(10);
  });

  rule(
    'by a manager gives back all, or what the manager says, and that is logged',
    async (scene) => {
      const { db, world } = scene;
      const tour = await createTour(db, world);
      const ann = await createUser(db, 'Ann');
      const first = await bookSlot(db, ann, tour, tour.slots[0]);
      const second = await bookSlot(db, ann, tour, tour.slots[0]);
      const by = (booking_id: string, more = {}) => ({ booking_id, reason: 'Storm', ...more });
      await refused(db, 'RSARG', world.manager, 'cancel_booking', by(first.id, { refund: 20.01 }));
      await refused(db, 'RSARG', world.manager, 'cancel_booking', by(first.id, { refund: 1.005 }));
      await refused(db, 'RSARG', ann, 'cancel_booking', by(first.id, { refund: 1 }));
      await call(db, world.manager, 'cancel_booking', by(first.id, { refund: 12.5 }));
      await call(db, world.manager, 'cancel_booking', by(second.id));
      expect([await refundOf(db, first.id), await refundOf(db, second.id)]).toEqual([12.5, 20]);
      const logged = await value(
        db,
        `new_values ->> 'refund' from app_public.audit_log where record_id = $1 and new_values ? 'refund'`,
        [first.id],
      );
      expect(Number(logged)).toBe(12.5);
    },
  );
});
