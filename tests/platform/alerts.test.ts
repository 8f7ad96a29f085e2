/** The rules for alerts, what they ask for, and what people are told of it, are one thing. */
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { z } from 'zod';
import { isErrorCode } from '../../src/errors.ts';
import { VITAL_SIGNS } from '../../src/http/metrics.ts';
import { registry } from '../../src/metrics.ts';
import { plain, read, tableRows } from '../support/documents.ts';

const Rules = z.strictObject({
  groups: z.array(
    z.strictObject({
      name: z.string(),
      rules: z.array(
        z.strictObject({
          alert: z.string(),
          expr: z.string(),
          for: z
            .string()
            .regex(/^\d+m$/)
            .optional(),
          labels: z.strictObject({ severity: z.enum(['critical', 'warning']) }),
          annotations: z.strictObject({ summary: z.string() }),
        }),
      ),
    }),
  ),
});

const rules = Rules.parse(parse(read('deploy/prometheus-rules.yml'))).groups.flatMap(
  (group) => group.rules,
);
const document = read('docs/operations.md');

/** Name and kind of all that is counted or told. */
async function exported(): Promise<Map<string, string>> {
  const counted = await registry.getMetricsAsJSON();
  return new Map([
    ...counted.map(({ name, type }) => [name, String(type)] as const),
    ...['database_up', 'worker_present', ...Object.keys(VITAL_SIGNS)].map(
      (name) => [`reslot_${name}`, 'gauge'] as const,
    ),
  ]);
}

describe('deploy/prometheus-rules.yml', () => {
  test('asks only for metrics that there are', async () => {
    const known = await exported();
    const asked = rules.flatMap(({ expr }) => expr.match(/\breslot_\w+/g) ?? []);
    expect(asked.length).toBeGreaterThan(rules.length - 2);
    const missing = asked.filter((name) => {
      const plainName = name.replace(/_(bucket|sum|count)$/, '');
      return !known.has(name) && known.get(plainName) !== 'histogram';
    });
    expect(missing).toEqual([]);
  });

  test('names only errors that there are, and balances its brackets', () => {
    const codes = rules.flatMap(({ expr }) => [...expr.matchAll(/code="(\w+)"/g)].map((m) => m[1]));
    expect(codes.length).toBeGreaterThan(0);
    expect(codes.filter((code) => !isErrorCode(code))).toEqual([]);
    for (const { expr } of rules) {
      for (const [open, close] of ['()', '[]', '{}'].map((pair) => [...pair])) {
        expect(expr.split(open ?? '').length).toBe(expr.split(close ?? '').length);
      }
    }
  });

  test('has each alert once, and docs/operations.md says what to do about each', () => {
    const documented = tableRows(document, '## Alerts')
      .slice(1)
      .map(([name]) => plain(name));
    expect(documented).toEqual(rules.map(({ alert }) => alert));
    expect(new Set(documented).size).toBe(documented.length);
  });
});

test('docs/operations.md has every metric of ours with its kind, and no other', async () => {
  const documented = tableRows(document, '## Metrics')
    .slice(1)
    .map(([name, kind]) => `${plain(name)} ${kind}`);
  const known = [...(await exported())].map(([name, kind]) => `${name} ${kind}`);
  expect(documented.toSorted()).toEqual(known.toSorted());
});
