import { describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  addMember,
  book,
  bookForGuest,
  createGuest,
  createUser,
  createWorld,
  mailsTo,
  scene,
  wait,
} from './peopleWorld.ts';

const ANNA = 'anna@example.org';
const BEN = 'ben@example.org';

const asUser = <T>(db: TestDatabase, userId: string, action: () => Promise<T>) =>
  db.as({ role: 'reslot_user', userId }, action);
const status = (db: TestDatabase, table: 'bookings' | 'waitlist_entries', id: string) =>
  db.value(`select status from ${table} where id = $1`, [id]);
const adopt = (db: TestDatabase, userId: string) =>
  db.query('select app_private.adopt_customers($1)', [userId]);

/** Anna has a booking that Ben waits for, and waits for one of his. */
async function annaAndBen(db: TestDatabase) {
  const world = await createWorld(db);
  const anna = await createUser(db, ANNA);
  const ben = await createUser(db, BEN);
  const annasBooking = await book(world, anna, 72);
  const bensBooking = await book(world, ben, 96);
  const bensEntry = await wait(world, ben, 72);
  const annasEntry = await wait(world, anna, 96);
  return { world, anna, ben, annasBooking, bensBooking, annasEntry, bensEntry };
}

describe('a verified address', () => {
  test('takes over the guests that carry it, one customer for each organisation', () =>
    scene(async (db) => {
      const hall = await createWorld(db, 'hall');
      const club = await createWorld(db, 'club');
      const booking = await bookForGuest(hall, 'Anna@Example.org');
      const second = await createGuest(hall, ANNA);
      await createGuest(club, ANNA);
      await createGuest(club, BEN);
      const anna = await createUser(db, ANNA);
      await adopt(db, anna);
      const customers = await db.rows('select id from customers where user_id = $1', [anna]);
      expect(customers).toHaveLength(2);
      const seen = await asUser(db, anna, () => db.rows('select id from my_bookings()'));
      expect(seen).toEqual([{ id: booking }]);
      expect(
        await db.value(
          'select erased_at is not null and email is null from customers where id = $1',
          [second],
        ),
      ).toBe(true);
    }));

  test('moves the bookings, entries, messages and links of a guest to the customer one already is', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const own = await book(world, anna, 48);
      const guest = await db.value<string>(
        `insert into customers (organization_id, name, email, phone) values ($1, 'Anna', $2, '+43 1')
         returning id`,
        [world.organizationId, ANNA],
      );
      const customer = await db.value('select customer_id from bookings where id = $1', [own]);
      const booking = await bookForGuest(world, BEN, 72);
      for (const table of ['bookings', 'notifications']) {
        await db.query(
          `update ${table} set customer_id = $1 where customer_id = (select id from customers where email = $2)`,
          [guest, BEN],
        );
      }
      await adopt(db, anna);
      const owners = await db.rows(
        `select customer_id from bookings union select customer_id from notifications where customer_id is not null`,
      );
      expect(owners).toEqual([{ customer_id: customer }]);
      expect(await status(db, 'bookings', booking)).toBe('confirmed');
      const phone = await db.value('select phone from customers where id = $1', [customer]);
      expect(phone).toBe('+43 1');
    }));

  test('waits only once for the same, in the better place', () =>
    scene(async (db) => {
      const { world, ben, bensEntry } = await annaAndBen(db);
      const guest = await createGuest(world, BEN);
      const better = await db.value<string>(
        `insert into waitlist_entries (organization_id, offering_id, customer_id, policy_version_id, starts_at,
           ends_at, room, last_call_at, priority)
         select organization_id, offering_id, $1, policy_version_id, starts_at, ends_at, room, last_call_at, 1
         from waitlist_entries where id = $2 returning id`,
        [guest, bensEntry],
      );
      await adopt(db, ben);
      expect(await status(db, 'waitlist_entries', bensEntry)).toBe('left');
      expect(await status(db, 'waitlist_entries', better)).toBe('waiting');
      const live = await asUser(db, ben, () => db.rows('select id from my_waitlist()'));
      expect(live).toEqual([{ id: better }]);
    }));

  test('that is not proven takes over nothing', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const guest = await createGuest(world, ANNA);
      const anna = await createUser(db, ANNA);
      await db.query('update users set email_verified_at = null');
      await adopt(db, anna);
      expect(await db.value('select user_id from customers where id = $1', [guest])).toBeNull();
    }));
});

