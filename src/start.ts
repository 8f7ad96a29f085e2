/** Puts the halves together, in the order in which they need each other, and takes them apart again. */
import type { Config } from './config.ts';
import { type OpenDatabase, openDatabase } from './database/open.ts';
import { openMetricsPort } from './http/metrics.ts';
import { log } from './log.ts';
import { demoData, developmentMail, mailTransport, mounts } from './parts.ts';
import { createStripe } from './payments/stripe.ts';
import { photoStorage } from './photos/storage.ts';
import { type OpenServer, openServer } from './server.ts';
import { startWorker } from './worker.ts';

export interface Running {
  /** Lines for the person who started it: what is where. */
  places: [name: string, place: string][];
  database: OpenDatabase;
  /** Where the server listens and what mails link to; undefined if there is no server. */
  url?: string;
  publicUrl?: string;
  stop(): Promise<void>;
}

type Stop = () => Promise<void>;
type Fatal = (error: Error) => void;

/** Server and worker in one process. */
export function startAll(config: Config, onFatal: Fatal): Promise<Running> {
  return assemble(async (stops) => {
    const server = await openServer(config);
    stops.push(server.stop);
    const database = await openDatabase(config);
    stops.push(database.stop);
    const demo = await demoData(config, database.adminUrl);
    const inbox = config.smtpUrl ? null : await developmentMail(config);
    if (inbox) stops.push(inbox.stop);
    const metrics = await addMetrics(config, database.appUrl, stops);
    const { publicUrl, url } = server;
    stops.push(
      await addWorker(config, database, publicUrl, config.smtpUrl ?? inbox?.smtpUrl, onFatal),
    );
    await server.serve(database.appUrl, mounts(config, inbox));
    // The server stands first in the list because it is opened first, but it is closed first too.
    stops.push(server.stop);
    const places: Running['places'] = [
      ...addresses(config, server, inbox !== null),
      ...metrics,
      ['Database', database.place],
      ...demo,
    ];
    return { places, database, url, publicUrl };
  });
}

/** One of any number of servers. */
export function startServerHalf(config: Config): Promise<Running> {
  return assemble(async (stops) => {
    requireShared(config);
    const server = await openServer(config);
    stops.push(server.stop);
    const database = await openDatabase(config);
    const metrics = await addMetrics(config, database.appUrl, stops);
    await server.serve(database.appUrl, mounts(config, null));
    const { publicUrl, url } = server;
    const places: Running['places'] = [
      ...addresses(config, server, false),
      ...metrics,
      ['Database', database.place],
    ];
    return { places, database, url, publicUrl };
  });
}

function addresses(
  config: Config,
  { url, publicUrl }: OpenServer,
  inbox: boolean,
): Running['places'] {
  const places: Running['places'] = [
    ['GraphQL', `${publicUrl}/graphql`],
    ['Health', `${publicUrl}/healthz and ${publicUrl}/readyz`],
  ];
  if (inbox) places.splice(1, 0, ['Inbox', `${publicUrl}/inbox`]);
  if (config.graphiql) places.splice(1, 0, ['Explorer', `${publicUrl}/graphiql`]);
  // Whoever sets up the proxy in between wants to know both ends.
  if (config.publicUrl) places.unshift(['Listens at', url]);
  return places;
}

/** One of any number of workers. */
export function startWorkerHalf(config: Config, onFatal: Fatal): Promise<Running> {
  return assemble(async (stops) => {
    requireShared(config);
    const database = await openDatabase(config);
    const metrics = await addMetrics(config, database.workerUrl, stops);
    const publicUrl = config.publicUrl ?? `http://localhost:${config.port}`;
    stops.push(await addWorker(config, database, publicUrl, config.smtpUrl, onFatal));
    return { places: [...metrics, ['Database', database.place]], database };
  });
}

async function addMetrics(
  config: Config,
  databaseUrl: string,
  stops: Stop[],
): Promise<Running['places']> {
  const port = await openMetricsPort(config, databaseUrl);
  if (!port) return [];
  stops.push(port.stop);
  return [['Metrics', port.url]];
}

/** What was started is stopped in reverse, also if a later step of the start fails. */
async function assemble(
  start: (stops: Stop[]) => Promise<Omit<Running, 'stop'>>,
): Promise<Running> {
  const stops: Stop[] = [];
  const stop = async () => {
    for (const step of stops.splice(0).toReversed()) {
      await step().catch((error) => log.warn('a part did not stop well', { error }));
    }
  };
  try {
    return { ...(await start(stops)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function addWorker(
  config: Config,
  database: OpenDatabase,
  publicUrl: string,
  smtpUrl: string | undefined,
  onFatal: Fatal,
): Promise<Stop> {
  if (!smtpUrl) throw new Error('SMTP_URL is needed: the worker sends mail.');
  const transport = mailTransport(smtpUrl);
  const worker = await startWorker({
    connectionString: database.workerUrl,
    services: {
      transport,
      mailFrom: config.mailFrom,
      publicUrl,
      photos: photoStorage(config),
      stripe: createStripe(config),
    },
    concurrency: config.workerConcurrency,
    dispatchIntervalMs: config.dispatchIntervalMs,
    onFatal,
  });
  return async () => {
    await worker.stop();
    transport.close();
  };
}

export function requireShared(config: Config): void {
  if (config.databaseUrl) return;
  throw new Error(
    'DATABASE_URL is needed: it says which database server and worker share. ' +
      '`npm start` runs both in one process, with a PostgreSQL of its own.',
  );
}
