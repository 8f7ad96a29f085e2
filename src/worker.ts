/**
 * Carries out what has become due: the runner of the job queue, the loop that fills the queue from
 * the deadlines and the outbox, and the reaper that frees the jobs of dead workers.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Logger, type Runner, run, type WorkerEvents, WorkerPreset } from 'graphile-worker';
import type { Pool } from 'pg';
import { createPool, urlWithSettings } from './database/pools.ts';
import { createDispatcher } from './dispatch.ts';
import { type JobServices, jobPlugin } from './jobs.ts';
import { log } from './log.ts';
import { startReaper } from './reaper.ts';

export interface WorkerOptions {
  /** The login `reslot_worker`, directly and not through a pooler. */
  connectionString: string;
  services: Omit<JobServices, 'pool'>;
  concurrency: number;
  dispatchIntervalMs: number;
  /** Called when the worker cannot go on, though it was tried for minutes. The process should end, and be started again. */
  onFatal(error: Error): void;
  taskDirectory?: string;
  crontabFile?: string;
  jobTimeLimitMs?: number;
  sweepMs?: number;
}

export interface RunningWorker {
  /** The name under which this worker locks its jobs; another one after an interruption. */
  readonly id: string;
  /** Waits for the jobs under way. */
  stop(): Promise<void>;
}

const TASKS = fileURLToPath(new URL('../tasks', import.meta.url));
const CRONTAB = fileURLToPath(new URL('../crontab', import.meta.url));
const POLL_INTERVAL_MS = 500;

/** How long a database may be away before the process is given up; until then it waits here. */
const RESTART_FOR_MS = 10 * 60_000;
const RESTART_EVERY_MS = 500;

/** A runner that could not write down how a job went may never say that it has ended. */
const INTERRUPTED_ENDS_WITHIN_MS = 10_000;

/**
 * The queue's runner ends for good when it cannot write down how a job went, which takes no more
 * than a database that is away for a moment. A new one is put in its place.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const connectionString = urlWithSettings(options.connectionString, { 'reslot.via': 'job' });
  // Each job may use two connections; the runner listens on one and fetches on another.
  const pool = createPool(connectionString, {
    name: 'reslot-worker',
    max: options.concurrency * 2 + 2,
  });
  const dispatchPool = createPool(connectionString, { name: 'reslot-dispatch', max: 1 });
  const state = { stopping: false, ends: [] as Promise<void>[], restart: Promise.resolve() };
  const start = () => startRun({ ...options, connectionString }, pool, replace);
  const replace = (error: Error) => {
    if (state.stopping) return;
    log.warn('the job runner was interrupted; another takes its place', { error });
    // Its jobs under way come to their end meanwhile.
    state.ends.push(current.stop());
    state.restart = restart().catch((failure) => options.onFatal(failure as Error));
  };
  const restart = async () => {
    for (const until = performance.now() + RESTART_FOR_MS; !state.stopping; ) {
      try {
        current = await start();
        return;
      } catch (error) {
        if (performance.now() > until) throw error;
        await delay(RESTART_EVERY_MS);
      }
    }
  };
  let current = await start().catch(async (error) => {
    await Promise.all([pool.end(), dispatchPool.end()]);
    throw error;
  });
  const dispatcher = createDispatcher(dispatchPool, options.dispatchIntervalMs);
  return {
    get id() {
      return current.id;
    },
    stop: async () => {
      state.stopping = true;
      await dispatcher.stop();
      await state.restart;
      await Promise.all([...state.ends, current.stop()]);
      await Promise.all([pool.end(), dispatchPool.end()]);
    },
  };
}

/** One runner, and the lock that shows that it is alive. */
async function startRun(
  options: WorkerOptions,
  pool: Pool,
  onEnd: (error: Error) => void,
): Promise<RunningWorker> {
  const events: WorkerEvents = new EventEmitter();
  const created = new Promise<string>((resolve) => {
    events.once('pool:create', ({ workerPool }) => resolve(workerPool.id));
  });
  const state = { ended: false, interrupted: false };
  const end = (error: unknown) => {
    if (state.ended) return;
    state.ended = true;
    state.interrupted = true;
    onEnd(error as Error);
  };
  const runner = await startRunner(options, pool, events);
  const id = await created;
  const stopRunner = async () => {
    state.ended = true;
    await runner.stop().catch((error) => log.debug('the job runner had stopped', { error }));
    const end = runner.promise.catch((error) => {
      log.warn('the job runner did not stop well', { error });
    });
    const late = delay(INTERRUPTED_ENDS_WITHIN_MS, undefined, { ref: false });
    await (state.interrupted ? Promise.race([end, late]) : end);
  };
  const { connectionString, sweepMs } = options;
  const reaper = await startReaper({ connectionString, workerId: id, sweepMs }).catch(
    async (error) => {
      await stopRunner();
      throw error;
    },
  );
  events.on('pool:fatalError', ({ error }) => end(error));
  runner.promise.then(() => end(new Error('The job runner ended by itself.')), end);
  let stopped: Promise<void> | null = null;
  return {
    id,
    stop: () => {
      stopped ??= stopRunner().then(reaper.stop);
      return stopped;
    },
  };
}

function startRunner(options: WorkerOptions, pool: Pool, events: WorkerEvents): Promise<Runner> {
  return run({
    pgPool: pool,
    events,
    noHandleSignals: true,
    preset: {
      extends: [WorkerPreset],
      plugins: [jobPlugin({ ...options.services, pool }, options.jobTimeLimitMs)],
      worker: {
        taskDirectory: options.taskDirectory ?? TASKS,
        crontabFile: options.crontabFile ?? CRONTAB,
        concurrentJobs: options.concurrency,
        pollInterval: POLL_INTERVAL_MS,
        // Without these, a job that ends while the runner stops is run again four hours later.
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger: queueLogger(),
      },
    },
  });
}

function queueLogger(): Logger {
  return new Logger((scope) => (level, message) => {
    const fields = scope.jobId ? { job: scope.jobId, task: scope.taskIdentifier } : {};
    if (level === 'error') log.error(message, fields);
    else if (level === 'warning') log.warn(message, fields);
    else log.debug(message, fields);
  });
}
