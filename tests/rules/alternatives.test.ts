/** Who gets a no is told who else has time. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createResource,
  createUser,
  insert,
  range,
} from '../support/factories.ts';
import { bookService, createService, type Service, useResource } from '../support/providers.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { refused, rule, type Scene } from './rule.ts';

const TIME = range('10:00', '11:00');
const APPROVAL = { requires_approval: true };

/** Carl has asked Anna for tomorrow at ten, and Anna says no. */
async function refusedBy(
  scene: Scene,
  anna: Service,
  others: () => Promise<unknown> = async () => {},
) {
  const { db } = scene;
  const carl = await createUser(db, 'Carl');
  const made = await bookService(db, carl, anna, TIME);
  await others();
  await call(db, anna.user, 'reject_booking', { booking_id: made.id });
  return { carl, id: made.id };
}

const proposed = (db: TestDatabase, userId: string, bookingId: string) =>
  db.as({ role: 'reslot_user', userId }, () =>
    db.rows<Record<string, unknown>>('select * from app_public.alternatives_of_booking($1)', [
      bookingId,
    ]),
  );

const mailed = (db: TestDatabase, bookingId: string, kind: string) =>
  db.value<Record<string, unknown>[] | null>(
    `select data -> 'alternatives' from app_public.notifications where booking_id = $1 and kind = $2`,
    [bookingId, kind],
  );

const namesOf = (rows: Record<string, unknown>[]) => rows.map((row) => row.offering_name);

