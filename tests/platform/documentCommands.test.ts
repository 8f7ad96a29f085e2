/** The commands in documents are run as printed, and answer as printed but for ids and times. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { hashPassword } from '../../src/auth/passwords.ts';
import { DEMO_PASSWORD } from '../../src/database/demo/people.ts';
import { fillWithDemo, loadDemo } from '../../src/database/demo.ts';
import { cloneDatabase, inTransaction, type TestDatabase } from '../support/database.ts';
import { blocks, read } from '../support/documents.ts';
import { deliverMail, runDueDeadlines } from '../support/factories.ts';
import { startStack } from '../support/stack.ts';

const run = promisify(execFile);

/** Answers as they are, with every value replaced by its kind. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
  }
  return typeof value === 'string' && /\d/.test(value)
    ? 'with digits'
    : typeof value === 'number'
      ? 0
      : value;
}

function answers(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => shape(JSON.parse(line)));
}

test('the first session of the README goes as printed', async () => {
  const readme = read('README.md');
  const session = readme.slice(
    readme.indexOf('## A first session'),
    readme.indexOf('## What is where in the API'),
  );
  const printed = blocks(session);
  const of = (language: string) =>
    printed
      .filter((block) => block.language === language)
      .map(({ text }) => text)
      .join('\n');
  const database = await cloneDatabase();
  await loadDemo(database.pool('admin'));
  const stack = await startStack({ database });
  try {
    const script = of('sh').replaceAll('http://localhost:3000', stack.url);
    const { stdout } = await run('bash', ['-euo', 'pipefail', '-c', script]);
    expect(answers(stdout)).toEqual(answers(of('json')));
    const mail = (text: string) =>
      text.replaceAll(/^http.*$/gm, 'link').replaceAll(/\w+day, .*$/gm, 'day');
    expect(mail(stdout)).toContain(mail(of('text')).slice(0, 400));
  } finally {
    await stack.stop();
  }
}, 120_000);

/** An id in an answer is the variable that a later step asks for. */
function idsIn(answer: unknown, name: string, ids: Record<string, unknown>): void {
  if (typeof answer !== 'object' || answer === null) return;
  for (const [key, value] of Object.entries(answer)) {
    if (key === 'id') ids[`${name}Id`] ??= value;
    else idsIn(value, NAMES[key] ?? (/^\d+$|^nodes$|^result$/.test(key) ? name : key), ids);
  }
}

const NAMES: Record<string, string> = {
  organizationBySlug: 'organization',
  policies: 'policy',
  createBookingFor: 'booking',
  createBlackout: 'blackout',
};

test('the steps of docs/venues.md work one after the other', async () => {
  const database = await cloneDatabase();
  await loadDemo(database.pool('admin'));
  const stack = await startStack({ database, worker: false });
  const ask = async (query: string, variables: object, token?: string) => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
    });
    return (await response.json()) as { data: Record<string, unknown>; errors?: unknown };
  };
  try {
    const signIn = `mutation { signIn(input: {email: "olga@demo.example", password: "${DEMO_PASSWORD}"}) { accessToken } }`;
    const { data } = await ask(signIn, {});
    const { accessToken } = data.signIn as { accessToken: string };
    const known: Record<string, unknown> = nextSaturday();
    for (const { text } of blocks(read('docs/venues.md'))) {
      const asked = [...text.matchAll(/\$(\w+):/g)].map((match) => match[1] ?? '');
      const variables = Object.fromEntries(asked.map((name) => [name, known[name]]));
      const answer = await ask(text, variables, accessToken);
      expect([text, answer.errors]).toEqual([text, undefined]);
      idsIn(answer.data, '', known);
    }
    expect(Object.keys(known)).toContain('blackoutId');
  } finally {
    await stack.stop();
  }
}, 120_000);

/** The Boat House is open from nine o'clock, and somebody books it in the afternoon. */
function nextSaturday(): Record<string, string> {
  const day = new Date(Date.now() + 14 * 86_400_000);
  day.setUTCDate(day.getUTCDate() + ((6 - day.getUTCDay() + 7) % 7));
  const at = (hour: number) => `${day.toISOString().slice(0, 10)}T${hour}:00:00Z`;
  return { from: at(10), to: at(20), startsAt: at(12), endsAt: at(14) };
}

/** As in the document: the demo, five minutes later, and nobody has done what was due meanwhile. */
async function stopTheWorker(db: TestDatabase): Promise<void> {
  await db.setClock('2026-11-21T04:02:04Z');
  await fillWithDemo(db.client, await hashPassword(DEMO_PASSWORD));
  await runDueDeadlines(db);
  await deliverMail(db);
  await db.setClock('2026-11-21T04:07:14Z');
}

/** A statement and what psql printed after it. */
function statements(markdown: string): { sql: string; printed: string }[] {
  const all = blocks(markdown).filter(({ language }) => ['sql', 'text'].includes(language));
  return all.flatMap(({ language, text }, index) => {
    if (language !== 'sql') return [];
    const next = all[index + 1];
    return [{ sql: text, printed: next?.language === 'text' ? next.text : '' }];
  });
}

test('the statements of docs/admin.md answer as printed', async () => {
  await inTransaction(async (db) => {
    await stopTheWorker(db);
    const [login, ...rest] = statements(read('docs/admin.md'));
    await db.query('set local role none');
    await db.query(login?.sql ?? '');
    await db.query('set local role alice');
    await db.query('set local search_path = app_public, app_private');
    expect(rest.length).toBeGreaterThan(20);
    for (const { sql, printed } of rest) {
      if (printed.startsWith('ERROR:')) {
        const { message } = await db.fails(sql);
        expect(printed).toContain(`ERROR:  ${message}`);
        continue;
      }
      const result = await db.query(sql);
      // In psql each statement is a transaction of its own, and ends the reason given in it.
      await db.query("select set_config('reslot.reason', '', true)");
      const [header = ''] = printed.split('\n');
      expect([sql, result.fields.map(({ name }) => name)]).toEqual([
        sql,
        header.split('|').map((name) => name.trim()),
      ]);
      const rows = result.rowCount ?? 0;
      expect([sql, printed]).toEqual([
        sql,
        expect.stringContaining(`(${rows} row${rows === 1 ? '' : 's'})`),
      ]);
    }
    await db.query('set local role reslot_owner');
  });
}, 120_000);
