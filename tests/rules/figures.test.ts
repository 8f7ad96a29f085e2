/** Each figure against a small case worked out by hand. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createMember,
  createOffering,
  createResource,
  createUser,
  insert,
  join,
  range,
} from '../support/factories.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { cancel, claim, confirm, createUsers, decline, refused, rule, type Scene } from './rule.ts';

type Figure = Record<string, unknown>;

/** The Thursday of the world. */
const DAY = '2030-06-06';
const HOUR = 3600;

const thursday = (from: string, to: string) => range(from, to, 3);

/** What a caller is told, by the names of the columns asked for. */
async function figures(
  db: TestDatabase,
  userId: string,
  scope: Record<string, unknown>,
  days: [string, string] = [DAY, DAY],
  name: 'figures' | 'revenue' = 'figures',
): Promise<Figure[]> {
  const args = { from_day: days[0], to_day: days[1], ...scope };
  const list = Object.keys(args).map((key, n) => `${key} => $${n + 1}`);
  return db.as({ role: 'reslot_user', userId }, () =>
    db.rows(
      `select f.*, f.day::text as day from app_public.${name}(${list.join(', ')}) f`,
      Object.values(args),
    ),
  );
}

async function theFigure(...args: Parameters<typeof figures>): Promise<Figure> {
  const found = await figures(...args);
  expect(found.length).toBe(1);
  return found[0] ?? {};
}

async function figureOf(scene: Scene, resourceId: string): Promise<Figure> {
  return theFigure(scene.db, scene.world.manager, { resource_id: resourceId });
}

/**
 * One Thursday of the left room, hour by hour. Everything was booked on the Monday before at 8 but
 * for the late one; a booking costs 100, the late one 40.
 *
 *  9  confirmed by link          completed
 * 10  nobody answers             released at 8:00, booked anew at 8:30, completed
 * 11  confirmed                  nobody comes, noted at 11:30
 * 12  exempted by the manager    completed
 * 13  cancelled on Wednesday at 10:00, offered, claimed at 10:10, confirmed, completed
 * 14  cancelled on Wednesday at 10:00, offered, declined at 10:10, offered to the next, not answered
 */
async function liveThursday({ db, world }: Scene, until: string): Promise<void> {
  const price = (of: number) =>
    db.query('update app_public.offerings set price = $1 where id = $2', [of, world.left]);
  const people = await createUsers(db, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'W', 'X', 'Y');
  const [a, b, c, d, e, f, g, w, x, y] = people;
  await price(100);
  const nine = await book(db, a, world.left, thursday('09:00', '10:00'));
  await book(db, b, world.left, thursday('10:00', '11:00'));
  const eleven = await book(db, c, world.left, thursday('11:00', '12:00'));
  const twelve = await book(db, d, world.left, thursday('12:00', '13:00'));
  const one = await book(db, e, world.left, thursday('13:00', '14:00'));
  const two = await book(db, g, world.left, thursday('14:00', '15:00'));
  const claimer = await join(db, w, world.left, thursday('13:00', '14:00'));
  const decliner = await join(db, x, world.left, thursday('14:00', '15:00'));
  await join(db, y, world.left, thursday('14:00', '15:00'));
  await advanceTo(db, at('10:00', 2));
  await cancel(db, e, one.id);
  await cancel(db, g, two.id);
  await advanceTo(db, at('10:10', 2));
  const claimed = await claim(db, w, claimer.id);
  await decline(db, x, decliner.id);
  await advanceTo(db, at('20:00', 2));
  await follow(db, 'confirm', nine.id);
  await confirm(db, c, eleven.id);
  await confirm(db, w, String(claimed.id));
  const override = { booking_id: twelve.id, reason: 'A regular' };
  await call(db, world.manager, 'override_auto_cancel', override);
  await advanceTo(db, at('08:30', 3));
  await price(40);
  await book(db, f, world.left, thursday('10:00', '11:00'));
  await advanceTo(db, at('11:30', 3));
  await call(db, world.manager, 'mark_no_show', { booking_id: eleven.id });
  await advanceTo(db, until);
}

/** Follows a link of a mail, as its page does. */
async function follow(db: TestDatabase, action: string, bookingId: string): Promise<void> {
  const token = await db.value<string>(
    `select app_private.issue_link($1, b.organization_id, b.customer_id, null, b.id, null, null, b.ends_at)
     from app_public.bookings b where b.id = $2`,
    [action, bookingId],
  );
  await db.value('select app_private.follow_link($1)', [token]);
}

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

