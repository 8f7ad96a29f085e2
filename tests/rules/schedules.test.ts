/** Schedules, and the slots that are made of them. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { at, book, call, createUser, range, type World } from '../support/factories.ts';
import { bookSlot, createSchedule, createTour, generate, slotRow } from '../support/tours.ts';
import { cancel, refused, rule, value } from './rule.ts';

/** The dates of a schedule in the year that follows the Monday of the world. */
async function datesOf(
  db: TestDatabase,
  world: World,
  schedule: Record<string, unknown>,
  [from, to] = ['2030-06-03', '2031-06-03'],
): Promise<string[]> {
  const tour = await createTour(db, world, { schedule: { ...schedule, valid_from: '2030-06-03' } });
  const { valid_from = '2030-06-03' } = schedule as { valid_from?: string };
  const id = await createSchedule(db, world, tour.offering, { ...schedule, valid_from });
  return value<string[]>(
    db,
    `array(select to_char(d, 'YYYY-MM-DD') from app_public.schedules h,
       app_private.recurrence_dates(h, $2, $3) d where h.id = $1 order by 1)`,
    [id, from, to],
  );
}

describe('The dates of a schedule', () => {
  rule('are one, if it does not recur', async ({ db, world }) => {
    const once = { recurrence: 'none', valid_from: '2030-07-01' };
    expect(await datesOf(db, world, once)).toEqual(['2030-07-01']);
  });

  rule('are chosen weekdays of each week', async ({ db, world }) => {
    const weekly = { recurrence: 'weekly', weekdays: '{1,7}' };
    expect(await datesOf(db, world, weekly, ['2030-06-03', '2030-06-17'])).toEqual([
      ...['2030-06-03', '2030-06-09', '2030-06-10', '2030-06-16', '2030-06-17'],
    ]);
  });

  rule('are those of every other week, counted from the first', async ({ db, world }) => {
    const dates = { recurrence: 'every_two_weeks', weekdays: '{2,7}', valid_from: '2030-06-05' };
    expect(await datesOf(db, world, dates, ['2030-06-03', '2030-07-10'])).toEqual([
      ...['2030-06-09', '2030-06-18', '2030-06-23', '2030-07-02', '2030-07-07'],
    ]);
  });

  rule('are none in a month that does not have the date', async ({ db, world }) => {
    const monthly = { recurrence: 'monthly', valid_from: '2030-08-31' };
    expect(await datesOf(db, world, monthly, ['2030-06-03', '2031-03-31'])).toEqual([
      ...['2030-08-31', '2030-10-31', '2030-12-31', '2031-01-31', '2031-03-31'],
    ]);
  });

  rule('begin and end with its validity', async ({ db, world }) => {
    const daily = { recurrence: 'daily', valid_from: '2030-06-05', valid_until: '2030-06-06' };
    expect(await datesOf(db, world, daily)).toEqual(['2030-06-05', '2030-06-06']);
  });
});

describe('Slots are made', () => {
  rule('once, however often they are made', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 3 });
    const again = await generate(db, world, tour.schedule, '2030-06-03', '2030-06-06');
    expect(again.map(({ outcome }) => outcome)).toEqual(['made', 'exists', 'exists', 'exists']);
    expect(again.slice(1).map(({ slot_id }) => slot_id)).toEqual(tour.slots);
  });

  rule('of what is to come only', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const past = await createSchedule(db, world, tour.offering, { local_start: '08:00' });
    expect(await generate(db, world, past, '2030-06-03', '2030-06-03')).toMatchObject([
      { start: '2030-06-03 08:00', outcome: 'over', slot_id: null },
    ]);
  });

  rule('at the same local time in summer and in winter', async ({ db, world }) => {
    const tour = await createTour(db, world, { timeZone: 'Europe/Vienna' });
    const made = await generate(db, world, tour.schedule, '2030-10-26', '2030-10-27');
    const starts = await Promise.all(made.map(({ slot_id }) => slotRow(db, slot_id ?? '')));
    expect(starts.map(({ starts_at }) => starts_at.toISOString())).toEqual([
      '2030-10-26T08:00:00.000Z',
      '2030-10-27T09:00:00.000Z',
    ]);
  });

  rule('not at a time that the clocks skip, and that is said', async ({ db, world }) => {
    const tour = await createTour(db, world, {
      timeZone: 'Europe/Vienna',
      schedule: { local_start: '02:30' },
    });
    const made = await generate(db, world, tour.schedule, '2031-03-29', '2031-03-31');
    expect(made).toMatchObject([
      { start: '2031-03-29 02:30', outcome: 'made' },
      { start: '2031-03-30 02:30', outcome: 'gap', slot_id: null },
      { start: '2031-03-31 02:30', outcome: 'made' },
    ]);
  });

  rule('not where a blackout is', async ({ db, world }) => {
    const tour = await createTour(db, world);
    for (const [days, place] of [
      [6, { resource_id: tour.guide }],
      [7, { offering_id: tour.offering }],
      [8, {}],
    ] as const) {
      await call(db, world.manager, 'create_blackout', {
        ...{ organization_id: world.organizationId, reason: 'Holiday', ...place },
        ...{ starts_at: at('11:00', days), ends_at: at('11:30', days) },
      });
    }
    const made = await generate(db, world, tour.schedule, '2030-06-08', '2030-06-11');
    expect(made.map(({ outcome }) => outcome)).toEqual([
      ...['made', 'blacked_out', 'blacked_out', 'blacked_out'],
    ]);
  });

  rule('not while the guide is somewhere else: two tours cannot share one', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { days: 2 });
    const other = await createTour(db, world, {
      guide: tour.guide,
      days: 3,
      schedule: { local_start: '11:30' },
    });
    expect(other.slots).toHaveLength(1);
    const made = await generate(db, world, other.schedule, '2030-06-04', '2030-06-06');
    expect(made.map(({ outcome }) => outcome)).toEqual(['taken', 'taken', 'exists']);
  });

  rule('beside each other where a resource can be shared', async ({ db, world }) => {
    const tour = await createTour(db, world);
    await db.query('update app_public.resources set shared = true where id = $1', [tour.guide]);
    await db.query('delete from app_private.occupancies where resource_id = $1', [tour.guide]);
    const other = await createTour(db, world, { guide: tour.guide });
    expect(other.slots).toHaveLength(1);
  });

  rule('and nothing but said beforehand, on request', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const planned = await generate(
      ...([db, world, tour.schedule, '2030-06-04', '2030-06-05', 'planned_slots'] as const),
    );
    expect(planned.map(({ outcome }) => outcome)).toEqual(['exists', 'made']);
    expect(await value(db, 'count(*)::int from app_public.slots')).toBe(1);
  });

  rule('by managers, of schedules that are active, within two years', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const ann = await createUser(db, 'Ann');
    const args = { schedule_id: tour.schedule, from: '2030-06-04', to: '2030-06-05' };
    const quoted = { schedule_id: args.schedule_id, '"from"': args.from, '"to"': args.to };
    await refused(db, 'RSNTF', ann, 'generate_slots', quoted);
    await refused(db, 'RSARG', world.manager, 'generate_slots', {
      ...quoted,
      '"to"': '2032-06-06',
    });
    await db.query('update app_public.schedules set active = false where id = $1', [tour.schedule]);
    await refused(db, 'RSSTA', world.manager, 'generate_slots', quoted);
  });
});

