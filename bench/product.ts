/** The server and the worker as they run in production: processes of their own, beside a mail server. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';
import { createTokens } from '../src/auth/tokens.ts';
import { freePort } from '../src/database/embedded.ts';
import { type Ground, SECRET_KEY } from './ground.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const READY_WITHIN_MS = 60_000;
/** Access tokens last a quarter of an hour. */
const TOKEN_FOR_MS = 10 * 60_000;

export interface Answer {
  data?: Record<string, { result: { id: string } } | null> | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

export interface Product {
  /** Asks as a user; `client` chooses the server process. */
  ask(
    client: number,
    userId: string,
    query: string,
    input: Record<string, unknown>,
  ): Promise<Answer>;
  /** From now on nobody sends mail; what is owed stays in the outbox. */
  stopWorkers(): Promise<void>;
  /** Of the server processes. */
  ports: number[];
  /** Process numbers, for looking at what they use. */
  pids: { servers: number[]; workers: number[] };
  stop(): Promise<void>;
}

export interface MailServer {
  url: string;
  /** When the mail of this kind to this address has been accepted, by `performance.now()`. */
  arrival(address: string, kind: string): Promise<number>;
  /** How many mails of these kinds have been accepted. */
  count(...kinds: string[]): number;
  stop(): Promise<void>;
}

export async function startMailServer(): Promise<MailServer> {
  const arrived = new Map<string, number>();
  const awaited = new Map<string, (at: number) => void>();
  const counts = new Map<string, number>();
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, session, done) => {
      let head = '';
      stream.on('data', (chunk: Buffer) => {
        if (head.length < 8_000) head += chunk.toString('latin1');
      });
      stream.on('end', () => {
        const kind = /^X-Reslot-Kind: (\S+)/im.exec(head)?.[1] ?? '';
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
        for (const { address } of session.envelope.rcptTo) {
          const key = `${kind} ${address}`;
          const at = performance.now();
          arrived.set(key, at);
          awaited.get(key)?.(at);
        }
        done();
      });
    },
  });
  const inner = server.listen(0, '127.0.0.1');
  await once(inner, 'listening');
  return {
    url: `smtp://127.0.0.1:${(inner.address() as AddressInfo).port}`,
    arrival: (address, kind) => {
      const key = `${kind} ${address}`;
      const at = arrived.get(key);
      return at === undefined
        ? new Promise((resolve) => awaited.set(key, resolve))
        : Promise.resolve(at);
    },
    count: (...kinds) => kinds.reduce((sum, kind) => sum + (counts.get(kind) ?? 0), 0),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

export interface ProductOptions {
  servers: number;
  workers: number;
  smtpUrl: string;
}

export async function startProduct(ground: Ground, options: ProductOptions): Promise<Product> {
  const tokens = createTokens(SECRET_KEY);
  const known = new Map<string, { token: string; until: number }>();
  const processes: ChildProcess[] = [];
  const ports: number[] = [];
  const environment = {
    ...process.env,
    NODE_ENV: 'production',
    HOST: '127.0.0.1',
    DATABASE_URL: ground.url('admin'),
    DATABASE_APP_URL: ground.url('app'),
    DATABASE_WORKER_URL: ground.url('worker'),
    DATABASE_POOL_SIZE: '16',
    DATA_DIR: ground.directory,
    SECRET_KEY,
    PUBLIC_URL: 'http://bench.example',
    SMTP_URL: options.smtpUrl,
    MAIL_FROM: 'Reslot <reslot@bench.example>',
    // So that each request may name the address it comes from: one address is limited.
    TRUST_PROXY: 'loopback',
    LOG_LEVEL: 'warn',
  };
  const start = (half: string, port: number) => {
    const child = spawn(process.execPath, ['src/main.ts', half], {
      cwd: ROOT,
      env: { ...environment, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.push(child);
    return child;
  };
  const workers = Array.from({ length: options.workers }, () => start('worker', 0));
  const servers: ChildProcess[] = [];
  for (let n = 0; n < options.servers; n++) {
    const port = await freePort();
    ports.push(port);
    servers.push(start('server', port));
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const stop = async () => {
    agent.destroy();
    await Promise.all(processes.map(end));
  };
  const tokenOf = async (userId: string): Promise<string> => {
    const fresh = known.get(userId);
    if (fresh && fresh.until > performance.now()) return fresh.token;
    const { token } = await tokens.issueAccess({ userId, sessionId: userId });
    known.set(userId, { token, until: performance.now() + TOKEN_FOR_MS });
    return token;
  };
  try {
    await Promise.all([...workers, ...servers].map(untilReady));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ask: async (client, userId, query, input) => {
      const body = JSON.stringify({ query, variables: { input } });
      const port = ports[client % ports.length] ?? 0;
      const headers = {
        authorization: `Bearer ${await tokenOf(userId)}`,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
        'x-forwarded-for': addressOf(userId),
      };
      return JSON.parse(await post(agent, port, '/graphql', headers, body)) as Answer;
    },
    stopWorkers: async () => {
      await Promise.all(workers.map(end));
    },
    ports,
    pids: { servers: servers.map(pidOf), workers: workers.map(pidOf) },
    stop,
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Some address of a private network, the same for the same user. */
function addressOf(userId: string): string {
  const digits = userId.replaceAll('-', '').slice(-6);
  const bytes = digits.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [];
  return `10.${bytes.join('.')}`;
}

function pidOf({ pid }: ChildProcess): number {
  return pid ?? 0;
}

/** Each says so itself. */
async function untilReady(child: ChildProcess): Promise<void> {
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      if (output.length < 10_000) output += String(chunk);
      if (output.includes('is ready after')) resolve();
    });
    child.once('exit', () => reject(new Error(`A process ended before it was ready:\n${output}`)));
  });
  const late = sleep(READY_WITHIN_MS, 'late', { ref: false });
  if ((await Promise.race([ready, late])) === 'late') {
    throw new Error(`A process was not ready in time:\n${output}`);
  }
}

function post(
  agent: Agent,
  port: number,
  path: string,
  headers: Record<string, string>,
  body: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, path, method: 'POST', headers, agent },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(Buffer.concat(chunks).toString()));
        response.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}
