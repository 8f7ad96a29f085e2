/**
 * Races over real connections. Every action of a round is one transaction on a connection of its
 * own, begun as the API begins one, and all of them wait at a gate (an advisory lock) until the
 * last has arrived. As many rounds of a scenario run side by side as 64 clients can play. After
 * each start the invariants must hold, and nobody may have met an error that is not a registered
 * refusal: no deadlock, no serialisation failure, no constraint.
 *
 * A race that finds nothing proves nothing by itself: `weaken` takes a lock out of the database of
 * a run, and the same race must then find a problem.
 */
import pg from 'pg';
import type { TestDatabase } from './database.ts';
import { at, unique } from './factories.ts';
import type { Action, Field, Ground, Outcome } from './field.ts';

export type { Action, Ground, Outcome, Weaken } from './field.ts';

const CLIENTS = 64;
/** Starts on one layout, each `DAYS_APART` days after the one before; then looking for what is wrong gets slow. */
const STARTS_PER_LAYOUT = 12;
const DAYS_APART = 5;

export interface Round {
  actions: Action[];
  /** Looks at what came out, with `expect`. */
  check?(outcomes: Outcome[]): void | Promise<void>;
}

export interface Scenario {
  name: string;
  policy?: Record<string, unknown>;
  /** A round plays on day `day`; the clock stands three days before, at 08:00. */
  prepare(ground: Ground, day: number): Promise<Round>;
}

/** Calls a function of the API as a user. */
export function as(userId: string, name: string, args: Record<string, unknown>): Action {
  const list = Object.entries(args).map(([key, value]) => `${key} => ${literal(value)}`);
  return {
    login: 'app',
    userId,
    sql: `select to_jsonb(x) as value from app_public.${name}(${list.join(', ')}) x`,
  };
}

/** Calls a function as the worker does. */
export function job(call: string): Action {
  return { login: 'worker', sql: `select to_jsonb(x) as value from ${call} x` };
}

/** Calls a function as the server does before it knows who is calling. */
export function server(call: string): Action {
  return { login: 'server', sql: `select to_jsonb(x) as value from ${call} x` };
}

export function owner(call: string): Action {
  return { login: 'owner', sql: `select to_jsonb(x) as value from ${call} x` };
}

/** Some time between two moments after the gate has opened, so that no order is the usual one. */
export function between(fromMs: number, toMs: number, action: Action): Action {
  return { ...action, delayMs: fromMs + Math.random() * (toMs - fromMs) };
}

export function literal(value: unknown): string {
  return value === null || value === undefined ? 'null' : pg.escapeLiteral(String(value));
}

export function fine(outcomes: Outcome[]): Record<string, unknown>[] {
  return outcomes.flatMap((outcome) => (outcome.ok ? [outcome.value] : []));
}

export function refusals(outcomes: Outcome[]): string[] {
  return outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.code])).sort();
}

export interface Limits {
  rounds: number;
  /** After so long it is enough, if at least `atLeast` rounds were played. */
  milliseconds?: number;
  atLeast?: number;
}

/** A thousand rounds, or as many as there is time for; ten thousand in the long run, however long it takes. */
export function usualLimits(): Limits {
  if (process.env.RESLOT_LONG) return { rounds: 10_000 };
  return { rounds: 1_000, milliseconds: 4_000, atLeast: 100 };
}

export interface Played {
  rounds: number;
  /** What was wrong; nothing is played after that. */
  problems: string[];
}

export async function play(
  field: Field,
  scenario: Scenario,
  { rounds, milliseconds = Number.POSITIVE_INFINITY, atLeast = rounds }: Limits,
  clients = CLIENTS,
): Promise<Played> {
  const { policy } = scenario;
  const grounds = Math.floor(clients / (await actionsOf(field, scenario)));
  const begun = Date.now();
  const played: Played = { rounds: 0, problems: [] };
  for (let start = 0; played.rounds < rounds; start++) {
    if (played.rounds >= atLeast && Date.now() - begun > milliseconds) break;
    const place = start % STARTS_PER_LAYOUT;
    if (place === 0) await field.layOut({ policy, grounds });
    played.problems = await playRounds(field, scenario, 4 + place * DAYS_APART);
    played.rounds += grounds;
    if (played.problems.length > 0) break;
  }
  return played;
}

