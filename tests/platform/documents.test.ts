/** What documents say is checked wherever a program can check it. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { buildSchema, parse, validate } from 'graphql';
import { LIMITS } from '../../src/graphql/bounds.ts';
import { USUAL_RATES } from '../../src/graphql/rates.ts';
import { inTransaction } from '../support/database.ts';
import {
  anchors,
  blocks,
  DOCUMENTS,
  plain,
  ROOT,
  read,
  tableRows,
  withoutBlocks,
} from '../support/documents.ts';

const schema = buildSchema(read('schema/schema.graphql'));

describe.each(DOCUMENTS)('%s', (document) => {
  const text = read(document);

  test('has links that lead somewhere', () => {
    const broken = [...withoutBlocks(text).matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1] ?? '')
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? document : join(dirname(document), path);
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchors(read(target)).includes(anchor);
      });
    expect(broken).toEqual([]);
  });

  test('names files and folders that exist', () => {
    const base = document.startsWith('templates/') ? 'templates' : '.';
    const missing = [
      ...text.matchAll(
        /`((?:migrations|src|tasks|templates|tests|schema|docs|deploy|bench)\/[\w./-]*)`/g,
      ),
    ]
      .map((match) => match[1] ?? '')
      .filter((path) => ![path, join(base, path)].some((at) => existsSync(join(ROOT, at))));
    expect(missing).toEqual([]);
  });

  test('names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm run (?:--?[\w-]+ )*([\w:]+)/g)].map((match) => match[1]);
    expect(named.filter((name) => name !== undefined && !(name in scripts))).toEqual([]);
  });

  test('has GraphQL that the API understands', () => {
    const sources = blocks(text)
      .filter(({ language }) => language === 'graphql')
      .map(({ text: source }) => source);
    for (const source of [...sources, ...graphqlInShell(text)]) {
      expect([source, validate(schema, parse(source)).map(String)]).toEqual([source, []]);
    }
  });
});

/** What is between the quotes of `gql "$token" "…"`, with the shell's variables filled in. */
function graphqlInShell(markdown: string): string[] {
  const id = '01980000-0000-7000-8000-000000000303';
  return blocks(markdown)
    .filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => [
      ...text.matchAll(/\bgql (?:"\$\w+"|'') (?:"((?:\\"|[^"])*)"|'([^']*)')/g),
    ])
    .map((match) =>
      (match[1]?.replaceAll('\\"', '"') ?? match[2] ?? '')
        .replaceAll('$when', 'localStartsAt: "2030-06-03T10:00", localEndsAt: "2030-06-03T12:00"')
        .replaceAll('$places', `offeringId: "${id}", slotId: "${id}"`)
        .replaceAll(
          '$away',
          `organizationId: "${id}", resourceId: "${id}", startsAt: "2030-06-03", endsAt: "2030-06-04"`,
        )
        .replaceAll(/\$\w+/g, id),
    );
}

test('the first session of the README is among what is checked', () => {
  expect(graphqlInShell(read('README.md')).length).toBeGreaterThanOrEqual(7);
});

