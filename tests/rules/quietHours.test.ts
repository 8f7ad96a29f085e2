/** The claim window stands still while people sleep. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { at, createWorld, deliverMail, entry } from '../support/factories.ts';
import { offerTo, rule, versionWith } from './rule.ts';

describe('In quiet hours', () => {
  const quiet = { quiet_from: '22:00', quiet_until: '07:00' };
  const windowEnd = (
    db: TestDatabase,
    since: string,
    window: string,
    zone: string,
    startsAt: string,
    columns: Record<string, string> = quiet,
  ) =>
    db
      .value<Date>(
        `select app_private.after_window($1, $2::interval, ${versionWith(columns)}, $3, $4)`,
        [since, window, zone, startsAt],
      )
      .then((end) => end.toISOString());
  const JUNE_9 = '2030-06-09T12:00:00Z';

  test.each([
    ['by day it runs', '2030-06-03T12:00:00Z', '2030-06-03T12:15:00.000Z'],
    ['it ends before they begin', '2030-06-03T19:45:00Z', '2030-06-03T20:00:00.000Z'],
    [
      'it stops when they begin and goes on after',
      '2030-06-03T19:50:00Z',
      '2030-06-04T05:05:00.000Z',
    ],
    ['it begins after them', '2030-06-03T22:30:00Z', '2030-06-04T05:15:00.000Z'],
    [
      'it begins after them, also past midnight',
      '2030-06-04T01:00:00Z',
      '2030-06-04T05:15:00.000Z',
    ],
    ['it runs from the minute they end', '2030-06-04T05:00:00Z', '2030-06-04T05:15:00.000Z'],
  ])('%s', (_, since, expected) =>
    inTransaction(async (db) => {
      await createWorld(db);
      expect(await windowEnd(db, since, '00:15', 'Europe/Vienna', JUNE_9)).toBe(expected);
    }),
  );

  rule('a window longer than a day waits through every night', async ({ db }) => {
    const end = await windowEnd(db, '2030-06-03T12:00:00Z', '20:00', 'Europe/Vienna', JUNE_9);
    // 14:00–22:00 is 8 hours; the other 12 from 07:00 to 19:00 the next day.
    expect(end).toBe('2030-06-04T17:00:00.000Z');
  });

  rule('they are those of the zone, in summer and in winter', async ({ db }) => {
    const winter = await windowEnd(
      db,
      '2030-12-03T20:50:00Z',
      '00:15',
      'Europe/Vienna',
      '2030-12-09T12:00:00Z',
    );
    expect(winter).toBe('2030-12-04T06:05:00.000Z');
    const kolkata = await windowEnd(db, '2030-06-03T16:25:00Z', '00:15', 'Asia/Kolkata', JUNE_9);
    expect(kolkata).toBe('2030-06-04T01:40:00.000Z');
  });

  rule('the night of the change of clocks is as long as it is', async ({ db }) => {
    const spring = await windowEnd(
      db,
      '2030-03-30T20:50:00Z',
      '00:15',
      'Europe/Vienna',
      '2030-04-09T12:00:00Z',
    );
    expect(spring).toBe('2030-03-31T05:05:00.000Z');
    const autumn = await windowEnd(
      db,
      '2030-10-26T19:50:00Z',
      '00:15',
      'Europe/Vienna',
      '2030-11-09T12:00:00Z',
    );
    expect(autumn).toBe('2030-10-27T06:05:00.000Z');
  });

  rule('that lie within one day work as well', async ({ db }) => {
    const siesta = { quiet_from: '13:00', quiet_until: '15:00' };
    expect(await windowEnd(db, '2030-06-03T12:55:00Z', '00:15', 'UTC', JUNE_9, siesta)).toBe(
      '2030-06-03T15:10:00.000Z',
    );
    expect(await windowEnd(db, '2030-06-03T15:00:00Z', '00:15', 'UTC', JUNE_9, siesta)).toBe(
      '2030-06-03T15:15:00.000Z',
    );
  });

  rule('near the start it runs all the same', async ({ db }) => {
    const start = '2030-06-04T03:00:00Z';
    expect(await windowEnd(db, '2030-06-03T23:00:00Z', '00:15', 'Europe/Vienna', start)).toBe(
      '2030-06-03T23:15:00.000Z',
    );
    // Six hours before the start is 21:00 UTC: from then on it counts.
    expect(await windowEnd(db, '2030-06-03T20:30:00Z', '00:15', 'Europe/Vienna', start)).toBe(
      '2030-06-03T21:15:00.000Z',
    );
  });

  rule(
    'of the customer’s own zone the offer is held',
    async (scene) => {
      const { db } = scene;
      const { bea, waiting } = await offerTo(scene);
      await db.query(
        `update app_public.customers set time_zone = 'America/New_York' where user_id = $1`,
        [bea],
      );
      await deliverMail(db);
      // 08:00 UTC is 04:00 in New York; 07:00 there is 11:00 UTC.
      expect((await entry(db, waiting.id)).offer_expires_at).toEqual(new Date(at('11:15')));
    },
    { ...quiet },
  );
});
