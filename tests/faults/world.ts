/** A venue on a database of its own, people who book in it, and a mail server to be told what to do. */
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase, testDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import * as support from '../support/worker.ts';
import { type MailServer, startMailServer } from './mailServer.ts';
import { type ProductProcess, startProduct } from './processes.ts';

export interface Booked {
  id: string;
  email: string;
  userId: string;
  offeringId: string;
  startsAt: string;
}

export interface FaultWorld {
  database: Pick<ClonedDatabase, 'url'>;
  owner: pg.Pool;
  /** The server's administrator, who sees what others are doing. */
  admin: pg.Pool;
  mail: MailServer;
  offeringId: string;
  organizationId: string;
  query<T extends pg.QueryResultRow>(sql: string, params?: unknown[]): Promise<T[]>;
  /** Somebody new books the hall; at a given time, one of its own. */
  book(startsAt?: Date): Promise<Booked>;
  /** Somebody new waits for what is booked. */
  join(booked: Booked): Promise<Booked>;
  /** Holds a row's lock, so that whoever needs it waits. */
  lockRow(table: string, id: string): Promise<{ release(): Promise<void> }>;
  call(userId: string, name: string, args: Record<string, unknown>): Promise<{ id: string }>;
  /** As the platform's admin in psql. */
  asAdmin(sql: string, params?: unknown[]): Promise<pg.QueryResultRow[]>;
  setClock(at: string | null): Promise<void>;
  /** A worker process of its own. */
  startWorker(environment?: Record<string, string>): Promise<ProductProcess>;
  deliveries(email: string): Promise<Delivery[]>;
  /** Rows that break an invariant. */
  broken(): Promise<unknown[]>;
  stop(): Promise<void>;
}

export interface Delivery {
  id: string;
  kind: string;
  status: string;
  attempts: number;
  last_error: string | null;
  xmin: string;
}

const UNLIMITED = {
  max_bookings_per_day: 1000,
  max_entries_per_day: 1000,
  max_mails_per_day: 1000,
  min_duration: '1 second',
};

export const HOUR = 3_600_000;

/** Patient, because several processes share the machine. */
export function eventually<T>(
  ask: () => Promise<T | false | null | undefined>,
  withinMs = 60_000,
): Promise<T> {
  return support.eventually(ask, withinMs);
}

/** Long runs repeat what the short one does a few times. */
export function times(short: number, long: number): number {
  return process.env.RESLOT_LONG ? long : short;
}

export async function openWorld(
  policy: Record<string, unknown> = {},
  database: Pick<ClonedDatabase, 'url' | 'pool' | 'drop'> | null = null,
): Promise<FaultWorld> {
  const own = database ?? (await cloneDatabase());
  const mail = await startMailServer();
  const owner = own.pool('owner', 4);
  const change = changing(owner);
  const made = await change(async (db) => {
    const { organizationId, policyId } = await factory.createOrganization(db, {
      ...UNLIMITED,
      ...policy,
    });
    const createHall = async (inside: Db) => {
      const room = await factory.createResource(inside, organizationId, 'Hall');
      const values = { organizationId, policyId, name: 'Hall', resourceIds: [room] };
      return factory.createOffering(inside, values);
    };
    return { organizationId, createHall, offeringId: await createHall(db) };
  });
  const query: FaultWorld['query'] = async <T extends pg.QueryResultRow>(
    sql: string,
    params: unknown[] = [],
  ) => (await owner.query<T>(sql, params)).rows;
  const workers: ProductProcess[] = [];
  const locks: pg.Client[] = [];
  return {
    ...actions(change, made.offeringId, made.createHall),
    organizationId: made.organizationId,
    offeringId: made.offeringId,
    database: own,
    owner,
    admin: own.pool('admin', 2),
    mail,
    query,
    asAdmin: (sql, params) =>
      change((db) => db.as({ role: 'reslot_admin', via: 'sql' }, () => db.rows(sql, params))),
    setClock: async (at) => {
      await query('select app_private.set_clock($1::timestamptz)', [at]);
    },
    startWorker: async (environment = {}) => {
      const worker = await startProduct('worker', {
        DATABASE_URL: own.url('admin'),
        SMTP_URL: mail.url,
        WORKER_CONCURRENCY: '6',
        ...environment,
      });
      workers.push(worker);
      return worker;
    },
    lockRow: async (table, id) => {
      const client = new pg.Client({ connectionString: own.url('owner') });
      locks.push(client);
      await client.connect();
      await client.query('begin');
      await client.query(`select from ${table} where id = $1 for update`, [id]);
      return { release: () => client.end() };
    },
    deliveries: (email) =>
      query<Delivery>(
        `select d.id, n.kind, d.status::text, d.attempts, d.last_error, d.xmin::text
         from app_public.deliveries d join app_public.notifications n on n.id = d.notification_id
         where d.address = $1 order by d.id`,
        [email],
      ),
    broken: () => query('select * from app_private.check_invariants()'),
    stop: async () => {
      await Promise.all(locks.map((client) => client.end()));
      await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
      await mail.stop();
      await own.drop();
    },
  };
}

type Db = ReturnType<typeof testDatabase>;
type Change = <T>(action: (db: Db) => Promise<T>) => Promise<T>;

/** Works as the owner in one transaction. */
function changing(owner: pg.Pool): Change {
  return async (action) => {
    const client = await owner.connect();
    try {
      await client.query('begin');
      const result = await action(testDatabase(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  };
}

function actions(change: Change, offeringId: string, createHall: (db: Db) => Promise<string>) {
  let hours = 0;
  const act = async (
    db: Db,
    offering: string,
    startsAt: string,
    name: 'create_booking' | 'join_waitlist',
  ): Promise<Booked> => {
    const email = `${factory.unique('p')}@example.com`;
    const userId = await factory.createUser(db, 'Pat', { email });
    const ends_at = new Date(Date.parse(startsAt) + HOUR / 2).toISOString();
    const args = { offering_id: offering, starts_at: startsAt, ends_at };
    const { id } = await factory.call<{ id: string }>(db, userId, name, args);
    return { id, email, userId, startsAt, offeringId: offering };
  };
  return {
    book: (startsAt?: Date): Promise<Booked> => {
      hours += 1;
      const start = startsAt ?? new Date(Date.now() + 200 * HOUR + hours * HOUR);
      return change(async (db) => {
        const offering = startsAt ? await createHall(db) : offeringId;
        return act(db, offering, start.toISOString(), 'create_booking');
      });
    },
    join: (booked: Booked): Promise<Booked> =>
      change((db) => act(db, booked.offeringId, booked.startsAt, 'join_waitlist')),
    call: (userId: string, name: string, args: Record<string, unknown>) =>
      change((db) => factory.call<{ id: string }>(db, userId, name, args)),
  };
}

/** Waits until a backend of the worker waits for a lock in a statement like this; out comes its pid. */
export function blockedWorker(world: FaultWorld, statement: string): Promise<number> {
  return eventually(async () => {
    const { rows } = await world.admin.query<{ pid: number }>(
      `select pid from pg_stat_activity
       where datname = current_database() and usename = 'reslot_worker'
         and wait_event_type = 'Lock' and query like '%' || $1 || '%'`,
      [statement],
    );
    return rows[0]?.pid;
  });
}
