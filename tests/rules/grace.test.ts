/**
 * How long somebody has, weekends and holidays left out: a table of cases, and a comparison with a clock that ticks
 * through every quarter of an hour and asks the calendar of the place, over years and zones.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { inTransaction } from '../support/database.ts';
import { createWorld } from '../support/factories.ts';

interface Case {
  at: string;
  hours: number;
  zone: string;
  weekends: boolean;
  holidays: [from: string, until: string][];
}

const plain: Case = { at: '', hours: 24, zone: 'UTC', weekends: true, holidays: [] };

/** What the database says to all of them. */
async function ends(cases: Case[]): Promise<string[]> {
  const rows = await inTransaction((db) =>
    db.rows<{ ends: Date }>(
      `select app_private.after_working_grace((c ->> 'at')::timestamptz,
         make_interval(hours => (c ->> 'hours')::integer), c ->> 'zone', (c ->> 'weekends')::boolean,
         (select coalesce(range_agg(tstzrange((h ->> 0)::timestamptz, (h ->> 1)::timestamptz)), '{}')
          from jsonb_array_elements(c -> 'holidays') h)) as ends
       from jsonb_array_elements($1) with ordinality t (c, n) order by n`,
      [JSON.stringify(cases)],
    ),
  );
  return rows.map(({ ends: at }) => at.toISOString());
}

describe('A grace is over', () => {
  // 2030-06-07 is a Friday.
  test.each<[string, Partial<Case> & { at: string }, string]>([
    ['a day later', { at: '2030-06-04T10:00:00Z' }, '2030-06-05T10:00:00.000Z'],
    ['on Monday, if it is Friday', { at: '2030-06-07T10:00:00Z' }, '2030-06-10T10:00:00.000Z'],
    [
      'on Saturday, where that counts',
      { at: '2030-06-07T10:00:00Z', weekends: false },
      '2030-06-08T10:00:00.000Z',
    ],
    [
      'a whole Monday later, if it is Saturday',
      { at: '2030-06-08T10:00:00Z' },
      '2030-06-11T00:00:00.000Z',
    ],
    [
      'as the weekend begins, if it just fits',
      { at: '2030-06-07T00:00:00Z' },
      '2030-06-08T00:00:00.000Z',
    ],
    ['after two weekends', { at: '2030-06-06T12:00:00Z', hours: 150 }, '2030-06-14T18:00:00.000Z'],
    [
      'at the weekend of the place, which begins in the evening in UTC',
      { at: '2030-06-07T08:00:00Z', hours: 12, zone: 'Asia/Tokyo' },
      '2030-06-09T20:00:00.000Z',
    ],
    [
      'an hour earlier in UTC when the clocks go forward on that Sunday',
      { at: '2030-03-29T11:00:00Z', zone: 'Europe/Vienna' },
      '2030-04-01T10:00:00.000Z',
    ],
    [
      'an hour later in UTC when they go back',
      { at: '2030-10-25T10:00:00Z', zone: 'Europe/Vienna' },
      '2030-10-28T11:00:00.000Z',
    ],
    [
      'after twenty-four hours, and not at the same time, when the clocks go forward within it',
      { at: '2030-03-30T11:00:00Z', zone: 'Europe/Vienna', weekends: false },
      '2030-03-31T11:00:00.000Z',
    ],
    [
      'after the holiday within it',
      { at: '2030-06-04T10:00:00Z', holidays: [['2030-06-05T00:00:00Z', '2030-06-06T00:00:00Z']] },
      '2030-06-06T10:00:00.000Z',
    ],
    [
      'after the holiday that it begins in',
      { at: '2030-06-05T10:00:00Z', holidays: [['2030-06-05T00:00:00Z', '2030-06-06T00:00:00Z']] },
      '2030-06-07T00:00:00.000Z',
    ],
    [
      'counting a holiday once that lies on a weekend, and what two of them share',
      {
        at: '2030-06-07T10:00:00Z',
        holidays: [
          ['2030-06-08T00:00:00Z', '2030-06-09T12:00:00Z'],
          ['2030-06-09T00:00:00Z', '2030-06-11T00:00:00Z'],
        ],
      },
      '2030-06-11T10:00:00.000Z',
    ],
    [
      'after the weekend that follows a holiday of weeks',
      { at: '2030-06-07T10:00:00Z', holidays: [['2030-06-10T00:00:00Z', '2030-07-05T20:00:00Z']] },
      '2030-07-08T06:00:00.000Z',
    ],
  ])('%s', async (_, given, expected) => {
    expect(await ends([{ ...plain, ...given }])).toEqual([expected]);
  });
});

const QUARTER = 15 * 60_000;

