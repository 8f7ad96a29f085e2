/** A PostgreSQL of one's own, durable as in production, that can be killed and started again. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type Cluster, freePort, startCluster } from '../../src/database/embedded.ts';
import { prepareDatabase } from '../../src/database/migrate.ts';
import { createPool, urlFor, urlWithRole } from '../../src/database/pools.ts';
import { derivePasswords } from '../../src/database/roles.ts';
import type { ClonedDatabase, PoolRole } from '../support/database.ts';

export interface OwnCluster {
  database: ClonedDatabase;
  /** `kill -9` of all its processes at once. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

const NAME = 'reslot';

export async function startOwnCluster(settings: Record<string, string> = {}): Promise<OwnCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'reslot-faults-'));
  // Clients find it again where it was.
  const port = String(await freePort());
  const state = { cluster: null as Cluster | null };
  const start = async () => {
    state.cluster = await startCluster({ directory, settings: { ...settings, port } });
  };
  const running = () => {
    if (!state.cluster) throw new Error('The cluster is not running.');
    return state.cluster;
  };
  await start();
  const passwords = derivePasswords(process.env.RESLOT_TEST_SECRET_KEY ?? '');
  const admin = running().url(NAME);
  await asAdmin(running().url(), `create database ${NAME} template template0`);
  await prepareDatabase({ adminUrl: admin, passwords, current: true });
  const url = (role: PoolRole) => {
    if (role === 'admin') return admin;
    if (role === 'owner') return urlWithRole(admin, 'reslot_owner');
    return urlFor(admin, `reslot_${role}`, passwords[role]);
  };
  const pools: pg.Pool[] = [];
  return {
    start,
    kill: async () => {
      const { pid } = running();
      const rows = await asAdmin(running().url(), 'select pid from pg_stat_activity');
      process.kill(pid, 'SIGKILL');
      for (const row of rows) killIfThere(Number(row.pid));
      state.cluster = null;
    },
    database: {
      name: NAME,
      url,
      pool: (role, max = 10) => {
        const pool = createPool(url(role), { name: `reslot-test-${role}`, max });
        pools.push(pool);
        return pool;
      },
      drop: async () => {
        await Promise.all(pools.map((pool) => pool.end()));
        await state.cluster?.stop();
        await rm(directory, { recursive: true, force: true });
      },
    },
  };
}

async function asAdmin(connectionString: string, sql: string): Promise<pg.QueryResultRow[]> {
  const client = new pg.Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went by itself, as they do once the first of them is dead.
  }
}
