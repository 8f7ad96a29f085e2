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

describe('Of two slots of one day the database does what the model does', () => {
  const party = (adults: number) => ({ adults, children: 0, infants: 0 });
  const slots: Command[] = [0, 1].map((schedule) => ({
    do: 'generate',
    by: 'manager',
    schedule,
    from: 1,
    to: 1,
  }));
  const twoWaitForTheDay: Command[] = [
    { do: 'book_places', by: 0, slot: 0, party: party(4) },
    { do: 'book_places', by: 0, slot: 1, party: party(2) },
    { do: 'join_day', by: 1, offering: 'walk', day: 1, party: party(2) },
    { do: 'join_day', by: 2, offering: 'walk', day: 1, party: party(2) },
    { do: 'cancel', by: 0, booking: 0 },
  ];

  test('who let go of places of one is not waiting beside them once places of the other are free', async () => {
    const seen = await replay(policy('short'), [
      ...slots,
      { do: 'book_places', by: 0, slot: 0, party: party(4) },
      { do: 'book_places', by: 1, slot: 1, party: party(1) },
      { do: 'book_places', by: 2, slot: 1, party: party(1) },
      { do: 'join_slot', by: 3, slot: 0, party: party(2) },
      { do: 'join_day', by: 3, offering: 'walk', day: 1, party: party(3) },
      { do: 'cancel', by: 0, booking: 0 },
      { do: 'decline', by: 3, entry: 0 },
      { do: 'cancel', by: 1, booking: 1 },
    ]);
    expect(seen).toContain('passed over');
  });

  test('of those whose slot is cancelled, who comes first is offered what is left of the other', async () => {
    const seen = await replay(policy('short'), [
      ...slots,
      ...twoWaitForTheDay,
      { do: 'priority', by: 'manager', entry: 1, priority: 1 },
      { do: 'cancel', by: 0, booking: 1 },
      { do: 'cancel_slot', by: 'manager', slot: 0, cancels: true },
    ]);
    expect(seen).toContain('entry waiting');
  });

  test('of those whose slot is closed, who comes first is offered what is left of the other', async () => {
    const seen = await replay(policy('short'), [
      ...slots,
      ...twoWaitForTheDay,
      { do: 'cancel', by: 0, booking: 1 },
      { do: 'close_slot', by: 'manager', slot: 0 },
    ]);
    expect(seen).toContain('entry waiting');
  });
});

describe('Of services the database does what the model does', () => {
  test('who records what was paid for something that is over has touched it', async () => {
    const services = { ...PACES.standard.services, requiresDelivery: true, grace: 2 * HOUR };
    const seen = await replay(policy('standard', { services }), [
      { do: 'book', by: 0, offering: 'lesson', from: 10 * HOUR, to: 11 * HOUR },
      { do: 'tick', until: 12 * HOUR },
      { do: 'record_payment', by: 'manager', booking: 0, amount: 4505 },
      { do: 'tick', until: 13.5 * HOUR },
    ]);
    expect(seen).toContain('booking in_progress');
  });
});
