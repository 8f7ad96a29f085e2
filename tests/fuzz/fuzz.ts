/** Sends requests that nobody would, wave after wave, and collects what should not have come back. */
import { readFileSync } from 'node:fs';
import { buildSchema } from 'graphql';
import { broken, type Sent, sound } from './broken.ts';
import { Documents, perRequest, type Request } from './documents.ts';
import { judge } from './judge.ts';
import { Random } from './random.ts';
import { type Actor, type Change, changeOf, createScene, type Scene } from './scene.ts';
import type { Served } from './served.ts';
import type { Wish } from './values.ts';

export interface Findings {
  cases: number;
  /** What was found: each with all that is needed to send it again. */
  problems: string[];
  /** How often each root field was called. */
  called: Map<string, number>;
  /** How often each of them did what it is for. */
  succeeded: Map<string, number>;
  /** How often which code came back; `ok` for none. */
  codes: Map<string, number>;
  /** What the server holds after each wave. */
  heapBytes: number[];
}

interface Options {
  seed: number;
  cases: number;
  /** A wave has a world of its own, and is looked at when it is over. */
  casesOfWave?: number;
  /** Ends early: one is enough for a control. */
  mostProblems?: number;
}

const AT_A_TIME = 8;
/** The others are sound, and carry several cases each. */
const BROKEN = 0.45;
/** A sound document is sent so often, each time with other values and mostly by somebody else. */
const TIMES = 8;
/** So often each root field is called by itself, before what chance brings; it is executed for sure. */
export const CALLS_OF_EACH = 2;
/** Hash passwords on purpose slowly, or wait so that nothing can be read from the time; or end somebody’s part in this. */
const RARE =
  /^(signIn|signUp|resetPassword|changePassword|request.*|sendLinksAgain|lookUpBooking|eraseMe|deactivateAccount|signOut.*)$/;

const schema = buildSchema(
  readFileSync(new URL('../../schema/schema.graphql', import.meta.url), 'utf8'),
);

const documents = new Documents(schema);
const OPERATIONS = ['query', 'mutation'] as const;

export const rootFields = () => OPERATIONS.flatMap((operation) => documents.rootFields(operation));

export async function fuzz(served: Served, options: Options): Promise<Findings> {
  const findings: Findings = {
    cases: 0,
    problems: [],
    called: new Map(),
    succeeded: new Map(),
    codes: new Map(),
    heapBytes: [],
  };
  const change = changeOf(served);
  const enough = () => findings.problems.length >= (options.mostProblems ?? 20);
  for (let wave = 0; findings.cases < options.cases && !enough(); wave++) {
    const played = new Wave(served, await createScene(change, wave), options.seed, wave);
    const most = Math.min(findings.cases + (options.casesOfWave ?? 2_000), options.cases);
    if (wave === 0) await played.callEach(findings, enough);
    else await played.run(findings, most, enough);
    findings.problems.push(...(await brokenInvariants(change, options.seed, wave)));
    findings.heapBytes.push(await served.heapBytes());
  }
  return findings;
}

/** From when the caches are full to the end. */
export function growthMb({ heapBytes }: Findings): number {
  const [, early = 0] = heapBytes;
  return Math.round(((heapBytes.at(-1) ?? 0) - early) / 1e6);
}

async function brokenInvariants(change: Change, seed: number, wave: number): Promise<string[]> {
  const rows = await change((db) => db.rows('select * from app_private.check_invariants()'));
  return rows.map((row) => `seed ${seed}, after wave ${wave}: ${JSON.stringify(row)}`);
}

async function sideBySide(work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: AT_A_TIME }, work));
}

class Wave {
  readonly #served: Served;
  readonly #scene: Scene;
  readonly #seed: number;
  readonly #wave: number;
  readonly #turns: { query: number; mutation: number };
  #next = 0;

  constructor(served: Served, scene: Scene, seed: number, wave: number) {
    this.#served = served;
    this.#scene = scene;
    this.#seed = seed;
    this.#wave = wave;
    // Far enough from the wave before to get around in a few.
    this.#turns = { query: wave * 23, mutation: wave * 23 };
  }

  async run(findings: Findings, most: number, enough: () => boolean): Promise<void> {
    await sideBySide(async () => {
      while (findings.cases < most && !enough()) await this.#one(findings, this.#next++);
    });
  }

