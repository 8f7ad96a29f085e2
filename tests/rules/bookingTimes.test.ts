/** Which times can be booked. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createOffering,
  createResource,
  createUser,
  createWorld,
  range,
  type World,
} from '../support/factories.ts';
import { createUsers, refused, rule } from './rule.ts';

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

describe('A booking is refused', () => {
  test.each([
    ['whose end comes before its start', times(at('12:00', 1), at('10:00', 1)), 'RSTIM'],
    ['that takes no time at all', times(at('12:00', 1), at('12:00', 1)), 'RSTIM'],
    ['in the past', times(at('06:00'), at('07:00')), 'RSTIM'],
    ['that begins this very moment', times(at('08:00'), at('09:00')), 'RSTIM'],
    ['that began a moment ago', times(at('07:59'), at('09:00')), 'RSTIM'],
    ['without an end in time', times(at('10:00', 1), 'infinity'), 'RSTIM'],
    ['without a start in time', times('-infinity', at('10:00', 1)), 'RSTIM'],
    [
      'at the end of the calendar',
      times('294276-12-30T00:00:00Z', '294276-12-31T00:00:00Z'),
      'RSTIM',
    ],
    ['until the end of the calendar', times(at('10:00', 1), '294276-12-31T00:00:00Z'), 'RSTIM'],
    ['before Christ', times('4713-01-01 00:00:00Z BC', at('10:00', 1)), 'RSTIM'],
    [
      'at the end of the local calendar',
      local('294276-12-30 00:00', '294276-12-31 23:00'),
      'RSTIM',
    ],
    [
      'at the end of a western calendar',
      local('294276-12-31 22:00', '294276-12-31 23:00'),
      'RSTIM',
    ],
    ['with infinite local times', local('2030-06-04 10:00', 'infinity'), 'RSTIM'],
    ['without a start', { ends_at: at('12:00', 1) }, 'RSARG'],
    ['without an end', { starts_at: at('12:00', 1) }, 'RSARG'],
    ['without any time', {}, 'RSARG'],
    [
      'whose start is given twice',
      { ...times(at('10:00', 1), at('12:00', 1)), local_starts_at: '2030-06-04 10:00' },
      'RSARG',
    ],
    ['for no people', { ...times(at('10:00', 1), at('12:00', 1)), party_size: 0 }, 'RSARG'],
    [
      'for less than no people',
      { ...times(at('10:00', 1), at('12:00', 1)), party_size: -3 },
      'RSARG',
    ],
    [
      'with a purpose longer than 500 characters',
      { ...times(at('10:00', 1), at('12:00', 1)), purpose: 'x'.repeat(501) },
      'RSARG',
    ],
  ])('%s', (_, args, code) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const alice = await createUser(db, 'Alice');
      await db.query("update app_public.resources set time_zone = 'America/New_York'");
      await refused(db, code, alice, 'create_booking', { offering_id: world.left, ...args });
    }),
  );

  rule('for an offering that does not exist', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const args = times(at('10:00', 1), at('12:00', 1));
    await refused(db, 'RSNTF', alice, 'create_booking', { offering_id: world.policyId, ...args });
    await db.query('update app_public.offerings set archived_at = created_at where id = $1', [
      world.left,
    ]);
    await refused(db, 'RSNTF', alice, 'create_booking', { offering_id: world.left, ...args });
  });

  rule('to somebody whose address is not verified', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice', { email_verified_at: null });
    await refused(db, 'RSVER', alice, 'create_booking', {
      offering_id: world.left,
      ...times(at('10:00', 1), at('12:00', 1)),
    });
  });

  rule('to somebody who is not signed in, or deactivated', async ({ db, world }) => {
    const args = { offering_id: world.left, ...times(at('10:00', 1), at('12:00', 1)) };
    await refused(db, 'RSAUT', '', 'create_booking', args);
    const gone = await createUser(db, 'Gone', { deactivated_at: at('07:00') });
    await refused(db, 'RSAUT', gone, 'create_booking', args);
  });
});

describe('The limits of the policy', () => {
  rule(
    'shortest and longest: the bounds themselves are allowed',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const tooShort = range('10:00', '10:29');
      const tooLong = range('10:00', '12:01');
      for (const [startsAt, endsAt] of [tooShort, tooLong]) {
        await refused(db, 'RSTIM', alice, 'create_booking', {
          offering_id: world.left,
          ...times(startsAt, endsAt),
        });
      }
      await book(db, alice, world.left, range('10:00', '10:30'));
      await book(db, alice, world.left, range('11:00', '13:00'));
    },
    { min_duration: '30 minutes', max_duration: '2 hours' },
  );

  rule(
    'days ahead: up to the same moment so many days later',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const details = await refused(db, 'RSTIM', alice, 'create_booking', {
        offering_id: world.left,
        ...times(at('08:01', 10), at('09:00', 10)),
      });
      expect(details).toEqual({ maxDaysAhead: 10 });
      await book(db, alice, world.left, range('08:00', '09:00', 10));
    },
    { max_days_ahead: 10 },
  );

  rule(
    'cutoff: customers in time, managers also later',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const late = { offering_id: world.left, ...times(at('09:59'), at('11:00')) };
      await refused(db, 'RSTIM', alice, 'create_booking', late);
      await book(db, alice, world.left, range('10:00', '11:00', 0));
      await call(db, world.manager, 'create_booking_for', {
        offering_id: world.right,
        ...times(at('09:00'), at('11:00')),
        name: 'At the door',
        needs_confirmation: false,
      });
    },
    { booking_cutoff: '2 hours' },
  );

  rule(
    'per day: counted by the local day of the venue, for each by themselves',
    async ({ db, world }) => {
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      const kolkata = await venueIn(db, world, 'Asia/Kolkata');
      // 2030-06-05 in Kolkata is 18:30 to 18:30 UTC.
      await book(db, alice, kolkata, range('18:30', '19:00', 1));
      await book(db, alice, kolkata, range('17:30', '18:30', 2));
      const third = { offering_id: kolkata, ...times(at('10:00', 2), at('11:00', 2)) };
      const details = await refused(db, 'RSLIM', alice, 'create_booking', third);
      expect(details).toEqual({ maxBookingsPerDay: 2 });
      await book(db, bea, kolkata, range('10:00', '11:00', 2));
      await book(db, alice, kolkata, range('18:30', '19:30', 2));
      await book(db, alice, kolkata, range('18:00', '18:30', 1));
    },
    { max_bookings_per_day: 2 },
  );

  rule(
    'per day: counted over all offerings of the organisation',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('10:00', '11:00'));
      await refused(db, 'RSLIM', alice, 'create_booking', {
        offering_id: world.right,
        ...times(at('12:00', 1), at('13:00', 1)),
      });
    },
    { max_bookings_per_day: 1 },
  );

  rule(
    'per day: what was cancelled does not count',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const first = await book(db, alice, world.left, range('10:00', '11:00'));
      await call(db, alice, 'cancel_booking', { booking_id: first.id });
      await book(db, alice, world.left, range('10:00', '11:00'));
    },
    { max_bookings_per_day: 1 },
  );

  rule(
    'buffers keep bookings apart, on both sides',
    async ({ db, world }) => {
      const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
      await book(db, alice, world.left, range('12:00', '14:00'));
      for (const [from, to] of [
        ['14:00', '15:00'],
        ['14:44', '15:00'],
        ['10:00', '11:16'],
      ]) {
        await refused(db, 'RSFUL', bea, 'create_booking', {
          offering_id: world.left,
          ...times(at(from as string, 1), at(to as string, 1)),
        });
      }
      await book(db, bea, world.left, range('14:45', '15:45'));
      await book(db, bea, world.left, range('10:00', '11:15'));
    },
    { buffer_before: '15 minutes', buffer_after: '30 minutes' },
  );

  rule('without buffers bookings may touch', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, alice, world.left, range('12:00', '14:00'));
    await book(db, bea, world.left, range('14:00', '15:00'));
    await book(db, bea, world.left, range('11:00', '12:00'));
  });
});

describe('Opening hours', () => {
  rule('bound what can be booked, to the minute', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const venue = await venueIn(db, world, 'Europe/Vienna', ['09:00', '18:00']);
    // In June Vienna is two hours ahead of UTC.
    for (const [from, to] of [
      ['06:59', '08:00'],
      ['15:00', '16:01'],
      ['20:00', '21:00'],
    ]) {
      await refused(db, 'RSTIM', alice, 'create_booking', {
        offering_id: venue,
        ...times(at(from as string, 1), at(to as string, 1)),
      });
    }
    const made = await call(db, alice, 'create_booking', {
      offering_id: venue,
      ...local('2030-06-04 09:00', '2030-06-04 18:00'),
    });
    expect(made).toMatchObject({
      starts_at: new Date('2030-06-04T07:00:00Z'),
      ends_at: new Date('2030-06-04T16:00:00Z'),
    });
  });

  rule('may pass midnight, and meet at midnight', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const bar = await venueIn(db, world, 'Europe/Vienna', ['18:00', '02:00']);
    await call(db, alice, 'create_booking', {
      offering_id: bar,
      ...local('2030-06-04 22:00', '2030-06-05 02:00'),
    });
    await refused(db, 'RSTIM', alice, 'create_booking', {
      offering_id: bar,
      ...local('2030-06-05 01:00', '2030-06-05 02:01'),
    });
    const always = await venueIn(db, world, 'Europe/Vienna');
    await call(db, alice, 'create_booking', {
      offering_id: always,
      ...local('2030-06-05 20:00', '2030-06-06 20:00'),
    });
  });

  rule(
    'none at all means closed; a part of an offering that is closed closes it',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      await db.query('delete from app_public.opening_hours where resource_id = $1', [
        world.rightRoom,
      ]);
      const args = times(at('10:00', 1), at('12:00', 1));
      await refused(db, 'RSTIM', alice, 'create_booking', { offering_id: world.right, ...args });
      await refused(db, 'RSTIM', alice, 'create_booking', { offering_id: world.hall, ...args });
      await book(db, alice, world.left, range('10:00', '12:00'));
    },
  );

  rule('end when a resource is archived', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await db.query('update app_public.resources set archived_at = created_at where id = $1', [
      world.leftRoom,
    ]);
    await refused(db, 'RSTIM', alice, 'create_booking', {
      offering_id: world.left,
      ...times(at('10:00', 1), at('12:00', 1)),
    });
  });
});

describe('29 February', () => {
  rule(
    'is a day like any other where there is one, with its own limit and reminder',
    async ({ db, world }) => {
      await db.setClock('2032-02-20T08:00:00Z');
      const alice = await createUser(db, 'Alice');
      const venue = await venueIn(db, world, 'Europe/Vienna');
      const made = await call(db, alice, 'create_booking', {
        offering_id: venue,
        ...local('2032-02-29 10:00', '2032-02-29 12:00'),
      });
      expect(made).toMatchObject({ starts_at: new Date('2032-02-29T09:00:00Z') });
      const due = await db.value(
        'select due_at from app_private.deadlines where subject_id = $1 and action = $2',
        [made.id, 'remind'],
      );
      expect(due).toEqual(new Date('2032-02-28T09:00:00Z'));
      const again = local('2032-02-29 14:00', '2032-02-29 15:00');
      await refused(db, 'RSLIM', alice, 'create_booking', { offering_id: venue, ...again });
      for (const [from, to] of [
        ['2032-02-28 22:00', '2032-02-29 02:00'],
        ['2032-03-01 22:00', '2032-03-02 02:00'],
      ] as const) {
        await call(db, alice, 'create_booking', { offering_id: venue, ...local(from, to) });
      }
    },
    { max_bookings_per_day: 1 },
  );

  rule(
    'is no reason to look further ahead than the days that are allowed',
    async ({ db, world }) => {
      await db.setClock('2032-02-29T08:00:00Z');
      const alice = await createUser(db, 'Alice');
      await refused(db, 'RSTIM', alice, 'create_booking', {
        offering_id: world.left,
        ...times('2033-02-28T08:01:00Z', '2033-02-28T09:00:00Z'),
      });
      await call(db, alice, 'create_booking', {
        offering_id: world.left,
        ...times('2033-02-28T08:00:00Z', '2033-02-28T09:00:00Z'),
      });
    },
    { max_days_ahead: 365 },
  );
});
