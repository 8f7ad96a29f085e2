/** What every file in tasks/ is given, and the limit that holds for all of them. */
import type { JobHelpers, Task } from 'graphile-worker';
import type { Transporter } from 'nodemailer';
import type { Pool } from 'pg';
import type Stripe from 'stripe';
import { metrics } from './metrics.ts';
import type { PhotoStorage } from './photos/storage.ts';

export interface JobServices {
  /** The login `reslot_worker`. */
  pool: Pool;
  transport: Transporter;
  mailFrom: string;
  /** Null where it is not set up. */
  stripe: Stripe | null;
  /** Links in mails begin with it; without a slash at the end. */
  publicUrl: string;
  photos: PhotoStorage;
}

export interface JobContext extends JobHelpers {
  services: JobServices;
}

/**
 * The default export of a file in tasks/. It asserts its payload, reads the row again, acts, and
 * logs one line. It may run late, twice, or beside itself.
 */
export type JobTask = (payload: unknown, context: JobContext) => Promise<void>;

export const JOB_TIME_LIMIT_MS = 5 * 60_000;

/** Adds the services and the time limit to every task that the queue's runner loads. */
export function jobPlugin(
  services: JobServices,
  limitMs = JOB_TIME_LIMIT_MS,
): GraphileConfig.Plugin {
  return {
    name: 'ReslotJobPlugin',
    version: '1.0.0',
    after: ['LoadTaskFromJsPlugin'],
    worker: {
      hooks: {
        loadTaskFromFiles(_context, event) {
          const task = event.handler as JobTask | undefined;
          if (task) event.handler = counted(event.taskIdentifier, limited(task, services, limitMs));
        },
      },
    },
  };
}

function counted(task: string, run: Task): Task {
  return async (payload, helpers) => {
    const done = metrics.jobSeconds.startTimer({ task });
    try {
      await run(payload, helpers);
      metrics.jobs.inc({ task, outcome: 'done' });
    } catch (error) {
      metrics.jobs.inc({ task, outcome: 'failed' });
      throw error;
    } finally {
      done();
    }
  };
}

function limited(task: JobTask, services: JobServices, limitMs: number): Task {
  return async (payload, helpers) => {
    const limit = new AbortController();
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      const error = new Error(
        `The job ran longer than ${limitMs / 1000} seconds and was given up.`,
      );
      limit.abort(error);
      late.reject(error);
    }, limitMs);
    const abortSignal = AbortSignal.any([helpers.abortSignal, limit.signal]);
    try {
      await Promise.race([task(payload, { ...helpers, abortSignal, services }), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
}
