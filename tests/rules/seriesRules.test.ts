/** Rules of series are worked out in SQL; a library that knows RFC 5545 has to agree on each. */
import { expect, test } from '@jest/globals';
import { RRuleTemporal } from 'rrule-temporal';
import { Temporal } from 'temporal-polyfill';
import { inTransaction, type TestDatabase } from '../support/database.ts';

async function datesOf(db: TestDatabase, rrule: string, first: string): Promise<string[]> {
  const rows = await db.rows<{ day: string }>(
    // Taken apart once, and not for each day.
    `with r as materialized (select app_private.parsed_rule($1) as rule)
     select d::text as day from r cross join lateral app_private.dates_of_rule(r.rule, $2, 100) d`,
    [rrule, first],
  );
  return rows.map(({ day }) => day);
}

/** The library takes its time for more years than these. */
const lastOf = (first: string) => Temporal.PlainDate.from(first).add({ years: 3 }).toString();

function byLibrary(rrule: string, first: string): string[] {
  const start = Temporal.PlainDateTime.from(`${first}T10:00:00`).toZonedDateTime('UTC');
  const until = Temporal.PlainDateTime.from(`${lastOf(first)}T23:59:59`).toZonedDateTime('UTC');
  const rule = new RRuleTemporal({ rruleString: rrule, dtstart: start });
  return rule
    .between(start, until, true)
    .map((at) => at.toPlainDate().toString())
    .slice(0, 100);
}

const DAYS = ['MO', 'TU', 'WE', 'TH', 'FR', 'SA', 'SU'];

/** The same numbers each time, so that what fails fails again. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * below);
  };
}

type Below = (n: number) => number;

/** Some of these, and at least one. */
function some<T>(below: Below, all: readonly T[], most: number): T[] {
  const found = Array.from({ length: 1 + below(most) }, () => all[below(all.length)] as T);
  return [...new Set(found)];
}

/** Of months the first, or the last; of years also one in the middle. */
const IN_MONTH = ['1', '-1', '2', '+3', '5'];
const IN_YEAR = ['1', '-1', '20', '-52', '52'];

/** Of years either all have a number or none: else, as with a 53rd, the library goes astray. */
function randomDays(below: Below, freq: string, byMonth: boolean): string[] {
  const days = DAYS.filter(() => below(4) === 0);
  const ordinals = freq === 'YEARLY' && !byMonth ? IN_YEAR : IN_MONTH;
  const never = freq === 'DAILY' || freq === 'WEEKLY';
  const always = freq === 'YEARLY' && below(2) === 0;
  return days.map((day) =>
    never || (freq === 'YEARLY' ? !always : below(2)) ? day : `${ordinals[below(5)]}${day}`,
  );
}

function randomRule(below: Below): { rrule: string; first: string } {
  const freq = ['DAILY', 'WEEKLY', 'MONTHLY', 'YEARLY'][below(4)] as string;
  const parts: string[] = [];
  if (below(4) === 0) {
    const months = Array.from({ length: 12 }, (_, n) => 1 + n);
    parts.push(`BYMONTH=${some(below, months, 4).join(',')}`);
  }
  const days = randomDays(below, freq, parts.length > 0);
  if (days.length > 0) parts.push(`BYDAY=${days.join(',')}`);
  const counted = freq === 'YEARLY' && days.some((day) => day.length > 2);
  if (freq !== 'WEEKLY' && !counted && below(4) === 0) {
    parts.push(`BYMONTHDAY=${[1 + below(31), -1 - below(31)].slice(0, 1 + below(2)).join(',')}`);
  }
  if (parts.length > 0 && below(3) === 0) {
    parts.push(`BYSETPOS=${some(below, [1, -1, 2, -2, 3, 10], 2).join(',')}`);
  }
  if (below(2)) parts.push(`INTERVAL=${1 + below(5)}`);
  if (below(2)) parts.push(`WKST=${DAYS[below(7)]}`);
  const month = (n: number) => String(1 + n).padStart(2, '0');
  parts.push(
    below(2)
      ? `COUNT=${1 + below(30)}`
      : `UNTIL=203${1 + below(3)}${month(below(12))}${month(below(28))}`,
  );
  return {
    rrule: [`FREQ=${freq}`, ...parts].join(';'),
    first: `2030-${month(below(12))}-${month(below(28))}`,
  };
}

