/**
 * Where races are run: one database, several grounds in it side by side, and connections. A ground
 * has a world and users of its own, so that what happens on one touches no other; the clock and the
 * outbox are common, so grounds move time and deliver mail together.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import {
  type ClonedDatabase,
  cloneDatabase,
  emptyDatabase,
  type TestDatabase,
  testDatabase,
} from './database.ts';
import { advanceTo, createUser, createWorld, deliverMail, type World } from './factories.ts';

const GATE = 7;
const USERS = 10;
/** Limits are in the way of a race, unless it is about them. */
const UNLIMITED = {
  max_bookings_per_day: 1000,
  max_entries_per_day: 1000,
  max_mails_per_day: 1000,
};

export interface Action {
  /** `app` takes the role of a user, `server` is the same login by itself. */
  login: 'app' | 'server' | 'worker' | 'owner';
  sql: string;
  userId?: string;
  /** How long after the gate has opened it begins. */
  delayMs?: number;
  /** The same for all grounds, such as time going on: one of them does it for all. */
  once?: boolean;
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
  /** These wait until every ground has come so far, and then happen once. */
  setClock(at: string): Promise<void>;
  deliverMail(): Promise<void>;
  advanceTo(until: string): Promise<void>;
}

export interface Field {
  db: TestDatabase;
  grounds: Ground[];
  /** Takes away all that has happened, and makes new grounds. */
  layOut(layout: Layout): Promise<void>;
  /** Lets all of them run at once. */
  race(actions: Action[]): Promise<Outcome[]>;
  /** The second starts while the first has done its work and not yet committed. */
  overlap(first: Action, second: Action): Promise<{ outcomes: Outcome[]; waited: boolean }>;
  close(): Promise<void>;
}

/** Changes the database of a run before the race, for controls. */
export type Weaken = (db: TestDatabase) => Promise<void>;

export interface Layout {
  grounds?: number;
  policy?: Record<string, unknown> | undefined;
}

/** Connections are slow at first, so scenarios may follow each other on one field, each laid out anew. */
export async function openField(layout: Layout = {}, weaken?: Weaken): Promise<Field> {
  const database = await cloneDatabase();
  const connections = new Connections(database);
  const close = async () => {
    await connections.close();
    await database.drop();
  };
  try {
    const db = testDatabase(inTurn(await connections.take('owner', CONTROL)));
    const field: Field = {
      db,
      grounds: await openGrounds(db, connections, layout),
      layOut: async (next) => {
        await emptyDatabase(await connections.take('admin', CONTROL));
        field.grounds = await openGrounds(db, connections, next);
      },
      race: (actions) => race(db, connections, actions, field.grounds.length),
      overlap: (first, second) => overlap(db, connections, first, second),
      close,
    };
    await weaken?.(db);
    return field;
  } catch (error) {
    await close();
    throw error;
  }
}

/** Grounds prepare their rounds side by side, and a connection does one thing at a time. */
function inTurn(client: pg.Client): pg.Client {
  const query = client.query.bind(client);
  let last: Promise<unknown> = Promise.resolve();
  return Object.assign(client, {
    query: (sql: string, params: unknown[]) => {
      const result = last.then(() => query(sql, params));
      last = result.catch(() => undefined);
      return result;
    },
  });
}

async function openGrounds(
  db: TestDatabase,
  connections: Connections,
  { grounds = 1, policy }: Layout,
): Promise<Ground[]> {
  const together = new Together(grounds);
  const made: Ground[] = [];
  for (let n = 0; n < grounds; n++) {
    made.push(await openGround(db, connections, together, n, policy));
  }
  return made;
}

async function openGround(
  db: TestDatabase,
  connections: Connections,
  together: Together,
  index: number,
  policy: Record<string, unknown> = {},
): Promise<Ground> {
  const world = await createWorld(db, { ...UNLIMITED, ...policy });
  const users: string[] = [];
  for (let n = 0; n < USERS; n++) users.push(await createUser(db, `User${n}`));
  return {
    db,
    world,
    users,
    act: async (action) => {
      const client = await connections.take(action.login, index);
      const outcome = await run(client, action);
      if (!outcome.ok) throw new Error(`${outcome.code} ${outcome.message} from ${action.sql}`);
      return outcome.value;
    },
    setClock: (at) => together.once(() => db.setClock(at)),
    deliverMail: () => together.once(() => deliverMail(db)),
    advanceTo: (until) => together.once(() => advanceTo(db, until)),
  };
}

