/**
 * Requests that ask for far too much, each of another kind. The benchmark measures how quickly they are refused;
 * tests/http/abuse.test.ts, that they are.
 */
import { type Agent, request } from 'node:http';
import { gzipSync } from 'node:zlib';

export interface AbuseRequest {
  body: string | Buffer;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  body: string;
}

const times = (count: number, part: (n: number) => string) =>
  Array.from({ length: count }, (_, n) => part(n)).join(' ');

const asked = (query: string, variables: object = {}): AbuseRequest => ({
  body: JSON.stringify({ query, variables }),
});

/** `variables` as text: nested deeper than JSON.stringify could write them. */
const nested = (query: string, open: string, close: string, depth: number): AbuseRequest => ({
  body: `{"query":${JSON.stringify(query)},"variables":{"v":${open.repeat(depth)}0${close.repeat(depth)}}}`,
});

const ID = '01980000-0000-7000-8000-000000000303';
const FILTERED = 'query ($v: BookingFilter) { bookings(filter: $v) { totalCount } }';
const CHANGED = `mutation ($v: JSON) {
  revisePolicy(input: { policyId: "${ID}", changes: $v }) { result { id } }
}`;
const READ =
  'mutation ($v: [UUID]) { markNotificationsRead(input: { ids: $v }) { clientMutationId } }';
const SCHEMA = '__schema { types { fields { args { type { name } } type { name } } } }';

const deepOrganizations = (depth: number): string =>
  depth === 0
    ? '{ id }'
    : `{ nodes { offerings { nodes { organization { offerings ${deepOrganizations(depth - 1)} } } } } }`;

const multiplying = times(
  25,
  (n) => `fragment f${n} on Organization { ...f${n + 1} ...f${n + 1} }`,
);

export const ABUSE: Record<string, AbuseRequest> = {
  'a deep document': asked(`{ organizations ${deepOrganizations(30)} }`),
  'deeper than it is long': asked('{a'.repeat(900)),
  '1,000 aliases at the top': asked(`{ ${times(1_000, (n) => `a${n}: viewer { id }`)} }`),
  '1,000 aliases below it': asked(`{ viewer { ${times(1_000, (n) => `a${n}: id`)} } }`),
  '600 aliases, few words': asked(`{ viewer { ${times(600, (n) => `a${n}: id`)} } }`),
  'one field 1,900 times': asked(`{ viewer { ${'id '.repeat(1_900)} } }`),
  'one list 270 times': asked(`{ viewer { ${'customers { nodes { id } } '.repeat(270)} } }`),
  'fragments in a circle': asked(
    '{ ...a } fragment a on Query { ...b } fragment b on Query { viewer { id } ...a }',
  ),
  'fragments that multiply': asked(
    `{ organizations { nodes { ...f0 } } } ${multiplying} fragment f25 on Organization { id }`,
  ),
  '300 fragments': asked(
    `{ ${times(300, (n) => `...f${n}`)} } ${times(300, (n) => `fragment f${n} on Query { nodeId }`)}`,
  ),
  '900 directives': asked(`{ nodeId ${'@a '.repeat(900)} }`),
  '300 operations': asked(times(300, (n) => `query q${n} { nodeId }`)),
  '400 variables': asked(`query (${times(400, (n) => `$v${n}: Int`)}) { nodeId }`),
  'the schema ten times': asked(`{ ${times(10, (n) => `a${n}: ${SCHEMA}`)} }`),
  'its types ten times': asked(
    `{ __schema { ${times(10, (n) => `a${n}: types { fields { type { name } } }`)} } }`,
  ),
  'a page of a million': asked('{ organizations(first: 1000000) { nodes { id } } }'),
  'pages within pages': asked(
    '{ organizations(first: 100) { nodes { offerings(first: 100) { nodes { bookings(first: 100) { nodes { id } } } } } } }',
  ),
  '2,400 identifiers': asked(READ, { v: Array.from({ length: 2_400 }, () => ID) }),
  'a filter by 2,000 choices': asked(FILTERED, {
    v: { or: Array.from({ length: 2_000 }, () => ({ reference: { equalTo: 'RS-1' } })) },
  }),
  'an order by 4,000 columns': asked(
    'query ($v: [BookingOrderBy!]) { bookings(orderBy: $v) { totalCount } }',
    { v: Array.from({ length: 4_000 }, () => 'ID_ASC') },
  ),
  'filters, 400 deep': asked(
    `{ bookings(filter: ${'{not:'.repeat(400)}{}${'}'.repeat(400)}) { totalCount } }`,
  ),
  'filters, 10,000 deep': nested(FILTERED, '{"not":', '}', 10_000),
  'lists, 40,000 deep': nested(READ, '[', ']', 40_000),
  'JSON 40,000 deep': nested(CHANGED, '[', ']', 40_000),
  '90,000 letters for a name': asked(`{ ${'a'.repeat(90_000)} }`),
  'a body of 5 MB': asked(`{ viewer { id } } #${'x'.repeat(5_000_000)}`),
  '50 MB, compressed': {
    body: gzipSync(Buffer.alloc(50_000_000, 32)),
    headers: { 'content-encoding': 'gzip' },
  },
  '90,000 opening brackets': { body: '['.repeat(90_000) },
  'a batch of 1,000': { body: JSON.stringify(Array(1_000).fill({ query: '{ viewer { id } }' })) },
};

const LONG_BODY = 1_000_000;

/** The address is that which a proxy would name. */
export function sendAbuse(
  agent: Agent,
  port: number,
  what: AbuseRequest,
  address: string,
): Promise<Answer> {
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(what.body)),
    'x-forwarded-for': address,
    ...what.headers,
  };
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    // A body that is too large is refused, and the connection closed, before all of it has been sent; now and then
    // that is noticed before the answer has been read.
    const broken = (error: Error) => {
      if (what.body.length < LONG_BODY) reject(error);
      else resolve({ status: 413, body: '"RSARG"' });
    };
    const sent = request(
      { host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers, agent },
      (response) => {
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
        response.on('error', broken);
      },
    );
    sent.on('error', broken);
    sent.end(what.body);
  });
}

let addresses = 0;
/** Threads that count for themselves begin elsewhere. */
const block = 11 + Math.floor(Math.random() * 100);

/** One of 16 million, each of which is limited by itself. */
export function freshAddress(): string {
  addresses += 1;
  return `${block}.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
}