describe('Instead of what was refused', () => {
  rule(
    'others of the same category who are free are proposed, the cheapest first, at most three',
    async (scene) => {
      const { db, world } = scene;
      const anna = await createService(db, world, 'Anna');
      const bert = await createService(db, world, 'Bert', { price: 30 });
      await createService(db, world, 'Cleo', { price: 20, duration: '00:30' });
      await createService(db, world, 'Dora', { price: 50 });
      await createService(db, world, 'Emil', { price: 60 });
      await createService(db, world, 'Finn', { category: 'Massages', price: 1 });
      await createService(db, world, 'Gita', { category: null, price: 1 });
      const { carl, id } = await refusedBy(scene, anna);
      const rows = await proposed(db, carl, id);
      expect(namesOf(rows)).toEqual(['Haircut by Cleo', 'Haircut by Bert', 'Haircut by Dora']);
      expect(rows[0]).toMatchObject({
        starts_at: new Date(at('10:00', 1)),
        ends_at: new Date(at('10:30', 1)),
        price: '20.00',
        currency: 'EUR',
        provider_id: null,
        slot_id: null,
      });
      expect(await mailed(db, id, 'booking_rejected')).toMatchObject([
        { offeringName: 'Haircut by Cleo' },
        { offeringId: bert.offering, startsAt: expect.any(String), endsAt: expect.any(String) },
        { offeringName: 'Haircut by Dora' },
      ]);
    },
    APPROVAL,
  );

  rule(
    'nobody is proposed who is busy, closed, on holiday, put away, or asks for more notice',
    async (scene) => {
      const { db, world } = scene;
      const anna = await createService(db, world, 'Anna');
      const [busy, closed, away, gone] = [
        await createService(db, world, 'Busy'),
        await createService(db, world, 'Closed'),
        await createService(db, world, 'Away'),
        await createService(db, world, 'Gone'),
      ];
      await createService(db, world, 'Long', { duration: '30:00' });
      const other = await createUser(db, 'Other');
      await book(db, other, busy.offering, range('10:30', '12:00'));
      await db.query('delete from app_public.opening_hours where resource_id = $1', [
        closed.provider,
      ]);
      await call(db, world.manager, 'create_blackout', {
        organization_id: world.organizationId,
        starts_at: at('00:00', 1),
        ends_at: at('00:00', 2),
        reason: 'Holiday',
        resource_id: away.provider,
      });
      await call(db, world.manager, 'archive_resource', { resource_id: gone.provider });
      const { carl, id } = await refusedBy(scene, anna);
      expect(await proposed(db, carl, id)).toEqual([]);
      expect(await mailed(db, id, 'booking_rejected')).toBeNull();
    },
    APPROVAL,
  );

  rule(
    'whoever would have to be on the way is not free',
    async (scene) => {
      const { db, world } = scene;
      const anna = await createService(db, world, 'Anna');
      const bert = await createService(db, world, 'Bert', { travel_time: '00:30' });
      const cleo = await createService(db, world, 'Cleo', { travel_time: '00:30' });
      const [other, another] = [await createUser(db, 'Other'), await createUser(db, 'Another')];
      await bookService(db, other, bert, range('11:45', '12:45'));
      await bookService(db, another, cleo, range('12:00', '13:00'));
      const { carl, id } = await refusedBy(scene, anna);
      expect(namesOf(await proposed(db, carl, id))).toEqual(['Haircut by Cleo']);
    },
    APPROVAL,
  );

  rule(
    'whoever said no is not proposed, under whatever offering; another of the pool is',
    async (scene) => {
      const { db, world } = scene;
      const anna = await createService(db, world, 'Anna');
      const bert = await createResource(db, world.organizationId, 'Bert');
      const values = {
        ...{ organization_id: world.organizationId, policy_id: world.policyId, kind: 'service' },
        category: 'Haircuts',
      };
      const pool = await insert(db, 'app_public.offerings', { ...values, name: 'Any of us' });
      for (const resource of [anna.provider, bert]) {
        await useResource(db, world, pool, resource, true);
      }
      const again = await insert(db, 'app_public.offerings', { ...values, name: 'By Anna too' });
      await useResource(db, world, again, anna.provider);
      const { carl, id } = await refusedBy(scene, anna);
      expect(await proposed(db, carl, id)).toMatchObject([
        { offering_id: pool, offering_name: 'Any of us', provider_id: bert, provider_name: 'Bert' },
      ]);
    },
    APPROVAL,
  );

  rule(
    'a request that nobody answered comes with others as well',
    async (scene) => {
      const { db, world } = scene;
      const anna = await createService(db, world, 'Anna');
      const bert = await createService(db, world, 'Bert');
      const carl = await createUser(db, 'Carl');
      const made = await bookService(db, carl, anna, TIME);
      await advanceTo(db, at('22:00'));
      expect(await mailed(db, made.id, 'booking_expired')).toMatchObject([
        { offeringId: bert.offering },
      ]);
    },
    APPROVAL,
  );

  rule('a blackout over a provider names who else has time', async ({ db, world }) => {
    const anna = await createService(db, world, 'Anna');
    const bert = await createService(db, world, 'Bert');
    const carl = await createUser(db, 'Carl');
    const made = await bookService(db, carl, anna, TIME);
    await call(db, world.manager, 'create_blackout', {
      organization_id: world.organizationId,
      starts_at: at('00:00', 1),
      ends_at: at('00:00', 2),
      reason: 'Ill',
      resource_id: anna.provider,
      cancel_bookings: true,
    });
    expect(await mailed(db, made.id, 'message_blackout')).toMatchObject([
      { offeringId: bert.offering },
    ]);
  });

  rule('of a tour its other slots are proposed, with what the party pays', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 3, price: 20 });
    const carl = await createUser(db, 'Carl');
    const made = await bookSlot(db, carl, tour, tour.slots[0], { party_size: 3 });
    expect(await proposed(db, carl, made.id)).toMatchObject([
      { slot_id: tour.slots[1], price: '60.00', offering_name: 'Old Town Walk' },
      { slot_id: tour.slots[2], price: '60.00' },
    ]);
  });

  rule('a venue of no category has none, and a stranger learns nothing', async ({ db, world }) => {
    const [carl, other] = [await createUser(db, 'Carl'), await createUser(db, 'Other')];
    const made = await book(db, carl, world.left, TIME);
    expect(await proposed(db, carl, made.id)).toEqual([]);
    await refused(db, 'RSNTF', other, 'alternatives_of_booking', { booking_id: made.id });
    await refused(db, 'RSNTF', other, 'alternatives_of_booking', { booking_id: world.left });
  });
});
