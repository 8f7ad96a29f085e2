/**
 * `npm run bench`: a table for people on the error output, JSON for programs on the standard one.
 * Takes about two minutes. What the figures mean is in README.md beside this file.
 */
import { availableParallelism, cpus } from 'node:os';
import { type Ground, openGround } from './ground.ts';
import { type Figures, round } from './load.ts';
import { type Product, startMailServer, startProduct } from './product.ts';
import { BOOK_QUERY, inputOf, releases } from './release.ts';
import {
  AS_USER,
  type Book,
  bareInserts,
  CLIENTS,
  connect,
  functionCalls,
  prepareBare,
  rushOnFree,
  rushOnSame,
} from './rush.ts';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 5);
/** Rounds in turn, so that what else the machine does falls on all alike. */
const ROUNDS = 3;

type Table = Record<string, Figures>;

async function measureRush(ground: Ground, product: Product): Promise<Table> {
  const bare = await connect(ground.url('app'), 'select 1');
  const users = await connect(ground.url('app'), AS_USER);
  const ways: [string, Book[], Book[]][] = [
    ['bare insert', await bareInserts(ground, bare, false), await bareInserts(ground, bare, true)],
    ['SQL function', functionCalls(users), functionCalls(users)],
    ['HTTP GraphQL', overHttp(product), overHttp(product)],
  ];
  const table: Table = {};
  const rates: Figures[][] = ways.map(() => []);
  for (let n = 0; n < ROUNDS; n++) {
    for (const [index, [name, free]] of ways.entries()) {
      const figures = await rushOnFree(ground, free, SECONDS, 1 + 60 * n + 20 * index);
      rates[index]?.push(figures);
      keepMiddle(table, `${name}, free`, rates[index] ?? []);
    }
  }
  for (const [index, [name, , contended]] of ways.entries()) {
    table[`${name}, same 200`] = await rushOnSame(ground, contended, 200 + 10 * index);
  }
  await Promise.all([...bare, ...users].map((client) => client.end()));
  return table;
}

/** Of all rounds the one in the middle. */
function keepMiddle(table: Table, name: string, rounds: Figures[]): void {
  const middle = rounds.toSorted((a, b) => a.perSecond - b.perSecond)[
    Math.floor(rounds.length / 2)
  ];
  if (middle) table[name] = middle;
}

function overHttp(product: Product): Book[] {
  return Array.from(
    { length: CLIENTS },
    (_, client): Book =>
      async (wanted, user) => {
        const { data, errors } = await product.ask(client, user, BOOK_QUERY, inputOf(wanted));
        if (data?.booked) return true;
        const code = errors?.[0]?.extensions?.code;
        if (code === 'RSFUL') return false;
        throw new Error(`Refused: ${JSON.stringify(errors)}`);
      },
  );
}

function ratiosOf(table: Table): Record<string, number> {
  const rate = (name: string) => table[name]?.perSecond ?? Number.NaN;
  const share = (one: string, other: string) => Math.round((rate(one) / rate(other)) * 1000) / 1000;
  return {
    'SQL function / bare insert': share('SQL function, free', 'bare insert, free'),
    'HTTP / SQL function': share('HTTP GraphQL, free', 'SQL function, free'),
  };
}

async function main(): Promise<void> {
  const began = performance.now();
  const ground = await openGround();
  const mail = await startMailServer();
  const stops: (() => Promise<void>)[] = [ground.stop, mail.stop];
  try {
    await prepareBare(ground);
    const servers = availableParallelism();
    const product = await startProduct(ground, { servers, smtpUrl: mail.url });
    stops.push(product.stop);
    const one = { batches: 40, parallel: 1, firstDay: 250, firstUser: 0 };
    const sixteen = { batches: 6, parallel: 16, firstDay: 260, firstUser: 400 };
    const release: Table = {
      'one by one': await releases(ground, product, mail, one),
      'sixteen at a time': await releases(ground, product, mail, sixteen),
    };
    await product.stopWorker();
    const rush = await measureRush(ground, product);
    const { rows } = await ground.owner.query('select * from app_private.check_invariants()');
    report({
      machine: { cores: availableParallelism(), model: cpus()[0]?.model, servers },
      seconds: round((performance.now() - began) / 1000),
      brokenInvariants: rows.length,
      rush,
      ratios: ratiosOf(rush),
      release,
    });
    if (rows.length > 0) process.exitCode = 1;
  } finally {
    for (const stop of stops.toReversed()) await stop().catch(complain);
  }
}

interface Report {
  rush: Table;
  ratios: Record<string, number>;
  release: Table;
  [name: string]: unknown;
}

function report(result: Report): void {
  const lines = [
    line('rush (32 clients)', ['per s', 'p50 ms', 'p99 ms', 'done', 'refused']),
    ...Object.entries(result.rush).map(([name, f]) =>
      line(name, [f.perSecond, f.p50Ms, f.p99Ms, f.done, f.refused]),
    ),
    ...Object.entries(result.ratios).map(([name, ratio]) => line(name, [ratio])),
    line('release to mail', ['per s', 'p50 ms', 'p99 ms', 'done']),
    ...Object.entries(result.release).map(([name, f]) =>
      line(name, [f.perSecond, f.p50Ms, f.p99Ms, f.done]),
    ),
  ];
  process.stderr.write(`${lines.join('\n')}\n`);
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
}

function line(name: string, values: (string | number)[]): string {
  return `${name.padEnd(28)}${values.map((value) => String(value).padStart(10)).join('')}`;
}

function complain(error: unknown): void {
  process.stderr.write(`Something did not stop well: ${(error as Error).message}\n`);
}

await main();
