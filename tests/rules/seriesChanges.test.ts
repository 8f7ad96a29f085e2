/** Series: changed and cancelled at once; reminded of, confirmed and released one by one. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createMember,
  createProvider,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import {
  answer,
  bookSeries,
  cancelSeries,
  lines,
  type Occurrence,
  occurrencesOf,
  seriesArgs,
  statusesOf,
} from '../support/series.ts';
import { createService } from '../support/services.ts';
import { confirm, createUsers, refused, rule, told } from './rule.ts';

type Four = [Occurrence, Occurrence, Occurrence, Occurrence];

const four = async (db: TestDatabase, userId: string, offeringId: string, args: object = {}) =>
  (await bookSeries(db, userId, offeringId, { ...args })) as Four;

const startsOf = async (db: TestDatabase, { series_id }: Occurrence) =>
  (await occurrencesOf(db, series_id)).map(({ starts_at }) => starts_at.toISOString());

const startsAt = (time: string, ...days: number[]) => days.map((day) => at(time, day));

describe('Of a series is cancelled', () => {
  rule('this one, as by itself', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [, second] = await four(db, ann, world.left);
    expect(await cancelSeries(db, ann, second.id, 'this')).toEqual([second.id]);
    expect(await statusesOf(db, second.series_id)).toEqual([
      ...['confirmed', 'cancelled', 'confirmed', 'confirmed'],
    ]);
    expect(await told(db, ann)).toEqual(['series_booked', 'booking_cancelled']);
  });

  rule('this one and what follows, with one message; again nothing', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [, second, third, fourth] = await four(db, ann, world.left);
    const ended = await cancelSeries(db, ann, second.id, 'following');
    expect(ended).toEqual([second.id, third.id, fourth.id]);
    expect(await statusesOf(db, second.series_id)).toEqual([
      ...['confirmed', 'cancelled', 'cancelled', 'cancelled'],
    ]);
    expect(await cancelSeries(db, ann, second.id, 'following')).toEqual([]);
    expect(await told(db, ann)).toEqual(['series_booked', 'series_cancelled']);
  });

  rule('all that is still to come; what has begun stays', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [first, , third] = await four(db, ann, world.left);
    await confirm(db, ann, first.id);
    await advanceTo(db, at('11:00', 1));
    await cancelSeries(db, ann, third.id, 'all');
    expect(await statusesOf(db, third.series_id)).toEqual([
      ...['in_progress', 'cancelled', 'cancelled', 'cancelled'],
    ]);
  });

  rule('what others wait for, and they are offered it', async ({ db, world }) => {
    const [ann, bea] = await createUsers(db, 'Ann', 'Bea');
    const [first] = await four(db, ann, world.left);
    const waiting = await join(db, bea, world.left, range('10:00', '12:00', 15));
    await cancelSeries(db, ann, first.id, 'all');
    expect((await entry(db, waiting.id)).status).toBe('offered');
  });

  rule('by a manager with a reason, and all of the price is given back', async ({ db, world }) => {
    const [ann, sam] = await createUsers(db, 'Ann', 'Sam');
    await db.query('update app_public.offerings set price = 40 where id = $1', [world.left]);
    const [first] = await four(db, ann, world.left);
    const args = { booking_id: first.id, scope: 'all' };
    await refused(db, 'RSNTF', sam, 'cancel_series', args);
    await refused(db, 'RSARG', world.manager, 'cancel_series', args);
    await cancelSeries(db, world.manager, first.id, 'all', 'Floods');
    expect(await occurrencesOf(db, first.series_id)).toMatchObject(
      Array.from({ length: 4 }, () => ({ refund: '40.00', ended_reason: 'Floods' })),
    );
  });

  rule('nothing of what is none', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, range('10:00', '11:00'));
    await refused(db, 'RSARG', ann, 'cancel_series', { booking_id: id, scope: 'all' });
    await refused(db, 'RSARG', ann, 'modify_series', { booking_id: id, scope: 'following' });
    const [first] = await four(db, ann, world.right);
    await refused(db, 'RSARG', ann, 'cancel_series', { booking_id: first.id, scope: null });
  });
});

describe('Of a series is moved', () => {
  rule('this one and what follows, to another time of their days', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [first, second] = await four(db, ann, world.left);
    const moved = await lines(db, ann, 'modify_series', {
      booking_id: second.id,
      scope: 'following',
      local_start: '11:00',
      duration: '3 hours',
    });
    expect(moved).toMatchObject(
      [8, 15, 22].map((day) => ({ starts_at: new Date(at('11:00', day)), code: null })),
    );
    expect(await startsOf(db, first)).toEqual([at('10:00', 1), ...startsAt('11:00', 8, 15, 22)]);
    expect(await told(db, ann)).toEqual(['series_booked', 'series_modified']);
    const log = 'select count(*) from app_public.booking_modifications';
    expect(await db.value<number>(log)).toBe(3);
  });

  rule('nothing, if one date is in the way; or the others', async ({ db, world }) => {
    const [ann, otto] = await createUsers(db, 'Ann', 'Otto');
    const [first] = await four(db, ann, world.left);
    await book(db, otto, world.left, range('14:00', '16:00', 8));
    const args = { booking_id: first.id, scope: 'all', local_start: '14:30' };
    const details = await refused(db, 'RSFUL', ann, 'modify_series', args);
    expect(details).toMatchObject({ conflicts: [{ date: '2030-06-11', code: 'RSFUL' }] });
    expect(await startsOf(db, first)).toEqual(startsAt('10:00', 1, 8, 15, 22));
    await lines(db, ann, 'modify_series', { ...args, skip_conflicts: true });
    expect(await startsOf(db, first)).toEqual([
      at('14:30', 1),
      at('10:00', 8),
      ...startsAt('14:30', 15, 22),
    ]);
    const skipped = `select data -> 'skipped' from app_public.notifications where kind = 'series_modified'`;
    expect(await db.value(skipped)).toEqual(['2030-06-11']);
  });

  rule('one after the other, so that none is in the way of the next', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const daily = { rrule: 'FREQ=DAILY;COUNT=4', duration: '20 hours', local_start: '00:00' };
    const [first] = await four(db, ann, world.left, daily);
    for (const start of ['08:00', '02:00']) {
      const args = { booking_id: first.id, scope: 'all', local_start: start };
      await lines(db, ann, 'modify_series', args);
      expect(await startsOf(db, first)).toEqual(startsAt(start, 1, 2, 3, 4));
    }
  });

  rule('to another weekday, also onto each other’s dates, at the local time', async (scene) => {
    const { db, world } = scene;
    const [ann, otto] = await createUsers(db, 'Ann', 'Otto');
    const [first, second] = await four(db, ann, world.left);
    const all = { booking_id: first.id, scope: 'all' };
    const moved = await lines(db, ann, 'modify_series', { ...all, shift_days: 1 });
    expect(moved.map(({ local_date }) => local_date)).toContain(second.series_date);
    expect(await startsOf(db, first)).toEqual(startsAt('10:00', 2, 9, 16, 23));
    const weekOn = { ...all, scope: 'following', booking_id: second.id, shift_days: 7 };
    await lines(db, ann, 'modify_series', { ...weekOn, local_start: '09:00' });
    expect(await startsOf(db, first)).toEqual([at('10:00', 2), ...startsAt('09:00', 16, 23, 30)]);
    await book(db, otto, world.left, range('10:00', '12:00', 15));
    const back = { ...weekOn, shift_days: -1, skip_conflicts: true };
    const left = await lines(db, ann, 'modify_series', back);
    expect(left.map(({ code }) => code)).toEqual(['RSFUL', null, null]);
    expect(await startsOf(db, first)).toEqual([at('10:00', 2), ...startsAt('09:00', 16, 22, 29)]);
    await refused(db, 'RSARG', ann, 'modify_series', { ...all, shift_days: 367 });
  });

  rule('only what it says: who comes and what for', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [first] = await four(db, ann, world.left, { purpose: 'Choir' });
    await confirm(db, ann, first.id);
    const args = { booking_id: first.id, scope: 'all', purpose: 'Chess', party_size: 8 };
    await lines(db, ann, 'modify_series', args);
    const made = await occurrencesOf(db, first.series_id);
    expect(made).toMatchObject(made.map(() => ({ purpose: 'Chess', party_size: 8, sequence: 0 })));
    expect(made[0]?.attendance_confirmed_how).toBe('account');
    await lines(db, ann, 'modify_series', args);
    expect(await told(db, ann)).toEqual(['series_booked', 'series_modified']);
  });

  rule(
    'what then needs a yes again',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const [first] = await four(db, ann, world.left);
      for (const { id } of await occurrencesOf(db, first.series_id)) {
        await call(db, world.manager, 'approve_booking', { booking_id: id });
      }
      await lines(db, ann, 'modify_series', {
        booking_id: first.id,
        scope: 'all',
        local_start: '12:00',
      });
      expect(await statusesOf(db, first.series_id)).toEqual(Array(4).fill('pending'));
      expect(await told(db, world.manager)).toEqual(['series_requested', 'series_requested']);
    },
    { requires_approval: true },
  );

  rule('by nobody but its customer and managers', async ({ db, world }) => {
    const [ann, sam] = await createUsers(db, 'Ann', 'Sam');
    const [first] = await four(db, ann, world.left);
    const args = { booking_id: first.id, scope: 'all', local_start: '12:00' };
    await refused(db, 'RSNTF', sam, 'modify_series', args);
    for (const wrong of [{ local_start: '24:00' }, { duration: '0' }, { party_size: 0 }]) {
      await refused(db, 'RSARG', ann, 'modify_series', { ...args, ...wrong });
    }
  });
});

describe('Of a series is answered', () => {
  const ASKED = { requires_approval: true };

  rule(
    'this one, what follows or all that waits, and its customer is told once',
    async ({ db, world }) => {
      const [ann, sam] = await createUsers(db, 'Ann', 'Sam');
      const [first, second, third] = await four(db, ann, world.left);
      const all = { booking_id: first.id, scope: 'all' };
      for (const name of ['accept_series', 'reject_series']) {
        for (const user of [ann, sam]) await refused(db, 'RSNTF', user, name, all);
        const { id } = await book(db, sam, world.right, range('10:00', '11:00', 20));
        await refused(db, 'RSARG', world.manager, name, { booking_id: id, scope: 'all' });
        await call(db, sam, 'cancel_booking', { booking_id: id });
      }
      await answer(db, world.manager, 'accept_series', { ...all, scope: 'this' });
      expect(await statusesOf(db, first.series_id)).toEqual([
        ...['confirmed', 'pending', 'pending', 'pending'],
      ]);
      const waiting = await join(db, sam, world.left, range('10:00', '12:00', 15));
      const rest = { booking_id: third.id, scope: 'following', reason: 'Paint' };
      expect(await answer(db, world.manager, 'reject_series', rest)).toHaveLength(2);
      expect((await entry(db, waiting.id)).status).toBe('offered');
      expect(await answer(db, world.manager, 'accept_series', all)).toEqual([second.id]);
      expect(await answer(db, world.manager, 'accept_series', all)).toEqual([]);
      expect(await occurrencesOf(db, first.series_id)).toMatchObject([
        ...[{ status: 'confirmed' }, { status: 'confirmed', answered_at: new Date(at('08:00')) }],
        ...Array(2).fill({ status: 'rejected', ended_reason: 'Paint' }),
      ]);
      const seen = ['series_booked', 'booking_approved', 'series_rejected', 'series_approved'];
      expect(await told(db, ann)).toEqual(seen);
    },
    ASKED,
  );

  rule(
    'only what is still in time',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const [, second] = await four(db, ann, world.left);
      await db.setClock(at('22:00'));
      const all = { booking_id: second.id, scope: 'all' };
      expect(await answer(db, world.manager, 'accept_series', all)).toHaveLength(3);
      await advanceTo(db, at('22:01'));
      expect((await statusesOf(db, second.series_id))[0]).toBe('expired');
    },
    { ...ASKED, request_ttl: '48 hours' },
  );

  rule(
    'by one of several providers what they would serve',
    async ({ db, world }) => {
      const service = await createService(db, world);
      const [pia] = service.providers as [string, string];
      const [ann, otto, nora] = await createUsers(db, 'Ann', 'Otto', 'Nora');
      await createProvider(db, world.organizationId, nora, pia);
      await book(db, otto, service.offering, range('11:00', '12:00', 8));
      const [first] = await four(db, ann, service.offering);
      const asked = `select jsonb_array_length(data -> 'bookingIds') as asked from app_public.notifications
        where kind = 'series_requested' and user_id = $1`;
      expect(await db.rows(asked, [nora])).toEqual([{ asked: 3 }]);
      expect(await db.rows(asked, [world.manager])).toEqual([{ asked: 4 }]);
      const all = { booking_id: first.id, scope: 'all' };
      await answer(db, nora, 'accept_series', all);
      expect(await statusesOf(db, first.series_id)).toEqual([
        ...['confirmed', 'pending', 'confirmed', 'confirmed'],
      ]);
    },
    ASKED,
  );
});

describe('Each of a series', () => {
  rule('is confirmed, used and released by itself', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [first, second] = await four(db, ann, world.left);
    await confirm(db, ann, second.id);
    await advanceTo(db, at('13:00', 8));
    expect(await statusesOf(db, first.series_id)).toEqual([
      ...['auto_cancelled', 'completed', 'confirmed', 'confirmed'],
    ]);
    expect(await told(db, ann)).toEqual([
      'series_booked',
      'booking_reminder',
      'booking_auto_cancelled',
      ...['booking_reminder_info', 'booking_reminder_info', 'booking_reminder_info'],
    ]);
  });
});

describe('A series released several times in a row', () => {
  const SIX = { rrule: 'FREQ=WEEKLY;COUNT=7' };

  const offersTo = async (db: TestDatabase, userId: string, kind: string) =>
    (await told(db, userId)).filter((one) => one === kind).length;

  rule(
    'is offered for cancellation, once for each run',
    async ({ db, world }) => {
      const [ann, kim] = await createUsers(db, 'Ann', 'Kim');
      await createMember(db, world.organizationId, kim, 'manager', [world.right]);
      await four(db, ann, world.left, SIX);
      const seen: number[] = [];
      for (const day of [1, 8, 15, 22, 29]) {
        await advanceTo(db, at('11:00', day));
        seen.push(await offersTo(db, ann, 'series_unused'));
      }
      expect(seen).toEqual([0, 1, 1, 2, 2]);
      expect(await offersTo(db, world.manager, 'series_unused_notice')).toBe(2);
      expect(await offersTo(db, kim, 'series_unused_notice')).toBe(0);
    },
    { series_release_limit: 2 },
  );

  rule('is not if one in between was used, or nothing is left', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [, , third] = await four(db, ann, world.left, { rrule: 'FREQ=WEEKLY;COUNT=6' });
    await confirm(db, ann, third.id);
    await advanceTo(db, at('11:00', 50));
    expect(await statusesOf(db, third.series_id)).toEqual([
      ...['auto_cancelled', 'auto_cancelled', 'completed'],
      ...['auto_cancelled', 'auto_cancelled', 'auto_cancelled'],
    ]);
    expect(await offersTo(db, ann, 'series_unused')).toBe(0);
  });

  rule('counts across what was cancelled in between', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [, second] = await four(db, ann, world.left, SIX);
    await cancelSeries(db, ann, second.id, 'this');
    await advanceTo(db, at('11:00', 22));
    expect(await offersTo(db, ann, 'series_unused')).toBe(1);
  });

  rule(
    'is never offered if the policy has no limit',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      await four(db, ann, world.left, SIX);
      await advanceTo(db, at('11:00', 36));
      expect(await offersTo(db, ann, 'series_unused')).toBe(0);
    },
    { series_release_limit: null },
  );
});

rule('A preview asks nothing of anybody', async ({ db, world }) => {
  const seen = await db.as({ role: 'reslot_anonymous' }, () =>
    db.rows('select * from app_public.preview_series($1, $2, $3, $4, $5)', [
      ...Object.values(seriesArgs(world.left)),
    ]),
  );
  expect(seen).toHaveLength(4);
});
