/** Requests that ask for far too much: how quickly they are refused, and what a neighbour notices. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { ABUSE, type AbuseRequest } from './abuseRequests.ts';
import type { Ground } from './ground.ts';
import { type Figures, figures, round } from './load.ts';
import type { Product } from './product.ts';
import { BOOK_QUERY, cell, inputOf } from './rush.ts';

const TIMES = 20;
const WARM_UP = 3;
const ABUSERS = 4;
const NEIGHBOUR_PER_SECOND = 50;
/** In turn, so that what else the machine does falls on all alike. */
const ROUNDS = 3;
const LONG_BODY = 1_000_000;
/** No request of the rush books on these days. */
const FIRST_DAY = 200;

export interface AbuseFigures {
  /** Milliseconds until each is refused, alone on the server: the middle one and the longest. */
  refusedAfter: Record<string, { p50Ms: number; mostMs: number }>;
  neighbour: Record<string, Figures & { abusesPerSecond: number }>;
  /** The neighbour's p99 beside each kind of abuser, to that of being alone. */
  ratios: Record<string, number>;
}

interface Refusal {
  status: number;
  body: string;
}

export async function measureAbuse(
  ground: Ground,
  product: Product,
  seconds: number,
): Promise<AbuseFigures> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const [port = 0] = product.ports;
  const abuse = (what: AbuseRequest, address: string) => post(agent, port, what, address);
  try {
    const refusedAfter: AbuseFigures['refusedAfter'] = {};
    for (const [name, what] of Object.entries(ABUSE)) {
      refusedAfter[name] = await timesToRefuse(name, what, abuse);
    }
    return { refusedAfter, ...(await besideNeighbour(ground, product, abuse, seconds)) };
  } finally {
    agent.destroy();
  }
}

let addresses = 0;

/** One of 16 million, each of which is limited by itself. */
function freshAddress(): string {
  addresses += 1;
  return `11.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

type Send = (what: AbuseRequest, address: string) => Promise<Refusal>;

async function timesToRefuse(name: string, what: AbuseRequest, abuse: Send) {
  const latencies: number[] = [];
  for (let n = 0; n < TIMES + WARM_UP; n++) {
    const started = performance.now();
    const { status, body } = await abuse(what, freshAddress());
    if (n >= WARM_UP) latencies.push(performance.now() - started);
    if (status < 400 || status >= 500 || !body.includes('"RSARG"')) {
      process.stderr.write(`Not refused: ${name}: ${status} ${body.slice(0, 200)}\n`);
    }
  }
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    p50Ms: round(sorted[Math.floor(sorted.length / 2)] ?? 0),
    mostMs: round(sorted.at(-1) ?? 0),
  };
}

/** A neighbour who books at a steady pace, alone and beside abusers who never pause. */
async function besideNeighbour(
  ground: Ground,
  product: Product,
  abuse: Send,
  seconds: number,
): Promise<Pick<AbuseFigures, 'neighbour' | 'ratios'>> {
  const kinds: Record<string, (() => string) | null> = {
    alone: null,
    'beside one abuser': () => '12.0.0.1',
    'beside thousands': freshAddress,
  };
  const latencies: Record<string, number[]> = {};
  const abuses: Record<string, number> = {};
  let booked = 0;
  for (let turn = 0; turn < ROUNDS; turn++) {
    for (const [kind, addressOf] of Object.entries(kinds)) {
      const state = { over: false, sent: abuses[kind] ?? 0 };
      const running = addressOf ? keepAbusing(abuse, addressOf, state) : Promise.resolve();
      const measured = await neighbour(ground, product, booked, seconds);
      state.over = true;
      await running;
      booked += measured.length;
      latencies[kind] = [...(latencies[kind] ?? []), ...measured];
      abuses[kind] = state.sent;
    }
  }
  return summary(latencies, abuses, seconds * ROUNDS);
}

function summary(
  latencies: Record<string, number[]>,
  abuses: Record<string, number>,
  seconds: number,
): Pick<AbuseFigures, 'neighbour' | 'ratios'> {
  const neighbours: AbuseFigures['neighbour'] = {};
  const ratios: Record<string, number> = {};
  for (const [kind, measured] of Object.entries(latencies)) {
    neighbours[kind] = {
      ...figures(measured, measured.length, 0, seconds),
      abusesPerSecond: round((abuses[kind] ?? 0) / seconds),
    };
    const alone = neighbours.alone?.p99Ms ?? 0;
    if (kind !== 'alone') ratios[kind] = round((neighbours[kind].p99Ms / alone) * 10) / 10;
  }
  return { neighbour: neighbours, ratios };
}

async function keepAbusing(
  abuse: Send,
  addressOf: () => string,
  state: { over: boolean; sent: number },
): Promise<void> {
  const requests = Object.values(ABUSE);
  const abuser = async () => {
    while (!state.over) {
      const n = state.sent++;
      await abuse(requests[n % requests.length] as AbuseRequest, addressOf());
    }
  };
  await Promise.all(Array.from({ length: ABUSERS }, abuser));
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
  if (!answer.data?.booked) process.stderr.write(`Refused: ${JSON.stringify(answer)}\n`);
  return performance.now() - due;
}

function post(agent: Agent, port: number, what: AbuseRequest, address: string): Promise<Refusal> {
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(what.body)),
    'x-forwarded-for': address,
    ...what.headers,
  };
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const state = { status: 0 };
    const done = () => resolve({ status: state.status, body: Buffer.concat(chunks).toString() });
    // A body that is too large is refused, and the connection closed, before all of it has been sent; now and then
    // that is noticed before the answer has been read.
    const broken = (error: Error) => {
      if (what.body.length < LONG_BODY) reject(error);
      else resolve({ status: 413, body: '"RSARG"' });
    };
    const sent = request(
      { host: '127.0.0.1', port, path: '/graphql', method: 'POST', headers, agent },
      (response) => {
        state.status = response.statusCode ?? 0;
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', done);
        response.on('error', broken);
      },
    );
    sent.on('error', broken);
    sent.end(what.body);
  });
}