test('a hundred random rules have the dates that the library finds', async () => {
  await inTransaction(async (db) => {
    const below = numbers(20301);
    let dates = 0;
    for (let n = 0; n < 100; n++) {
      const { rrule, first } = randomRule(below);
      const ours = (await datesOf(db, rrule, first)).filter((day) => day <= lastOf(first));
      expect({ rrule, first, dates: ours }).toEqual({
        rrule,
        first,
        dates: byLibrary(rrule, first),
      });
      dates += ours.length;
    }
    expect(dates).toBeGreaterThan(500);
  });
});

test('months without a date are passed over, and the 29th of February comes in leap years', async () => {
  await inTransaction(async (db) => {
    expect(await datesOf(db, 'FREQ=MONTHLY;COUNT=3', '2030-01-31')).toEqual([
      '2030-01-31',
      '2030-03-31',
      '2030-05-31',
    ]);
    expect(await datesOf(db, 'FREQ=MONTHLY;INTERVAL=12;COUNT=2', '2028-02-29')).toEqual([
      '2028-02-29',
      '2032-02-29',
    ]);
  });
});

test('a year is asked for its weekdays as RFC 5545 has it', async () => {
  await inTransaction(async (db) => {
    // Only every fifth or sixth year has a 53rd Tuesday; others have none, and not one of the next.
    expect(await datesOf(db, 'FREQ=YEARLY;BYDAY=53TU;COUNT=1', '2031-01-01')).toEqual([
      '2036-12-30',
    ]);
    const mixed = 'FREQ=YEARLY;BYDAY=FR,-1SU;UNTIL=20310105';
    expect(await datesOf(db, mixed, '2030-12-20')).toEqual([
      ...['2030-12-20', '2030-12-27', '2030-12-29', '2031-01-03'],
    ]);
    expect(await datesOf(db, 'FREQ=YEARLY;COUNT=2', '2028-02-29')).toEqual([
      ...['2028-02-29', '2032-02-29'],
    ]);
  });
});

test('what is no rule, never ends or says too much is refused', async () => {
  await inTransaction(async (db) => {
    const rules = [
      '',
      'FREQ=WEEKLY',
      'FREQ=WEEKLY;COUNT=0',
      'FREQ=WEEKLY;COUNT=2;UNTIL=20300801',
      'FREQ=WEEKLY;COUNT=2;COUNT=3',
      'FREQ=WEEKLY;UNTIL=20300231',
      'FREQ=WEEKLY;UNTIL=20301301',
      'FREQ=WEEKLY;BYDAY=1MO;COUNT=2',
      'FREQ=WEEKLY;BYMONTHDAY=3;COUNT=2',
      'FREQ=MONTHLY;BYMONTHDAY=32;COUNT=2',
      'FREQ=MONTHLY;BYDAY=6MO;COUNT=2',
      'FREQ=MINUTELY;COUNT=2',
      'FREQ=YEARLY;BYDAY=54MO;COUNT=2',
      'FREQ=YEARLY;BYDAY=6MO;BYMONTH=3;COUNT=2',
      'FREQ=YEARLY;BYDAY=1MO;BYMONTHDAY=3;COUNT=2',
      'FREQ=MONTHLY;BYDAY=0MO;COUNT=2',
      'FREQ=YEARLY;BYMONTH=13;COUNT=2',
      'FREQ=YEARLY;BYWEEKNO=13;COUNT=2',
      'FREQ=MONTHLY;BYSETPOS=1;COUNT=2',
      'FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367;COUNT=2',
      'FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0;COUNT=2',
      'FREQ=DAILY;BYHOUR=1,2;COUNT=2',
      'FREQ=DAILY;COUNT=2\nDTSTART:20300603',
      `FREQ=DAILY;COUNT=2;BYDAY=MO${',MO'.repeat(200)}`,
    ];
    for (const rrule of rules) {
      const { code } = await db.fails('select app_private.parsed_rule($1)', [rrule]);
      expect({ rrule, code }).toEqual({ rrule, code: 'RSARG' });
    }
  });
});
