/**
 * Races over real connections. Every action of a round is one transaction on a connection of its
 * own, begun as the API begins one, and all of them wait at a gate (an advisory lock) until the
 * last has arrived. After the round the invariants must hold, and nobody may have met an error that
 * is not a registered refusal: no deadlock, no serialisation failure, no constraint.
 *
 * A race that finds nothing proves nothing by itself: `weaken` takes a lock out of the database of
 * a run, and the same race must then find a problem.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase, type TestDatabase, testDatabase } from './database.ts';
import { at, createUser, createWorld, unique, type World } from './factories.ts';

const GATE = 7;
const USERS = 10;
/** Rounds that share a database; each lies `DAYS_APART` days after the one before. */
const ROUNDS_PER_GROUND = 60;
const DAYS_APART = 5;
/** Limits are in the way of a race, unless it is about them. */
const UNLIMITED = {
  max_bookings_per_day: 1000,
  max_entries_per_day: 1000,
  max_mails_per_day: 1000,
};

export interface Action {
  login: 'app' | 'worker' | 'owner';
  sql: string;
  userId?: string;
  /** How long after the gate has opened it begins. */
  delayMs?: number;
}

export type Outcome =
  | { ok: true; value: Record<string, unknown> }
  | { ok: false; code: string; message: string };

export interface Ground {
  db: TestDatabase;
  world: World;
  users: string[];
  /** Runs one action alone; it has to succeed. */
  act(action: Action): Promise<Record<string, unknown>>;
  /** Lets all of them run at once. */
  race(actions: Action[]): Promise<Outcome[]>;
  /** The second starts while the first has done its work and not yet committed. */
  overlap(first: Action, second: Action): Promise<{ outcomes: Outcome[]; waited: boolean }>;
  close(): Promise<void>;
}

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

/** Changes the database of a run before the race, for controls. */
export type Weaken = (db: TestDatabase) => Promise<void>;

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

/** `short` rounds in every run, ten thousand in the long one. */
export function rounds(short: number): number {
  return process.env.RESLOT_LONG ? 10_000 : short;
}

/** Plays the rounds and returns what was wrong, or an empty list; stops at the first wrong round. */
export async function problemsOf(
  scenario: Scenario,
  count: number,
  weaken?: Weaken,
): Promise<string[]> {
  for (let played = 0; played < count; played += ROUNDS_PER_GROUND) {
    const ground = await openGround(scenario.policy, weaken);
    try {
      for (let n = 0; n < Math.min(ROUNDS_PER_GROUND, count - played); n++) {
        const problems = await playRound(ground, scenario, 4 + n * DAYS_APART);
        if (problems.length > 0) return problems;
      }
    } finally {
      await ground.close();
    }
  }
  return [];
}

async function playRound(ground: Ground, scenario: Scenario, day: number): Promise<string[]> {
  await ground.db.setClock(at('08:00', day - 3));
  const round = await scenario.prepare(ground, day);
  const outcomes = await ground.race(round.actions);
  return problemsAfter(ground, round, outcomes);
}

async function problemsAfter(ground: Ground, round: Round, outcomes: Outcome[]): Promise<string[]> {
  const problems = outcomes.flatMap((outcome) =>
    outcome.ok || isRefusal(outcome.code) ? [] : [`${outcome.code} ${outcome.message}`],
  );
  try {
    await round.check?.(outcomes);
  } catch (error) {
    problems.push((error as Error).message);
  }
  const broken = await ground.db.rows<{ invariant: string; problem: string }>(
    'select invariant, problem from app_private.check_invariants()',
  );
  return [...problems, ...broken.map(({ invariant, problem }) => `${invariant}: ${problem}`)];
}

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
export async function bothOrders(scenario: Scenario): Promise<[Overlap, Overlap]> {
  const ground = await openGround(scenario.policy);
  try {
    return [await playPair(ground, scenario, 4), await playPair(ground, scenario, 9, true)];
  } finally {
    await ground.close();
  }
}

async function playPair(
  ground: Ground,
  scenario: Scenario,
  day: number,
  reversed = false,
): Promise<Overlap> {
  await ground.db.setClock(at('08:00', day - 3));
  const { actions, check } = await scenario.prepare(ground, day);
  const [first, second] = actions.slice(0, 2) as [Action, Action];
  const played = reversed
    ? await ground.overlap(second, first)
    : await ground.overlap(first, second);
  const outcomes = reversed ? played.outcomes.toReversed() : played.outcomes;
  const round: Round = check ? { actions, check } : { actions };
  return {
    results: outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.code)),
    waited: played.waited,
    problems: await problemsAfter(ground, round, outcomes),
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
  await db.query(`create function app_private.${name}() returns trigger language plpgsql as
    $$ begin perform pg_sleep(0.01); return coalesce(new, old); end $$`);
  await db.query(`create trigger aa_${name} before ${when} on ${table}
    for each row execute function app_private.${name}()`);
}

