/**
 * Values for the arguments of the schema, by their type and name: those that fit, those that GraphQL takes and nobody
 * expects, and those of the wrong kind.
 */
import {
  type GraphQLInputObjectType,
  type GraphQLInputType,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isScalarType,
} from 'graphql';
import type { Random } from './random.ts';

/** What there is in the world of a wave, by the name of its table. */
export interface Known {
  ids: Record<string, string[]>;
  references: string[];
  emails: string[];
  slugs: string[];
  nodeIds: string[];
  cursors: string[];
  tokens: string[];
}

export interface Wish {
  random: Random;
  known: Known;
  /** How likely each value is one that nobody expects. */
  oddity: number;
}

const DAY_MS = 86_400_000;

const PECULIAR_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  'x\udfff',
  '\u202egnp.exe',
  'שלום \u200fעולם',
  '\u200b\u200d\u2060\ufeff',
  'a\u0301'.repeat(50),
  '𝕏'.repeat(300),
  '👩‍👩‍👧‍👦',
  'line\r\nBcc: all@example.org',
  'two\nlines',
  '\u2028\u2029\u0085',
  "'; drop table bookings; --",
  '$1 %s %n {{x}} {{{y}}} <script>alert(1)</script>',
  '\\',
  'null',
  'true',
  '{}',
  '%_%',
  'İıſK',
  'x'.repeat(201),
  'x'.repeat(5_000),
  '-1',
  '1e400',
  'NaN',
  'infinity',
];

/** In the form that the API takes; whether they exist is another matter. */
const PECULIAR_TIMES: readonly string[] = [
  '0001-01-01T00:00:00',
  '0000-01-01T00:00:00',
  '0000-00-00T00:00:00',
  '1582-10-10T00:00:00',
  '1899-12-31T23:59:59',
  '1970-01-01T00:00:00',
  '2026-02-29T10:00:00',
  '2028-02-29T10:00:00',
  '2100-02-29T10:00:00',
  '2027-03-28T02:30:00',
  '2027-10-31T02:30:00',
  '2027-13-01T00:00:00',
  '2027-12-32T00:00:00',
  '2027-06-15T24:00:00',
  '2027-06-15T25:61:61',
  '2027-06-30T23:59:60',
  '2038-01-19T03:14:08',
  '9999-12-31T23:59:59',
  '2027-06-15T10:00:00.123456789123456789',
  `2027-06-15T10:00:00.${'9'.repeat(2_000)}`,
];

const OFFSETS = ['Z', '+00:00', '-00:00', '+14:00', '-12:00', '+15:59', '-16:00', '+99:99'];

const PECULIAR_INTS = [0, -1, 1, 2, 99, 100, 101, 10_000, 10_001, 2 ** 31 - 1, -(2 ** 31)];

const PECULIAR_NUMBERS: readonly string[] = [
  '0',
  '-0.00',
  '-1',
  '0.001',
  '1e5',
  '1e131071',
  '1e-16383',
  'NaN',
  'Infinity',
  '-Infinity',
  '9'.repeat(400),
  '0x10',
  '1_000',
  '',
  'twelve',
];

const PECULIAR_IDS: readonly string[] = [
  '00000000-0000-0000-0000-000000000000',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF',
];

/** Of pages, those that are allowed; for the others the request is refused as a whole. */
const PAGES: Record<string, readonly number[]> = {
  first: [0, 1, 2, 3],
  last: [0, 1, 3],
  offset: [0, 1, 10_000],
};

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');

const PECULIAR_CURSORS: readonly string[] = [
  '',
  'x',
  '=====',
  encoded(null),
  encoded([]),
  encoded({}),
  encoded(['natural', 1]),
  encoded(['natural', -1]),
  encoded(['natural', 1e308]),
  encoded(['natural', 'x']),
  encoded(['PRIMARY_KEY_ASC', ['not-an-id']]),
  encoded(['1', null]),
  encoded(Array(200).fill('x')),
  Buffer.from('\ud800\u0000').toString('base64'),
];

const PECULIAR_NODE_IDS: readonly string[] = [
  '',
  'x',
  encoded(null),
  encoded([]),
  encoded(['Booking']),
  encoded(['bookings', 'x']),
  encoded(['bookings', null]),
  encoded(['bookings', ['a', 'b']]),
  encoded(['__proto__', 1]),
  encoded(['query']),
  'query',
];