describe('Resources', () => {
  rule('each have a line, and what needs two counts at both', async ({ db, world }) => {
    const [guest] = await createUsers(db, 'Guest');
    await book(db, guest, world.hall, thursday('09:00', '12:00'));
    const scope = { organization_id: world.organizationId };
    const found = await figures(db, world.manager, scope);
    expect(found.map((line) => [line.resource_name, line.booked_seconds])).toEqual([
      ['Left room', 3 * HOUR],
      ['Right room', 3 * HOUR],
    ]);
  });

  rule('of a range have a line a day, or one for all of it', async (scene) => {
    await liveThursday(scene, at('18:00', 3));
    const { db, world } = scene;
    const days: [string, string] = ['2030-06-05', '2030-06-07'];
    const scope = { resource_id: world.leftRoom };
    const daily = await figures(db, world.manager, scope, days);
    expect(daily.map(({ day, due }) => [day, due])).toEqual([
      ['2030-06-05', 0],
      [DAY, 6],
      ['2030-06-07', 0],
    ]);
    expect(await theFigure(db, world.manager, { ...scope, by_day: false }, days)).toMatchObject({
      day: null,
      due: 6,
      refill_seconds_p90: 1680,
      utilisation: 4.5 / 72,
    });
  });

  rule('of a pool count what they serve themselves', async ({ db, world }) => {
    const { organizationId, policyId } = world;
    const providers = [];
    for (const name of ['Anna', 'Bert']) {
      providers.push(await createResource(db, organizationId, name));
    }
    const massage = await createOffering(db, {
      ...{ organizationId, policyId, name: 'Massage' },
      resourceIds: providers,
    });
    await db.query(
      'update app_public.offering_resources set in_pool = true where offering_id = $1',
      [massage],
    );
    const customer = await insert(db, 'app_public.customers', {
      organization_id: organizationId,
      name: 'Guest',
    });
    await insert(db, 'app_public.bookings', {
      ...{ organization_id: organizationId, offering_id: massage, customer_id: customer },
      policy_version_id: await db.value(
        'select id from app_public.policy_versions where policy_id = $1',
        [policyId],
      ),
      ...{ reference: 'RS-1', status: 'completed', provider_id: providers[1], currency: 'EUR' },
      ...{ starts_at: at('07:00', -1), ends_at: at('08:00', -1), ended_at: at('08:00', -1) },
      room: `[${at('07:00', -1)},${at('08:00', -1)})`,
    });
    const sunday: [string, string] = ['2030-06-02', '2030-06-02'];
    const found = await figures(db, world.manager, { offering_id: massage }, sunday);
    expect(found.map((line) => [line.resource_name, line.completed, line.booked_seconds])).toEqual([
      ['Anna', 0, 0],
      ['Bert', 1, HOUR],
    ]);
  });

  rule('that tours use are filled again by a place of the same slot', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { schedule: { capacity: 8 } });
    const [a, b] = await createUsers(db, 'A', 'B');
    const made = await bookSlot(db, a, tour, tour.slots[0], { adults: 2 });
    await advanceTo(db, at('08:30'));
    await cancel(db, a, made.id);
    const tuesday: [string, string] = ['2030-06-04', '2030-06-04'];
    const now = () => theFigure(db, world.manager, { resource_id: tour.guide }, tuesday);
    expect(await now()).toMatchObject({ releases: 1, refills: 0, utilisation: 0 });
    await advanceTo(db, at('09:00'));
    await bookSlot(db, b, tour, tour.slots[0], { adults: 1 });
    expect(await now()).toMatchObject({
      refills: 1,
      refill_seconds_p50: 1800,
      utilisation: 2 / 24,
    });
  });
});

describe('What is not in one place only', () => {
  rule('has no utilisation, whether many use it at once or none is needed', async (scene) => {
    const { db, world } = scene;
    const tour = await createTour(db, world, { guide: world.rightRoom });
    await db.query('update app_public.resources set shared = true where id = $1', [
      world.rightRoom,
    ]);
    const [guest] = await createUsers(db, 'Guest');
    const made = await bookSlot(db, guest, tour, tour.slots[0], { adults: 2 });
    await confirm(db, guest, made.id);
    const tuesday: [string, string] = ['2030-06-04', '2030-06-04'];
    await advanceTo(db, at('18:00', 1));
    const scope = { offering_id: tour.offering };
    const nothing = { open_seconds: null, booked_seconds: null, utilisation: null };
    expect(await theFigure(db, world.manager, scope, tuesday)).toMatchObject({
      ...{ resource_id: world.rightRoom, completed: 1, ...nothing },
    });
    await db.query('delete from app_public.offering_resources where offering_id = $1', [
      tour.offering,
    ]);
    expect(await theFigure(db, world.manager, scope, tuesday)).toMatchObject({
      ...{ resource_id: null, resource_name: null, completed: 1, ...nothing },
    });
    expect(await theFigure(db, world.manager, scope, tuesday, 'revenue')).toMatchObject({
      ...{ resource_id: null, revenue: '40.00' },
    });
  });
});