  /** Every root field with values that fit, by one after the other of those who can call. */
  async callEach(findings: Findings, enough: () => boolean): Promise<void> {
    const calls = OPERATIONS.flatMap((operation) =>
      documents.rootFields(operation).map((field) => ({ operation, field })),
    ).flatMap((call) => Array<typeof call>(CALLS_OF_EACH).fill(call));
    await sideBySide(async () => {
      while (this.#next < calls.length && !enough()) {
        const index = this.#next++;
        const { operation, field } = calls[index] as (typeof calls)[number];
        const random = new Random(this.#seed, this.#wave, index);
        const wish = { random, known: this.#scene.known, oddity: 0 };
        const request = documents.request(wish, operation, [field], 0);
        const actor = this.#scene.actors[index % this.#scene.actors.length] as Actor;
        await this.#send(findings, index, sound(request), actor);
      }
    });
  }

  async #one(findings: Findings, index: number): Promise<void> {
    const random = new Random(this.#seed, this.#wave, index);
    const isBroken = random.chance(BROKEN);
    const request = this.#request(random, isBroken);
    const someone = () => random.pick(this.#scene.actors);
    if (isBroken) return this.#send(findings, index, broken(random, request), someone());
    for (let n = 0; n < TIMES; n++) {
      const values = n === 0 ? request : request.again(this.#wish(random));
      await this.#send(findings, index, sound(values), someone());
    }
  }

  async #send(
    findings: Findings,
    index: number,
    sent: Sent,
    actor: Actor,
    isAgain = false,
  ): Promise<void> {
    const response = await fetch(this.#served.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(actor.token && { authorization: `Bearer ${actor.token}` }),
        ...sent.headers,
      },
      body: sent.body,
    });
    const answer = { status: response.status, text: await response.text() };
    if (answer.status === 401 && !sent.headers.authorization && !isAgain) {
      // Nothing was tried: somebody has ended this session. The new one is nobody else's.
      const fresh = { ...actor };
      await this.#scene.replace(fresh);
      actor.token = fresh.token;
      return this.#send(findings, index, sent, fresh, true);
    }
    const { problem, codes, isEmpty } = judge(answer);
    if (problem) findings.problems.push(this.#report(problem, index, actor, sent, answer));
    this.#count(findings, sent, codes, isEmpty);
  }

  #wish(random: Random): Wish {
    return { random, known: this.#scene.known, oddity: random.pick([0, 0, 0.05, 0.25]) };
  }

  #request(random: Random, isBroken: boolean): Request {
    const operation = random.chance(0.6) ? 'query' : 'mutation';
    const all = documents.rootFields(operation);
    const count = isBroken ? 1 : perRequest(operation);
    // One in its turn, so that none is left out by chance.
    const fields = [all[this.#turns[operation]++ % all.length] as string];
    while (fields.length < count) {
      const name = random.pick(all);
      if (!RARE.test(name) || random.chance(0.08)) fields.push(name);
    }
    const inOrder = fields.toSorted(
      (a, b) =>
        Number(documents.mustAnswer(operation, a)) - Number(documents.mustAnswer(operation, b)),
    );
    return documents.request(this.#wish(random), operation, inOrder);
  }

  #report(problem: string, index: number, actor: Actor, sent: Sent, answer: object): string {
    const { body, headers } = sent;
    const cut = (value: unknown) => JSON.stringify(value).slice(0, 4_000);
    return `seed ${this.#seed}, wave ${this.#wave}, request ${index} by ${actor.role}: ${problem}
  sent ${cut({ body, headers })}
  came ${cut(answer)}`;
  }

  /** A request that is refused as a whole is one case, however many fields it has. */
  #count(findings: Findings, sent: Sent, codes: Record<string, string>, isEmpty: boolean): void {
    const add = (counts: Map<string, number>, key: string) =>
      counts.set(key, (counts.get(key) ?? 0) + 1);
    if (codes.document) {
      findings.cases += 1;
      add(findings.codes, `document ${codes.document}`);
      return;
    }
    for (const [n, field] of sent.fields.entries()) {
      // One field that may not be null takes the others with it, and those after it are not called.
      if (isEmpty && !codes[`c${n}`]) continue;
      findings.cases += 1;
      add(findings.called, field);
      add(findings.codes, codes[`c${n}`] ?? 'ok');
      if (!codes[`c${n}`]) add(findings.succeeded, field);
    }
  }
}