describe('A slot that exists', () => {
  rule('changes with its schedule while nobody has booked it', async ({ db, world }) => {
    const tour = await createTour(db, world, { days: 2 });
    const ann = await createUser(db, 'Ann');
    const made = await bookSlot(db, ann, tour, tour.slots[0]);
    await db.query('update app_public.schedules set capacity = 5 where id = $1', [tour.schedule]);
    const again = await generate(db, world, tour.schedule, '2030-06-04', '2030-06-05');
    expect(again.map(({ outcome }) => outcome)).toEqual(['exists', 'changed']);
    expect(await slotRow(db, tour.slots[0])).toMatchObject({ capacity: 8 });
    expect(await slotRow(db, tour.slots[1])).toMatchObject({ capacity: 5 });
    await cancel(db, ann, made.id);
    const later = await generate(db, world, tour.schedule, '2030-06-04', '2030-06-05');
    expect(later.map(({ outcome }) => outcome)).toEqual(['changed', 'exists']);
  });

  rule('keeps its guide from being booked in another way', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await createTour(db, world, { guide: world.leftRoom });
    await refused(db, 'RSFUL', ann, 'create_booking', {
      ...{ offering_id: world.left, starts_at: at('11:00', 1), ends_at: at('13:00', 1) },
    });
    await book(db, ann, world.left, range('12:00', '13:00'));
  });
});

describe('A schedule', () => {
  rule('is refused where its parts do not go together', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const wrong: [constraint: string, values: Record<string, unknown>][] = [
      ['weekdays_where_they_count', { recurrence: 'weekly' }],
      ['weekdays_are_iso', { recurrence: 'weekly', weekdays: '{0}' }],
      ['rule_where_it_counts', { recurrence: 'custom' }],
      ['rule_is_one_line', { recurrence: 'custom', rrule: 'FREQ=SECONDLY' }],
      ['rule_is_one_line', { recurrence: 'custom', rrule: 'FREQ=DAILY\nX' }],
      ['rule_is_of_days_and_hours', { recurrence: 'custom', rrule: 'FREQ=DAILY;BYMINUTE=1,2' }],
      ['rule_is_of_days_and_hours', { recurrence: 'custom', rrule: 'FREQ=YEARLY;RSCALE=CHINESE' }],
      ['minimum_fits', { min_size: 9 }],
      ['validity_is_forward', { valid_until: '2030-06-02' }],
    ];
    for (const [constraint, values] of wrong) {
      await db.query('savepoint schedule');
      const refusal = createSchedule(db, world, tour.offering, values);
      await expect(refusal).rejects.toMatchObject({ constraint });
      await db.query('rollback to savepoint schedule');
    }
  });

  rule('is of an offering that is booked by the place', async ({ db, world }) => {
    await db.query('savepoint schedule');
    const refusal = createSchedule(db, world, world.left);
    await expect(refusal).rejects.toMatchObject({ code: 'RSARG' });
    await db.query('rollback to savepoint schedule');
  });
});
