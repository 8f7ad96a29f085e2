/** Which lines of figures there are: of which resources and which days, and for whom. */
import { describe, expect } from '@jest/globals';
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
} from '../support/factories.ts';
import { bookSlot, createTour } from '../support/tours.ts';
import { DAY, figures, HOUR, liveThursday, theFigure, thursday } from './figuresWorld.ts';
import { cancel, confirm, createUsers, refused, rule } from './rule.ts';

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
