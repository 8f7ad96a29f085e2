/** Series: previewed date by date, booked at once. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createOffering,
  createProvider,
  createResource,
  createUser,
  createWorld,
  range,
  type World,
} from '../support/factories.ts';
import {
  bookSeries,
  cancelSeries,
  lines,
  occurrencesOf,
  seriesArgs,
  statusesOf,
} from '../support/series.ts';
import { bookWith, createService } from '../support/services.ts';
import { createUsers, refused, rule, statusOf, told } from './rule.ts';

type Details = { conflicts: { date: string; code: string; startsAt: string }[] };

async function blackOut(db: TestDatabase, world: World, day: number, more: object = {}) {
  return call(db, world.manager, 'create_blackout', {
    organization_id: world.organizationId,
    resource_id: world.leftRoom,
    starts_at: at('00:00', day),
    ends_at: at('23:00', day),
    reason: 'Paint',
    ...more,
  });
}

/** On the second Tuesday somebody else is there, on the third the hall is painted. */
async function inTheWay(db: TestDatabase, world: World) {
  await book(db, await createUser(db, 'Otto'), world.left, range('11:00', '12:00', 8));
  await blackOut(db, world, 15);
}

describe('A series', () => {
  rule('is a booking for each date, and one message', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const made = await bookSeries(db, ann, world.left, { purpose: 'Choir', party_size: 12 });
    expect(made.map(({ starts_at }) => starts_at.toISOString())).toEqual(
      [1, 8, 15, 22].map((day) => at('10:00', day)),
    );
    expect(made.map(({ series_date }) => series_date)).toEqual([
      '2030-06-04',
      '2030-06-11',
      '2030-06-18',
      '2030-06-25',
    ]);
    expect(made).toMatchObject(
      Array.from({ length: 4 }, () => ({ status: 'confirmed', purpose: 'Choir', party_size: 12 })),
    );
    expect(await told(db, ann)).toEqual(['series_booked']);
  });

  rule('is previewed date by date, and nothing is kept', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await inTheWay(db, world);
    const seen = await lines(db, ann, 'preview_series', seriesArgs(world.left));
    expect(seen.map(({ local_date, code }) => [local_date, code])).toEqual([
      ['2030-06-04', null],
      ['2030-06-11', 'RSFUL'],
      ['2030-06-18', 'RSBLK'],
      ['2030-06-25', null],
    ]);
    expect(seen[2]?.message).toContain('Paint');
    expect(await db.value<number>('select count(*) from app_public.bookings')).toBe(1);
  });

  rule('is refused as a whole, with the dates that are in the way', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await inTheWay(db, world);
    const { conflicts } = await refused<Details>(
      db,
      'RSFUL',
      ann,
      'book_series',
      seriesArgs(world.left),
    );
    expect(conflicts.map(({ date, code }) => [date, code])).toEqual([
      ['2030-06-11', 'RSFUL'],
      ['2030-06-18', 'RSBLK'],
    ]);
    expect(await db.value<number>('select count(*) from app_public.recurring_bookings')).toBe(0);
    expect(await told(db, ann)).toEqual([]);
  });

  rule('leaves out what is in the way if it may, and says so', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await inTheWay(db, world);
    const made = await bookSeries(db, ann, world.left, { skip_conflicts: true });
    expect(made.map(({ series_date }) => series_date)).toEqual(['2030-06-04', '2030-06-25']);
    const skipped = ['2030-06-11', '2030-06-18'];
    expect(await db.value('select skipped::text[] from app_public.recurring_bookings')).toEqual(
      skipped,
    );
    expect(
      await db.value(
        `select data -> 'skipped' from app_public.notifications where kind = 'series_booked'`,
      ),
    ).toEqual(skipped);
  });

  rule('of which nothing is left is refused, whatever may be left out', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await blackOut(db, world, 1, { ends_at: at('00:00', 60) });
    const args = seriesArgs(world.left, { skip_conflicts: true });
    await refused(db, 'RSBLK', ann, 'book_series', args);
  });

  rule('comes once for one key', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const first = await bookSeries(db, ann, world.left, { idempotency_key: 'k' });
    const again = await bookSeries(db, ann, world.left, { idempotency_key: 'k' });
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    expect(await told(db, ann)).toEqual(['series_booked']);
    await refused(
      db,
      'RSARG',
      ann,
      'book_series',
      seriesArgs(world.left, { idempotency_key: 'k', local_start: '11:00' }),
    );
  });

  rule('keeps to the limit of each day', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    for (const hour of ['06', '07', '08']) {
      await book(db, ann, world.right, range(`${hour}:00`, `${hour}:30`, 8));
    }
    const { conflicts } = await refused<Details>(
      db,
      'RSLIM',
      ann,
      'book_series',
      seriesArgs(world.left),
    );
    expect(conflicts.map(({ date, code }) => [date, code])).toEqual([['2030-06-11', 'RSLIM']]);
    const [, second] = await lines(db, ann, 'preview_series', seriesArgs(world.left));
    expect(second?.code).toBe('RSLIM');
  });

  rule('is without the dates that are left out, which its rule still counts', async (scene) => {
    const { db, world } = scene;
    const ann = await createUser(db, 'Ann');
    const without = { except_dates: ['2030-06-11', '2030-06-12'] };
    const args = seriesArgs(world.left, without);
    const days = ['2030-06-04', '2030-06-18', '2030-06-25'];
    const seen = await lines(db, ann, 'preview_series', args);
    expect(seen.map(({ local_date }) => local_date)).toEqual(days);
    const made = await bookSeries(db, ann, world.left, without);
    expect(made.map(({ series_date }) => series_date)).toEqual(days);
    const kept = 'select except_dates::text[] from app_public.recurring_bookings';
    expect(await db.value(kept)).toEqual(without.except_dates);
    const all = ['2030-06-04', '2030-06-11', '2030-06-18', '2030-06-25'];
    for (const except_dates of [all, [null], Array(367).fill('2031-01-01')]) {
      await refused(db, 'RSARG', ann, 'preview_series', { ...args, except_dates });
    }
  });

  rule('has no more dates than the policy lets it', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const daily = (count: number) => seriesArgs(world.left, { rrule: `FREQ=DAILY;COUNT=${count}` });
    const details = await refused(db, 'RSLIM', ann, 'preview_series', daily(53));
    expect(details).toEqual({ seriesMaxOccurrences: 52 });
    await refused(db, 'RSLIM', ann, 'book_series', daily(53));
    expect(await lines(db, ann, 'preview_series', daily(52))).toHaveLength(52);
  });

  rule(
    'may not stand in its own way',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const args = seriesArgs(world.left, { rrule: 'FREQ=DAILY;COUNT=3', duration: '25 hours' });
      const seen = await lines(db, ann, 'preview_series', args);
      expect(seen.map(({ code }) => code)).toEqual([null, 'RSFUL', null]);
      await refused(db, 'RSFUL', ann, 'book_series', args);
    },
    { max_duration: '30 hours' },
  );

  rule('is for what is booked by the hour', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await db.query(`update app_public.offerings set allocation = 'capacity' where id = $1`, [
      world.right,
    ]);
    await refused(db, 'RSARG', ann, 'book_series', seriesArgs(world.right));
    await refused(db, 'RSARG', ann, 'book_series', seriesArgs(world.left, { duration: null }));
    await refused(
      db,
      'RSARG',
      ann,
      'book_series',
      seriesArgs(world.left, { local_start: '24:00' }),
    );
    await refused(
      db,
      'RSARG',
      ann,
      'book_series',
      seriesArgs(world.left, { first_date: 'infinity' }),
    );
    await db.query(`update app_public.offerings set duration = '90 minutes' where id = $1`, [
      world.left,
    ]);
    const [first] = await bookSeries(db, ann, world.left, { duration: null });
    expect(first?.ends_at.toISOString()).toBe(at('11:30', 1));
  });

  rule(
    'that needs a yes is asked for once, and may be answered date by date',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const [first, second] = await bookSeries(db, ann, world.left);
      expect(await told(db, world.manager)).toEqual(['series_requested']);
      await call(db, world.manager, 'approve_booking', { booking_id: first?.id });
      expect(await statusOf(db, first?.id ?? '', second?.id ?? '')).toEqual([
        'confirmed',
        'pending',
      ]);
    },
    { requires_approval: true },
  );

  rule('is entered by a manager for whoever calls', async ({ db, world }) => {
    const { id } = await call<{ id: string }>(db, world.manager, 'book_series_for', {
      ...seriesArgs(world.left),
      name: 'Gina',
      needs_confirmation: false,
    });
    const made = await occurrencesOf(db, id);
    expect(made.map(({ attendance_confirmed_how: how }) => how)).toEqual(
      Array.from({ length: 4 }, () => 'not_needed'),
    );
    const stranger = await createUser(db, 'Sam');
    const args = { ...seriesArgs(world.right), name: 'Gina' };
    await refused(db, 'RSNTF', stranger, 'book_series_for', args);
    await refused(db, 'RSARG', world.manager, 'book_series_for', args);
  });
});

