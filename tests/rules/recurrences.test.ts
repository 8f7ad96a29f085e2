/** Recurrences beside a library that knows RFC 5545: over ten years, in ten time zones. */
import { describe, expect, test } from '@jest/globals';
import { RRuleTemporal } from 'rrule-temporal';
import { Temporal } from 'temporal-polyfill';
import { type DueSchedule, localStarts } from '../../src/recurrence.ts';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { createResource, createWorld, insert } from '../support/factories.ts';
import { createSchedule } from '../support/tours.ts';

const ZONES = [
  ...['UTC', 'Europe/Vienna', 'Europe/London', 'America/New_York', 'America/Sao_Paulo'],
  ...['Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Chatham', 'Africa/Cairo', 'Asia/Tehran'],
];
const [FROM, TO] = ['2027-01-01', '2036-12-31'];

const RECURRENCES: [rrule: string, schedule: Record<string, unknown>][] = [
  ['FREQ=DAILY;COUNT=1', { recurrence: 'none', valid_from: '2028-02-29' }],
  ['FREQ=DAILY', { recurrence: 'daily', valid_from: '2027-01-01' }],
  [
    'FREQ=WEEKLY;BYDAY=MO,WE,SU',
    { recurrence: 'weekly', weekdays: '{1,3,7}', valid_from: '2027-01-06' },
  ],
  [
    'FREQ=WEEKLY;INTERVAL=2;WKST=MO;BYDAY=TU,SU',
    { recurrence: 'every_two_weeks', weekdays: '{2,7}', valid_from: '2027-01-10' },
  ],
  ['FREQ=MONTHLY;BYMONTHDAY=15', { recurrence: 'monthly', valid_from: '2027-01-15' }],
  ['FREQ=MONTHLY;BYMONTHDAY=31', { recurrence: 'monthly', valid_from: '2027-01-31' }],
];

/** At half past two, when the clocks change in many zones, or a quarter past midnight, when in others. */
const STARTS = ['02:30:00', '00:15:00', '09:00:00'];

type Rows = { local: string; at: string | null }[];

/** The local starts of a schedule and the moments that SQL makes of them. */
async function bySql(db: TestDatabase, schedule: string, zone: string): Promise<Rows> {
  return db.rows<{ local: string; at: string | null }>(
    `select to_char(d.day + h.local_start, 'YYYY-MM-DD"T"HH24:MI:SS') as local,
       to_char(app_private.wall_time_if_any(d.day + h.local_start, $4) at time zone 'UTC',
               'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at
     from app_public.schedules h
     cross join lateral app_private.recurrence_dates(h, $2, $3) d (day)
     where h.id = $1 order by 1`,
    [schedule, FROM, TO, zone],
  );
}

/** The dates of the rule by the library; a start that the clocks skip is told from one that they do not. */
function byLibrary(rruleString: string, validFrom: string, start: string, timeZone: string): Rows {
  const rule = new RRuleTemporal({
    rruleString,
    dtstart: Temporal.PlainDateTime.from(`${validFrom}T${start}`).toZonedDateTime('UTC'),
  });
  const [from, to] = [FROM, TO].map((day, n) =>
    Temporal.PlainDateTime.from(`${day}T${n ? '23:59:59' : '00:00:00'}`).toZonedDateTime('UTC'),
  ) as [Temporal.ZonedDateTime, Temporal.ZonedDateTime];
  return rule.between(from, to, true).map((found) => {
    const local = found.toPlainDateTime();
    const zoned = local.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
    const exists = zoned.toPlainDateTime().equals(local);
    return {
      local: local.toString({ smallestUnit: 'second' }),
      at: exists ? zoned.toInstant().toString({ smallestUnit: 'second' }) : null,
    };
  });
}

describe('The recurrences in SQL', () => {
  test(
    'are those of the library, date by date and moment by moment',
    () =>
      inTransaction(async (db) => {
        const world = await createWorld(db);
        const tour = await insert(db, 'app_public.offerings', {
          ...{ organization_id: world.organizationId, policy_id: world.policyId, kind: 'tour' },
          ...{ allocation: 'capacity', name: 'Walk' },
        });
        let compared = 0;
        let gaps = 0;
        for (const [rrule, values] of RECURRENCES) {
          for (const start of STARTS) {
            const schedule = await createSchedule(db, world, tour, {
              ...values,
              local_start: start,
            });
            for (const zone of ZONES) {
              const found = await bySql(db, schedule, zone);
              const wanted = byLibrary(rrule, String(values.valid_from), start, zone);
              expect({ rrule, start, zone, found }).toEqual({ rrule, start, zone, found: wanted });
              compared += found.length;
              gaps += found.filter(({ at }) => at === null).length;
            }
          }
        }
        expect(compared).toBeGreaterThan(100_000);
        expect(gaps).toBeGreaterThan(50);
      }),
    300_000,
  );
});

describe('A rule of one’s own', () => {
  const due = (values: Partial<DueSchedule>): DueSchedule => ({
    ...{ schedule_id: 'x', rrule: 'FREQ=DAILY', local_start: '09:00:00' },
    ...{ valid_from: '2030-06-03', first_day: '2030-06-10', last_day: '2030-06-12' },
    ...values,
  });

  test('gives local starts, whatever the clocks do', () => {
    expect(localStarts(due({}))).toEqual([
      ...['2030-06-10T09:00:00', '2030-06-11T09:00:00', '2030-06-12T09:00:00'],
    ]);
    const lastSundays = due({ rrule: 'FREQ=MONTHLY;BYDAY=-1SU', last_day: '2030-09-01' });
    expect(localStarts(lastSundays)).toEqual([
      ...['2030-06-30T09:00:00', '2030-07-28T09:00:00', '2030-08-25T09:00:00'],
    ]);
    const skipped = due({
      valid_from: '2031-03-29',
      first_day: '2031-03-30',
      last_day: '2031-03-30',
    });
    expect(localStarts({ ...skipped, local_start: '02:30:00' })).toEqual(['2031-03-30T02:30:00']);
  });

  test('is refused if it makes no sense, or more than any schedule means', () => {
    expect(() => localStarts(due({ rrule: 'FREQ=DAILY;INTERVAL=X' }))).toThrow();
    const hours = Array.from({ length: 24 }, (_, hour) => hour).join(',');
    const many = due({ rrule: `FREQ=DAILY;BYHOUR=${hours}`, last_day: '2030-08-10' });
    expect(() => localStarts(many)).toThrow('more than 1000');
  });

  test('is not needed where SQL knows the dates', () => {
    expect(localStarts(due({ rrule: null }))).toBeNull();
  });
});

test('a guide of the tours is where their local times are', () =>
  inTransaction(async (db) => {
    const world = await createWorld(db);
    const guide = await createResource(db, world.organizationId, 'Guide', 'Pacific/Chatham');
    const tour = await insert(db, 'app_public.offerings', {
      ...{ organization_id: world.organizationId, policy_id: world.policyId, kind: 'tour' },
      ...{ allocation: 'capacity', name: 'Walk' },
    });
    await db.query('insert into app_public.offering_resources values ($1, $2, $3)', [
      ...[tour, guide, world.organizationId],
    ]);
    expect(await db.value('select app_private.zone_of($1)', [tour])).toBe('Pacific/Chatham');
  }));
