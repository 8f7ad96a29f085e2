/**
 * One story, told in sessions of four time zones: across a change of the clocks, with quiet hours, offers, reminders, a
 * release, and times that are refused. What is in the database afterwards, in every table, is the same.
 */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { advanceTo, call, createWorld, refusal } from '../support/factories.ts';
import { createUsers } from './rule.ts';

const ZONES = ['UTC', 'America/New_York', 'Asia/Kolkata', 'Pacific/Chatham'];

const local = (startsAt: string, endsAt: string) => ({
  local_starts_at: `2031-03-${startsAt}`,
  local_ends_at: `2031-03-${endsAt}`,
});

/** What was seen by those who took part; the clocks in Vienna go forward on 30 March 2031 at 02:00. */
async function story(db: TestDatabase, zone: string): Promise<unknown[]> {
  const world = await createWorld(db, {
    ...{
      max_bookings_per_day: 2,
      max_entries_per_day: 2,
      quiet_from: '22:00',
      quiet_until: '07:00',
    },
    ...{ buffer_after: '15 minutes', max_days_ahead: 400 },
  });
  await db.query(`set local timezone = '${zone}'`);
  await db.query(`update app_public.resources set time_zone = 'Europe/Vienna'`);
  await db.query(`update app_public.organizations set time_zone = 'Europe/Vienna'`);
  const hours = [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({
    weekday,
    opens: '06:00',
    closes: '02:00',
  }));
  await db.as({ role: 'reslot_user', userId: world.manager }, () =>
    db.query('select app_public.set_opening_hours($1, $2)', [
      world.leftRoom,
      JSON.stringify(hours),
    ]),
  );
  await db.setClock('2031-03-27T12:00:00Z');
  const [ann, bea, cem] = await createUsers(db, 'Ann', 'Bea', 'Cem');
  const seen: unknown[] = [];
  const book = (by: string, range: object, key?: string) =>
    call(db, by, 'create_booking', { offering_id: world.left, idempotency_key: key, ...range });
  const first = await book(ann, local('30 10:00', '30 12:00'), 'first');
  // The same key with the same time, written as a moment with another offset, is not the same input.
  seen.push((await book(ann, local('30 10:00', '30 12:00'), 'first')).id === first.id);
  const night = await book(bea, local('29 23:00', '30 01:30'));
  for (const [by, range] of [
    [bea, local('30 11:00', '30 13:00')],
    [cem, local('30 10:00', '30 11:00')],
  ] as const) {
    await call(db, by, 'join_waitlist', { offering_id: world.left, ...range });
  }
  for (const range of [
    local('30 02:30', '30 04:00'),
    local('30 10:30', '30 11:30'),
    local('30 03:00', '30 06:30'),
  ]) {
    const { code, detail } = await refusal(db, cem, 'create_booking', {
      offering_id: world.left,
      ...range,
    });
    seen.push([code, detail]);
  }
  await call(db, world.manager, 'create_blackout', {
    ...{ organization_id: world.organizationId, offering_id: world.left, reason: 'Paint' },
    ...{ starts_at: '2031-03-31T08:00:00Z', ends_at: '2031-03-31T16:00:00+02:00' },
  });
  // Nobody confirms: it is released, and handed on while the night is quiet.
  await advanceTo(db, '2031-03-29T20:30:00Z');
  await call(db, bea, 'confirm_booking', { booking_id: night.id }).catch(() => undefined);
  await call(db, ann, 'cancel_booking', { booking_id: first.id });
  await advanceTo(db, '2031-03-30T09:00:00Z');
  await call(db, world.manager, 'revise_policy', {
    policy_id: world.policyId,
    changes: JSON.stringify({ quiet_until: '08:30', claim_window: '00:25' }),
  });
  await book(cem, local('30 20:00', '30 21:00'));
  await advanceTo(db, '2031-04-02T00:00:00Z');
  seen.push(
    ...(await db.rows('select * from app_public.availability($1, $2, $3)', [
      ...[world.left, '2031-04-02T00:00:00Z', '2031-04-05T00:00:00Z'],
    ])),
  );
  seen.push(
    await db.as({ role: 'reslot_user', userId: bea }, () =>
      db.value('select app_public.export_my_data()'),
    ),
  );
  return [...seen, ...(await everything(db))];
}

