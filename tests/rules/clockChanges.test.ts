/** Every change of the clocks in ten zones, until 2037: which local times there are, and which of two is meant. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { createOffering, createResource, createWorld } from '../support/factories.ts';

/** By an hour, by half an hour, by two; at midnight; west and east; twice a year for Ramadan; with winter as the exception. */
const ZONES = [
  ...['Europe/Vienna', 'Europe/Dublin', 'America/New_York', 'America/Havana', 'America/Santiago'],
  ...['Africa/Cairo', 'Africa/Casablanca', 'Australia/Lord_Howe', 'Pacific/Chatham'],
  'Antarctica/Troll',
];

const SECOND = 1_000;
const HOUR = 3_600_000;

interface Change {
  zone: string;
  at: Date;
  /** How far local time is ahead of UTC, in milliseconds. */
  before: number;
  after: number;
}

/** Found by looking at the clock of each zone day by day, then every quarter of an hour. */
async function changesOf(db: TestDatabase, zone: string): Promise<Change[]> {
  const rows = await db.rows<{ at: Date; before: number; after: number }>(
    `with days as (
       select day, lead(day) over (order by day) as next
       from generate_series(timestamptz '2026-01-01Z', '2038-01-01Z', '1 day') day
     ), suspicious as (
       select * from days where (day at time zone $1) - (day at time zone 'UTC')
         <> (next at time zone $1) - (next at time zone 'UTC')
     ), quarters as (
       select at, (at at time zone $1) - (at at time zone 'UTC') as after,
         (at - interval '1 second') at time zone $1 - (at - interval '1 second') at time zone 'UTC' as before
       from suspicious, generate_series(day, next, '15 minutes') at
     )
     select at, extract(epoch from before)::integer * 1000 as before, extract(epoch from after)::integer * 1000 as after
     from quarters where before <> after order by at`,
    [zone],
  );
  return rows.map((row) => ({ zone, ...row }));
}

const local = (ms: number) => new Date(ms).toISOString().slice(0, 19).replace('T', ' ');

async function momentOf(db: TestDatabase, zone: string, time: string): Promise<string> {
  await db.query('savepoint wall');
  try {
    const at = await db.value<Date>('select app_private.wall_time($1, $2)', [time, zone]);
    return at.toISOString();
  } catch (error) {
    await db.query('rollback to savepoint wall');
    return String((error as { code?: string }).code);
  }
}

/** Local times around a change, with the moment that is meant; RSTIM where there is none. */
function expectations({ at, before, after }: Change): [string, string][] {
  const change = at.getTime();
  const [first, last] = [change + Math.min(before, after), change + Math.max(before, after)];
  const within = [first, (first + last) / 2, last - SECOND];
  const moment = (ms: number) => new Date(ms).toISOString();
  return [
    [local(first - SECOND), moment(first - SECOND - before)],
    ...within.map((ms): [string, string] => [
      local(ms),
      // Skipped where the clocks go forward; where they go back, the first of two.
      after > before ? 'RSTIM' : moment(ms - before),
    ]),
    [local(last), moment(last - after)],
  ];
}

/** Local times that are not what they should be. */
async function differences(db: TestDatabase, changes: Change[]): Promise<string[]> {
  const different: string[] = [];
  for (const change of changes) {
    for (const [time, expected] of expectations(change)) {
      const moment = await momentOf(db, change.zone, time);
      if (moment !== expected) different.push(`${time}: ${moment}, not ${expected}`);
    }
  }
  return different;
}

describe('a change of the clocks', () => {
  test.each(ZONES)('in %s: what is skipped is refused, what comes twice is the first', (zone) =>
    inTransaction(async (db) => {
      const changes = await changesOf(db, zone);
      expect(changes.length).toBeGreaterThanOrEqual(20);
      expect(new Set(changes.map(({ after, before }) => after > before)).size).toBe(2);
      expect(await differences(db, changes)).toEqual([]);
    }),
  );

  test('would be noticed if PostgreSQL were asked alone: it moves the one and takes the other of two', () =>
    inTransaction(async (db) => {
      await db.query(`create or replace function app_private.wall_time(local_time timestamp, zone text)
        returns timestamptz language sql stable as 'select local_time at time zone zone'`);
      for (const zone of ZONES) {
        const changes = await changesOf(db, zone);
        const [forward] = changes.filter(({ before, after }) => after > before);
        const [back] = changes.filter(({ before, after }) => after < before);
        for (const change of [forward, back]) {
          expect((await differences(db, change ? [change] : [])).length).toBe(3);
        }
      }
    }));

  test.each(ZONES)('in %s: rooms open and close by the clock on the wall', (zone) =>
    inTransaction(async (db) => {
      const { organizationId } = await createWorld(db);
      const always = await createResource(db, organizationId, 'Always', zone);
      const day = await createResource(db, organizationId, 'Day', zone, ['09:00', '18:00']);
      const night = await createResource(db, organizationId, 'Night', zone, ['20:00', '08:00']);
      for (const { at } of await changesOf(db, zone)) {
        const span = [at.getTime() - 40 * HOUR, at.getTime() + 40 * HOUR].map((ms) => new Date(ms));
        expect([zone, at, await hours(db, always, span)]).toEqual([
          zone,
          at,
          [[expect.any(String), expect.any(String), 80]],
        ]);
        // The first and the last are cut off by the span.
        for (const [opens, closes] of (await hours(db, day, span)).slice(1, -1)) {
          expect([zone, at, opens, closes]).toEqual([zone, at, '09:00:00', '18:00:00']);
        }
        for (const [opens, closes] of (await hours(db, night, span)).slice(1, -1)) {
          expect([zone, at, opens, closes]).toEqual([zone, at, '20:00:00', '08:00:00']);
        }
      }
    }),
  );

  test('is between a booking’s ends as long as it takes', () =>
    inTransaction(async (db) => {
      const { organizationId, policyId } = await createWorld(db);
      for (const zone of ZONES) {
        const room = await createResource(db, organizationId, 'Room', zone);
        const values = { organizationId, policyId, name: 'Venue', resourceIds: [room] };
        const venue = await createOffering(db, values);
        for (const { at, before, after } of await changesOf(db, zone)) {
          const [from, to] = [at.getTime() + before - 3 * HOUR, at.getTime() + after + 3 * HOUR];
          const range = await db.one<{ starts_at: Date; ends_at: Date }>(
            `select lower(r) as starts_at, upper(r) as ends_at
             from app_private.requested_range($1, null, null, $2, $3) r`,
            [venue, local(from), local(to)],
          );
          expect([zone, range.starts_at, range.ends_at]).toEqual([
            zone,
            new Date(at.getTime() - 3 * HOUR),
            new Date(at.getTime() + 3 * HOUR),
          ]);
        }
      }
    }));
});

/** When a resource is open, in its own time, and for how many hours. */
async function hours(
  db: TestDatabase,
  resourceId: string,
  span: Date[],
): Promise<[string, string, number][]> {
  const rows = await db.rows<{ opens: string; closes: string; hours: number }>(
    `select (lower(h) at time zone r.time_zone)::time::text as opens,
       (upper(h) at time zone r.time_zone)::time::text as closes,
       extract(epoch from upper(h) - lower(h))::float8 / 3600 as hours
     from app_public.resources r, unnest(app_private.hours_of(r.id, $2, $3)) h
     where r.id = $1 order by lower(h)`,
    [resourceId, ...span],
  );
  return rows.map((row) => [row.opens, row.closes, row.hours]);
}