describe('a profile', () => {
  test('is changed here and with every organisation; null leaves, an empty text removes', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      await book(world, anna);
      const change = (args: string) =>
        asUser(db, anna, () => db.one(`select name, phone, locale from update_profile(${args})`));
      expect(await change(`name => 'Anna', phone => '+43', locale => 'de'`)).toEqual({
        name: 'Anna',
        phone: '+43',
        locale: 'de',
      });
      expect(await change(`phone => ''`)).toEqual({ name: 'Anna', phone: null, locale: 'de' });
      const customer = await db.one('select name, phone, locale from customers');
      expect(customer).toEqual({ name: 'Anna', phone: null, locale: 'de' });
    }));

  test.each([
    `name => E'a\\nb'`,
    `phone => repeat('1', 300)`,
    `locale => '???'`,
    `time_zone => 'Mars/Olympus'`,
  ])('with %s is refused', (args) =>
    scene(async (db) => {
      const anna = await createUser(db, ANNA);
      const error = await asUser(db, anna, () => db.fails(`select update_profile(${args})`));
      expect(error.code).toBe('RSARG');
    }),
  );

  test('of nobody is null to read and refused to change', () =>
    scene(async (db) => {
      await db.as({ role: 'reslot_anonymous' }, async () => {
        expect(await db.value('select id from viewer()')).toBeNull();
      });
      for (const sql of [
        'select update_profile()',
        'select deactivate_account()',
        'select erase_me()',
        'select export_my_data()',
      ]) {
        const error = await db.as({ role: 'reslot_user', userId: null }, () => db.fails(sql));
        expect([sql, error.code]).toEqual([sql, 'RSAUT']);
      }
    }));
});

describe('deactivating an account', () => {
  test('cancels its bookings, gives up its places, and hands the room on', () =>
    scene(async (db) => {
      const { anna, annasBooking, annasEntry, bensEntry } = await annaAndBen(db);
      await asUser(db, anna, () => db.query('select deactivate_account()'));
      expect(await status(db, 'bookings', annasBooking)).toBe('cancelled');
      expect(await status(db, 'waitlist_entries', annasEntry)).toBe('left');
      expect(await status(db, 'waitlist_entries', bensEntry)).toBe('offered');
      expect(await mailsTo(db, ANNA)).toContain('booking_cancelled');
      expect(
        await asUser(db, anna, () => db.value('select app_private.current_user_id()')),
      ).toBeNull();
    }));

  test('keeps the bookings if one says so', () =>
    scene(async (db) => {
      const { anna, annasBooking, annasEntry } = await annaAndBen(db);
      await asUser(db, anna, () => db.query('select deactivate_account(cancel_bookings => false)'));
      expect(await status(db, 'bookings', annasBooking)).toBe('confirmed');
      expect(await status(db, 'waitlist_entries', annasEntry)).toBe('left');
    }));

  test('stops mails to sign in, and an operator can open it again', () =>
    scene(async (db) => {
      await createWorld(db);
      const anna = await createUser(db, ANNA);
      await asUser(db, anna, () => db.query('select deactivate_account()'));
      await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [ANNA]);
      expect(await mailsTo(db, ANNA)).toEqual([]);
      await db.as({ role: 'reslot_admin' }, () =>
        db.query('select app_private.reactivate_account($1)', [ANNA]),
      );
      await db.query(`select app_private.request_account_link($1, 'account_magic_link')`, [ANNA]);
      expect(await mailsTo(db, ANNA)).toEqual(['account_magic_link']);
    }));

  test('is refused to the only owner of an organisation and to operators', () =>
    scene(async (db) => {
      const world = await createWorld(db);
      const anna = await createUser(db, ANNA);
      const ben = await createUser(db, BEN);
      await addMember(world, anna, 'owner');
      const leave = () => asUser(db, anna, () => db.fails('select deactivate_account()'));
      expect((await leave()).code).toBe('RSSTA');
      await addMember(world, ben, 'owner');
      await db.query('update users set is_admin = true where id = $1', [anna]);
      expect((await leave()).code).toBe('RSSTA');
      await db.query('update users set is_admin = false');
      await asUser(db, anna, () => db.query('select deactivate_account()'));
    }));
});

