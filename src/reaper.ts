/**
 * The queue by itself gives the jobs of a worker that was killed to another one after four hours.
 * Here each worker holds a lock for as long as its connection lives, and whoever can take the lock
 * of a worker in two sweeps running knows that it is dead.
 */
import pg from 'pg';
import { log } from './log.ts';

export interface Reaper {
  stop(): Promise<void>;
}

interface ReaperOptions {
  /** A direct connection: the locks belong to its session. */
  connectionString: string;
  /** What the queue writes into `locked_by` for this worker. */
  workerId: string;
  sweepMs?: number;
}

/** A lock that all living workers share, so that a server can see whether there is one. */
const PRESENCE = [1_919_251_308, 1] as const;

export async function startReaper(options: ReaperOptions): Promise<Reaper> {
  const state = { client: null as pg.Client | null, suspects: new Set<string>(), stopped: false };

  const connect = async () => {
    const client = new pg.Client({
      connectionString: options.connectionString,
      application_name: 'reslot-worker-presence',
      keepAlive: true,
    });
    client.on('error', (error) => {
      log.warn('the worker lost the connection that shows it is alive', { error });
      if (state.client === client) state.client = null;
    });
    await client.connect();
    await client.query('select pg_advisory_lock_shared($1::int, $2::int)', [...PRESENCE]);
    await client.query('select pg_advisory_lock(hashtextextended($1, 0))', [options.workerId]);
    state.client = client;
  };

  const sweep = async () => {
    if (!state.client) await connect();
    if (state.client)
      state.suspects = await freeDead(state.client, options.workerId, state.suspects);
  };

  await connect();
  const loop = repeat(sweep, options.sweepMs ?? 2_000, () => state.stopped);
  return {
    stop: async () => {
      state.stopped = true;
      await loop.stop();
      await state.client?.end().catch(() => undefined);
    },
  };
}

/** Returns those that look dead for the first time. */
async function freeDead(
  client: pg.Client,
  self: string,
  suspects: ReadonlySet<string>,
): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>(
    `select distinct locked_by as id from graphile_worker.jobs
      where locked_by is not null and locked_by <> $1`,
    [self],
  );
  const next = new Set<string>();
  for (const { id } of rows) {
    const lock = await client.query<{ free: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as free',
      [id],
    );
    if (!lock.rows[0]?.free) continue;
    if (suspects.has(id)) {
      await client.query('select graphile_worker.force_unlock_workers($1)', [[id]]);
      log.warn('a worker died; its jobs are run again', { worker: id });
    } else {
      next.add(id);
    }
    await client.query('select pg_advisory_unlock(hashtextextended($1, 0))', [id]);
  }
  return next;
}

/** Starts each round after the one before has ended. */
function repeat(action: () => Promise<void>, pauseMs: number, stopped: () => boolean): Reaper {
  const state = { timer: undefined as NodeJS.Timeout | undefined, round: Promise.resolve() };
  const schedule = () => {
    state.timer = setTimeout(() => {
      state.round = action()
        .catch((error) => log.warn('looking for dead workers failed', { error }))
        .then(() => {
          if (!stopped()) schedule();
        });
    }, pauseMs);
  };
  schedule();
  return {
    stop: async () => {
      clearTimeout(state.timer);
      await state.round;
    },
  };
}

/** Whether a worker is alive on this database. */
export async function isWorkerPresent(pool: pg.Pool): Promise<boolean> {
  const { rows } = await pool.query<{ present: boolean }>(
    `select exists (
       select from pg_locks
        where locktype = 'advisory' and granted and classid = $1 and objid = $2 and objsubid = 2
          and database = (select oid from pg_database where datname = current_database())
     ) as present`,
    [...PRESENCE],
  );
  return rows[0]?.present ?? false;
}
