/** The product's own processes, as an operator starts them, to be killed and stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface ProductProcess {
  pid: number;
  /** Everything it has written so far. */
  output(): string;
  isRunning(): boolean;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
  /** Ends it for good; returns once it is gone. */
  end(signal?: 'SIGKILL' | 'SIGTERM'): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const READY_WITHIN_MS = 120_000;

/** As in production, so that nothing is done to the database but what a start there does. */
export async function startProduct(
  command: 'worker' | 'server',
  environment: Record<string, string>,
): Promise<ProductProcess> {
  const child = spawn(process.execPath, [MAIN, command], {
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'info',
      PUBLIC_URL: 'http://127.0.0.1',
      MAIL_FROM: 'Reslot <bookings@reslot.example>',
      SMTP_URL: 'smtp://127.0.0.1:1',
      SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY,
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  child.stdout.on('data', (chunk) => lines.push(String(chunk)));
  child.stderr.on('data', (chunk) => lines.push(String(chunk)));
  const output = () => lines.join('');
  const product = handle(child, output);
  const until = Date.now() + READY_WITHIN_MS;
  while (!output().includes('is ready after')) {
    if (!product.isRunning() || Date.now() > until) {
      await product.end('SIGKILL');
      throw new Error(`The ${command} did not start:\n${output()}`);
    }
    await sleep(25);
  }
  return product;
}

function handle(child: ChildProcess, output: () => string): ProductProcess {
  const isRunning = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid ?? 0,
    output,
    isRunning,
    kill: (signal) => child.kill(signal),
    end: async (signal = 'SIGKILL') => {
      if (!isRunning()) return;
      const exited = once(child, 'exit');
      child.kill(signal);
      // One that was stopped hears nothing but SIGKILL until it may go on.
      child.kill('SIGCONT');
      await exited;
    },
  };
}
