/** Requests that are no GraphQL, or not of this schema: a sound one with something done to it. */
import type { Request } from './documents.ts';
import type { Random } from './random.ts';
import { wrongFor } from './values.ts';

/** What is sent: a body, and what goes with it. */
export interface Sent {
  body: string;
  headers: Record<string, string>;
  fields: string[];
}

export function sound({ query, variables, fields }: Request): Sent {
  return { body: JSON.stringify({ query, variables }), headers: {}, fields };
}

const SIGNS = ['{', '}', '(', ')', '[', ']', ':', '$', '!', '...', '@', '|', '&', '"', '#', '"""'];

const PIECES = [
  '__typename',
  '@skip(if: true)',
  '@include(if: $nothing)',
  '@defer',
  '@stream(initialCount: -1)',
  '...nowhere',
  '... on Nothing { id }',
  'nothing(of: "the kind") { id }',
  '-0',
  '1e999',
  '\u0000',
  '\ud800',
  '\ufeff',
  '"\\u{110000}"',
  '"""block\n\u2028"""',
  'fragment F on Query { ...F }',
  'subscription { notificationAdded { id } }',
];

type Change = (random: Random, request: Request) => Partial<Sent>;

/** Words of a document, so that what is done to one leaves the others as they are. */
const words = (query: string) => query.match(/[_A-Za-z]\w*|"(?:[^"\\]|\\.)*"|\.\.\.|\S/g) ?? [];

function changeWords(
  random: Random,
  request: Request,
  change: (list: string[], at: number) => void,
) {
  const list = words(request.query);
  change(list, random.below(list.length));
  return { body: JSON.stringify({ query: list.join(' '), variables: request.variables }) };
}

const CHANGES: Change[] = [
  (random, request) => changeWords(random, request, (list, at) => list.splice(at, 1)),
  (random, request) =>
    changeWords(random, request, (list, at) => list.splice(at, 0, list[at] ?? '')),
  (random, request) =>
    changeWords(random, request, (list, at) => list.splice(at, 1, random.pick(SIGNS))),
  (random, request) =>
    changeWords(random, request, (list, at) => list.splice(at, 0, random.pick(PIECES))),
  (random, request) =>
    changeWords(random, request, (list, at) => {
      const other = random.below(list.length);
      [list[at], list[other]] = [list[other] ?? '', list[at] ?? ''];
    }),
  (random, { query, variables }) => {
    const names = Object.keys(variables);
    const name = names.length > 0 ? random.pick(names) : 'v0';
    const changed = { ...variables, [name]: wrongFor(random) };
    return { body: JSON.stringify({ query, variables: changed }) };
  },
  (random, { query, variables }) => {
    const changed = structuredClone(variables);
    spoil(random, changed);
    return { body: JSON.stringify({ query, variables: changed }) };
  },
  (random, { query, variables }) => {
    const [name = 'v0'] = random.some(Object.keys(variables), 1);
    const { [name]: _, ...others } = variables;
    return { body: JSON.stringify({ query, variables: others }) };
  },
  (random, { query, variables }) => ({
    body: JSON.stringify({
      query,
      variables: random.pick<unknown>([variables, null, [], 'x', { more: 1, ...variables }]),
      operationName: random.pick<unknown>(['F', 'f', '', null, 7, [], 'x'.repeat(5_000)]),
      extensions: random.pick<unknown>([null, {}, { persistedQuery: { sha256Hash: 'x' } }]),
    }),
  }),
  (random, request) => {
    const { body } = sound(request);
    const at = random.below(body.length);
    return {
      body: random.pick([body.slice(0, at), body.slice(at), `${body}${body}`, `[${body}]`]),
    };
  },
  (random, request) => ({
    ...sound(request),
    headers: random.pick<Record<string, string>>([
      { authorization: 'Bearer x.y.z' },
      { authorization: 'Basic eDp5' },
      { authorization: `Bearer ${'a'.repeat(8_000)}` },
      { 'content-type': 'text/plain' },
      { 'content-type': 'application/json; charset=utf-7' },
      { 'content-type': 'application/graphql' },
      { 'content-encoding': 'gzip' },
      { accept: 'text/event-stream' },
      { origin: 'https://elsewhere.example' },
      { cookie: 'reslot_refresh=x; reslot_refresh=%00' },
      { 'x-forwarded-for': '999.1.1.1, ::ffff:1.2.3.4%lo' },
      { 'user-agent': '\u00ff'.repeat(3_000) },
    ]),
  }),
];

/** Another value in some place of the variables. */
function spoil(random: Random, value: Record<string, unknown>): void {
  const keys = Object.keys(value);
  if (keys.length === 0) {
    value.nothing = 1;
    return;
  }
  const key = random.pick(keys);
  const inner = value[key];
  const goesOn = typeof inner === 'object' && inner !== null && random.chance(0.8);
  if (goesOn) spoil(random, inner as Record<string, unknown>);
  else value[key] = wrongFor(random);
}

export function broken(random: Random, request: Request): Sent {
  const { fields } = request;
  return { body: '', headers: {}, ...random.pick(CHANGES)(random, request), fields };
}
