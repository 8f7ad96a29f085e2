import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { startCluster } from '../../src/database/embedded.ts';
import { eventually } from '../support/worker.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const READY = 'Ctrl-C stops it.';

/** Seconds as a rule; but the machine may have much else to do. */
const START_WITHIN_MS = 60_000;
jest.setTimeout(4 * START_WITHIN_MS);

let directory: string;
const children: ChildProcessWithoutNullStreams[] = [];
const others: Server[] = [];

interface Started {
  child: ChildProcessWithoutNullStreams;
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

async function takeAPort(): Promise<number> {
  const other = createServer();
  others.push(other);
  await once(other.listen(0, '127.0.0.1'), 'listening');
  return (other.address() as AddressInfo).port;
}

const ready = (started: Started) =>
  eventually(async () => {
    if (started.child.exitCode !== null) throw new Error(started.output());
    return started.output().includes(READY);
  }, START_WITHIN_MS);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'reslot-start-'));
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const other of others.splice(0)) other.close();
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

  test('stops its PostgreSQL too when its terminal is closed and nobody reads its words any more', async () => {
    const started = start();
    await ready(started);
    started.child.stdout.destroy();
    started.child.stderr.destroy();
    started.child.kill('SIGHUP');
    await once(started.child, 'exit');
    expect(started.child.exitCode).toBe(0);
    expect(existsSync(join(directory, 'postgres', 'postmaster.pid'))).toBe(false);
  });

  test('goes on when only its words are not read any more', async () => {
    const started = start({ LOG_LEVEL: 'debug' });
    await ready(started);
    const url = started.url();
    started.child.stdout.destroy();
    started.child.stderr.destroy();
    for (let n = 0; n < 3; n++) expect((await fetch(`${url}/readyz`)).status).toBe(200);
    started.child.kill('SIGTERM');
    await once(started.child, 'exit');
    expect(started.child.exitCode).toBe(0);
    expect(existsSync(join(directory, 'postgres', 'postmaster.pid'))).toBe(false);
  });

  test("says which setting the development inbox's port comes from if that is taken", async () => {
    const port = await takeAPort();
    const started = start({ INBOX_SMTP_PORT: String(port) });
    expect(await started.ended).toBe(1);
    expect(started.output().trim()).toBe(
      `The development inbox cannot listen on port ${port}: another program does. Set INBOX_SMTP_PORT to another number (0 takes any free one).`,
    );
  });

  test('says that its port is taken before it starts anything', async () => {
    const port = await takeAPort();
    const started = start({ PORT: String(port) });
    expect(await started.ended).toBe(1);
    expect(started.output().trim()).toBe(
      `Port ${port} is taken by another program. Stop that program, or set PORT to another number (0 takes any free one).`,
    );
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
  test.each(['server', 'worker', 'migrate'])(
    '%s by itself wants a database to share',
    async (half) => {
      const started = start({}, half);
      expect(await started.ended).toBe(1);
      expect(started.output()).toContain('DATABASE_URL is needed');
    },
  );

  test('work together on one database', async () => {
    const cluster = await startCluster({ directory });
    const values = { DATABASE_URL: cluster.url(), SMTP_URL: 'smtp://127.0.0.1:1' };
    const server = start(values, 'server');
    await ready(server);
    for (const path of ['/graphql', '/graphiql', '/healthz']) {
      expect(server.output()).toContain(server.url() + path);
    }
    expect(await (await fetch(server.url())).text()).not.toContain('/inbox');
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