/** A meeting point: when everybody has arrived, the last one acts for all. */
class Together {
  readonly #members: number;
  #waiting: { done(): void; failed(error: unknown): void }[] = [];

  constructor(members: number) {
    this.#members = members;
  }

  async once(action: () => Promise<unknown>): Promise<void> {
    if (this.#waiting.length + 1 < this.#members) {
      return new Promise((done, failed) => this.#waiting.push({ done, failed }));
    }
    const others = this.#waiting;
    this.#waiting = [];
    try {
      await action();
    } catch (error) {
      for (const other of others) other.failed(error);
      throw error;
    }
    for (const other of others) other.done();
  }
}

/** Delays are stretched with the crowd, or the first arrivals would all be over before the others. */
async function race(
  db: TestDatabase,
  connections: Connections,
  actions: Action[],
  stretch: number,
): Promise<Outcome[]> {
  const started = new Map<string, Promise<Outcome>>();
  const runners: (() => Promise<Outcome>)[] = [];
  const used = new Map<Action['login'], number>();
  for (const action of actions) {
    const index = used.get(action.login) ?? 0;
    used.set(action.login, index + 1);
    const client = await connections.take(action.login, index);
    runners.push(() => run(client, action, (action.delayMs ?? 0) * stretch));
  }
  await db.query('select pg_advisory_lock($1)', [GATE]);
  const outcomes = actions.map((action, index) => {
    const key = action.once ? action.sql : String(index);
    const running = started.get(key) ?? (runners[index] as () => Promise<Outcome>)();
    started.set(key, running);
    return running;
  });
  const all = Promise.all(outcomes);
  await until(async () => (await waitingAtTheGate(db)) >= started.size);
  await db.query('select pg_advisory_unlock($1)', [GATE]);
  return all;
}

async function overlap(
  db: TestDatabase,
  connections: Connections,
  first: Action,
  second: Action,
): Promise<{ outcomes: Outcome[]; waited: boolean }> {
  const one = await connections.take(first.login, 0);
  const two = await connections.take(second.login, 1);
  const [pidOne, pidTwo] = [await processOf(one), await processOf(two)];
  const before = await send(one, `begin; ${settings(first)}; ${first.sql}`, 2);
  // The server reports an error a moment before it gives the locks up; after this it has.
  if (!before.ok) await one.query('rollback');
  const later: { outcome?: Outcome } = {};
  const running = run(two, second).then((outcome) => {
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

function waitingAtTheGate(db: TestDatabase): Promise<number> {
  return db.value<number>(
    `select count(*)::integer from pg_locks
     where locktype = 'advisory' and not granted
       and database = (select oid from pg_database where datname = current_database())`,
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

/** With a delay, even of nothing, the action first waits at the gate. */
async function run(client: pg.Client, action: Action, delayMs?: number): Promise<Outcome> {
  const gated = delayMs !== undefined;
  const gate = gated
    ? `select pg_advisory_xact_lock_shared(${GATE}); select pg_sleep(${delayMs / 1000}); `
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

/** The connection that prepares and looks; it takes no part in races. */
const CONTROL = -1;

/** Connections that are opened when first needed and kept. */
class Connections {
  readonly #database: ClonedDatabase;
  readonly #clients = new Map<string, pg.Client>();

  constructor(database: ClonedDatabase) {
    this.#database = database;
  }

  async take(login: Action['login'] | 'admin', index: number): Promise<pg.Client> {
    const key = `${login} ${index}`;
    const known = this.#clients.get(key);
    if (known) return known;
    const client = new pg.Client({
      connectionString: this.#database.url(login === 'server' ? 'app' : login),
    });
    this.#clients.set(key, client);
    await client.connect();
    return client;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.end()));
  }
}