/** All rows of all tables, in the order of their identifiers, which is that of time; hashes have none. */
async function everything(db: TestDatabase): Promise<unknown[]> {
  await db.query(`set local timezone = 'UTC'`);
  const tables = await db.rows<{ name: string }>(
    `select oid::regclass::text as name from pg_class
     where relkind = 'r' and relnamespace in ('app_public'::regnamespace, 'app_private'::regnamespace)
     order by 1`,
  );
  const lines: unknown[] = [];
  for (const { name } of tables) {
    const rows = await db.rows<{ row: object }>(
      `select to_jsonb(t) as row from ${name} t
       order by to_jsonb(t)->>'id', regexp_replace(to_jsonb(t)::text, '\\\\x[0-9a-f]{64}', '')`,
    );
    lines.push(...rows.map(({ row }) => [name, row]));
  }
  return lines;
}

/** In JSON, and in the bounds of a range. */
const MOMENT = /(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|([+-]\d\d)(:\d\d)?)/g;

const instant = (_: string, day: string, time: string, hours = '+00', minutes = ':00') =>
  new Date(`${day}T${time}${hours}${minutes}`).toISOString();

/** Identifiers, the ends of references, addresses, short names, hashes. */
const RANDOM =
  /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=RS-\d{8}-)\w{6}|[a-z]+\w+@example\.com|org-\w+|\\\\x[0-9a-f]{64}/g;

/** As it is in every run: moments as moments, and what is random numbered as it comes. */
function normalised(told: unknown[]): string[] {
  const names = new Map<string, string>();
  const nameOf = (text: string) => {
    const name = names.get(text) ?? `#${names.size}`;
    names.set(text, name);
    return name;
  };
  return told.map((line) =>
    JSON.stringify(line).replaceAll(MOMENT, instant).replaceAll(RANDOM, nameOf),
  );
}

async function differences(weaken?: (db: TestDatabase) => Promise<unknown>) {
  const told: string[][] = [];
  for (const zone of ZONES) {
    const run = inTransaction(async (db) => {
      await weaken?.(db);
      return normalised(await story(db, zone));
    });
    told.push(await run);
  }
  const [first = [], ...others] = told;
  return {
    first,
    different: others.flatMap((other) =>
      Array.from({ length: Math.max(other.length, first.length) }, (_, n) => n)
        .filter((n) => other[n] !== first[n])
        .map((n) => [first[n], other[n]]),
    ),
  };
}

/** Enough has happened for a difference to show. */
const SEEN = [
  ...['"status":"confirmed"', '"status":"auto_cancelled"', '"status":"cancelled"'],
  ...['"status":"expired"', '"status":"completed"', '"slot_available"', 'RSTIM', 'RSFUL'],
];

describe('The time zone of a session', () => {
  test('changes nothing of what is done and stored', async () => {
    const { first, different } = await differences();
    expect(SEEN.filter((word) => !first.some((line) => line.includes(word)))).toEqual([]);
    expect(different.slice(0, 3)).toEqual([]);
  }, 60_000);

  test('would be noticed, if a rule took it for that of the place', async () => {
    const { different } = await differences(async (db) => {
      const quietHours = await db.value<string>(
        `select pg_get_functiondef(oid) from pg_proc where proname = 'after_window'`,
      );
      const ofSession = `at time zone current_setting('timezone')`;
      await db.query(quietHours.replaceAll('at time zone zone', ofSession));
    });
    expect(different.length).toBeGreaterThan(0);
  }, 60_000);
});
