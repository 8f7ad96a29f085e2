/**
 * `npm run bench`: a table for people on the error output, JSON for programs on the standard one.
 * `npm run bench -- rush idle` measures these parts only. What the figures mean, and what can be set,
 * is in README.md beside this file.
 */
import { availableParallelism, cpus } from 'node:os';
import { measureAbuse } from './abuse.ts';
import { type Ground, openGround } from './ground.ts';
import { type GrowthRow, measureGrowth } from './growth.ts';
import { measureIdle, measureSoak } from './idle.ts';
import { type Figures, round } from './load.ts';
import { measureMonths } from './months.ts';
import { measurePlaces } from './places.ts';
import { type Product, startMailServer, startProduct } from './product.ts';
import { releases } from './release.ts';
import { measureRush, prepareBare } from './rush.ts';
import { measureStorm } from './storm.ts';

const setting = (name: string, usual: number) => Number(process.env[name] ?? usual);
const SECONDS = setting('BENCH_SECONDS', 5);
const STORM = setting('BENCH_STORM', 10_000);
const PAST = setting('BENCH_PAST', 1_000_000);
const FUTURE = setting('BENCH_FUTURE', 1_000_000);
const SLOTS = setting('BENCH_SLOTS', 1_000_000);
const IDLE_SECONDS = setting('BENCH_IDLE_SECONDS', 60);
const SOAK_SECONDS = setting('BENCH_SOAK_SECONDS', 120);

/** Of the soak, at which memory is shown. */
const TENTHS = [1, 2, 4, 6, 8, 10];

type Part = () => Promise<{ table: string[]; figures: unknown; broken?: number }>;

const parts: Record<string, Part> = {
  release: () => onProduct(measureReleases),
  rush: () => onProduct(measureRushes),
  places: () => onProduct(measureSlots),
  months: async () => {
    const figures = await measureMonths(SLOTS);
    const rows = Object.entries(figures.ms);
    return {
      figures,
      table: [
        line(`month among ${figures.slots} slots`, ['p50 ms', 'p99 ms']),
        ...rows.map(([name, { p50, p99 }]) => line(name, [p50, p99])),
      ],
    };
  },
  storm: measureStorms,
  // One process, so that everybody is everybody's neighbour.
  abuse: () => onProduct(measureAbuses, 1),
  growth: measureGrowths,
  idle: async () => {
    const figures = await measureIdle(IDLE_SECONDS);
    return {
      figures,
      table: [
        line('idle worker', ['% of a core', 'txn per s']),
        line(`${figures.seconds} s`, [figures.workerCpuPercent, figures.transactionsPerSecond]),
      ],
    };
  },
  soak: async () => {
    const figures = await measureSoak(SOAK_SECONDS);
    return {
      figures,
      table: [
        line(
          `memory after ${figures.seconds} s`,
          TENTHS.map((tenth) => `${tenth}/10`),
        ),
        line(
          'server, MB',
          TENTHS.map((tenth) => figures.serverMb[tenth - 1] ?? null),
        ),
        line(
          'worker, MB',
          TENTHS.map((tenth) => figures.workerMb[tenth - 1] ?? null),
        ),
      ],
    };
  },
};

async function onProduct(
  measure: (
    ground: Ground,
    product: Product,
    mail: Awaited<ReturnType<typeof startMailServer>>,
  ) => ReturnType<Part>,
  servers = availableParallelism(),
): ReturnType<Part> {
  const ground = await openGround();
  const mail = await startMailServer();
  const stops: (() => Promise<void>)[] = [ground.stop, mail.stop];
  try {
    const product = await startProduct(ground, { servers, workers: 1, smtpUrl: mail.url });
    stops.push(product.stop);
    return { ...(await measure(ground, product, mail)), broken: await ground.broken() };
  } finally {
    for (const stop of stops.toReversed()) await stop().catch(complain);
  }
}

const measureReleases: Parameters<typeof onProduct>[0] = async (ground, product, mail) => {
  const one = { batches: 40, parallel: 1, firstDay: 250, firstUser: 0 };
  const sixteen = { batches: 12, parallel: 16, firstDay: 260, firstUser: 400 };
  const figures = {
    'one by one': await releases(ground, product, mail, one),
    'sixteen at a time': await releases(ground, product, mail, sixteen),
  };
  return { figures, table: tableOf('release to mail', figures) };
};

