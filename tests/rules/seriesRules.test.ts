/** Rules of series are worked out in SQL; a library that knows RFC 5545 has to agree on each. */
import { expect, test } from '@jest/globals';
import { RRuleTemporal } from 'rrule-temporal';
import { Temporal } from 'temporal-polyfill';
import { inTransaction, type TestDatabase } from '../support/database.ts';

async function datesOf(db: TestDatabase, rrule: string, first: string): Promise<string[]> {
  const rows = await db.rows<{ day: string }>(
    'select d::text as day from app_private.dates_of_rule(app_private.parsed_rule($1), $2, 100) d',
    [rrule, first],
  );
  return rows.map(({ day }) => day);
}

function byLibrary(rrule: string, first: string): string[] {
  const start = Temporal.PlainDateTime.from(`${first}T10:00:00`).toZonedDateTime('UTC');
  const until = Temporal.PlainDate.from(first).add({ days: 3660 });
  const rule = new RRuleTemporal({ rruleString: rrule, dtstart: start });
  return rule
    .between(start, until.toZonedDateTime({ timeZone: 'UTC', plainTime: '23:59:59' }), true)
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

function randomRule(below: (n: number) => number): { rrule: string; first: string } {
  const freq = ['DAILY', 'WEEKLY', 'MONTHLY'][below(3)] as string;
  const parts = [`FREQ=${freq}`];
  if (below(2)) parts.push(`INTERVAL=${1 + below(5)}`);
  const ordinal = () =>
    freq === 'MONTHLY' && below(2) ? ['1', '-1', '2', '+3', '5'][below(5)] : '';
  const days = DAYS.filter(() => below(4) === 0).map((day) => `${ordinal()}${day}`);
  if (days.length > 0) parts.push(`BYDAY=${days.join(',')}`);
  if (freq !== 'WEEKLY' && below(4) === 0) {
    parts.push(`BYMONTHDAY=${[1 + below(31), -1 - below(31)].slice(0, 1 + below(2)).join(',')}`);
  }
  const month = (n: number) => String(1 + n).padStart(2, '0');
  parts.push(
    below(2) ? `COUNT=${1 + below(30)}` : `UNTIL=2031${month(below(12))}${month(below(28))}`,
  );
  return { rrule: parts.join(';'), first: `2030-${month(below(12))}-${month(below(28))}` };
}

test('a hundred random rules have the dates that the library finds', async () => {
  await inTransaction(async (db) => {
    const below = numbers(20301);
    let dates = 0;
    for (let n = 0; n < 100; n++) {
      const { rrule, first } = randomRule(below);
      const ours = await datesOf(db, rrule, first);
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
      'FREQ=YEARLY;COUNT=2',
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