describe('A series of a service', () => {
  rule('is of the provider that is wished for, also when it changes', async ({ db, world }) => {
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, otto] = await createUsers(db, 'Ann', 'Otto');
    await bookWith(db, otto, service, range('11:00', '12:00', 8), pia);
    const args = seriesArgs(service.offering, { provider_id: pia });
    const codes = (await lines(db, ann, 'preview_series', args)).map(({ code }) => code);
    expect(codes).toEqual([null, 'RSFUL', null, null]);
    await refused(db, 'RSFUL', ann, 'book_series', args);
    for (const name of ['preview_series', 'book_series']) {
      await refused(db, 'RSNTF', ann, name, { ...args, provider_id: world.leftRoom });
    }
    const [first] = await bookSeries(db, ann, service.offering, { provider_id: quinn });
    const change = { booking_id: first?.id, scope: 'all', provider_id: pia };
    const details = await refused<Details>(db, 'RSFUL', ann, 'modify_series', change);
    expect(details.conflicts.map(({ date }) => date)).toEqual(['2030-06-11']);
    await refused(db, 'RSNTF', ann, 'modify_series', { ...change, provider_id: world.leftRoom });
    await lines(db, ann, 'modify_series', { ...change, skip_conflicts: true });
    const served = async () =>
      (await occurrencesOf(db, first?.series_id ?? '')).map(({ provider_id: id }) => id);
    expect(await served()).toEqual([pia, quinn, pia, pia]);
    await lines(db, ann, 'modify_series', { ...change, provider_id: quinn, local_start: '13:00' });
    expect(await served()).toEqual(Array(4).fill(quinn));
  });

  rule('is cancelled by a provider where they serve it', async ({ db, world }) => {
    const service = await createService(db, world);
    const [pia] = service.providers as [string, string];
    const [ann, otto, nora] = await createUsers(db, 'Ann', 'Otto', 'Nora');
    await createProvider(db, world.organizationId, nora, pia);
    await bookWith(db, otto, service, range('11:00', '12:00', 8), pia);
    const [first] = await bookSeries(db, ann, service.offering);
    await cancelSeries(db, nora, first?.id ?? '', 'all', 'Ill');
    expect(await statusesOf(db, first?.series_id ?? '')).toEqual([
      ...['cancelled', 'confirmed', 'cancelled', 'cancelled'],
    ]);
  });

  rule('goes to an address, which moves with it', async ({ db, world }) => {
    const service = await createService(db, world, { values: { at_customer: true } });
    const ann = await createUser(db, 'Ann');
    await refused(db, 'RSARG', ann, 'book_series', seriesArgs(service.offering));
    const visit = { customer_address: 'Mill Lane 3', customer_phone: '+43 1 23' };
    const [first] = await bookSeries(db, ann, service.offering, visit);
    const all = { booking_id: first?.id, scope: 'all' };
    await lines(db, ann, 'modify_series', { ...all, customer_address: 'Mill Lane 4' });
    expect(await occurrencesOf(db, first?.series_id ?? '')).toMatchObject(
      Array(4).fill({ ...visit, customer_address: 'Mill Lane 4' }),
    );
    const args = { ...seriesArgs(service.offering, visit), first_date: '2030-07-02', name: 'Gina' };
    const { id } = await call<{ id: string }>(db, world.manager, 'book_series_for', {
      ...{ ...args, needs_confirmation: false, provider_id: service.providers[1] },
    });
    expect((await occurrencesOf(db, id))[3]).toMatchObject({
      ...{ ...visit, provider_id: service.providers[1] },
    });
  });
});

