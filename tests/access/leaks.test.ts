/**
 * The hunt for what shows a row without showing it: counts, filters, orders, cursors, node ids, and
 * the words of refusals. Wherever somebody else’s row is used, the answer is that of no row.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getNamedType, isEnumType, isInputObjectType } from 'graphql';
import { freshHour } from './matrix/mutations.ts';
import { isTurnedAway, nodeIdOf, nowhere, type Served, serveScene, told } from './matrix/served.ts';
import { filtersBeyondColumns } from './matrix/shapes.ts';
import { snake } from './matrix/sql.ts';
import { TABLES } from './matrix/tables.ts';

let served: Served;

beforeAll(async () => {
  served = await serveScene();
});
afterAll(() => served?.stop());

/** The tables of which a stranger has no row at all. */
const OTHERS = Object.keys(TABLES).filter(
  (name) => name !== 'users' && TABLES[name]?.rows.every((rule) => rule.other !== 'yes'),
);

const PAGE =
  'totalCount nodes { nodeId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }';
const EMPTY = {
  totalCount: 0,
  nodes: [],
  pageInfo: { hasNextPage: false, hasPreviousPage: false, startCursor: null, endCursor: null },
};

/** The field at the top that lists a table. */
function listOf(table: string) {
  const type = `${TABLES[table]?.type}Connection`;
  const fields = Object.values(served.schema.getQueryType()?.getFields() ?? {});
  const list = fields.find(
    (field) =>
      getNamedType(field.type).name === type && field.args.some(({ name }) => name === 'filter'),
  );
  if (!list) throw new Error(`There is no list of ${table}.`);
  return list;
}

const typeOfArgument = (table: string, argument: string) => {
  const found = listOf(table).args.find(({ name }) => name === argument);
  return found && getNamedType(found.type);
};

/** Asks a list many ways at once; out come the answers in their order. */
async function askList(table: string, args: string[]): Promise<unknown[]> {
  const name = listOf(table).name;
  const answers: unknown[] = [];
  for (let from = 0; from < args.length; from += 5) {
    const some = args.slice(from, from + 5);
    const roots = some.map((arg, n) => `a${n}: ${name}(first: 5, ${arg}) { ${PAGE} }`);
    const answer = await served.ask('other', `{ ${roots.join(' ')} }`);
    expect(answer.errors).toEqual([]);
    answers.push(...some.map((_, n) => answer.data?.[`a${n}`]));
  }
  return answers;
}

test('there are tables of which a stranger has nothing', () => {
  expect(OTHERS).toEqual([
    'memberships',
    'membership_offerings',
    'customers',
    'bookings',
    'recurring_bookings',
    'booking_photos',
    'booking_modifications',
    'automation_events',
    'payments',
    'waitlist_entries',
    'notifications',
    'deliveries',
    'audit_log',
  ]);
});

test('lists are filtered and sorted by columns that everybody sees who sees their rows', () => {
  expect(filtersBeyondColumns(served)).toEqual([]);
});

