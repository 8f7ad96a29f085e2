/** What the product uses while nothing happens, and what it holds on to while little does. */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ground, openGround } from './ground.ts';
import { round } from './load.ts';
import { type Product, startMailServer, startProduct } from './product.ts';
import { BOOK_QUERY, cell, inputOf } from './rush.ts';

/** Of Linux, on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;
const SETTLE_MS = 5_000;
const PER_SECOND = 5;

export interface IdleFigures {
  seconds: number;
  /** Of one core; null where the system does not tell. */
  workerCpuPercent: number | null;
  transactionsPerSecond: number;
}

export async function measureIdle(seconds: number): Promise<IdleFigures> {
  return withProduct(0, async (ground, product) => {
    await sleep(SETTLE_MS);
    const [worker = 0] = product.pids.workers;
    const before = [await cpuSeconds(worker), await transactions(ground)] as const;
    await sleep(seconds * 1000);
    const after = [await cpuSeconds(worker), await transactions(ground)] as const;
    const used = before[0] === null || after[0] === null ? null : after[0] - before[0];
    return {
      seconds,
      workerCpuPercent: used === null ? null : round((used / seconds) * 100, 2),
      transactionsPerSecond: round((after[1] - before[1]) / seconds),
    };
  });
}

export interface SoakFigures {
  seconds: number;
  bookings: number;
  /** Resident memory of the server and the worker, in MB, after each tenth of the time. */
  serverMb: (number | null)[];
  workerMb: (number | null)[];
}

/** Bookings at a low rate, each mailed. */
export async function measureSoak(seconds: number): Promise<SoakFigures> {
  return withProduct(1, async (ground, product) => {
    const bookings = seconds * PER_SECOND;
    const figures: SoakFigures = { seconds, bookings, serverMb: [], workerMb: [] };
    const began = performance.now();
    for (let n = 1; n <= bookings; n++) {
      const wait = began + (n * 1000) / PER_SECOND - performance.now();
      if (wait > 0) await sleep(wait);
      const user = ground.users[n % ground.users.length] ?? '';
      const answer = await product.ask(0, user, BOOK_QUERY, inputOf(cell(ground, n, 1)));
      if (!answer.data?.booked) throw new Error(`Refused: ${JSON.stringify(answer.errors)}`);
      if (n % Math.floor(bookings / 10) > 0) continue;
      figures.serverMb.push(await residentMb(product.pids.servers[0] ?? 0));
      figures.workerMb.push(await residentMb(product.pids.workers[0] ?? 0));
      process.stderr.write(`soak: ${n} bookings\n`);
    }
    return figures;
  });
}

async function withProduct<T>(
  servers: number,
  measure: (ground: Ground, product: Product) => Promise<T>,
): Promise<T> {
  const ground = await openGround();
  const mail = await startMailServer();
  try {
    const product = await startProduct(ground, { servers, workers: 1, smtpUrl: mail.url });
    try {
      return await measure(ground, product);
    } finally {
      await product.stop();
    }
  } finally {
    await mail.stop();
    await ground.stop();
  }
}

/** User and system time of a process: the 14th and 15th field, counted from behind its name. */
async function cpuSeconds(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields ? (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND : null;
}

async function residentMb(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(status)?.[1];
  return kilobytes ? Math.round(Number(kilobytes) / 1024) : null;
}

async function transactions(ground: Ground): Promise<number> {
  const { rows } = await ground.admin.query<{ count: string }>(
    'select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.count);
}
