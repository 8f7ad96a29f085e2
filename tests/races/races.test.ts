/**
 * Everything that can meet, meeting at once: a thousand rounds each or as many as four seconds
 * allow, at least a hundred, and the log says how many; in the long run (RESLOT_LONG=1) ten
 * thousand. controls.test.ts shows that these races see a missing lock.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Field, openField } from '../support/field.ts';
import { play, type Scenario, usualLimits } from '../support/races.ts';
import * as bookings from './bookingScenarios.ts';
import * as guests from './guestScenarios.ts';
import * as keys from './keyScenarios.ts';
import * as life from './lifeScenarios.ts';
import * as payments from './paymentScenarios.ts';
import * as pools from './poolScenarios.ts';
import * as queue from './queueScenarios.ts';
import * as series from './seriesScenarios.ts';
import * as slots from './slotScenarios.ts';
import * as time from './timeScenarios.ts';

const MINUTES = 60_000;
const HOURS = 60 * MINUTES;

const { blackouts, ...single } = time;
const { bookPoolOfAll, ...pooled } = pools;
const groups: Record<string, Scenario[]> = {
  'Racing for room': Object.values(bookings),
  'Racing for the dates of a series': Object.values(series),
  'Racing for places of a slot': Object.values(slots),
  'Racing with links of guests': Object.values(guests),
  'Racing for one of several providers': Object.values(pooled),
  'Racing for a place that was waited for': Object.values(queue),
  'Racing with one key': Object.values(keys),
  'Racing for the life of a booking': Object.values(life),
  'Racing with money': Object.values(payments),
  'Racing with time': [...Object.values(single), ...blackouts],
};

let field: Field;
const rounds: number[] = [];
beforeAll(async () => {
  field = await openField();
}, MINUTES);
afterAll(async () => {
  await field?.close();
  process.stdout.write(`Rounds played of each race: ${rounds.join(' ')}\n`);
});

describe.each(Object.entries(groups))('%s', (_, scenarios) => {
  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    '%s',
    async (_name, scenario) => {
      const played = await play(field, scenario, usualLimits());
      rounds.push(played.rounds);
      expect(played.problems).toEqual([]);
    },
    process.env.RESLOT_LONG ? 4 * HOURS : 10 * MINUTES,
  );
});

describe('Racing for one of several providers, all at once', () => {
  test(
    bookPoolOfAll.name,
    async () => {
      // All 64 in one round.
      const { problems } = await play(field, bookPoolOfAll, { rounds: usualLimits().rounds / 200 });
      expect(problems).toEqual([]);
    },
    process.env.RESLOT_LONG ? 4 * HOURS : 10 * MINUTES,
  );
});