const PECULIAR_JSON: readonly unknown[] = [
  null,
  true,
  0,
  -1.5e300,
  '',
  'text',
  '\u0000',
  [],
  {},
  [null],
  [[[[[[[]]]]]]],
  { constructor: { prototype: {} }, toString: 1 },
  { '': '' },
  { 'a\u0000': 1 },
  { claim_window: null },
  { claim_window: 'soon' },
  { claim_window: '-1 day', last_call: '999999999 years' },
  { claim_window: 15, max_days_ahead: '12', requires_approval: 'perhaps' },
  { max_days_ahead: 2 ** 40, max_hold_share: 'NaN' },
  { reminder_leads: 'x' },
  { reminder_leads: [] },
  { reminder_leads: Array(60).fill('01:00') },
  { quiet_from: '25:00', quiet_until: '24:00' },
  { id: '00000000-0000-0000-0000-000000000000', version: 7, organization_id: null },
  [{ weekday: 8, opens: '09:00', closes: '10:00' }],
  [{ weekday: 1.5, opens: 'noon', closes: null }],
  [{ weekday: 1, opens: '09:00', closes: '17:00', more: [] }, 'x'],
  Array(51).fill({ weekday: 1, opens: '09:00', closes: '10:00' }),
];

const FITTING_JSON: Record<string, readonly unknown[]> = {
  changes: [
    { claim_window: '00:20:00' },
    { max_bookings_per_day: 50, max_entries_per_day: 50 },
    { buffer_before: '00:10:00', buffer_after: '00:05:00' },
    { requires_approval: true },
    { requires_approval: false, auto_cancel: 'dry_run' },
    { quiet_from: '22:00', quiet_until: '07:00' },
  ],
  hours: [
    [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' })),
    [0, 1, 2, 3, 4, 5, 6].map((n) => ({ weekday: n + 1, opens: '07:00', closes: '02:00' })),
    [{ weekday: 1, opens: '09:00', closes: '18:00' }],
  ],
};

const FITTING_TEXTS: Record<string, readonly string[]> = {
  locale: ['en', 'de', 'de-AT'],
  timeZone: ['UTC', 'Europe/Vienna', 'America/New_York', 'Asia/Kolkata'],
  currency: ['EUR', 'USD'],
  referencePrefix: ['FZ', 'ABCD'],
  phone: ['+43 1 234 567', '0800 FUZZ'],
  frontEndUrl: ['https://front.example', 'http://localhost:5173'],
  logoUrl: ['https://front.example/logo.png'],
  slug: ['fuzz-hall', 'fuzz-tours'],
  idempotencyKey: ['one', 'two', 'three'],
  password: ['correct horse', 'a new battery'],
  oldPassword: ['correct horse'],
  newPassword: ['a new battery'],
};

const PLAIN_TEXTS = ['Yoga', 'Anna Müller', 'Rehearsal of the choir', 'Because of the storm', 'ok'];

/** A value of the type; null and undefined (left out) where the type allows. */
export function valueFor(wish: Wish, type: GraphQLInputType, name: string, depth = 0): unknown {
  const { random } = wish;
  if (!isNonNullType(type) && random.chance(wish.oddity / 4)) return null;
  const inner = getNullableType(type) as GraphQLInputType;
  if (isListType(inner)) {
    const most = random.chance(wish.oddity / 10) ? 201 : 3;
    const length = random.below(most + 1);
    return Array.from({ length }, () => valueFor(wish, inner.ofType, name, depth + 1));
  }
  if (isInputObjectType(inner)) return objectFor(wish, inner, name, depth);
  if (isEnumType(inner)) return random.pick(inner.getValues()).name;
  if (!isScalarType(inner)) throw new Error(`There are no values of type ${inner}.`);
  return scalarFor(wish, inner.name, name);
}

function scalarFor(wish: Wish, type: string, name: string): unknown {
  const { random, known } = wish;
  const odd = random.chance(wish.oddity);
  switch (type) {
    case 'UUID':
      return odd ? random.pick(PECULIAR_IDS) : idFor(wish, name);
    case 'Datetime':
      return odd ? random.pick(PECULIAR_TIMES) + random.pick(OFFSETS) : `${hour(random)}Z`;
    case 'LocalDatetime':
      return odd ? random.pick(PECULIAR_TIMES) : hour(random);
    case 'Int':
      if (PAGES[name]) return random.pick(PAGES[name]);
      return odd ? random.pick(PECULIAR_INTS) : 1 + random.below(5);
    case 'Float':
      return odd ? random.pick(PECULIAR_INTS) : random.next();
    case 'BigFloat':
    case 'BigInt':
      return odd ? random.pick(PECULIAR_NUMBERS) : '12.50';
    case 'Boolean':
      return random.chance(0.5);
    case 'JSON':
      return random.pick(odd ? PECULIAR_JSON : (FITTING_JSON[name] ?? PECULIAR_JSON));
    case 'Cursor':
      return random.pick(odd || known.cursors.length === 0 ? PECULIAR_CURSORS : known.cursors);
    case 'ID':
      return random.pick(odd ? PECULIAR_NODE_IDS : known.nodeIds);
    default:
      return odd ? random.pick(PECULIAR_TEXTS) : textFor(wish, name);
  }
}

function textFor({ random, known }: Wish, name: string): string {
  const fitting = FITTING_TEXTS[name];
  if (fitting) return random.pick(fitting);
  if (/email/i.test(name)) return random.pick(known.emails);
  if (/slug/i.test(name)) return random.pick(known.slugs);
  if (/token/i.test(name)) return random.pick(known.tokens);
  if (name === 'reference') return random.pick(known.references);
  return random.pick(PLAIN_TEXTS);
}

/** `name` is that of the argument, or of what it stands in: `bookingId`, `Booking`, `entryId`, `ids`. */
function idFor({ random, known }: Wish, name: string): string {
  const stem = name.replace(/(Ids?|Filter|Input)$/, '').toLowerCase();
  const table = Object.keys(known.ids)
    .toSorted((a, b) => b.length - a.length)
    .find((key) => {
      const one = singular(key);
      return stem.endsWith(one) || (stem !== '' && one.endsWith(stem));
    });
  const ids = known.ids[table ?? random.pick(Object.keys(known.ids))] ?? [];
  return ids.length > 0 ? random.pick(ids) : (PECULIAR_IDS[0] as string);
}

function singular(table: string): string {
  return table.replaceAll('_', '').replace(/ies$/, 'y').replace(/s$/, '');
}

/** Of few, so that many want the same. */
function hour(random: Random): string {
  const day = new Date(Date.now() + (2 + random.below(3)) * DAY_MS).toISOString().slice(0, 10);
  return `${day}T${random.pick(['08', '10', '12', '14', '16'])}:00:00`;
}

function objectFor(
  wish: Wish,
  type: GraphQLInputObjectType,
  name: string,
  depth: number,
): Record<string, unknown> {
  const { random } = wish;
  const isFilter = type.name.endsWith('Filter');
  const all = Object.values(type.getFields());
  const wanted = isFilter ? random.some(all, 2) : all;
  const made: Record<string, unknown> = {};
  const leavesOut = random.pick([0, 0.1, 0.5]);
  for (const field of wanted) {
    const tooDeep = depth > 4 && isInputObjectType(getNamedType(field.type));
    // Once it is put away, nothing more can be done with a thing.
    const leftOut = !isFilter && random.chance(field.name === 'archivedAt' ? 0.97 : leavesOut);
    if (!isNonNullType(field.type) && (tooDeep || leftOut)) continue;
    made[field.name] = valueFor(wish, field.type, nameWithin(type, name, field.name), depth + 1);
  }
  return isFilter || random.chance(wish.oddity) ? made : sensible(random, made, all);
}

/** What a filter compares has the name of the column around it; an `id` is that of the type. */
function nameWithin({ name: type }: GraphQLInputObjectType, around: string, field: string): string {
  if (field === 'id') return type;
  return /^(equalTo|notEqualTo|in|(less|greater)Than(OrEqualTo)?)$/.test(field) ? around : field;
}

/** What a person would ask for: two ends in their order, none in two ways, and one thing to be closed. */
export function sensible(
  random: Random,
  made: Record<string, unknown>,
  of: readonly { name: string; type: GraphQLInputType }[],
): Record<string, unknown> {
  const isNeeded = of.some(({ name, type }) => name === 'offeringId' && isNonNullType(type));
  if ('offeringId' in made && 'resourceId' in made && !isNeeded) {
    delete made[random.pick(['offeringId', 'resourceId'])];
    if (random.chance(0.2)) delete made[random.pick(['offeringId', 'resourceId'])];
  }
  for (const [from, to] of [
    ['startsAt', 'endsAt'],
    ['localStartsAt', 'localEndsAt'],
    ['from', 'to'],
  ] as const) {
    if (!(from in made) || !(to in made)) continue;
    const zone = from.startsWith('local') ? '' : 'Z';
    const start = hour(random);
    const end = new Date(Date.parse(`${start}Z`) + random.pick([1, 2, 2]) * 3_600_000);
    made[from] = `${start}${zone}`;
    made[to] = `${end.toISOString().slice(0, 19)}${zone}`;
  }
  if (!('localStartsAt' in made || 'localEndsAt' in made)) return made;
  const { localStartsAt, localEndsAt, startsAt, endsAt, ...others } = made;
  return random.chance(0.5)
    ? { ...others, startsAt, endsAt }
    : { ...others, localStartsAt, localEndsAt };
}

/** Something that GraphQL itself should refuse for any type but JSON. */
export function wrongFor(random: Random): unknown {
  return random.pick<unknown>([
    { a: 1 },
    [[]],
    [{}],
    1e308,
    0.5,
    2 ** 31,
    -(2 ** 53),
    '',
    'text',
    '{01980000-0000-7000-8000-000000000303}',
    '\u0000',
    'infinity',
    'now',
    'epoch',
    '24:00:00',
    '2027-06-15 10:00',
    true,
    null,
    [null],
    Array(300).fill('x'),
  ]);
}
