/**
 * The port for Prometheus, apart from the one for the public: what this process has counted, and what
 * the database says of the state of things. It is open only if METRICS_PORT says so.
 */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type pg from 'pg';
import { Gauge, Registry } from 'prom-client';
import type { Config } from '../config.ts';
import { createPool } from '../database/pools.ts';
import { log } from '../log.ts';
import { collectProcessMetrics, registry } from '../metrics.ts';
import { isWorkerPresent } from '../reaper.ts';
import { hostInUrl } from '../server.ts';

export interface MetricsPort {
  url: string;
  stop(): Promise<void>;
}

type Signs = ReadonlyMap<string, number>;

const ANSWER_WITHIN_MS = 5_000;

/** What each line of app_private.vital_signs() is. */
export const VITAL_SIGNS: Readonly<Record<string, string>> = {
  oldest_due_deadline_seconds: 'How long the deadline has been due that is due longest',
  overdue_deadlines: 'Deadlines that are due',
  failing_deadlines: 'Deadlines that are due and have failed before',
  oldest_queued_delivery_seconds: 'Age of the oldest mail that is owed and not sent',
  late_delivery_seconds: 'How long the next try of a mail has been due',
  queued_deliveries: 'Mails that are owed and not sent',
  retried_deliveries: 'Mails that failed before and are tried again',
  dead_deliveries: 'Mails that were given up',
  spared_bookings: 'Bookings that were not released because their reminder came too late',
  stuck_entries: 'Entries of the waiting list that are set aside',
  waiting_entries: 'Entries of the waiting list that wait',
  live_offers: 'Offers that can be claimed',
  open_holds: 'Holds that keep room for an offer',
  broken_invariants: 'Rows that broke an invariant when they were checked last',
  invariants_checked_seconds: 'How long ago the invariants were checked',
};

/** `databaseUrl` is a login of the server or the worker. */
export async function openMetricsPort(
  { metricsPort, metricsHost }: Pick<Config, 'metricsPort' | 'metricsHost'>,
  databaseUrl: string,
): Promise<MetricsPort | null> {
  if (metricsPort === undefined) return null;
  collectProcessMetrics();
  const server = createServer();
  server.listen(metricsPort, metricsHost);
  await once(server, 'listening').catch((error) => {
    throw new Error(
      `METRICS_PORT ${metricsPort} cannot be opened at METRICS_HOST "${metricsHost}" (${(error as Error).message}).`,
      { cause: error },
    );
  });
  const pool = createPool(databaseUrl, { name: 'reslot-metrics', max: 1 });
  const state = { signs: null as Promise<Signs> | null };
  // However many ask at once, the database is asked once.
  const ask = () => {
    state.signs ??= readSigns(pool).finally(() => {
      state.signs = null;
    });
    return within(ANSWER_WITHIN_MS, state.signs);
  };
  server.on('request', (request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    void answer(response, ask());
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${hostInUrl(metricsHost)}:${port}/metrics`,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await pool.end();
    },
  };
}

async function answer(response: ServerResponse, asked: Promise<Signs>): Promise<void> {
  // Without an answer its lines are missing: the last ones would look like a system that stands still.
  const signs = await asked.catch((error) => {
    log.warn('the database did not say how it is', { error });
    return null;
  });
  const gauges = new Registry();
  const add = (name: string, help: string, value: number) =>
    new Gauge({ name: `reslot_${name}`, help, registers: [gauges] }).set(value);
  add('database_up', 'Whether the database answers', signs ? 1 : 0);
  for (const [name, help] of Object.entries({ ...VITAL_SIGNS, worker_present: WORKER })) {
    const value = signs?.get(name);
    if (value !== undefined) add(name, help, value);
  }
  try {
    const text = await Registry.merge([registry, gauges]).metrics();
    response.writeHead(200, { 'Content-Type': registry.contentType, 'Cache-Control': 'no-store' });
    response.end(text);
  } catch (error) {
    log.error('the metrics cannot be told', { error });
    response.writeHead(500).end();
  }
}

const WORKER = 'Whether a worker is alive on this database';

async function readSigns(pool: pg.Pool): Promise<Signs> {
  const { rows } = await pool.query<{ name: string; value: number }>(
    'select name, value from app_private.vital_signs()',
  );
  const present = await isWorkerPresent(pool);
  return new Map([
    ...rows.map(({ name, value }) => [name, value] as const),
    ['worker_present', present ? 1 : 0] as const,
  ]);
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error('The database did not answer in time.')),
    ms,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