test('each mutation and query the README promises exists', () => {
  const known = ['Query', 'Mutation', 'Subscription', 'WaitlistEntry'].flatMap((name) =>
    Object.keys(fieldsOf(name)),
  );
  const named = tableRows(read('README.md'), '## What is where in the API')
    .slice(1)
    .flatMap(([, here]) => [...(here ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''));
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

function fieldsOf(name: string): Record<string, unknown> {
  const type = schema.getType(name);
  return type && 'getFields' in type ? type.getFields() : {};
}

test.each([
  ['Figure', '## What they are'],
  ['RevenueFigure', '## Revenue'],
])('docs/figures.md says what each field of %s is, and no other', (type, heading) => {
  const documented = tableRows(read('docs/figures.md'), heading)
    .flatMap(([names = '']) => [...names.matchAll(/`(\w+)`/g)])
    .map((match) => match[1]);
  expect(documented.toSorted()).toEqual(Object.keys(fieldsOf(type)).toSorted());
});

describe('docs/payments.md', () => {
  test('says every change of a payment that the database knows, and no other', async () => {
    const documented = tableRows(read('docs/payments.md'), '## States of a payment')
      .filter((cells) => cells.length === 3 && cells[0] !== 'From')
      .map(([from, to]) => `${plain(from)} → ${plain(to)}`);
    const actual = await inTransaction((db) =>
      db.rows<{ change: string }>(
        "select from_status || ' → ' || to_status as change from app_private.payment_transitions",
      ),
    );
    expect(documented.toSorted()).toEqual(actual.map(({ change }) => change).toSorted());
  });
});

describe('docs/states.md', () => {
  const text = read('docs/states.md');

  test.each([
    ['## Bookings', 'booking_transitions'],
    ['## Waiting list entries', 'waitlist_transitions'],
  ])('%s: table and diagram are the transitions of the database', async (heading, table) => {
    const documented = tableRows(text, heading)
      .filter((cells) => cells.length === 3 && cells[0] !== 'From')
      .map(([from, to]) => `${plain(from)} → ${plain(to)}`);
    const section = text.slice(text.indexOf(heading));
    const diagram = blocks(section).find(({ language }) => language === 'mermaid')?.text ?? '';
    const drawn = [...diagram.matchAll(/^ {2}(\w+) --> (\w+)/gm)].map(
      (match) => `${match[1]} → ${match[2]}`,
    );
    const actual = await inTransaction((db) =>
      db.rows<{ change: string }>(
        `select from_status || ' → ' || to_status as change from app_private.${table}`,
      ),
    );
    const expected = actual.map(({ change }) => change).toSorted();
    expect(documented.toSorted()).toEqual(expected);
    expect(drawn.toSorted()).toEqual(expected);
  });

  test.each([
    ['## Bookings', 'confirmation_source'],
    ['## Mails', 'delivery_status'],
  ])('%s lists every %s', async (heading, type) => {
    const documented = tableRows(text, heading)
      .filter((cells) => cells.length === 2)
      .slice(1)
      .map(([name]) => plain(name));
    const values = await inTransaction((db) =>
      db.value<string[]>(`select enum_range(null::app_public.${type})::text[]`),
    );
    expect(documented.toSorted()).toEqual(values.toSorted());
  });
});

describe('docs/configuration.md', () => {
  const text = read('docs/configuration.md');

  test('has every setting of .env.example, and no other', () => {
    const example = [...read('.env.example').matchAll(/^# ([A-Z\d_]+)=/gm)].map(
      (match) => match[1],
    );
    const documented = tableRows(text, '## Settings')
      .slice(1)
      .map(([name]) => plain(name));
    expect(documented.toSorted()).toEqual(example.toSorted());
  });

  test('has every rule of a policy with its default, and no other', async () => {
    const documented = [
      'Switches',
      'Reminders and release',
      'Payments',
      'Offers',
      'Limits',
      'Tours',
      'Mail and retention',
    ]
      .flatMap((heading) => tableRows(text, `### ${heading}`).slice(1))
      .map(([name, value]): [string, string] => [plain(name), plain(value)]);
    const defaults = await inTransaction((db) =>
      db.value<Record<string, unknown>>(`
        with g as (insert into app_public.organizations (slug, name) values ('documents', 'D') returning id),
        p as (insert into app_public.policies (organization_id, name) select g.id, 'P' from g
              returning id, organization_id),
        v as (insert into app_public.policy_versions (policy_id, organization_id, version)
              select p.id, p.organization_id, 1 from p returning *)
        select to_jsonb(v) - array['id', 'policy_id', 'organization_id', 'version', 'created_at', 'created_by']
        from v`),
    );
    const actual = Object.entries(defaults).map(([name, value]): [string, string] => [
      name,
      value === null ? 'none' : typeof value === 'string' ? value : writtenOut(value),
    ]);
    expect(documented.toSorted()).toEqual(actual.toSorted());
  });

  test('explains every constraint on the rules', async () => {
    const documented = tableRows(text, '### Rules that go together')
      .slice(1)
      .map(([name]) => plain(name));
    const constraints = await inTransaction((db) =>
      db.rows<{ name: string }>(
        `select conname as name from pg_constraint
         where conrelid = 'app_public.policy_versions'::regclass and contype = 'c'`,
      ),
    );
    expect(documented.toSorted()).toEqual(constraints.map(({ name }) => name).toSorted());
  });
});

/** As PostgreSQL writes JSON: with a space after each comma. */
function writtenOut(value: unknown): string {
  return JSON.stringify(value).replaceAll('","', '", "');
}

test('docs/architecture.md names every invariant that has a view', async () => {
  const documented = tableRows(read('docs/architecture.md'), '## Invariants').map(([name]) => name);
  const views = await inTransaction((db) =>
    db.rows<{ name: string }>(
      `select distinct upper(substring(c.relname from '^i\\d+')) as name from pg_class c
       where c.relkind = 'v' and c.relnamespace = 'app_private'::regnamespace and c.relname ~ '^i\\d+_'`,
    ),
  );
  expect(views.filter(({ name }) => !documented.includes(name))).toEqual([]);
  expect(views.length).toBeGreaterThan(5);
});

test('docker-compose.yml has no colon in a text without quotes, where YAML takes it for a mapping', () => {
  const items = [...read('docker-compose.yml').matchAll(/^ *- (?!["'[{])(.*)$/gm)].map(
    (match) => match[1] ?? '',
  );
  expect(items).toContain('CMD');
  expect(items.filter((item) => /:(\s|$)/.test(item))).toEqual([]);
});

test('docs/security.md has the limits of the API', () => {
  const { rootFields, ...limits } = LIMITS;
  const actual = [
    ...Object.values({ ...limits, ...USUAL_RATES }),
    rootFields.query,
    rootFields.mutation,
  ];
  const documented = tableRows(read('docs/security.md'), '### What one request may ask for')
    .slice(1)
    .map(([, most]) => Number(most));
  expect(documented.toSorted(byNumber)).toEqual(actual.toSorted(byNumber));
});

function byNumber(a: number, b: number): number {
  return a - b;
}

describe('docs/security.md', () => {
  const text = read('docs/security.md');
  const threats = tableRows(text, '## Threats, answers, tests', true)
    .filter((cells) => cells.length === 4 && cells[0] !== 'Threat')
    .map(([threat = '', , tests = '', sections = '']) => ({
      threat,
      tests: [...tests.matchAll(/`(tests\/[\w./]+)` “([^”]+)”/g)].map(
        ([, file = '', name = '']) => ({
          file,
          name,
        }),
      ),
      sections: sections.split(', '),
    }));

  test('has for every threat a test that there is', () => {
    expect(threats.length).toBeGreaterThan(40);
    expect(threats.filter(({ tests }) => tests.length === 0)).toEqual([]);
    const missing = threats
      .flatMap(({ tests }) => tests)
      .filter(({ file, name }) => !namesOf(read(file)).includes(name));
    expect(missing).toEqual([]);
  });

  test('would be found out if it named a test that there is not', () => {
    const names = namesOf(read('tests/platform/documents.test.ts'));
    expect(names).toContain('has for every threat a test that there is');
    expect(names).not.toContain('has for every threat');
    expect(names).not.toContain('Threat');
  });

  test('says of every chapter of the ASVS whether it applies, and counts only those that do', () => {
    const chapters = tableRows(text, '### Chapters of the ASVS').slice(1);
    const numbers = chapters.map(([chapter]) => chapter?.split(' ')[0]);
    expect(numbers).toEqual(Array.from({ length: 17 }, (_, n) => `V${n + 1}`));
    const applying = chapters.filter(([, here]) => here?.startsWith('applies'));
    const counted = threats.flatMap(({ sections }) => sections.map((s) => s.replace(/\.\d+$/, '')));
    expect([...new Set(counted)].toSorted()).toEqual(
      applying.map(([chapter = '']) => chapter.split(' ')[0]).toSorted(),
    );
  });
});

/** What tests are called in a file, as it is written there; in the files of races, what scenarios are called. */
function namesOf(source: string): string[] {
  const named =
    /(?:\b(?:test|it|rule|describe)\(|\)\(|\bname:)\s*(?:'([^'\n]+)'|"([^"\n]+)"|`([^`]+)`)/g;
  return [...source.matchAll(named)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}
