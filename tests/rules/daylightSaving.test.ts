/** Local times across changes of the clocks, and sessions in any time zone. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  call,
  createOffering,
  createResource,
  createUser,
  createWorld,
  type World,
} from '../support/factories.ts';
import { refused, rule } from './rule.ts';

const times = (startsAt: unknown, endsAt: unknown) => ({ starts_at: startsAt, ends_at: endsAt });

const local = (startsAt: string, endsAt: string) => ({
  local_starts_at: startsAt,
  local_ends_at: endsAt,
});

async function venueIn(
  db: TestDatabase,
  world: World,
  timeZone: string,
  hours?: [string, string],
): Promise<string> {
  const room = await createResource(db, world.organizationId, 'Room', timeZone, hours);
  return createOffering(db, {
    organizationId: world.organizationId,
    policyId: world.policyId,
    name: `Venue in ${timeZone}`,
    resourceIds: [room],
  });
}

describe('Daylight saving', () => {
  const policy = { max_days_ahead: 400 };

  rule(
    'a local time that the clocks skip is refused, as start and as end',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna');
      // 2031-03-30, 02:00 to 03:00.
      await refused(db, 'RSTIM', alice, 'create_booking', {
        offering_id: venue,
        ...local('2031-03-30 02:30', '2031-03-30 04:00'),
      });
      await refused(db, 'RSTIM', alice, 'create_booking', {
        offering_id: venue,
        ...local('2031-03-30 01:00', '2031-03-30 02:30'),
      });
    },
    policy,
  );

  rule(
    'opening hours stay the same on the wall, in spring and in autumn',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna', ['09:00', '18:00']);
      const cases = [
        ['2031-03-29', '2031-03-29T08:00:00Z'],
        ['2031-03-30', '2031-03-30T07:00:00Z'],
        ['2030-10-26', '2030-10-26T07:00:00Z'],
        ['2030-10-27', '2030-10-27T08:00:00Z'],
      ] as const;
      for (const [day, opens] of cases) {
        const made = await call(db, alice, 'create_booking', {
          offering_id: venue,
          ...local(`${day} 09:00`, `${day} 10:00`),
        });
        expect(made).toMatchObject({ starts_at: new Date(opens) });
        const early = new Date(new Date(opens).getTime() - 60_000).toISOString();
        await refused(db, 'RSTIM', alice, 'create_booking', {
          offering_id: venue,
          ...times(early, opens),
        });
      }
    },
    policy,
  );

  rule(
    'a night across the change is as long as it is, not as it reads',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna');
      const spring = local('2031-03-29 22:00', '2031-03-30 06:00');
      const autumn = local('2030-10-26 22:00', '2030-10-27 05:00');
      // On paper 8 and 7 hours; in truth 7 and 8.
      await refused(db, 'RSTIM', alice, 'create_booking', { offering_id: venue, ...autumn });
      await call(db, alice, 'create_booking', { offering_id: venue, ...spring });
    },
    { ...policy, max_duration: '7 hours' },
  );

  rule(
    'a local time that comes twice is its first occurrence',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna');
      const made = await call(db, alice, 'create_booking', {
        offering_id: venue,
        ...local('2030-10-27 02:30', '2030-10-27 04:00'),
      });
      expect(made).toMatchObject({ starts_at: new Date('2030-10-27T00:30:00Z') });
    },
    policy,
  );
});

describe('The time zone of a session', () => {
  // Cairo and Beirut skip midnight itself, where a calendar day has no first moment.
  test.each([
    'UTC',
    'Europe/Vienna',
    'America/New_York',
    'Asia/Kolkata',
    'Pacific/Chatham',
    'Africa/Cairo',
  ])('%s changes nothing', (zone) =>
    inTransaction(async (db) => {
      const world = await createWorld(db, { max_days_ahead: 400, max_bookings_per_day: 100 });
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna', ['09:00', '18:00']);
      await db.query(`set local timezone = '${zone}'`);
      const days = [
        '2031-03-30',
        '2031-03-31',
        '2031-04-25',
        '2031-04-26',
        '2030-10-27',
        '2030-11-03',
      ];
      for (const day of days) {
        await call(db, alice, 'create_booking', {
          offering_id: venue,
          ...local(`${day} 09:00`, `${day} 18:00`),
        });
        await refused(db, 'RSTIM', alice, 'create_booking', {
          offering_id: venue,
          ...local(`${day} 08:00`, `${day} 09:00`),
        });
      }
      const rows = await db.rows(
        `select b.starts_at, d.action::text, d.due_at
         from app_public.bookings b join app_private.deadlines d on d.subject_id = b.id order by 1`,
      );
      const summary = rows.map((row) => [
        row.starts_at.toISOString(),
        row.action,
        row.due_at.toISOString(),
      ]);
      expect(summary[0]).toEqual([
        '2030-10-27T08:00:00.000Z',
        'remind',
        '2030-10-26T08:00:00.000Z',
      ]);
      expect(summary[2]).toEqual([
        '2031-03-30T07:00:00.000Z',
        'remind',
        '2031-03-29T07:00:00.000Z',
      ]);
      expect(summary).toHaveLength(days.length);
    }),
  );
});
