import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster } from '../../src/database/embedded.ts';
import { eventually } from '../support/worker.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const READY = 'Ctrl-C stops it.';

let directory: string;
const children: ChildProcess[] = [];

interface Started {
  child: ChildProcess;
  output(): string;
  /** The exit code, once it has ended. */
  ended: Promise<number | null>;
  url(): string;
}

function start(values: Record<string, string> = {}, command = 'start'): Started {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [MAIN, command], {
    env: { PATH, HOME, DATA_DIR: directory, PORT: '0', DEMO_DATA: 'false', ...values },
  });
  children.push(child);
  const text: string[] = [];
  child.stdout.on('data', (chunk) => text.push(String(chunk)));
  child.stderr.on('data', (chunk) => text.push(String(chunk)));
  const output = () => text.join('');
  return {
    child,
    output,
    ended: once(child, 'close').then(() => child.exitCode),
    url: () => /http:\/\/localhost:\d+/.exec(output())?.[0] ?? '',
  };
}

const ready = (started: Started) =>
  eventually(async () => {
    if (started.child.exitCode !== null) throw new Error(started.output());
    return started.output().includes(READY);
  }, 20_000);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'reslot-start-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

afterAll(async () => {
  const cluster = await startCluster({ directory });
  await cluster.stop();
  rmSync(directory, { recursive: true, force: true });
});

describe('npm start', () => {
  test('is ready on an empty machine, and says what is where', async () => {
    const started = start();
    await ready(started);
    for (const path of ['/graphql', '/graphiql', '/inbox', '/readyz']) {
      expect(started.output()).toContain(started.url() + path);
    }
    const response = await fetch(`${started.url()}/readyz`);
    expect(await response.json()).toMatchObject({ ready: true });
    started.child.kill('SIGINT');
    expect(await started.ended).toBe(0);
    expect(started.output()).not.toContain('"level":"error"');
  });

  test('refuses to be a second copy on the same data, and the first goes on', async () => {
    const first = start();
    await ready(first);
    const second = start();
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(
      `Another copy of Reslot (process ${first.child.pid}) is running with the data in ${directory}`,
    );
    expect((await fetch(`${first.url()}/readyz`)).status).toBe(200);
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  });

  test('goes on with the same data after it was killed', async () => {
    const killed = start();
    await ready(killed);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const next = start();
    await ready(next);
    expect(next.output()).toContain('took over the PostgreSQL that was already running');
    expect((await fetch(`${next.url()}/readyz`)).status).toBe(200);
    next.child.kill('SIGINT');
    expect(await next.ended).toBe(0);
  });

  test('says that its port is taken before it starts anything', async () => {
    const other = createServer();
    await once(other.listen(0, '127.0.0.1'), 'listening');
    const { port } = other.address() as AddressInfo;
    const started = start({ PORT: String(port) });
    expect(await started.ended).toBe(1);
    expect(started.output().trim()).toBe(
      `Port ${port} is taken by another program. Stop that program, or set PORT to another number (0 takes any free one).`,
    );
    other.close();
  });

  test('says which setting is wrong', async () => {
    const started = start({ WORKER_CONCURRENCY: 'many' });
    expect(await started.ended).toBe(1);
    expect(started.output().trim()).toBe(
      'WORKER_CONCURRENCY is "many"; expected a number of jobs at a time from 1 to 100.',
    );
  });
});

describe('the halves', () => {
  test.each(['server', 'worker'])('%s by itself wants a database to share', async (half) => {
    const started = start({}, half);
    expect(await started.ended).toBe(1);
    expect(started.output()).toContain('DATABASE_URL is needed');
  });

  test('work together on one database', async () => {
    const cluster = await startCluster({ directory });
    const values = { DATABASE_URL: cluster.url(), SMTP_URL: 'smtp://127.0.0.1:1' };
    const server = start(values, 'server');
    await ready(server);
    expect((await fetch(`${server.url()}/readyz`)).status).toBe(503);
    const worker = start(values, 'worker');
    await ready(worker);
    expect((await fetch(`${server.url()}/readyz`)).status).toBe(200);
    worker.child.kill('SIGTERM');
    server.child.kill('SIGTERM');
    expect(await Promise.all([worker.ended, server.ended])).toEqual([0, 0]);
    await cluster.stop();
  });

  test('there is no other command', async () => {
    const started = start({}, 'dance');
    expect(await started.ended).toBe(1);
    expect(started.output()).toContain('There is no command "dance". There are: start, server');
  });
});