describe('a stranger finds nothing in', () => {
  test.each(OTHERS)('%s by any filter with the very values of a row', async (table) => {
    const filter = typeOfArgument(table, 'filter');
    const columns = isInputObjectType(filter)
      ? Object.keys(filter.getFields()).filter((name) => !['and', 'or', 'not'].includes(name))
      : [];
    expect(columns.length).toBeGreaterThan(1);
    const key = served.scene.rows[table]?.[0] ?? [];
    const keyColumn = table === 'membership_offerings' ? 'membership_id' : 'id';
    const row = await served.world.change((db) =>
      db.one<Record<string, unknown>>(
        `select to_jsonb(t) as row from app_public.${table} t where ${keyColumn} = $1`,
        [key[0]],
      ),
    );
    const args = columns.flatMap((column) => {
      const value = (row.row as Record<string, unknown>)[snake(column)];
      const isNull = `filter: { ${column}: { isNull: ${value === null} } }`;
      const literal = literalOf(table, column, value);
      const compared = ['equalTo', 'notEqualTo', 'lessThanOrEqualTo', 'greaterThanOrEqualTo'].map(
        (operator) => `filter: { ${column}: { ${operator}: ${literal} } }`,
      );
      return value === null
        ? [isNull]
        : [isNull, ...compared, `filter: { not: { ${column}: { equalTo: ${literal} } } }`];
    });
    for (const answer of await askList(table, args)) expect(answer).toEqual(EMPTY);
  });

  test.each(OTHERS)('%s in any order', async (table) => {
    const orderBy = typeOfArgument(table, 'orderBy');
    const orders = isEnumType(orderBy) ? orderBy.getValues().map(({ name }) => name) : [];
    expect(orders.length).toBeGreaterThan(2);
    const args = orders.map((order) => `orderBy: ${order}`);
    for (const answer of await askList(table, args)) expect(answer).toEqual(EMPTY);
  });

  test.each(OTHERS)('%s with the cursors of who sees them', async (table) => {
    const name = listOf(table).name;
    const admin = await served.ask('admin', `{ ${name}(first: 3) { edges { cursor } } }`);
    const list = admin.data?.[name] as { edges: { cursor: string }[] } | undefined;
    const cursors = list?.edges.map(({ cursor }) => cursor) ?? [];
    expect(cursors.length).toBeGreaterThan(0);
    for (const cursor of cursors) {
      const none = Buffer.from(
        atob(cursor).replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, nowhere()),
      ).toString('base64');
      for (const side of ['after', 'before']) {
        const [theirs, nothing] = await askList(table, [
          `${side}: ${JSON.stringify(cursor)}`,
          `${side}: ${JSON.stringify(none)}`,
        ]);
        expect(theirs).toEqual(nothing);
        expect(theirs).toMatchObject({ totalCount: 0, nodes: [] });
      }
    }
  });

  test('what everybody knows, counted', async () => {
    const lists = {
      organization: 'bookings customers deliveries memberships notifications waitlistEntries',
      offering: 'bookings membershipOfferings',
    };
    for (const [parent, children] of Object.entries(lists)) {
      const id = parent === 'organization' ? served.scene.organizationId : served.scene.right;
      const counts = children.split(' ').map((child) => `${child}(first: 1) { totalCount }`);
      const document = `query ($id: UUID!) { ${parent}(id: $id) { ${counts.join(' ')} } }`;
      const { data } = await served.ask('other', document, { id });
      const totals = Object.values(data?.[parent] as Record<string, { totalCount: number }>);
      expect(totals.map(({ totalCount }) => totalCount)).toEqual(totals.map(() => 0));
    }
  });
});

/** A value as it is written in a document. */
function literalOf(table: string, column: string, value: unknown): string {
  const filter = typeOfArgument(table, 'filter');
  const field = isInputObjectType(filter) ? filter.getFields()[column] : undefined;
  const comparison = field && getNamedType(field.type);
  const type = isInputObjectType(comparison)
    ? getNamedType(comparison.getFields().equalTo?.type as never)
    : undefined;
  if (isEnumType(type)) return String(value).toUpperCase();
  return JSON.stringify(value);
}

describe('a node id', () => {
  test('of somebody else’s row leads as far as one of no row, by itself or by any finder', async () => {
    const { rows } = served.scene;
    for (const table of OTHERS) {
      const type = TABLES[table]?.type ?? '';
      const theirs = nodeIdOf(type, rows[table]?.[0] ?? []);
      const none = nodeIdOf(type, (rows[table]?.[0] ?? []).map(nowhere));
      const finders = ['node', 'bookingByNodeId', 'userByNodeId', 'offeringByNodeId'];
      const roots = finders.map((finder, n) => `a${n}: ${finder}(nodeId: $id) { nodeId }`);
      const ask = (id: string) =>
        served.ask('other', `query ($id: ID!) { ${roots.join(' ')} }`, { id });
      expect(told(await ask(theirs))).toEqual(told(await ask(none)));
    }
  });

  test.each([
    ['no base64', 'äöü'],
    ['no JSON', btoa('Booking')],
    ['no key', btoa('["Booking"]')],
    ['a key of another form', btoa('["Booking","1"]')],
    ['more keys than there are', btoa('["Booking","1","2","3"]')],
    ['a type that does not exist', btoa('["Secret","1"]')],
    ['a key that is no text', btoa('["Booking",{"$gt":""}]')],
  ])('that is %s finds nothing, and tells nothing', async (_what, id) => {
    const answer = await served.ask(
      'other',
      'query ($id: ID!) { booking: bookingByNodeId(nodeId: $id) { nodeId } }',
      { id },
    );
    expect(answer.data?.booking ?? null).toBeNull();
    for (const { extensions, message } of answer.errors) {
      expect(extensions.code).toBe('RSARG');
      expect(message).not.toMatch(/select|syntax|uuid|json/i);
    }
  });
});