/** How many actions a round of a scenario has. */
async function actionsOf(field: Field, scenario: Scenario): Promise<number> {
  await field.layOut({ policy: scenario.policy });
  await field.db.setClock(at('08:00', 1));
  const { actions } = await scenario.prepare(field.grounds[0] as Ground, 4);
  return actions.length;
}

async function playRounds(field: Field, scenario: Scenario, day: number): Promise<string[]> {
  await field.db.setClock(at('08:00', day - 3));
  const rounds = await Promise.all(field.grounds.map((ground) => scenario.prepare(ground, day)));
  const outcomes = await field.race(rounds.flatMap(({ actions }) => actions));
  const problems: string[] = [];
  for (const round of rounds) {
    problems.push(...(await problemsIn(round, outcomes.splice(0, round.actions.length))));
  }
  return [...problems, ...(await brokenInvariants(field.db))];
}

async function problemsIn(round: Round, outcomes: Outcome[]): Promise<string[]> {
  const problems = outcomes.flatMap((outcome) =>
    outcome.ok || isRefusal(outcome.code) ? [] : [`${outcome.code} ${outcome.message}`],
  );
  try {
    await round.check?.(outcomes);
  } catch (error) {
    problems.push((error as Error).message);
  }
  return problems;
}

async function brokenInvariants(db: TestDatabase): Promise<string[]> {
  const broken = await db.rows<{ invariant: string; problem: string }>(BROKEN);
  if (broken.length === 0) return [];
  // Of something that only an index says, the tables would know nothing.
  const [, , , , found] = (await db.client.query(
    `begin; set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off;
     ${BROKEN}; commit`,
  )) as unknown as pg.QueryResult[];
  const where = `${found?.rowCount} of ${broken.length} also found without indexes`;
  return broken.map(({ invariant, problem }) => `${invariant}: ${problem} (${where})`);
}

const BROKEN = 'select invariant, problem from app_private.check_invariants()';

/** RSBSY stands for a lock that could not be had. */
function isRefusal(code: string): boolean {
  return /^RS/.test(code) && code !== 'RSBSY';
}

export interface Overlap {
  /** `ok` or the code of the refusal, the first action of the scenario first. */
  results: string[];
  /** Whether the second had to wait for the first. */
  waited: boolean;
  problems: string[];
}

/** Plays the first two actions, the second inside the transaction of the first; then the other way round. */
export async function bothOrders(field: Field, scenario: Scenario): Promise<[Overlap, Overlap]> {
  await field.layOut({ policy: scenario.policy });
  return [await playPair(field, scenario, 4), await playPair(field, scenario, 9, true)];
}

async function playPair(
  field: Field,
  scenario: Scenario,
  day: number,
  reversed = false,
): Promise<Overlap> {
  await field.db.setClock(at('08:00', day - 3));
  const { actions, check } = await scenario.prepare(field.grounds[0] as Ground, day);
  const [first, second] = actions.slice(0, 2) as [Action, Action];
  const played = reversed ? await field.overlap(second, first) : await field.overlap(first, second);
  const outcomes = reversed ? played.outcomes.toReversed() : played.outcomes;
  const problems = await problemsIn(check ? { actions, check } : { actions }, outcomes);
  return {
    results: outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code)),
    waited: played.waited,
    problems: [...problems, ...(await brokenInvariants(field.db))],
  };
}

/** Takes a text out of a function of this database, which has to be there. */
export async function without(
  db: TestDatabase,
  name: string,
  text: RegExp,
  instead = '',
): Promise<void> {
  const source = await db.value<string>('select pg_get_functiondef($1::regprocedure)', [name]);
  const changed = source.replace(text, instead);
  if (changed === source) throw new Error(`${name} has nothing like ${text}.`);
  await db.query(changed);
}

/** Makes everybody linger between looking and taking, so that a missing lock shows soon. */
export async function linger(db: TestDatabase, table: string, when = 'insert'): Promise<void> {
  const name = unique('linger_');
  const schema = table.split('.')[0];
  await db.query(`create function ${schema}.${name}() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.01); return coalesce(new, old); end $$`);
  await db.query(`create trigger aa_${name} before ${when} on ${table}
    for each row execute function ${schema}.${name}()`);
}
