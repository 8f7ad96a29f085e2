/** The schema as clients see it. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  buildSchema,
  type GraphQLSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
} from 'graphql';
import { createAuth } from '../../src/auth/index.ts';
import { printGraphqlSchema } from '../../src/graphql/index.ts';
import { type ClonedDatabase, cloneDatabase } from '../support/database.ts';

let database: ClonedDatabase;
let printed: string;
let schema: GraphQLSchema;

beforeAll(async () => {
  database = await cloneDatabase();
  const pool = database.pool('app', 2);
  const auth = createAuth({ pool, secretKey: 'of this test', secure: false });
  printed = await printGraphqlSchema(pool, auth);
  schema = buildSchema(printed);
});
afterAll(() => database?.drop());

test('is the one written down in schema/schema.graphql (npm run schema writes it)', () => {
  const written = readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8');
  const lines = new Set(written.split('\n'));
  const fresh = printed.split('\n');
  expect(fresh.filter((line) => !lines.has(line)).slice(0, 20)).toEqual([]);
  expect(fresh.length).toBe(written.split('\n').length);
});

test('describes every type, field, argument and value', () => {
  const missing: string[] = [];
  const check = (name: string, described: { description?: string | null | undefined }) => {
    if (!described.description) missing.push(name);
  };
  for (const type of Object.values(schema.getTypeMap())) {
    if (type.name.startsWith('__')) continue;
    check(type.name, type);
    if (isEnumType(type)) {
      for (const value of type.getValues()) check(`${type.name}.${value.name}`, value);
    }
    if (!isObjectType(type) && !isInterfaceType(type) && !isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      check(`${type.name}.${field.name}`, field);
      if (!('args' in field)) continue;
      for (const argument of field.args) {
        check(`${type.name}.${field.name}(${argument.name})`, argument);
      }
    }
  }
  expect(missing).toEqual([]);
});

describe('what clients cannot ask for', () => {
  const fieldsOf = (name: string) => {
    const type = schema.getType(name);
    return isObjectType(type) || isInputObjectType(type) ? Object.keys(type.getFields()) : [];
  };

  test('to delete anything', () => {
    expect(fieldsOf('Mutation').filter((name) => /^delete/.test(name))).toEqual([]);
  });

  test('to write bookings, entries or anything else that takes room past its functions', () => {
    const written = fieldsOf('Mutation').filter((name) =>
      /^(create|update)(Booking|WaitlistEntry|Customer|User|Membership|Blackout|OpeningHour|OfferingResource|PolicyVersion|Notification|Delivery|AuditLog)$/.test(
        name,
      ),
    );
    // These two are functions, with checks of their own.
    expect(written).toEqual(['createBlackout', 'createBooking']);
  });

  test('to set a priority or a status when joining or booking', () => {
    const allowed = [...fieldsOf('JoinWaitlistInput'), ...fieldsOf('CreateBookingInput')];
    expect(allowed).not.toContain('priority');
    expect(allowed).not.toContain('status');
    expect(allowed).not.toContain('customerId');
  });

  test('a list by what is not indexed, or across tables', () => {
    expect(fieldsOf('OfferingFilter').sort()).toEqual(
      ['and', 'category', 'id', 'name', 'not', 'or', 'organizationId', 'policyId'].sort(),
    );
    expect(fieldsOf('StringFilter').sort()).toEqual(
      [
        'equalTo',
        'greaterThan',
        'greaterThanOrEqualTo',
        'in',
        'isNull',
        'lessThan',
        'lessThanOrEqualTo',
        'notEqualTo',
      ].sort(),
    );
  });
});

test('names are those of GraphQL: `id` is the identifier, and values are in capitals', () => {
  expect(printed).toMatch(/type Booking implements Node \{[^}]*\n {2}id: UUID!/);
  expect(printed).toMatch(/enum BookingStatus \{[^}]*\n {2}AUTO_CANCELLED\n/);
});
