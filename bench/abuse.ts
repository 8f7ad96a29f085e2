/** Requests that ask for far too much: how quickly they are refused, and what a neighbour notices. */
import { once } from 'node:events';
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ABUSE, type Answer, freshAddress, sendAbuse } from './abuseRequests.ts';
import type { Abuser } from './abuser.ts';
import type { Ground } from './ground.ts';
import { type Figures, figures, round } from './load.ts';
import type { Product } from './product.ts';
import { BOOK_QUERY, cell, inputOf } from './rush.ts';

const TIMES = 20;
const WARM_UP = 3;
const NEIGHBOUR_PER_SECOND = 20;
/** In turn, so that what else the machine does falls on all alike. */
const ROUNDS = 3;
/** No request of the rush books on these days. */
const FIRST_DAY = 200;

/** What there is beside the neighbour. */
const KINDS: Record<string, Omit<Abuser, 'port'> | null> = {
  alone: null,
  'beside 20 abuses a second': { addresses: 'many', perSecond: 20 },
  'beside 100 abuses a second': { addresses: 'many', perSecond: 100 },
  'a flood from one address': { addresses: 'one' },
  'a flood from thousands': { addresses: 'many' },
};

type Neighbour = Figures & { abusesPerSecond: number };

export interface AbuseFigures {
  /** Milliseconds until each is refused, alone on the server: the middle one and the longest. */
  refusedAfter: Record<string, { p50Ms: number; mostMs: number }>;
  neighbour: Record<string, Neighbour>;
  /** The neighbour's p99 beside each kind of abuser, to that of being alone. */
  ratios: Record<string, number>;
}

export async function measureAbuse(
  ground: Ground,
  product: Product,
  seconds: number,
): Promise<AbuseFigures> {
  const [port = 0] = product.ports;
  const agent = new Agent({ keepAlive: true });
  const refusedAfter: AbuseFigures['refusedAfter'] = {};
  try {
    for (const [name, what] of Object.entries(ABUSE)) {
      refusedAfter[name] = await timesToRefuse(name, () =>
        sendAbuse(agent, port, what, freshAddress()),
      );
    }
  } finally {
    agent.destroy();
  }
  return { refusedAfter, ...(await besideNeighbour(ground, product, port, seconds)) };
}

async function timesToRefuse(name: string, send: () => Promise<Answer>) {
  const latencies: number[] = [];
  for (let n = 0; n < TIMES + WARM_UP; n++) {
    const started = performance.now();
    const { status, body } = await send();
    if (n >= WARM_UP) latencies.push(performance.now() - started);
    if (status < 400 || status >= 500 || !body.includes('"RSARG"')) {
      throw new Error(`Not refused: ${name}: ${status} ${body.slice(0, 200)}`);
    }
  }
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    p50Ms: round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    mostMs: round(sorted.at(-1) ?? 0),
  };
}

/** A neighbour who books at a steady pace, alone and beside abusers. */
async function besideNeighbour(
  ground: Ground,
  product: Product,
  port: number,
  seconds: number,
): Promise<Pick<AbuseFigures, 'neighbour' | 'ratios'>> {
  const latencies = new Map<string, number[]>();
  const abuses = new Map<string, number>();
  let booked = 0;
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (const [kind, how] of Object.entries(KINDS)) {
      const abuser = how ? startAbuser({ ...how, port }) : null;
      const measured = await neighbour(ground, product, booked, seconds);
      booked += measured.length;
      abuses.set(kind, (abuses.get(kind) ?? 0) + ((await abuser?.stop()) ?? 0));
      latencies.set(kind, [...(latencies.get(kind) ?? []), ...measured]);
    }
  }
  const all = seconds * ROUNDS;
  const found: [string, Neighbour][] = [...latencies].map(([kind, measured]) => [
    kind,
    {
      ...figures(measured, measured.length, 0, all),
      abusesPerSecond: round((abuses.get(kind) ?? 0) / all),
    },
  ]);
  const alone = found[0]?.[1].p99Ms ?? 0;
  return {
    neighbour: Object.fromEntries(found),
    ratios: Object.fromEntries(
      found.slice(1).map(([kind, { p99Ms }]) => [kind, Number((p99Ms / alone).toFixed(2))]),
    ),
  };
}

/** In a thread of its own, so that what the neighbour waits for is the server and not the abuser. */
function startAbuser(workerData: Abuser) {
  const worker = new Worker(new URL('abuser.ts', import.meta.url), { workerData });
  return {
    stop: async (): Promise<number> => {
      worker.postMessage('stop');
      const [sent] = (await once(worker, 'message')) as [number];
      await worker.terminate();
      return sent;
    },
  };
}

/** Sends by the clock and not when the last answer has come, or waiting would hide itself. */
async function neighbour(
  ground: Ground,
  product: Product,
  first: number,
  seconds: number,
): Promise<number[]> {
  const began = performance.now();
  const answers: Promise<number>[] = [];
  for (let n = 0; n < seconds * NEIGHBOUR_PER_SECOND; n++) {
    const due = began + (n * 1000) / NEIGHBOUR_PER_SECOND;
    if (due > performance.now()) await sleep(due - performance.now());
    answers.push(bookOnce(ground, product, first + n, due));
  }
  return Promise.all(answers);
}

async function bookOnce(ground: Ground, product: Product, n: number, due: number): Promise<number> {
  const user = ground.users[n % ground.users.length] ?? '';
  const answer = await product.ask(0, user, BOOK_QUERY, inputOf(cell(ground, n, FIRST_DAY)));
  if (!answer.data?.booked) process.stderr.write(`Refused: ${JSON.stringify(answer.errors)}\n`);
  return performance.now() - due;
}
