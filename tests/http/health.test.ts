import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config.ts';
import { type OpenServer, openServer } from '../../src/server.ts';
import { type ClonedDatabase, cloneDatabase } from '../support/database.ts';
import { startTestWorker, taskFolder } from '../support/worker.ts';

const directory = mkdtempSync(join(tmpdir(), 'reslot-health-'));
afterAll(() => rmSync(directory, { recursive: true }));

const config = (values: Record<string, string> = {}) =>
  parseConfig({ NODE_ENV: 'test', PORT: '0', DATA_DIR: directory, ...values });

let database: ClonedDatabase;
let server: OpenServer;

beforeEach(async () => {
  database = await cloneDatabase();
  server = await openServer(config());
});
afterEach(async () => {
  await server.stop();
  await database.drop();
});

async function get(path: string): Promise<{ status: number; body: unknown; headers: Headers }> {
  const response = await fetch(server.url + path);
  return { status: response.status, body: await response.json(), headers: response.headers };
}

describe('the server', () => {
  test('is alive before it is ready', async () => {
    expect(await get('/healthz')).toMatchObject({ status: 200, body: { alive: true } });
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: { ready: false, reason: 'starting' },
    });
  });

  test('is ready when the database answers and a worker lives', async () => {
    await server.serve(database.url('app'), []);
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: { ready: false, reason: 'no worker is running', database: true, worker: false },
    });
    const folder = await taskFolder({});
    const worker = await startTestWorker(database, folder);
    expect(await get('/readyz')).toMatchObject({
      status: 200,
      body: { ready: true, database: true, migrations: true, worker: true },
    });
    await worker.stop();
    expect((await get('/readyz')).status).toBe(503);
    await folder.remove();
  });

  test('is not ready, but alive, when the database cannot be reached', async () => {
    await server.serve('postgres://reslot_app:x@127.0.0.1:1/nowhere', []);
    expect(await get('/readyz')).toMatchObject({
      status: 503,
      body: { ready: false, reason: 'the database cannot be reached', database: false },
    });
    expect((await get('/healthz')).status).toBe(200);
  });

  test('says when its port is taken', async () => {
    const { port } = new URL(server.url);
    await expect(openServer(config({ PORT: port }))).rejects.toThrow(
      `Port ${port} is taken by another program.`,
    );
  });

  test('says when it cannot listen at an address', async () => {
    await expect(openServer(config({ HOST: '192.0.2.1' }))).rejects.toThrow(
      'HOST is "192.0.2.1", which is not an address of this machine.',
    );
  });

  test('answers what it does not know with 404, and does not name its parts', async () => {
    await server.serve(database.url('app'), []);
    const { status, headers } = await get('/nothing');
    expect(status).toBe(404);
    expect(headers.get('x-powered-by')).toBeNull();
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  test('answers a failure with a number and nothing about it, and a bad path with 400', async () => {
    await server.serve(database.url('app'), [
      async (app) => {
        app.get('/fail/:what', () => {
          throw new Error('select secret from inner_workings');
        });
        return async () => undefined;
      },
    ]);
    const failed = await get('/fail/x');
    expect(failed.status).toBe(500);
    expect(JSON.stringify(failed.body)).not.toContain('secret');
    expect(failed.body).toMatchObject({ error: { id: expect.any(String) } });
    expect((await get('/fail/%E0%A4%A')).status).toBe(400);
  });

  test('stops its parts in reverse, and stopping twice is stopping once', async () => {
    const stopped: string[] = [];
    const part = (name: string) => async () => async () => {
      stopped.push(name);
    };
    await server.serve(database.url('app'), [part('first'), part('second')]);
    await Promise.all([server.stop(), server.stop()]);
    expect(stopped).toEqual(['second', 'first']);
    await expect(fetch(server.url)).rejects.toThrow();
  });
});
