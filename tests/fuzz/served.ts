/** Starts server.ts and speaks with it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ClonedDatabase, cloneDatabase } from '../support/database.ts';

const MAIN = fileURLToPath(new URL('server.ts', import.meta.url));
const READY_WITHIN_MS = 120_000;

export interface Served {
  database: ClonedDatabase;
  url: string;
  /** What it holds after everything has been let go that can be. */
  heapBytes(): Promise<number>;
  /** Everything it has written so far. */
  output(): string;
  stop(): Promise<void>;
}

export async function serve(defect = ''): Promise<Served> {
  const database = await cloneDatabase();
  const directory = mkdtempSync(join(tmpdir(), 'reslot-fuzz-'));
  const child = fork(MAIN, {
    // As in production: in development the libraries check more, and write more.
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'test',
      GRAPHILE_ENV: 'production',
      PORT: '0',
      DATA_DIR: directory,
      DATABASE_URL: database.url('app'),
      DATABASE_POOL_SIZE: '8',
      SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY,
      LOG_LEVEL: 'warn',
      DEFECT: defect,
    },
    // Most of what a request leaves behind is garbage at once.
    execArgv: ['--max-semi-space-size=64'],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => lines.push(String(chunk)));
  }
  const output = () => lines.join('');
  const stop = async () => {
    await end(child);
    await database.drop();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const { url } = await answer<{ url: string }>(child, output);
    return {
      database,
      url: `${url}/graphql`,
      output,
      stop,
      heapBytes: async () => {
        const answered = answer<{ heapBytes: number }>(child, output);
        child.send('heap');
        return (await answered).heapBytes;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function answer<T>(child: ChildProcess, output: () => string): Promise<T> {
  const settled = new AbortController();
  const { signal } = settled;
  const ended = once(child, 'exit', { signal }).then(() => {
    throw new Error(`The server has ended:\n${output()}`);
  });
  const late = sleep(READY_WITHIN_MS, null, { signal, ref: false }).then(() => {
    throw new Error(`The server does not answer:\n${output()}`);
  });
  try {
    const [said] = await Promise.race([once(child, 'message', { signal }), ended, late]);
    return said as T;
  } finally {
    settled.abort();
    await Promise.allSettled([ended, late]);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.disconnect();
  await exited;
}
