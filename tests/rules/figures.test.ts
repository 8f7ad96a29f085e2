/** Each figure against a small case worked out by hand. */
import { describe, expect } from '@jest/globals';
import { advanceTo, at, book, call, join, range } from '../support/factories.ts';
import {
  DAY,
  figureOf,
  figures,
  follow,
  HOUR,
  liveThursday,
  theFigure,
  thursday,
} from './figuresWorld.ts';
import { cancel, claim, confirm, createUsers, rule } from './rule.ts';

describe('The figures of a day', () => {
  rule('are what became of its bookings, its offers and its room', async (scene) => {
    await liveThursday(scene, at('18:00', 3));
    const found = await figureOf(scene, scene.world.leftRoom);
    expect(found).toMatchObject({ day: DAY, resource_name: 'Left room' });
    // Due: 9, 10 twice, 11, 12 and 13 o'clock. What was cancelled was not.
    expect(found).toMatchObject({ due: 6, auto_cancelled: 1, no_shows: 1, ghost_rate: 2 / 6 });
    // Reminded: 9, 10, 11, 12 and the claimed 13. The late one confirmed by booking, and was not asked.
    expect(found).toMatchObject({ reminded: 5, confirmed: 3, confirmation_rate: 3 / 5 });
    expect(found).toMatchObject({ overrides: 1 });
    expect(found).toMatchObject({ offers: 3, claims: 1, declines: 1, expiries: 1 });
    expect(found).toMatchObject({ conversion: 1 / 3, last_call_claims: 0 });
    expect(found).toMatchObject({ waiting: 0, offered: 0 });
    // 10 o'clock after half an hour, 13 after ten minutes, 14 never: 600 and 1800 seconds.
    expect(found).toMatchObject({ releases: 3, refills: 2 });
    expect(found).toMatchObject({ refill_seconds_p50: 1200, refill_seconds_p90: 1680 });
    // Completed: 9, the second of 10, 12, 13. Ended besides: released, cancelled twice, nobody came.
    expect(found).toMatchObject({ ended: 8, completed: 4, completion_rate: 1 / 2 });
  });

  rule('leave offers that can still be claimed out of the conversion', async (scene) => {
    await liveThursday(scene, at('18:00', 3));
    const { db, world } = scene;
    const [e, w, v] = await createUsers(db, 'E', 'W', 'V');
    const late = await book(db, e, world.left, range('09:00', '10:00', 4));
    await join(db, w, world.left, range('09:00', '10:00', 4));
    await join(db, v, world.left, range('09:00', '10:00', 4));
    await cancel(db, e, late.id);
    const friday = await theFigure(db, world.manager, { resource_id: world.leftRoom }, [
      '2030-06-07',
      '2030-06-07',
    ]);
    expect(friday).toMatchObject({
      offers: 1,
      claims: 0,
      conversion: null,
      waiting: 1,
      offered: 1,
    });
  });

  rule('say how much of its opening hours a room was booked', async (scene) => {
    await liveThursday(scene, at('18:00', 3));
    // 9, 10, 12 and 13 o'clock, and 11 until half past, of a room that never closes.
    expect(await figureOf(scene, scene.world.leftRoom)).toMatchObject({
      open_seconds: 24 * HOUR,
      booked_seconds: 4.5 * HOUR,
      utilisation: 4.5 / 24,
    });
    await scene.db.query(
      `insert into app_public.blackouts (organization_id, starts_at, ends_at, reason)
       values ($1, $2, $3, 'Cleaning')`,
      [scene.world.organizationId, at('00:00', 3), at('06:00', 3)],
    );
    expect(await figureOf(scene, scene.world.leftRoom)).toMatchObject({ utilisation: 4.5 / 18 });
  });

  rule('count what was paid less what is given back, in each currency', async (scene) => {
    await liveThursday(scene, at('18:00', 3));
    const { db, world } = scene;
    // Seven at 100 and one at 40; two were cancelled 27 and 28 hours before, for half of it.
    const scope = { resource_id: world.leftRoom };
    expect(await theFigure(db, world.manager, scope, [DAY, DAY], 'revenue')).toMatchObject({
      day: DAY,
      currency: 'EUR',
      bookings: 4,
      price: '740.00',
      refund: '100.00',
      revenue: '640.00',
      average_value: '85.00',
    });
    const [guest] = await createUsers(db, 'Guest');
    await db.query(`update app_public.organizations set currency = 'CHF' where id = $1`, [
      world.organizationId,
    ]);
    await book(db, guest, world.left, range('09:00', '10:00', 4));
    const both = { ...scope, by_day: false };
    const found = await figures(db, world.manager, both, [DAY, '2030-06-07'], 'revenue');
    expect(found.map(({ day, currency, revenue }) => [day, currency, revenue])).toEqual([
      [null, 'CHF', '40.00'],
      [null, 'EUR', '640.00'],
    ]);
  });

  rule(
    'count what expired: due if it had begun, and no ghost',
    async (scene) => {
      const { db, world } = scene;
      const [guest, asker] = await createUsers(db, 'Guest', 'Asker');
      const first = await book(db, guest, world.left, thursday('09:00', '10:00'));
      await call(db, world.manager, 'approve_booking', { booking_id: first.id });
      await confirm(db, guest, first.id);
      await book(db, asker, world.left, thursday('11:00', '12:00'));
      await advanceTo(db, at('12:00', 4));
      // Nobody said that the first was delivered, and nobody answered the second.
      expect(await figureOf(scene, world.leftRoom)).toMatchObject({
        ...{ expired: 2, due: 1, ghost_rate: 0, releases: 1 },
        ...{ ended: 2, completed: 0, completion_rate: 0 },
      });
    },
    { requires_approval: true, requires_delivery: true, expiry_grace: '24 hours' },
  );

  rule('count links that went out and were followed, while links are kept', async (scene) => {
    const { db, world } = scene;
    const [guest] = await createUsers(db, 'Guest');
    const made = await book(db, guest, world.left, thursday('09:00', '10:00'));
    // The receipt has one link, the reminder two, and this is another.
    await advanceTo(db, at('09:00', 2));
    await follow(db, 'confirm', made.id);
    expect(await figureOf(scene, world.leftRoom)).toMatchObject({
      links_sent: 4,
      links_followed: 1,
    });
    await advanceTo(db, at('08:00', 40));
    expect(await figureOf(scene, world.leftRoom)).toMatchObject({
      links_sent: null,
      links_followed: null,
      completed: 1,
    });
  });

  rule('are nought, and rates null, where nothing happened', async (scene) => {
    const found = await figureOf(scene, scene.world.leftRoom);
    expect(found).toMatchObject({ due: 0, ended: 0, offers: 0, releases: 0, utilisation: 0 });
    for (const rate of ['ghost_rate', 'confirmation_rate', 'conversion', 'completion_rate']) {
      expect(found[rate]).toBeNull();
    }
    expect(found.refill_seconds_p50).toBeNull();
  });

  rule('do not count as due what is still to come', async (scene) => {
    await liveThursday(scene, at('12:30', 3));
    expect(await figureOf(scene, scene.world.leftRoom)).toMatchObject({
      due: 5,
      ghost_rate: 2 / 5,
    });
  });
});

