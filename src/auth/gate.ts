import { Refusal } from './refusal.ts';

/**
 * Lets a bounded number of actions run at a time, a bounded number wait, and refuses the rest:
 * hashing passwords takes 19 MiB and 20 ms of a core each, and a flood of them must not take all.
 */
export function createGate(limit: number, maxWaiting: number) {
  const waiting: (() => void)[] = [];
  let running = 0;

  return async function through<T>(action: () => Promise<T>): Promise<T> {
    if (running >= limit) {
      if (waiting.length >= maxWaiting) {
        throw new Refusal('RSBSY', 'Too many people are signing in right now. Please try again.');
      }
      // Whoever leaves hands the place over, so `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running += 1;
    }
    try {
      return await action();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