test('A series begins at the same local time before and after the clocks change', () =>
  inTransaction(async (db) => {
    const world = await createWorld(db);
    const room = await createResource(db, world.organizationId, 'Saal', 'Europe/Vienna');
    const hall = await createOffering(db, { ...world, name: 'Saal', resourceIds: [room] });
    const ann = await createUser(db, 'Ann');
    // In Vienna the clocks go back on 27 October 2030, and forward on 31 March, from 02:00 to 03:00.
    const autumn = { first_date: '2030-10-23', rrule: 'FREQ=WEEKLY;COUNT=2', local_start: '18:00' };
    const made = await bookSeries(db, ann, hall, autumn);
    expect(made.map(({ starts_at }) => starts_at.toISOString())).toEqual([
      '2030-10-23T16:00:00.000Z',
      '2030-10-30T17:00:00.000Z',
    ]);
    const spring = { first_date: '2031-03-29', rrule: 'FREQ=DAILY;COUNT=3', local_start: '02:30' };
    const seen = await lines(db, ann, 'preview_series', seriesArgs(hall, spring));
    expect(seen).toMatchObject([
      { code: null, starts_at: new Date('2031-03-29T01:30:00Z') },
      { code: 'RSTIM', starts_at: null },
      { code: null, starts_at: new Date('2031-03-31T00:30:00Z') },
    ]);
  }));
