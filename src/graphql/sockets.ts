/**
 * Subscriptions over websockets (the graphql-transport-ws protocol). The token comes in the first
 * message; a browser's page is checked by its origin, for no other rule of browsers applies here.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Express } from 'express';
import type { GraphQLError } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { type GrafservBase, makeGraphQLWSConfig } from 'postgraphile/grafserv';
import { WebSocketServer } from 'ws';
import type { Auth } from '../auth/index.ts';
import { ERRORS } from '../errors.ts';
import { log } from '../log.ts';
import { LIMITS, refusal } from './bounds.ts';
import { addressOf, type Callers } from './callers.ts';
import type { Origins } from './origins.ts';
import { networkOf, type Rates } from './rates.ts';

export interface SocketOptions {
  app: Express;
  server: Server;
  instance: GrafservBase;
  auth: Auth;
  callers: Callers;
  origins: Origins;
  rates: Rates;
}

const PATH = '/graphql';
const KEEP_ALIVE_MS = 12_000;
const INIT_TIMEOUT_MS = 5_000;
const SUBSCRIPTIONS_PER_SOCKET = 10;
const SOCKETS_PER_ADDRESS = 100;
/** Then the client comes back with a newer token, and a session that has ended does not go on here. */
const LONGEST_SOCKET_MS = 15 * 60_000;
const GOING_AWAY = 1001;

export function serveSockets(options: SocketOptions): () => Promise<void> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LIMITS.bodyBytes });
  const perAddress = new Map<string, number>();
  const protocol = useServer(protocolOptions(options), sockets, KEEP_ALIVE_MS);

  const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    void admit(options, request).then(
      (status) => {
        const ip = networkOf(addressOf(options.app, request));
        const open = perAddress.get(ip) ?? 0;
        if (status !== null) return reject(socket, status);
        if (open >= SOCKETS_PER_ADDRESS) return reject(socket, '429 Too Many Requests');
        sockets.handleUpgrade(request, socket, head, (client) => {
          perAddress.set(ip, open + 1);
          const timer = setTimeout(() => client.close(GOING_AWAY, 'reconnect'), LONGEST_SOCKET_MS);
          client.once('close', () => {
            clearTimeout(timer);
            const left = (perAddress.get(ip) ?? 1) - 1;
            if (left > 0) perAddress.set(ip, left);
            else perAddress.delete(ip);
          });
          sockets.emit('connection', client, request);
        });
      },
      (error) => {
        log.error('a websocket cannot be opened', { error });
        socket.destroy();
      },
    );
  };
  options.server.on('upgrade', upgrade);

  return async () => {
    options.server.off('upgrade', upgrade);
    for (const client of sockets.clients) client.close(GOING_AWAY, 'the server stops');
    await protocol.dispose();
    for (const client of sockets.clients) client.terminate();
  };
}

async function admit(options: SocketOptions, request: IncomingMessage): Promise<string | null> {
  const path = request.url?.split('?')[0];
  if (path !== PATH) return '404 Not Found';
  if (!(await options.origins.allows(request))) return '403 Forbidden';
  const tooMany = await options.rates.ofAddress(addressOf(options.app, request));
  return tooMany === null ? null : '429 Too Many Requests';
}

function reject(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function protocolOptions({ app, instance, auth, callers, rates }: SocketOptions) {
  const base = makeGraphQLWSConfig(instance);
  return {
    ...base,
    connectionInitWaitTimeout: INIT_TIMEOUT_MS,
    onConnect: async ({ connectionParams, extra }: Connection): Promise<boolean> => {
      const given = connectionParams?.authorization ?? connectionParams?.Authorization;
      try {
        const caller = await auth.callerOf(typeof given === 'string' ? given : undefined);
        callers.remember(extra.request, caller, addressOf(app, extra.request));
        return true;
      } catch (error) {
        log.debug('a websocket was refused', { error });
        return false;
      }
    },
    onSubscribe: async (...args: Parameters<NonNullable<typeof base.onSubscribe>>) => {
      const [connection] = args;
      const problem = await limitSubscription(connection as Connection, callers, rates);
      return problem ? [problem] : base.onSubscribe?.(...args);
    },
  };
}

interface Connection {
  connectionParams?: Readonly<Record<string, unknown>> | undefined;
  extra: { request: IncomingMessage };
  subscriptions: Record<string, unknown>;
}

async function limitSubscription(
  { extra, subscriptions }: Connection,
  callers: Callers,
  rates: Rates,
): Promise<GraphQLError | null> {
  if (Object.keys(subscriptions).length > SUBSCRIPTIONS_PER_SOCKET) {
    return refusal('RSRAT', `A connection has at most ${SUBSCRIPTIONS_PER_SOCKET} subscriptions.`);
  }
  const { caller, ip } = callers.originOf({ ws: { request: extra.request } as never });
  const wait = caller ? await rates.ofUser(caller.userId) : await rates.ofAddress(ip);
  return wait === null
    ? null
    : refusal('RSRAT', ERRORS.RSRAT.sentence, { retryAfterSeconds: wait });
}