describe('Local days', () => {
  rule('have 23 hours when clocks go forward, and 25 when they go back', async ({ db, world }) => {
    const room = await createResource(db, world.organizationId, 'Keller', 'Europe/Berlin');
    const { organizationId, policyId } = world;
    const keller = await createOffering(db, {
      ...{ organizationId, policyId, name: 'Keller', resourceIds: [room] },
    });
    const [guest] = await createUsers(db, 'Guest');
    // From 23:00 to 1:00 over the midnight before the clocks go back: it counts where it begins,
    // and its time on both days.
    await book(db, guest, keller, ['2030-10-26T21:00:00Z', '2030-10-26T23:00:00Z']);
    const scope = { resource_id: room };
    const hours = async (from: string, to: string) =>
      (await figures(db, world.manager, scope, [from, to])).map((line) => [
        line.day,
        Number(line.open_seconds) / HOUR,
        Number(line.booked_seconds) / HOUR,
      ]);
    expect(await hours('2030-03-31', '2030-04-01')).toEqual([
      ['2030-03-31', 23, 0],
      ['2030-04-01', 24, 0],
    ]);
    expect(await hours('2030-10-26', '2030-10-27')).toEqual([
      ['2030-10-26', 24, 1],
      ['2030-10-27', 25, 1],
    ]);
    const waiting = await createUser(db, 'Waiting');
    await join(db, waiting, keller, ['2030-10-26T21:00:00Z', '2030-10-26T23:00:00Z']);
    // By the clock of the resource it is the 26th, and stays so where it is the 27th already.
    await db.query(`set local time zone 'Pacific/Auckland'`);
    const found = await figures(db, world.manager, scope, ['2030-10-26', '2030-10-27']);
    expect(found.map(({ day, waiting: now }) => [day, now])).toEqual([
      ['2030-10-26', 1],
      ['2030-10-27', 0],
    ]);
  });
});

describe('Who asks', () => {
  rule('sees what they manage, and nothing of what else is in the room', async ({ db, world }) => {
    const [guest, keeper] = await createUsers(db, 'Guest', 'Keeper');
    await createMember(db, world.organizationId, keeper, 'manager', [world.left]);
    await book(db, guest, world.hall, thursday('09:00', '12:00'));
    await book(db, guest, world.left, thursday('13:00', '14:00'));
    await book(db, guest, world.right, thursday('13:00', '14:00'));
    for (const scope of [{}, { organization_id: world.organizationId }]) {
      const found = await figures(db, keeper, scope);
      expect(found.map((line) => [line.resource_name, line.booked_seconds])).toEqual([
        ['Left room', HOUR],
      ]);
      expect(await figures(db, keeper, scope, [DAY, DAY], 'revenue')).toHaveLength(1);
    }
    const days = { from_day: DAY, to_day: DAY };
    for (const name of ['figures', 'revenue']) {
      await refused(db, 'RSNTF', keeper, name, { ...days, offering_id: world.right });
      await refused(db, 'RSNTF', keeper, name, { ...days, resource_id: world.rightRoom });
      await refused(db, 'RSNTF', guest, name, days);
    }
  });

  rule('asks for a year at most, and an admin for something', async ({ db, world }) => {
    const ask = (args: object) => refused(db, 'RSARG', world.manager, 'figures', { ...args });
    await ask({ from_day: '2030-01-01', to_day: '2031-01-02' });
    await ask({ from_day: '2030-01-02', to_day: '2030-01-01' });
    await ask({ from_day: null, to_day: DAY });
    await ask({ from_day: 'infinity', to_day: 'infinity' });
    const year = { from_day: '2028-01-01', to_day: '2028-12-31', by_day: false };
    expect(
      await call(db, world.manager, 'figures', { ...year, resource_id: world.leftRoom }),
    ).toMatchObject({
      open_seconds: 366 * 24 * HOUR,
    });
    const admin = { role: 'reslot_admin' } as const;
    const asAdmin = (scope: string) =>
      `select * from app_public.figures('${DAY}', '${DAY}'${scope})`;
    await db.as(admin, async () => {
      expect(await db.fails(asAdmin(''))).toMatchObject({ code: 'RSARG' });
      expect(await db.rows(asAdmin(`, '${world.organizationId}'`))).toHaveLength(2);
    });
  });
});
