/**
 * Everything that can meet, meeting at once. In the long run (RESLOT_LONG=1) each plays ten
 * thousand rounds. controls.test.ts shows that these races see a missing lock.
 */
import { describe, expect, test } from '@jest/globals';
import { problemsOf, rounds, type Scenario } from '../support/races.ts';
import * as bookings from './bookingScenarios.ts';
import * as queue from './queueScenarios.ts';
import * as time from './timeScenarios.ts';

const HOURS = 3_600_000;

const { blackouts, ...single } = time;
const groups: Record<string, Scenario[]> = {
  'Racing for room': Object.values(bookings),
  'Racing for a place that was waited for': Object.values(queue),
  'Racing with time': [...Object.values(single), ...blackouts],
};

describe.each(Object.entries(groups))('%s', (_, scenarios) => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    async (_name, scenario) => {
      expect(await problemsOf(scenario, rounds(12))).toEqual([]);
    },
    process.env.RESLOT_LONG ? 4 * HOURS : 60_000,
  );
});