describe('erasing', () => {
  /** Every text in which somebody might still be found. */
  const findAnywhere = async (db: TestDatabase, needle: string) => {
    const tables = await db.rows<{ name: string }>(
      `select c.oid::regclass::text as name from pg_class c
       where c.relkind = 'r' and c.relnamespace in ('app_public'::regnamespace, 'app_private'::regnamespace)`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      const sql = `select exists (select from ${name} t where t::text ilike '%' || $1 || '%')`;
      if (await db.value(sql, [needle])) found.push(name);
    }
    return found;
  };

  test('oneself leaves no name, address, note, purpose or link behind, and hands the room on', () =>
    scene(async (db) => {
      const { anna, annasBooking, bensEntry } = await annaAndBen(db);
      await db.query(`update customers set phone = '+43 660 123' where user_id = $1`, [anna]);
      await db.query(`select app_private.sign_up('anna@example.org', null)`);
      expect(await findAnywhere(db, 'anna@')).not.toEqual([]);
      await asUser(db, anna, () => db.query('select erase_me()'));
      for (const needle of ['anna@', '+43 660', 'anna@example']) {
        expect([needle, await findAnywhere(db, needle)]).toEqual([needle, []]);
      }
      const own = await db.one(
        `select b.status, b.purpose, c.user_id from bookings b join customers c on c.id = b.customer_id
         where b.id = $1`,
        [annasBooking],
      );
      expect(own).toEqual({ status: 'cancelled', purpose: null, user_id: null });
      expect(await status(db, 'waitlist_entries', bensEntry)).toBe('offered');
      expect(await mailsTo(db, BEN)).toContain('slot_available');
      const user = await db.one('select email, erased_at, name from users where id = $1', [anna]);
      expect(user.email).toBe(`erased+${anna}@invalid.invalid`);
      expect(user.erased_at).not.toBeNull();
    }));

  test('oneself gives up each of many places, also those that change as others are given up', () =>
    scene(async (db) => {
      const { world, anna, ben, annasEntry, bensEntry } = await annaAndBen(db);
      const late = Array.from({ length: 12 }, (_, n) => 120 + 24 * n);
      for (const hours of late) await book(world, ben, hours);
      // Offered to her, and passed over for her when she gives it up, which is written to the last one too.
      const given = await book(world, ben, 480);
      await wait(world, anna, 480);
      for (const hours of late) await wait(world, anna, hours);
      const longer = await db.one(
        `select offering_id, starts_at, ends_at + interval '10 minutes' as ends_at
         from bookings where id = $1`,
        [given],
      );
      await asUser(db, anna, () =>
        db.query('select join_waitlist($1, $2, $3)', Object.values(longer)),
      );
      await asUser(db, ben, () => db.query('select cancel_booking($1)', [given]));
      await asUser(db, anna, () => db.query('select erase_me()'));
      const sql = `select status, count(*)::integer as entries from waitlist_entries
        where id <> $1 group by status order by status`;
      expect(await db.rows(sql, [bensEntry])).toEqual([{ status: 'left', entries: 15 }]);
      expect(await status(db, 'waitlist_entries', annasEntry)).toBe('left');
    }));

  test('oneself leaves nothing of what managers wrote to exempt or cancel a booking', () =>
    scene(async (db) => {
      const { world, anna, annasBooking } = await annaAndBen(db);
      const manager = await createUser(db, 'manager@example.org');
      await addMember(world, manager, 'manager');
      const words = 'Her knee, after the operation';
      await asUser(db, manager, () =>
        db.query('select override_auto_cancel($1, $2)', [annasBooking, words]),
      );
      expect((await findAnywhere(db, words)).sort()).toEqual(['audit_log', 'bookings']);
      await asUser(db, anna, () => db.query('select erase_me()'));
      expect(await findAnywhere(db, words)).toEqual([]);
      const sql = 'select override_reason, override_at is null as gone from bookings where id = $1';
      const kept = await db.one(sql, [annasBooking]);
      expect(kept).toEqual({ override_reason: 'Erased.', gone: false });
    }));

  test('oneself frees the address for a new account', () =>
    scene(async (db) => {
      await createWorld(db);
      const anna = await createUser(db, ANNA);
      await asUser(db, anna, () => db.query('select erase_me()'));
      const again = await createUser(db, ANNA);
      expect(again).not.toBe(anna);
    }));

  test('a customer is for managers of the whole organisation, and leaves the account', () =>
    scene(async (db) => {
      const { world, anna, ben, annasBooking } = await annaAndBen(db);
      const customer = await db.value('select customer_id from bookings where id = $1', [
        annasBooking,
      ]);
      const erase = 'select erase_customer($1)';
      for (const role of ['provider', null] as const) {
        if (role) await addMember(world, ben, role);
        const error = await asUser(db, ben, () => db.fails(erase, [customer]));
        expect(error.code).toBe('RSNTF');
      }
      await db.query(`update memberships set role = 'manager'`);
      await asUser(db, ben, () => db.query(erase, [customer]));
      const error = await asUser(db, ben, () =>
        db.fails(erase, ['00000000-0000-7000-8000-000000000000']),
      );
      expect(error.code).toBe('RSNTF');
      expect(await status(db, 'bookings', annasBooking)).toBe('cancelled');
      const found = await db.one('select name, email, user_id from customers where id = $1', [
        customer,
      ]);
      expect(found).toEqual({ name: null, email: null, user_id: null });
      expect(await asUser(db, anna, () => db.value('select email from viewer()'))).toBe(ANNA);
      await book(world, anna, 120);
    }));
});

describe('the export of one’s data', () => {
  test('holds all that is one’s own and nothing of others', () =>
    scene(async (db) => {
      const { anna, annasBooking, annasEntry, bensBooking } = await annaAndBen(db);
      await db.query(`select app_private.open_session($1, sha256('x'))`, [anna]);
      const data = await asUser(db, anna, () =>
        db.value<Record<string, { id: string }[]>>('select export_my_data()'),
      );
      expect(data.bookings?.map(({ id }) => id)).toEqual([annasBooking]);
      expect(data.waitlistEntries?.map(({ id }) => id)).toEqual([annasEntry]);
      expect(data.sessions).toHaveLength(1);
      expect(data.auditLog?.length).toBeGreaterThan(0);
      const text = JSON.stringify(data);
      expect(text).toContain(ANNA);
      expect(text).not.toContain(BEN);
      expect(text).not.toContain(bensBooking);
      expect(text).not.toContain('argon2');
    }));
});