describe('What is let go before midnight', () => {
  rule('is filled again by a booking of the day after', async ({ db, world }) => {
    const [a, b] = await createUsers(db, 'A', 'B');
    const night = await book(db, a, world.left, [at('22:00', 3), at('02:00', 4)]);
    await cancel(db, a, night.id);
    await advanceTo(db, at('08:01'));
    await book(db, b, world.left, range('00:30', '01:30', 4));
    expect(await figureOf({ db, world }, world.leftRoom)).toMatchObject({
      releases: 1,
      refills: 1,
      refill_seconds_p50: 60,
    });
  });
});

describe('Requests', () => {
  rule(
    'that were answered tell how soon, and reviews how content people were',
    async ({ db, world }) => {
      const [a, b, c] = await createUsers(db, 'A', 'B', 'C');
      const nine = await book(db, a, world.left, thursday('09:00', '10:00'));
      const ten = await book(db, b, world.left, thursday('10:00', '11:00'));
      await book(db, c, world.left, thursday('11:00', '12:00'));
      await advanceTo(db, at('08:20'));
      await call(db, world.manager, 'approve_booking', { booking_id: nine.id });
      await advanceTo(db, at('09:00'));
      await call(db, world.manager, 'reject_booking', { booking_id: ten.id, reason: 'Closed' });
      await confirm(db, a, nine.id);
      // One after twenty minutes, one after an hour, one never: 1200 and 3600 seconds.
      expect(await figureOf({ db, world }, world.leftRoom)).toMatchObject({
        answered: 2,
        response_seconds_p50: 2400,
        response_seconds_p90: 3360,
        reviews: 0,
        rating: null,
      });
      await advanceTo(db, at('18:00', 3));
      await call(db, a, 'review_booking', { booking_id: nine.id, rating: 4 });
      expect(await figureOf({ db, world }, world.leftRoom)).toMatchObject({
        reviews: 1,
        rating: 4,
        releases: 2,
      });
    },
    { requires_approval: true },
  );
});

describe('A claim in the last call', () => {
  rule('is counted apart, for there was no offer', async (scene) => {
    const { db, world } = scene;
    const [first, second] = await createUsers(db, 'First', 'Second');
    const made = await book(db, first, world.left, range('12:00', '13:00', 0));
    const waiting = await join(db, second, world.left, range('12:00', '13:00', 0));
    await advanceTo(db, at('11:40'));
    await cancel(db, first, made.id);
    await advanceTo(db, at('11:45'));
    await claim(db, second, waiting.id);
    const today: [string, string] = ['2030-06-03', '2030-06-03'];
    expect(
      await theFigure(db, world.manager, { resource_id: world.leftRoom }, today),
    ).toMatchObject({
      offers: 0,
      claims: 0,
      last_call_claims: 1,
      conversion: null,
      refills: 1,
      refill_seconds_p50: 300,
    });
  });
});