export async function openGround(
  policy: Record<string, unknown> = {},
  weaken?: Weaken,
): Promise<Ground> {
  const database = await cloneDatabase();
  const connections = new Connections(database);
  const close = async () => {
    await connections.close();
    await database.drop();
  };
  try {
    const db = testDatabase(await connections.control());
    const world = await createWorld(db, { ...UNLIMITED, ...policy });
    const users: string[] = [];
    for (let n = 0; n < USERS; n++) users.push(await createUser(db, `User${n}`));
    await weaken?.(db);
    return {
      db,
      world,
      users,
      act: async (action) => {
        const outcome = await run(await connections.take(action, 0), action, false);
        if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.message} from ${action.sql}`);
        return outcome.value;
      },
      race: (actions) => race(db, connections, actions),
      overlap: (first, second) => overlap(db, connections, first, second),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function race(
  db: TestDatabase,
  connections: Connections,
  actions: Action[],
): Promise<Outcome[]> {
  const clients: pg.Client[] = [];
  for (const [index, action] of actions.entries())
    clients.push(await connections.take(action, index));
  await db.query('select pg_advisory_lock($1)', [GATE]);
  const running = Promise.all(
    actions.map((action, index) => run(clients[index] as pg.Client, action, true)),
  );
  await until(async () => (await waiting(db, "locktype = 'advisory'")) >= actions.length);
  await db.query('select pg_advisory_unlock($1)', [GATE]);
  return running;
}

async function overlap(
  db: TestDatabase,
  connections: Connections,
  first: Action,
  second: Action,
): Promise<{ outcomes: Outcome[]; waited: boolean }> {
  const [one, two] = [await connections.take(first, 0), await connections.take(second, 1)];
  const [pidOne, pidTwo] = [await processOf(one), await processOf(two)];
  const before = await open(one, first);
  // The server reports an error a moment before it gives the locks up; after this it has.
  if (!before.ok) await one.query('rollback');
  const later: { outcome?: Outcome } = {};
  const running = run(two, second, false).then((outcome) => {
    later.outcome = outcome;
    return outcome;
  });
  const seen = { waiting: false };
  await until(async () => {
    // For the first and for nothing else: short waits for pages of a file come and go.
    seen.waiting = await db.value<boolean>('select $1 = any (pg_blocking_pids($2))', [
      pidOne,
      pidTwo,
    ]);
    return seen.waiting || later.outcome !== undefined;
  });
  if (before.ok) await one.query('commit');
  return { outcomes: [before, await running], waited: seen.waiting };
}

async function processOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

function waiting(db: TestDatabase, condition: string): Promise<number> {
  return db.value<number>(
    `select count(*)::integer from pg_locks l join pg_stat_activity a using (pid)
     where not l.granted and a.datname = current_database() and ${condition}`,
  );
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('The others did not come to the start.');
    await sleep(1);
  }
}

function settings({ login, userId }: Action): string {
  const values: Record<string, string> =
    login === 'app'
      ? { role: 'reslot_user', 'reslot.user_id': userId ?? '', 'reslot.via': 'graphql' }
      : {};
  const all = { ...values, lock_timeout: '20s', statement_timeout: '30s' };
  const calls = Object.entries(all).map(([k, v]) => `set_config('${k}', '${v}', true)`);
  return `select ${calls.join(', ')}`;
}

async function open(client: pg.Client, action: Action): Promise<Outcome> {
  return send(client, `begin; ${settings(action)}; ${action.sql}`, 2);
}

async function run(client: pg.Client, action: Action, gated: boolean): Promise<Outcome> {
  const gate = gated
    ? `select pg_advisory_xact_lock_shared(${GATE}); select pg_sleep(${(action.delayMs ?? 0) / 1000}); `
    : '';
  const outcome = await send(
    client,
    `begin; ${settings(action)}; ${gate}${action.sql}; commit`,
    gated ? 4 : 2,
  );
  if (!outcome.ok) await client.query('rollback');
  return outcome;
}

/** One message for the whole transaction, so that what races is the server and not this process. */
async function send(client: pg.Client, text: string, index: number): Promise<Outcome> {
  try {
    const results = (await client.query(text)) as unknown as pg.QueryResult[];
    const row = results[index]?.rows[0] as { value?: Record<string, unknown> } | undefined;
    return { ok: true, value: row?.value ?? {} };
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { ok: false, code: error.code ?? '', message: error.message };
  }
}

/** Connections that are opened when first needed and kept for the following rounds. */
class Connections {
  readonly #database: ClonedDatabase;
  readonly #clients = new Map<string, pg.Client>();

  constructor(database: ClonedDatabase) {
    this.#database = database;
  }

  control(): Promise<pg.Client> {
    return this.#get('owner', 'control');
  }

  take(action: Action, index: number): Promise<pg.Client> {
    return this.#get(action.login, String(index));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.end()));
  }

  async #get(login: Action['login'], which: string): Promise<pg.Client> {
    const key = `${login} ${which}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const client = new pg.Client({ connectionString: this.#database.url(login) });
    await client.connect();
    this.#clients.set(key, client);
    return client;
  }
}
