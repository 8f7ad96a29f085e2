import { endRun } from './cluster.ts';

export default async function globalTeardown(): Promise<void> {
  if (globalThis.reslotTestRun) await endRun(globalThis.reslotTestRun);
}
