import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { ERRORS, isErrorCode } from '../../src/errors.ts';
import { LIMITS } from '../../src/graphql/bounds.ts';
import { USUAL_RATES } from '../../src/graphql/rates.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function filesUnder(folder: string, ending: RegExp): string[] {
  return readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => readFileSync(`${ROOT}/${folder}/${name}`, 'utf8'));
}

function codesIn(texts: string[], pattern: RegExp): string[] {
  return [...new Set(texts.flatMap((text) => [...text.matchAll(pattern)].map((m) => m[1] ?? '')))];
}

const registered = Object.keys(ERRORS).sort();

test('every code that the database raises is registered', () => {
  const raised = codesIn(filesUnder('migrations/fixtures', /\.sql$/), /fail\(\s*'(\w+)'/g);
  expect(raised.length).toBeGreaterThan(10);
  expect(raised.filter((code) => !isErrorCode(code))).toEqual([]);
});

test('every code that a comment in the database promises is registered', () => {
  const promised = codesIn(
    filesUnder('migrations/fixtures', /\.sql$/).flatMap(
      (text) => text.match(/^comment on [^\n]*/gm) ?? [],
    ),
    /\b(RS[A-Z]{3})\b/g,
  );
  expect(promised.filter((code) => !isErrorCode(code))).toEqual([]);
});

test('every registered code is raised somewhere', () => {
  const used = codesIn(
    [
      ...filesUnder('migrations/fixtures', /\.sql$/),
      ...filesUnder('src/graphql', /\.ts$/),
      ...filesUnder('src/auth', /\.ts$/),
    ],
    /'(RS[A-Z]{3})'/g,
  );
  expect(registered.filter((code) => !used.includes(code) && code !== 'RSINT')).toEqual([]);
});

test('the document lists the codes that are registered, with their sentence and meaning', () => {
  const rows = readFileSync(`${ROOT}/docs/errors.md`, 'utf8').match(/^\| `RS.*$/gm) ?? [];
  expect(rows).toEqual(
    Object.entries(ERRORS).map(
      ([code, { sentence, meaning }]) => `| \`${code}\` | ${sentence} | ${meaning} |`,
    ),
  );
});

test('the limits that are written down are those that hold', () => {
  const document = readFileSync(`${ROOT}/docs/api.md`, 'utf8');
  const figure = (value: number) => value.toLocaleString('en-GB');
  for (const line of [
    `| body | ${figure(LIMITS.bodyBytes)} bytes |`,
    `| words and signs of a query | ${figure(LIMITS.queryTokens)} |`,
    `| fields, with fragments written out | ${figure(LIMITS.fields)} |`,
    `| nesting | ${LIMITS.depth} selection sets, ${LIMITS.listDepth} lists;`,
    `${LIMITS.rootFields.query} in a query, ${LIMITS.rootFields.mutation} in a mutation`,
    `${LIMITS.defaultPageSize} rows if you do not say; ${LIMITS.pageSize} at most`,
    `| \`offset\` | ${figure(LIMITS.offset)} |`,
    `by its page sizes | ${figure(LIMITS.cost)} |`,
    `${LIMITS.executionMs / 1000} s a request`,
    `${USUAL_RATES.user} by one user, ${figure(USUAL_RATES.address)} from one address`,
  ]) {
    expect(document).toContain(line);
  }
});
