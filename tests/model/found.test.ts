/** What the model test has found: each case is the sequence to which it was shortened, and must stay mended. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { play } from './compare.ts';
import { type ModelDatabase, openModelDatabase } from './database.ts';
import { PACES } from './policies.ts';
import type { Command } from './reference/commands.ts';
import { HOUR, MINUTE, type Policy } from './reference/state.ts';

let database: ModelDatabase;
beforeAll(async () => {
  database = await openModelDatabase();
});
afterAll(() => database?.drop());

function policy(pace: keyof typeof PACES, changes: Partial<Policy> = {}): Policy {
  return {
    ...PACES[pace],
    buffer: 0,
    requiresApproval: false,
    autoCancel: 'on',
    quiet: null,
    perDay: 3,
    ...changes,
  };
}

/** Differences are thrown; what comes back is what happened. */
function replay(rules: Policy, commands: Command[]): Promise<string[]> {
  return play(
    database,
    rules,
    commands.map((command) => () => command),
  );
}

describe('The database does what the model does', () => {
  test('one freeing is told once to who waits for two times beside it', async () => {
    const seen = await replay(policy('standard', { buffer: 30 * MINUTE }), [
      { do: 'book', by: 0, offering: 'hall', from: 11 * HOUR, to: 12 * HOUR },
      { do: 'join', by: 0, offering: 'hall', from: 12 * HOUR, to: 13 * HOUR },
      { do: 'join', by: 0, offering: 'hall', from: 12 * HOUR, to: 12.5 * HOUR },
      { do: 'mail', mail: 'down' },
      { do: 'cancel', by: 0, booking: 0 },
      { do: 'tick', until: 11.5 * HOUR },
    ]);
    expect(seen.filter((word) => word.startsWith('last_call'))).toHaveLength(2);
  });

  test('room that is free once a buffer has passed is offered, although the buffer before the next has begun', async () => {
    const seen = await replay(policy('short', { buffer: 30 * MINUTE }), [
      { do: 'book', by: 0, offering: 'left', from: 11 * HOUR, to: 12 * HOUR },
      { do: 'confirm', by: 0, booking: 0 },
      { do: 'join', by: 1, offering: 'left', from: 12 * HOUR + 50 * MINUTE, to: 14 * HOUR },
      { do: 'tick', until: 12.5 * HOUR },
    ]);
    expect(seen).toContain('entry offered');
  });

  test('who waits for a freed range counts as fitting, although the buffer before it has begun', async () => {
    const range = { from: 11 * HOUR, to: 12 * HOUR };
    const seen = await replay(policy('short', { buffer: 30 * MINUTE }), [
      { do: 'book', by: 0, offering: 'hall', ...range },
      { do: 'join', by: 1, offering: 'hall', ...range },
      { do: 'join', by: 2, offering: 'hall', ...range },
      { do: 'nap', until: 10 * HOUR + 40 * MINUTE },
      { do: 'cancel', by: 'manager', booking: 0 },
    ]);
    expect(seen).toContain('entry offered');
  });

  test('a blackout lifted from two rooms is one freeing, of which everyone is told once', async () => {
    const range = { from: 11 * HOUR, to: 12 * HOUR };
    const seen = await replay(policy('standard'), [
      { do: 'book', by: 0, offering: 'hall', ...range },
      { do: 'join', by: 1, offering: 'hall', ...range },
      { do: 'blackout', by: 'manager', where: 'hall', ...range, cancels: true },
      { do: 'tick', until: 10 * HOUR + 40 * MINUTE },
      { do: 'lift', by: 'manager', blackout: 0 },
      { do: 'tick', until: 10 * HOUR + 41 * MINUTE },
    ]);
    expect(seen.filter((word) => word === 'last_call sent')).toHaveLength(1);
  });
});
