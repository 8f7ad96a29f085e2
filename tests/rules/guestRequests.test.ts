/** Asking for a booking by mail: how often, what it tells a stranger, and what is kept of it. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import * as guests from '../support/guests.ts';

const scene = (
  action: (db: TestDatabase, world: factory.World) => Promise<void>,
  policy: Record<string, unknown> = {},
) => inTransaction(async (db) => action(db, await factory.createWorld(db, policy)));

const hours = ({ left }: factory.World, from = '18:00', to = '20:00') => {
  const [startsAt, endsAt] = factory.range(from, to);
  return { offeringId: left, startsAt, endsAt };
};

const count = (db: TestDatabase, table: string) =>
  db.value<number>(`select count(*)::int from ${table}`);

describe('mails with links to book', () => {
  test('reach an address so often an hour and no more, and the answer does not say so', () =>
    scene(
      async (db, world) => {
        const answers = [];
        for (const email of ['gina@example.org', 'GINA@example.org ', 'gina@example.org']) {
          answers.push((await guests.ask(db, { ...hours(world), email })).rows);
        }
        expect(answers).toEqual(Array(3).fill([{ request_booking_by_mail: '' }]));
        expect(await guests.openMails(db)).toHaveLength(2);
        await guests.ask(db, { ...hours(world), email: 'lena@example.org' });
        expect(await guests.openMails(db)).toHaveLength(1);
        await db.setClock(factory.at('09:00:01'));
        expect(await guests.askForLink(db, hours(world))).not.toBe('');
      },
      { max_guest_mails_per_hour: 2 },
    ));

  test('are so many an hour for an organisation, and then it says when to come back', () =>
    scene(
      async (db, world) => {
        await guests.ask(db, { ...hours(world), email: 'one@example.org' });
        await db.setClock(factory.at('08:20'));
        await guests.ask(db, { ...hours(world), email: 'two@example.org' });
        const refused = await guests.refusedAsk(db, hours(world));
        expect(refused.code).toBe('RSRAT');
        expect(JSON.parse(refused.detail ?? '')).toEqual({ retryAfterSeconds: 2400 });
        await db.setClock(factory.at('09:00:00'));
        expect(await guests.askForLink(db, hours(world))).not.toBe('');
      },
      { max_guest_requests_per_hour: 2 },
    ));

  test('go to whom the organisation knows and to whom it does not, with the same answer', () =>
    scene(async (db, world) => {
      const known = await factory.createUser(db, 'Known', { email: 'known@example.org' });
      await factory.book(db, known, world.right, factory.range('18:00', '20:00'));
      await guests.openMails(db);
      const ask = async (email: string) =>
        (await guests.ask(db, { ...hours(world), email, name: 'X' })).rows;
      expect(await ask('known@example.org')).toEqual(await ask('unknown@example.org'));
      const mails = await guests.openMails(db);
      expect(mails.map(({ address }) => address).sort()).toEqual([
        'known@example.org',
        'unknown@example.org',
      ]);
      // The one who has an account finds it there.
      const token = mails.find(({ address }) => address === 'known@example.org')?.tokens.book;
      await guests.press(db, token);
      expect(await db.rows('select user_id, name from app_public.customers order by id')).toEqual([
        { user_id: known, name: 'Known' },
        { user_id: null, name: null },
      ]);
    }));

  test('are not held back by the limit of a day, nor sent when the link has ended', () =>
    scene(
      async (db, world) => {
        await guests.press(db, await guests.askForLink(db, hours(world, '10:00', '11:00')));
        expect(await guests.askForLink(db, hours(world))).not.toBe('');
        await guests.ask(db, hours(world, '12:00', '13:00'));
        await db.setClock(factory.at('08:31'));
        expect(await guests.openMails(db)).toEqual([]);
      },
      { max_mails_per_day: 1, guest_link_ttl: '30 minutes' },
    ));
});

describe('what is kept of a request', () => {
  test('is forgotten a week after its link has ended, and so is an address nobody proved', () =>
    scene(async (db, world) => {
      await guests.askForLink(db, hours(world));
      const used = await guests.askForLink(db, { ...hours(world), email: 'lena@example.org' });
      await guests.press(db, used);
      await guests.openMails(db);
      await db.setClock(factory.at('07:00', 8));
      await db.query('select app_private.cleanup()');
      expect(await count(db, 'app_private.guest_requests')).toBe(2);
      await db.setClock(factory.at('08:01', 8));
      await db.query('select app_private.cleanup()');
      expect(await count(db, 'app_private.guest_requests')).toBe(0);
      expect(await db.rows('select email, name from app_public.customers')).toEqual([
        { email: 'lena@example.org', name: 'Gina' },
      ]);
    }));

  test('moves with the guest to the account that proves the address, and the link still books', () =>
    scene(async (db, world) => {
      const booked = await guests.askForLink(db, hours(world));
      await guests.press(db, booked);
      const open = await guests.askForLink(db, hours(world, '12:00', '13:00'));
      const user = await factory.createUser(db, 'Gina', { email: 'gina@example.org' });
      // Known to the organisation already: the guest is merged into this customer.
      await factory.book(db, user, world.right, factory.range('08:00', '09:00'));
      await db.query('select app_private.adopt_customers($1)', [user]);
      expect(await guests.page(db, booked)).toMatchObject({ action: 'book', state: 'done' });
      expect(await guests.press(db, open)).toMatchObject({ state: 'done' });
      const own = await db.rows(
        `select c.user_id from app_public.bookings b join app_public.customers c on c.id = b.customer_id`,
      );
      expect(own).toEqual(Array(3).fill({ user_id: user }));
    }));

  test('is exported and erased with the person', () =>
    scene(async (db, world) => {
      const user = await factory.createUser(db, 'Gina', { email: 'gina@example.org' });
      await guests.ask(db, { ...hours(world), accessNeeds: 'A ramp' });
      await db.query('select app_private.adopt_customers($1)', [user]);
      const exported = await factory.call(db, user, 'export_my_data', {});
      expect(JSON.stringify(exported)).toContain('A ramp');
      await factory.call(db, user, 'erase_me', {});
      expect(await count(db, 'app_private.guest_requests')).toBe(0);
    }));
});