/** Ticks until enough quarters of an hour have counted. */
function tickThrough({ at, hours, zone, weekends, holidays }: Case): string {
  const weekday = new Intl.DateTimeFormat('en', { timeZone: zone, weekday: 'short' });
  const spans = holidays.map(([from, until]) => [Date.parse(from), Date.parse(until)] as const);
  let now = Date.parse(at);
  for (let left = hours * 4; left > 0; now += QUARTER) {
    const rests = weekends && /^S/.test(weekday.format(now));
    if (!rests && !spans.some(([from, until]) => from <= now && now < until)) left -= 1;
  }
  return new Date(now).toISOString();
}

const ZONES = [
  ...['UTC', 'Europe/Vienna', 'America/New_York', 'America/Santiago', 'Australia/Lord_Howe'],
  ...['Pacific/Auckland', 'Asia/Kathmandu', 'Pacific/Apia', 'Africa/Cairo', 'Pacific/Kiritimati'],
];

const moment = (from: string, days: number) =>
  fc
    .integer({ min: 0, max: days * 96 })
    .map((n) => new Date(Date.parse(from) + n * QUARTER).toISOString());

const cases: fc.Arbitrary<Case> = moment('2024-01-01T00:00:00Z', 366 * 14).chain((at) =>
  fc.record({
    at: fc.constant(at),
    hours: fc.integer({ min: 1, max: 400 }),
    zone: fc.constantFrom(...ZONES),
    weekends: fc.boolean(),
    holidays: fc.array(
      fc
        .tuple(moment(at, 25), fc.integer({ min: 1, max: 400 }))
        .map(([from, quarters]): [string, string] => [
          ...([from, new Date(Date.parse(from) + quarters * QUARTER).toISOString()] as const),
        ]),
      { maxLength: 4 },
    ),
  }),
);

test('A grace is over when a clock that stands still on weekends and holidays has gone that far', async () => {
  const some = fc.sample(cases, { numRuns: 300, seed: Date.now() });
  const said = await ends(some);
  const wrong = some
    .map((given, n) => ({ given, said: said[n], counted: tickThrough(given) }))
    .filter(({ said: ours, counted }) => ours !== counted);
  expect(wrong).toEqual([]);
});

test('A clock that does not stand still on weekends is found out', async () => {
  const some = fc.sample(cases, { numRuns: 50, seed: 7 });
  const said = await ends(some.map((given) => ({ ...given, weekends: !given.weekends })));
  expect(said).not.toEqual(some.map(tickThrough));
});

test('A request has to be answered when that clock has gone that far, or half of the time is over', async () => {
  const some = fc.sample(fc.tuple(cases, fc.integer({ min: 1, max: 1500 })), {
    ...{ numRuns: 60, seed: Date.now() },
  });
  const wrong = await inTransaction(async (db) => {
    const { left, leftRoom, organizationId } = await createWorld(db);
    await db.query(`update app_public.offerings set category = 'any' where id = $1`, [left]);
    const found: unknown[] = [];
    for (const [{ at, hours, zone, weekends, holidays }, quarters] of some) {
      await db.query('delete from app_public.blackouts');
      await db.query('update app_public.resources set time_zone = $2 where id = $1', [
        ...[leftRoom, zone],
      ]);
      await db.query(
        `insert into app_public.blackouts (organization_id, kind, reason, starts_at, ends_at)
         select $1, 'holiday', 'Holiday', (h ->> 0)::timestamptz, (h ->> 1)::timestamptz
         from jsonb_array_elements($2) h`,
        [organizationId, JSON.stringify(holidays)],
      );
      const startsAt = Date.parse(at) + quarters * QUARTER;
      const by = await db.value<Date>(
        `select app_private.answer_by(jsonb_populate_record(v, $1), $2, $3, $4, $5, $5)
         from app_public.policy_versions v limit 1`,
        [
          JSON.stringify({
            ...{ expiry_skips_weekends: weekends, expiry_skips_holidays: true },
            expiry_grace_by_category: { any: `${hours}:00:00` },
          }),
          ...[left, leftRoom, new Date(startsAt).toISOString(), at],
        ],
      );
      const half = (Date.parse(at) + startsAt) / 2;
      const counted = tickThrough({ at, hours, zone, weekends, holidays });
      if (by.getTime() !== Math.min(Date.parse(counted), half)) found.push({ at, hours, by });
    }
    return found;
  });
  expect(wrong).toEqual([]);
});

test.each<[string, boolean]>([
  ['{}', true],
  ['{"cleaning": "48:00:00", "garden": "7 days"}', true],
  ['{"cleaning": "00:00:00"}', false],
  ['{"cleaning": "-1 hour"}', false],
  ['{"cleaning": "2 years"}', false],
  ['{"cleaning": "soon"}', false],
  ['{"cleaning": 3}', false],
  ['{"": "48:00:00"}', false],
  ['[]', false],
])('Graces by category can be %s: %s', async (graces, sane) => {
  await inTransaction(async (db) => {
    expect(await db.value('select app_private.graces_are_sane($1)', [graces])).toBe(sane);
  });
});
