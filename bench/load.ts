/** Clients that work without a pause, and what their latencies come to. */
export interface Figures {
  /** Calls that did what was asked, a second. */
  perSecond: number;
  done: number;
  refused: number;
  p50Ms: number;
  p99Ms: number;
}

/** Does one thing; false if it was properly refused. Anything unexpected is thrown. */
export type Task = (n: number) => Promise<boolean>;

/** Runs one task a client for so long; the first part only warms up, and is not counted. */
export async function drive(tasks: Task[], seconds: number, warmUpSeconds = 1): Promise<Figures> {
  const begin = performance.now() + warmUpSeconds * 1000;
  const end = begin + seconds * 1000;
  const latencies: number[] = [];
  const counts = { done: 0, refused: 0, next: 0 };
  const client = async (task: Task) => {
    for (let started = performance.now(); started < end; started = performance.now()) {
      const did = await task(counts.next++);
      const now = performance.now();
      if (now < begin || now > end) continue;
      latencies.push(now - started);
      if (did) counts.done += 1;
      else counts.refused += 1;
    }
  };
  await Promise.all(tasks.map(client));
  return figures(latencies, counts.done, counts.refused, seconds);
}

/** Runs each task over the same list of `count` things, and measures until all are through. */
export async function driveThrough(tasks: Task[], count: number): Promise<Figures> {
  const latencies: number[] = [];
  const counts = { done: 0, refused: 0 };
  const begin = performance.now();
  const client = async (task: Task) => {
    for (let n = 0; n < count; n++) {
      const started = performance.now();
      const did = await task(n);
      latencies.push(performance.now() - started);
      if (did) counts.done += 1;
      else counts.refused += 1;
    }
  };
  await Promise.all(tasks.map(client));
  return figures(latencies, counts.done, counts.refused, (performance.now() - begin) / 1000);
}

export function figures(
  latencies: number[],
  done: number,
  refused: number,
  seconds: number,
): Figures {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0);
  return { perSecond: round(done / seconds), done, refused, p50Ms: at(0.5), p99Ms: at(0.99) };
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
