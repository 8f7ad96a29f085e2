import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type Api, type Load, startApi, startLoad } from './api.ts';
import { type OwnCluster, startOwnCluster } from './cluster.ts';
import { eventually, type FaultWorld, openWorld, times } from './world.ts';

/** Within ten seconds as a rule; but the machine may be busy. */
const BACK_WITHIN_MS = 60_000;

jest.setTimeout(times(600_000, 3_600_000));

const stops: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

interface Service {
  cluster: OwnCluster;
  world: FaultWorld;
  api: Api;
  load: Load;
}

async function startService(settings: Record<string, string> = {}): Promise<Service> {
  const cluster = await startOwnCluster(settings);
  const world = await openWorld({ max_days_ahead: 3650 }, cluster.database);
  stops.push(world.stop);
  const api = await startApi(world);
  stops.push(api.stop);
  const load = await startLoad(api, 8);
  // What people need in order to book is safe, whatever happens to bookings.
  await world.admin.query('checkpoint');
  stops.push(load.stop);
  return { cluster, world, api, load };
}

/** Acknowledged bookings that are not there. What is acknowledged while we look is not asked for. */
async function lost({ world, load }: Service): Promise<string[]> {
  const acknowledged = [...load.acknowledged.values()];
  const rows = await world.query<{ id: string }>('select id from app_public.bookings');
  const known = new Set(rows.map(({ id }) => id));
  return acknowledged.filter((id) => !known.has(id));
}

async function killAndStart({ cluster, load }: Service): Promise<{ backAfterMs: number }> {
  const before = load.acknowledged.size;
  await eventually(async () => load.acknowledged.size > before + 10);
  await cluster.kill();
  await sleep(300);
  await cluster.start();
  const startedAt = Date.now();
  await eventually(async () => (load.times.at(-1) ?? 0) > startedAt, 60_000);
  return { backAfterMs: Date.now() - startedAt };
}

describe('a database that is killed under load', () => {
  test('has every change that was acknowledged, and is at work again within seconds', async () => {
    const service = await startService();
    const { world, api, load } = service;
    const worker = await world.startWorker();
    for (let round = 0; round < times(10, 100); round++) {
      const { backAfterMs } = await killAndStart(service);
      expect(backAfterMs).toBeLessThan(BACK_WITHIN_MS);
      expect(await lost(service)).toEqual([]);
      expect(await world.broken()).toEqual([]);
    }
    await load.stop();

    await eventually(async () => {
      const waiting = await world.query(
        `select from app_public.deliveries where status in ('queued', 'sending')`,
      );
      return waiting.length === 0;
    });
    // One booking for a key, however often it was sent, and one mail for a booking.
    const rows = await world.query('select id from app_public.bookings');
    expect(rows).toHaveLength(load.acknowledged.size);
    const messages = new Map<string, number>();
    for (const { messageId } of world.mail.taken) {
      messages.set(messageId, (messages.get(messageId) ?? 0) + 1);
    }
    expect(messages.size).toBe(rows.length);
    expect([...messages].filter(([, copies]) => copies > 1)).toEqual([]);
    expect([worker.isRunning(), api.process.isRunning()]).toEqual([true, true]);
    // Meanwhile people were told to come again, and nothing else.
    expect([...load.refusals]).toEqual([
      ['RSBSY', expect.not.stringMatching(/select |insert |ECONN|terminat|postgres/i)],
    ]);
  });

  test('would lose some, if commits did not wait for the disk', async () => {
    const service = await startService({
      synchronous_commit: 'off',
      wal_writer_delay: '10s',
      wal_writer_flush_after: '1GB',
      wal_buffers: '16MB',
    });
    const missing: string[] = [];
    for (let round = 0; round < 5 && missing.length === 0; round++) {
      await killAndStart(service);
      missing.push(...(await lost(service)));
    }
    expect(missing).not.toEqual([]);
  });
});