const measureRushes: Parameters<typeof onProduct>[0] = async (ground, product) => {
  await prepareBare(ground);
  await product.stopWorkers();
  const { rush, ratios } = await measureRush(ground, product, SECONDS);
  const lines = Object.entries(ratios).map(([name, ratio]) => line(name, [ratio]));
  return { figures: { rush, ratios }, table: [...tableOf('rush (32 clients)', rush), ...lines] };
};

const measureSlots: Parameters<typeof onProduct>[0] = async (ground, product) => {
  await product.stopWorkers();
  const figures = await measurePlaces(ground, product);
  const table = [
    ...tableOf('one slot (64 clients)', figures.rush),
    ...Object.entries(figures.ratios).map(([name, ratio]) => line(name, [ratio])),
    line('slots made per s', [figures.slotsPerSecond]),
  ];
  return { figures, table };
};

const measureAbuses: Parameters<typeof onProduct>[0] = async (ground, product) => {
  await product.stopWorkers();
  const figures = await measureAbuse(ground, product, SECONDS);
  const refused = Object.entries(figures.refusedAfter);
  const neighbour = Object.entries(figures.neighbour);
  const table = [
    line('refused after, ms', ['p50', 'most']),
    ...refused.map(([name, f]) => line(name, [f.p50Ms, f.mostMs])),
    '',
    line('neighbour', ['per s', 'p50 ms', 'p99 ms', 'abuses per s', 'p99 ratio']),
    ...neighbour.map(([name, f]) =>
      line(name, [f.perSecond, f.p50Ms, f.p99Ms, f.abusesPerSecond, figures.ratios[name] ?? null]),
    ),
  ];
  return { figures, table };
};

async function measureStorms(): ReturnType<Part> {
  const figures: Record<string, Awaited<ReturnType<typeof measureStorm>>> = {};
  const table = [line('due at once', ['mails', 'seconds', 'per s'])];
  let broken = 0;
  for (const workers of [1, 2, 4]) {
    const storm = await measureStorm(workers, STORM);
    figures[`${workers} workers`] = storm;
    broken += storm.broken;
    for (const [what, f] of Object.entries({
      reminders: storm.reminders,
      releases: storm.releases,
    })) {
      table.push(line(`${what}, ${workers} workers`, [f.mails, f.seconds, f.perSecond]));
    }
  }
  return { figures, table, broken };
}

async function measureGrowths(): ReturnType<Part> {
  const pasts = [10_000, 100_000, 1_000_000, 10_000_000].filter((past) => past <= PAST);
  const figures = await measureGrowth(pasts, FUTURE);
  const last = figures.at(-1) as GrowthRow;
  const table = [
    line('ms a call, p50', [...figures.map(({ past }) => `1e${Math.log10(past)}`), 'ratio']),
  ];
  for (const what of Object.keys(last.ms)) {
    const ratio = round((last.ms[what] ?? 0) / (last.shortMs[what] ?? 0), 2);
    table.push(line(what, [...figures.map(({ ms }) => ms[what] ?? 0), ratio]));
  }
  return { figures, table };
}

function tableOf(name: string, table: Record<string, Figures>): string[] {
  return [
    line(name, ['per s', 'p50 ms', 'p99 ms', 'done', 'refused']),
    ...Object.entries(table).map(([what, f]) =>
      line(what, [f.perSecond, f.p50Ms, f.p99Ms, f.done, f.refused]),
    ),
  ];
}

function line(name: string, values: (string | number | null)[]): string {
  return `${name.padEnd(28)}${values.map((value) => String(value ?? '–').padStart(12)).join('')}`;
}

function complain(error: unknown): void {
  process.stderr.write(`Something did not stop well: ${(error as Error).message}\n`);
}

async function main(wanted: string[]): Promise<void> {
  const unknown = wanted.filter((name) => !parts[name]);
  if (unknown.length > 0) {
    throw new Error(
      `There is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}.`,
    );
  }
  const began = performance.now();
  const results: Record<string, unknown> = {};
  let broken = 0;
  for (const [name, part] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const result = await part();
    process.stderr.write(`${result.table.join('\n')}\n\n`);
    results[name] = result.figures;
    broken += result.broken ?? 0;
  }
  const machine = { cores: availableParallelism(), model: cpus()[0]?.model };
  const seconds = round((performance.now() - began) / 1000);
  process.stdout.write(
    `${JSON.stringify({ machine, seconds, brokenInvariants: broken, ...results }, null, 2)}\n`,
  );
  if (broken > 0) process.exitCode = 1;
}

await main(process.argv.slice(2));
