/** What the matrix would find: each hole is made on purpose, in a database of its own. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import { createWorld } from '../support/factories.ts';
import { checkMutation } from './matrix/deeds.ts';
import { checkQuery } from './matrix/queries.ts';
import { checkTable } from './matrix/rows.ts';
import { createScene } from './matrix/scene.ts';
import { type Served, serveScene } from './matrix/served.ts';
import { undeclaredRoots } from './matrix/shapes.ts';
import { checkColumns, checkExecute, checkFunction, signatures } from './matrix/sql.ts';

interface Hole {
  what: string;
  sql: string;
  check(served: Served): Promise<string[]>;
  finds: RegExp;
}

const PATH = 'set search_path = pg_catalog, app_public, app_private, pg_temp';

const HOLES: Hole[] = [
  {
    what: 'a policy too many',
    sql: 'create policy leak on app_public.bookings for select to reslot_user using (true)',
    check: (served) => checkTable(served, 'bookings'),
    finds: /Booking\[0\]\.purpose for other: yes, not nothing/,
  },
  {
    what: 'a policy too few',
    sql: 'drop policy read_own on app_public.waitlist_entries',
    check: (served) => checkTable(served, 'waitlist_entries'),
    finds: /WaitlistEntry\[0\]\.note for customer: nothing, not yes/,
  },
  {
    what: 'a column that nobody has declared',
    sql: `alter table app_public.customers add column blood_group text not null default '0+'`,
    check: (served) => checkTable(served, 'customers'),
    finds: /Customer\.bloodGroup: not declared/,
  },
  {
    what: 'an internal column that is shown',
    sql: `comment on column app_public.deliveries.address is 'Where to.';
          grant select (address) on app_public.deliveries to reslot_user`,
    check: (served) => checkTable(served, 'deliveries'),
    finds: /Delivery\.address: not declared/,
  },
  {
    what: 'a computed column that does not ask who is calling',
    sql: `create or replace function app_private.audit_address(entry_id uuid) returns inet
          language sql stable security definer ${PATH} as 'select l.ip from audit_log l where l.id = entry_id'`,
    check: (served) => checkTable(served, 'audit_log'),
    finds: /AuditLog\[0\]\.address for customer: yes, not nothing/,
  },
  {
    what: 'a function that nobody has declared',
    sql: `create function app_public.everybody() returns setof text
          language sql stable security definer ${PATH} as 'select email from users';
          grant execute on function app_public.everybody() to reslot_anonymous`,
    check: async (served) => undeclaredRoots(served),
    finds: /Query\.everybody: not declared/,
  },
  {
    what: 'a list that shows others’',
    sql: `create or replace function app_public.my_notifications(unread_only boolean default false)
          returns setof app_public.notifications
          language sql stable security definer ${PATH} as 'select * from notifications'`,
    check: (served) => checkQuery(served, 'myNotifications'),
    finds: /Query\.myNotifications for foreign: shows \["Notification"/,
  },
  {
    what: 'a check that lets everybody through',
    sql: `create or replace function app_private.is_customer(customer_id uuid) returns boolean
          language sql stable security definer ${PATH} as 'select true'`,
    check: (served) => checkMutation(served, 'confirmBooking'),
    finds: /Mutation\.confirmBooking for other: yes, not RSNTF.*refused, but changed .*bookings/s,
  },
  {
    what: 'a refusal that tells what there is',
    sql: `create or replace function app_private.lock_managed_booking(booking_id uuid)
          returns app_public.bookings language plpgsql as $$
          declare v_booking app_public.bookings := app_private.lock_booking(booking_id);
          begin
            if not app_private.is_manager_of(v_booking.offering_id) then
              perform app_private.fail('RSNTF', 'This booking is not yours.');
            end if;
            return v_booking;
          end $$`,
    check: (served) => checkMutation(served, 'approveBooking'),
    finds:
      /approveBooking for other: .*This booking is not yours.*but absent.*There is no such booking/,
  },
];

describe('beside the API as it is, the matrix finds', () => {
  let served: Served;

  beforeAll(async () => {
    served = await serveScene({
      prepare: async (db) => {
        for (const { sql } of HOLES) await db.query(sql);
      },
    });
  });
  afterAll(() => served?.stop());

  test.each(HOLES)('$what', async ({ check, finds }) => {
    expect((await check(served)).join('\n')).toMatch(finds);
  });
});

describe('in the catalogue it finds', () => {
  test.each([
    [
      'a right to write that nobody has declared',
      'grant update (is_admin) on app_public.users to reslot_user',
      checkColumns,
      'update users.is_admin: reslot_user: not declared',
    ],
    [
      'a right to read for those who have not signed in',
      'grant select (email) on app_public.customers to reslot_anonymous',
      checkColumns,
      'select customers.email: reslot_anonymous: not declared',
    ],
    [
      'a table of the inside that is given away',
      'grant select on app_private.user_secrets to reslot_app',
      checkColumns,
      'select app_private.user_secrets: reslot_app: not declared',
    ],
    [
      'a function of the inside that is given away',
      'grant execute on function app_private.set_clock(timestamptz) to reslot_user',
      checkExecute,
      'app_private.set_clock: reslot_user: not declared',
    ],
  ])('%s', (_what, sql, check, line) =>
    inTransaction(async (db) => {
      await db.query(sql);
      expect(await check(db)).toContain(line);
    }),
  );

  test('a function that answers strangers', () =>
    inTransaction(async (db) => {
      await db.query('savepoint scene');
      const scene = await createScene(db, await createWorld(db));
      await db.query(`create or replace function app_private.is_manager_in(organization_id uuid)
        returns boolean language sql stable security definer ${PATH} as 'select true'`);
      const fn = (await signatures(db)).find(({ name }) => name === 'members');
      if (!fn) throw new Error('There is no such function.');
      expect(await checkFunction(db, scene, fn)).toContain(
        'members for other: yes (undefined), not RSNTF',
      );
      await db.query('rollback to savepoint scene');
    }));
});
