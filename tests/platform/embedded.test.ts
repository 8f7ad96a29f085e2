import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { parseConfig } from '../../src/config.ts';
import { type Cluster, startCluster } from '../../src/database/embedded.ts';
import { openDatabase } from '../../src/database/open.ts';

const directories: string[] = [];
const running: Cluster[] = [];

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'reslot-embedded-'));
  directories.push(directory);
  return directory;
}

async function start(directory: string): Promise<Cluster> {
  const cluster = await startCluster({ directory, durable: false });
  running.push(cluster);
  return cluster;
}

async function query(cluster: Cluster, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: cluster.url() });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

afterAll(async () => {
  await Promise.all(running.map((cluster) => cluster.stop()));
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  test('is a real one, version 18, and keeps its data over a restart', async () => {
    const directory = newDirectory();
    const first = await start(directory);
    expect(first.adopted).toBe(false);
    const { rows } = await query(first, `select current_setting('server_version_num')::int as v`);
    expect(rows[0].v).toBeGreaterThanOrEqual(180_000);
    await query(first, 'create table kept as select 42 as answer');
    await first.stop();
    const second = await start(directory);
    expect(second.adopted).toBe(false);
    expect((await query(second, 'select answer from kept')).rows).toEqual([{ answer: 42 }]);
    await second.stop();
  });

  test('is taken over when the process that started it was killed', async () => {
    const directory = newDirectory();
    const script = `
      const { startCluster } = await import(${JSON.stringify(embeddedModule)});
      const cluster = await startCluster({ directory: ${JSON.stringify(directory)}, durable: false });
      console.log(cluster.pid);
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const [output] = await once(parent.stdout, 'data');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    const cluster = await start(directory);
    expect(cluster).toMatchObject({ adopted: true, pid: Number(String(output)) });
    expect((await query(cluster, 'select 1 as one')).rows).toEqual([{ one: 1 }]);
    await cluster.stop();
  });

  test('recovers when it was killed itself', async () => {
    const directory = newDirectory();
    const first = await start(directory);
    await query(first, 'create table kept as select 42 as answer');
    await query(first, 'checkpoint');
    process.kill(first.pid, 'SIGKILL');
    const second = await start(directory);
    expect((await query(second, 'select answer from kept')).rows).toEqual([{ answer: 42 }]);
    await second.stop();
  });

  test('is one, even if two start it at the same moment', async () => {
    const directory = newDirectory();
    const [first, second] = await Promise.all([start(directory), start(directory)]);
    expect(first.pid).toBe(second.pid);
    await first.stop();
  });
});

describe('the embedded PostgreSQL of root', () => {
  const asRoot = process.getuid?.() === 0;

  test('works in a private directory as well, its data a link away', async () => {
    const directory = join(newDirectory(), '.data');
    const first = await start(directory);
    await query(first, 'create table kept as select 42 as answer');
    const place = (await query(first, 'show data_directory')).rows[0].data_directory;
    expect(place.startsWith('/var/lib/reslot/data-')).toBe(asRoot);
    expect(realpathSync(join(directory, 'postgres'))).toBe(place);
    await first.stop();
    const second = await start(directory);
    expect((await query(second, 'select answer from kept')).rows).toEqual([{ answer: 42 }]);
    await second.stop();
    if (asRoot) for (const path of [place, `${place}.log`]) rmSync(path, { recursive: true });
  });
});

describe('a second copy on the same data', () => {
  test('is told which process is there, and leaves that alone', async () => {
    const config = parseConfig({ DATA_DIR: newDirectory(), NODE_ENV: 'test' });
    const first = await openDatabase(config);
    await expect(openDatabase(config)).rejects.toThrow(
      `Another copy of Reslot (process ${process.pid}) is running with the data in`,
    );
    const client = new pg.Client({ connectionString: first.appUrl });
    await client.connect();
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    await client.end();
    await first.stop();
    const again = await openDatabase(config);
    await again.stop();
  });
});

const embeddedModule = new URL('../../src/database/embedded.ts', import.meta.url).href;
