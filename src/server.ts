/**
 * The HTTP half: opens the port, then carries whatever parts it is given. /healthz says that the
 * process lives, /readyz that it can do its work.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import helmet from 'helmet';
import type { Config } from './config.ts';
import type { AppContext, Mount, Unmount } from './context.ts';
import { createPool } from './database/pools.ts';
import { createDispatcher } from './dispatch.ts';
import { checkReadiness } from './http/readiness.ts';
import { log } from './log.ts';
import { countRequest } from './metrics.ts';

/** A port that is open, before there is anything behind it. */
export interface OpenServer {
  /** Where it listens, without a slash at the end. */
  url: string;
  publicUrl: string;
  /** Puts the parts behind the port. */
  serve(databaseUrl: string, mounts: readonly Mount[]): Promise<void>;
  stop(): Promise<void>;
}

const CLOSE_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;

/** The port is opened first, so that a taken one is told before anything else is started. */
export async function openServer(config: Config): Promise<OpenServer> {
  const app = createApp(config);
  const server = createServer(app);
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  await listen(server, config);
  const { port } = server.address() as AddressInfo;
  const url = `http://${hostInUrl(config.host)}:${port}`;
  const publicUrl = config.publicUrl ?? `http://localhost:${port}`;
  const releases: Unmount[] = [];
  const state = { context: null as AppContext | null, stopping: null as Promise<void> | null };
  const stop = async () => {
    const closed = close(server);
    for (const release of releases.toReversed()) {
      await release().catch((error) => log.warn('a part did not stop well', { error }));
    }
    await closed;
  };
  app.get('/readyz', async (_request, response) => {
    const report =
      state.context && !state.stopping
        ? await checkReadiness(state.context.pool)
        : { ready: false, reason: state.stopping ? 'stopping' : 'starting' };
    response.status(report.ready ? 200 : 503).json(report);
  });
  return {
    url,
    publicUrl,
    serve: async (databaseUrl, mounts) => {
      const context = createContext(config, publicUrl, databaseUrl, releases);
      for (const mount of mounts) releases.push(await mount(app, server, context));
      app.use(notFound, failed);
      state.context = context;
    },
    stop: () => {
      state.stopping ??= stop();
      return state.stopping;
    },
  };
}

function createContext(
  config: Config,
  publicUrl: string,
  databaseUrl: string,
  releases: Unmount[],
): AppContext {
  const pool = createPool(databaseUrl, { name: 'reslot-server', max: config.databasePoolSize });
  const dispatchPool = createPool(databaseUrl, { name: 'reslot-server-dispatch', max: 1 });
  const dispatcher = createDispatcher(dispatchPool);
  releases.push(
    () => pool.end(),
    () => dispatchPool.end(),
    () => dispatcher.stop(),
  );
  return {
    config: { ...config, publicUrl },
    pool,
    listenUrl: config.databaseListenUrl ?? databaseUrl,
    requestDispatch: dispatcher.request,
  };
}

function createApp(config: Config): Express {
  const app = express();
  app.disable('x-powered-by');
  app.set('trust proxy', config.trustProxy);
  app.use(
    helmet({
      // Pages set what they need themselves; everything else may load nothing at all.
      contentSecurityPolicy: {
        useDefaults: false,
        directives: { 'default-src': ["'none'"], 'frame-ancestors': ["'none'"] },
      },
      strictTransportSecurity: config.publicUrl?.startsWith('https:') ?? false,
      xFrameOptions: { action: 'deny' },
    }),
  );
  app.use((request, response, next) => {
    const started = performance.now();
    const { method, path } = request;
    response.once('finish', () => {
      const ms = performance.now() - started;
      countRequest(method, path, response.statusCode, ms);
      log.debug('request', { method, path, status: response.statusCode, ms: Math.round(ms) });
    });
    next();
  });
  app.get('/healthz', (_request, response) => {
    response.json({ alive: true });
  });
  return app;
}

async function listen(server: Server, config: Config): Promise<void> {
  server.listen(config.port, config.host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason: Record<string, string> = {
      EADDRINUSE: `Port ${config.port} is taken by another program. Stop that program, or set PORT to another number (0 takes any free one).`,
      EACCES: `Port ${config.port} may not be opened by this user. Set PORT to a number above 1023.`,
      EADDRNOTAVAIL: `HOST is "${config.host}", which is not an address of this machine.`,
      ENOTFOUND: `HOST is "${config.host}", which is not an address of this machine.`,
    };
    throw new Error(reason[code ?? ''] ?? `The server cannot listen: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export function hostInUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

/** Requests under way may end; connections that only wait are closed. */
async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_TIMEOUT_MS);
  await closed;
  clearTimeout(timer);
}

function notFound(_request: Request, response: Response): void {
  response.status(404).json({ error: { message: 'There is nothing at this address.' } });
}

/** What goes wrong outside the API: the caller learns a number to quote, the log the rest. */
function failed(error: unknown, request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  const { status } = error as { status?: unknown };
  if (typeof status === 'number' && status >= 400 && status < 500) {
    response.status(status).json({ error: { message: 'The request cannot be read.' } });
    return;
  }
  const id = randomUUID();
  log.error('request failed', { id, method: request.method, path: request.path, error });
  response.status(500).json({ error: { message: 'Something went wrong on our side.', id } });
}
