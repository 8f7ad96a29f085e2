/** Who may call what: taken from the catalogue, so that a new function is asked about as well. */
import { describe, expect, test } from '@jest/globals';
import { type Caller, inTransaction, type TestDatabase } from '../support/database.ts';
import { book, call, createUser, createWorld, join, range } from '../support/factories.ts';

interface Signature {
  name: string;
  argument: string;
  type: string;
}

/** The functions for clients with their arguments, without the computed columns of tables. */
const SIGNATURES = `
  select p.proname as name, a.name as argument, a.type::regtype::text as type
  from pg_proc p
  cross join lateral unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) a (name, type)
  where p.pronamespace = 'app_public'::regnamespace
    and not exists (select from pg_class c where c.reltype = p.proargtypes[0])
    and a.name is not null
  order by p.proname, a.name`;

/** Values with which a call would be all right, if only the caller were the right one. */
const FITTING: Record<string, unknown> = {
  changes: '{"confirm_deadline": "03:00:00"}',
  email: 'somebody@example.com',
  from: range('08:00', '09:00')[0],
  to: range('08:00', '09:00')[1],
  starts_at: range('16:00', '17:00')[0],
  ends_at: range('16:00', '17:00')[1],
  hours: '[]',
  name: 'Somebody',
  priority: 1,
  reason: 'Because',
  role: 'manager',
};

async function createScene(db: TestDatabase) {
  const world = await createWorld(db);
  const ann = await createUser(db, 'Ann');
  const bob = await createUser(db, 'Bob');
  const booking = await book(db, ann, world.left, range('10:00', '11:00'));
  const entry = await join(db, bob, world.left, range('10:00', '11:00'));
  const [startsAt, endsAt] = range('10:00', '11:00', 30);
  const blackout = await call<{ id: string }>(db, world.manager, 'create_blackout', {
    organization_id: world.organizationId,
    starts_at: startsAt,
    ends_at: endsAt,
    reason: 'Paint',
    resource_id: world.rightRoom,
  });
  const membership = await db.value('select id from app_public.memberships where user_id = $1', [
    world.manager,
  ]);
  const delivery = await db.value('select id from app_public.deliveries order by id limit 1');
  const ids: Record<string, unknown> = {
    blackout_id: blackout.id,
    booking_id: booking.id,
    customer_id: booking.customer_id,
    delivery_id: delivery,
    entry_id: entry.id,
    membership_id: membership,
    offering_id: world.left,
    organization_id: world.organizationId,
    policy_id: world.policyId,
    resource_id: world.leftRoom,
    offering_ids: `{${world.left}}`,
    resource_ids: `{${world.leftRoom}}`,
  };
  return { ...world, ids, stranger: await createUser(db, 'Stan') };
}

const NOWHERE = '00000000-0000-7000-8000-000000000000';

const PUBLIC = /^(offering|organization|policy|resource)_ids?$/;

/** These are open to whoever has an account, or to everybody; the others need some standing. */
const OPEN = ['availability', 'create_booking', 'join_waitlist'];

interface Outcome {
  rows?: number;
  code?: string;
  message?: string;
}

async function callWith(
  db: TestDatabase,
  args: Signature[],
  ids: Record<string, unknown>,
): Promise<Outcome> {
  const given = args.filter(({ argument }) => {
    // A blackout is of an offering or of a resource.
    if (argument === 'resource_id' && args.some((other) => other.argument === 'offering_id')) {
      return false;
    }
    return argument in ids || argument in FITTING;
  });
  const list = given.map(({ argument, type }, n) => `"${argument}" => $${n + 1}::${type}`);
  const values = given.map(({ argument }) => ids[argument] ?? FITTING[argument]);
  const sql = `select * from app_public.${args[0]?.name}(${list.join(', ')})`;
  try {
    await db.query('savepoint call');
    const { rows } = await db.query(sql, values);
    await db.query('release savepoint call');
    return { rows: rows.length };
  } catch (error) {
    await db.query('rollback to savepoint call');
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  }
}

describe('what is somebody else’s looks like what does not exist', () => {
  const caller = (userId: string): Caller => ({ role: 'reslot_user', userId });

  test('to a stranger, in every function that takes an identifier', () =>
    inTransaction(async (db) => {
      const { ids, stranger } = await createScene(db);
      const signatures = await db.rows<Signature & Record<string, unknown>>(SIGNATURES);
      const byName = Map.groupBy(signatures, ({ name }) => name);
      const none = Object.fromEntries(
        Object.entries(ids).map(([name, id]) => [
          name,
          String(id).startsWith('{') ? `{${NOWHERE}}` : NOWHERE,
        ]),
      );
      const asked: string[] = [];
      for (const [name, args] of byName) {
        if (OPEN.includes(name) || !args.some(({ argument }) => argument in ids)) continue;
        asked.push(name);
        const theirs = await db.as(caller(stranger), () => callWith(db, args, ids));
        const nothing = await db.as(caller(stranger), () => callWith(db, args, none));
        // That an offering exists is no secret, so the sentence may say what one is not.
        if (args.some(({ argument }) => PUBLIC.test(argument))) delete theirs.message;
        expect({ name, ...nothing }).toMatchObject({ name, ...theirs });
        // A list of what one may not see is empty; everything else is refused.
        if (theirs.rows === undefined) expect([name, theirs.code]).toEqual([name, 'RSNTF']);
        else expect([name, theirs.rows]).toEqual([name, 0]);
      }
      expect(asked.length).toBeGreaterThan(15);
    }));

  test('in none of which anything was changed', () =>
    inTransaction(async (db) => {
      const { ids, stranger } = await createScene(db);
      const lines = () => db.value('select count(*) from app_public.audit_log');
      const before = await lines();
      for (const [, args] of Map.groupBy(
        await db.rows<Signature & Record<string, unknown>>(SIGNATURES),
        ({ name }) => name,
      )) {
        if (OPEN.includes(args[0]?.name ?? '')) continue;
        if (!args.some(({ argument }) => argument in ids)) continue;
        await db.as(caller(stranger), () => callWith(db, args, ids));
      }
      expect(await lines()).toBe(before);
    }));
});

test('whoever has not signed in can look, and call nothing that changes anything', () =>
  inTransaction(async (db) => {
    const functions = await db.rows(
      `select p.proname as name, p.provolatile as volatility from pg_proc p
       where p.pronamespace = 'app_public'::regnamespace
         and has_function_privilege('reslot_anonymous', p.oid, 'execute') order by 1`,
    );
    expect(functions.filter(({ volatility }) => volatility === 'v')).toEqual([]);
    expect(functions.map(({ name }) => name)).toEqual(['availability', 'viewer']);
  }));

test('the login of the server by itself can call nothing that is for clients', () =>
  inTransaction(async (db) => {
    const functions = await db.rows(
      `select p.proname as name from pg_proc p
       where p.pronamespace = 'app_public'::regnamespace
         and has_function_privilege('reslot_app', p.oid, 'execute')`,
    );
    expect(functions).toEqual([]);
  }));

test('admins can call whatever users can', () =>
  inTransaction(async (db) => {
    const functions = await db.rows(
      `select p.proname as name from pg_proc p
       where p.pronamespace = 'app_public'::regnamespace
         and has_function_privilege('reslot_user', p.oid, 'execute')
         and not has_function_privilege('reslot_admin', p.oid, 'execute')`,
    );
    expect(functions).toEqual([]);
  }));