describe('a refusal', () => {
  /** What identifies the customer and what they have. */
  async function identifying(): Promise<string[]> {
    const { users, rows, values } = served.scene;
    const user = await served.world.change((db) =>
      db.one<Record<string, string>>(
        'select name, email, phone from app_public.users where id = $1',
        [users.customer],
      ),
    );
    return [
      users.customer,
      ...(rows.bookings ?? []).flat(),
      ...(rows.waitlist_entries ?? []).flat(),
      ...(rows.customers ?? []).flat(),
      String(values.reference),
      'A birthday',
      ...Object.values(user),
    ];
  }

  test('of room that somebody else has tells times, and nothing of who has it', async () => {
    const { left } = served.scene;
    const [startsAt, endsAt] = freshHour();
    const input = { offeringId: left, startsAt, endsAt };
    const book =
      'mutation ($input: CreateBookingInput!) { createBooking(input: $input) { result { id } } }';
    const first = await served.ask('customer', book, { input });
    expect(first.errors).toEqual([]);
    const refused = await served.ask('other', book, { input });
    expect(refused.code).toBe('RSFUL');
    const made = (first.data as { createBooking: { result: { id: string } } }).createBooking.result
      .id;
    const text = JSON.stringify(refused.errors);
    for (const secret of [made, ...(await identifying())]) expect(text).not.toContain(secret);
  });

  test('of an idempotency key that somebody else used is none: it is one’s own', async () => {
    const { left } = served.scene;
    const join =
      'mutation ($input: CreateBookingInput!) { createBooking(input: $input) { result { id } } }';
    const ask = (caller: 'customer' | 'other') => {
      const [startsAt, endsAt] = freshHour();
      return served.ask(caller, join, {
        input: { offeringId: left, startsAt, endsAt, idempotencyKey: 'the same' },
      });
    };
    expect((await ask('customer')).errors).toEqual([]);
    expect((await ask('other')).errors).toEqual([]);
  });

  test('to who manages something else names no booking of the organisation', async () => {
    const { leftRoom, left, organizationId } = served.scene;
    const [startsAt, endsAt] = [served.scene.values.startsAt, served.scene.values.endsAt];
    const attempts: [string, string, object][] = [
      ['setOpeningHours', 'SetOpeningHoursInput', { resourceId: leftRoom, hours: [] }],
      [
        'createBlackout',
        'CreateBlackoutInput',
        { organizationId, offeringId: left, startsAt, endsAt, reason: 'x' },
      ],
      ['createBlackout', 'CreateBlackoutInput', { organizationId, startsAt, endsAt, reason: 'x' }],
    ];
    const secrets = await identifying();
    for (const [name, type, input] of attempts) {
      const document = `mutation ($input: ${type}!) { ${name}(input: $input) { clientMutationId } }`;
      const manager = await served.ask('manager', document, { input });
      expect(JSON.stringify(manager.errors)).toContain(String(served.scene.values.reference));
      const keeper = await served.ask('keeper', document, { input });
      expect(keeper.code).toBe('RSNTF');
      for (const secret of secrets) expect(JSON.stringify(keeper.errors)).not.toContain(secret);
    }
  });
});

describe('the export of one’s data', () => {
  test('tells from where somebody else acted no more than the log does', async () => {
    const { data } = await served.ask('customer', '{ exportMyData }');
    const text = JSON.stringify(data);
    expect(text).toContain('A friend');
    expect(text).not.toContain('192.0.2.7');
    expect(text).not.toContain('Browser/7');
  });
});

test('a link’s token is worth nothing as credentials, of whatever kind', async () => {
  const header = served.authorization('link');
  const token = header?.split(' ')[1] ?? '';
  expect(isTurnedAway(await served.ask('link', '{ viewer { id } }'))).toBe(true);
  const attempts: [string, string][] = [
    ['refreshSession(input: { refreshToken: $token }) { userId }', 'RSAUT'],
    ['signInWithMagicLink(input: { token: $token }) { userId }', 'RSEXP'],
    ['verifyEmail(input: { token: $token }) { accepted }', 'RSEXP'],
    ['resetPassword(input: { token: $token, password: "long enough" }) { accepted }', 'RSEXP'],
  ];
  for (const [field, code] of attempts) {
    const answer = await served.ask('anonymous', `mutation ($token: String!) { ${field} }`, {
      token,
    });
    expect([field, answer.code]).toEqual([field, code]);
  }
});
