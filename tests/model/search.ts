/** Looks for a sequence of commands after which model and database differ, and makes it as short as it can. */
import fc from 'fast-check';
import { Difference, play } from './compare.ts';
import type { ModelDatabase } from './database.ts';
import { policies, servicePolicies, tourPolicies } from './policies.ts';
import { sequences } from './sequences.ts';
import { serviceSequences } from './serviceSequences.ts';
import { tourSequences } from './tourSequences.ts';

const SUBJECTS = {
  venues: fc.tuple(policies, sequences),
  tours: fc.tuple(tourPolicies, tourSequences),
  services: fc.tuple(servicePolicies, serviceSequences),
};
/** Beside the 300 of the venues, and no fewer than the controls need to find what they break. */
export const TOUR_RUNS = 120;
export const SERVICE_RUNS = 80;

export type Subject = keyof typeof SUBJECTS;

export interface Findings {
  /** The shortest sequence found and what differs after it; null if nothing does. */
  difference: string | null;
  runs: number;
  /** How often which command had which outcome, which status was reached, which message sent. */
  counts: Map<string, number>;
}

export async function search(
  database: ModelDatabase,
  options: { of?: Subject; runs: number; seed: number; shrinks?: boolean },
): Promise<Findings> {
  const counts = new Map<string, number>();
  const property = fc.asyncProperty(
    SUBJECTS[options.of ?? 'venues'],
    async ([policy, choosers]) => {
      for (const word of await play(database, policy, choosers)) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
      }
    },
  );
  const result = await fc.check(property, {
    numRuns: options.runs,
    seed: options.seed,
    endOnFailure: options.shrinks === false,
  });
  const error = result.errorInstance;
  if (error && !(error instanceof Difference)) throw error;
  const difference = error instanceof Difference ? error.message : null;
  return { difference, runs: result.numRuns, counts };
}

const PARTS = 4;

/** Searches on, four times as long at most, until each of the words has happened: by chance a rare one may not have. */
export async function searchUntilSeen(
  database: ModelDatabase,
  options: { of?: Subject; runs: number; seed: number },
  words: readonly string[],
): Promise<{ difference: string | null; missing: string[] }> {
  let missing = [...words];
  for (let part = 0; part < PARTS; part++) {
    const seed = options.seed + part;
    const { difference, counts } = await search(database, { ...options, seed });
    missing = missing.filter((word) => !counts.has(word));
    if (difference !== null || missing.length === 0) return { difference, missing };
  }
  return { difference: null, missing };
}
