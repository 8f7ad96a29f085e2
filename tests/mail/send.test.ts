import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { setLogLevel } from '../../src/log.ts';
import { type Inbox, startInbox } from '../../src/mail/inbox.ts';
import { SAMPLES } from '../../src/mail/samples.ts';
import { sendDeliveries } from '../../src/mail/send.ts';
import { createMailTransport } from '../../src/mail/transport.ts';

/**
 * The loop against an outbox that is a list: what it asks of the database and in which order. The
 * database's own answers are tested where they are made.
 */

type Row = Record<string, unknown>;
type Pool = Parameters<typeof sendDeliveries>[0]['pool'];

let inbox: Inbox;

beforeEach(async () => {
  inbox = await startInbox({ port: 0 });
});

afterEach(() => inbox.stop());

function delivery(id: string, change: Row = {}): Row {
  return {
    delivery_id: id,
    attempt: 1,
    address: `${id}@example.org`,
    kind: 'booking_reminder',
    locale: 'de',
    has_consequences: true,
    model: SAMPLES.booking_reminder,
    ...change,
  };
}

/** An outbox with these rows; `answer` may throw for a call to make it fail. */
function outbox(
  rows: Row[],
  answer: (call: string, values: unknown[]) => void = () => undefined,
  leftovers: string[] = [],
) {
  const waiting = [...rows];
  const calls: string[] = [];
  const query = async (text: string, values: unknown[] = []) => {
    const name = /app_private\.(\w+)/.exec(text)?.[1] ?? text;
    if (name === 'lease_deliveries') {
      const row = waiting.shift();
      return { rows: row ? [row] : [] };
    }
    if (name === 'deliveries_to_follow_up') return { rows: leftovers.map((id) => ({ id })) };
    calls.push([name, ...values].join(' '));
    answer(name, values);
    return { rows: [] };
  };
  return { calls, waiting, pool: { query } as unknown as Pool };
}

async function run(
  pool: Pool,
  change: { limit?: number; smtpUrl?: string; parallel?: number } = {},
) {
  const { limit = 100, smtpUrl = inbox.smtpUrl, parallel = 2 } = change;
  const transport = createMailTransport({ smtpUrl });
  const publicUrl = 'https://reslot.example';
  const mailFrom = 'bookings@reslot.example';
  try {
    return await sendDeliveries({ pool, transport, publicUrl, mailFrom, limit, parallel });
  } finally {
    transport.close();
  }
}

describe('sending what the outbox owes', () => {
  it('sends each message, records it, and then follows up on it', async () => {
    const { pool, calls } = outbox([delivery('a'), delivery('b'), delivery('c')]);
    expect(await run(pool)).toEqual({ sent: 3, failed: 0 });
    expect(
      inbox
        .messages()
        .map(({ to }) => to[0])
        .sort(),
    ).toEqual(['a@example.org', 'b@example.org', 'c@example.org']);
    for (const id of ['a', 'b', 'c']) {
      const sent = calls.indexOf(`mark_delivery_sent ${id} 1`);
      expect(sent).toBeGreaterThanOrEqual(0);
      expect(calls.indexOf(`follow_up_delivery ${id}`)).toBeGreaterThan(sent);
    }
  });

  it('stops at its limit and leaves the others to the next job', async () => {
    const { pool, waiting } = outbox(['a', 'b', 'c', 'd', 'e'].map((id) => delivery(id)));
    expect(await run(pool, { limit: 3 })).toEqual({ sent: 3, failed: 0 });
    expect(waiting).toHaveLength(2);
  });

  it('gives up for good what cannot be put into words, and only that', async () => {
    const rows = [
      delivery('a', { kind: 'no_such_kind' }),
      delivery('b', { model: { booking: { offeringName: 'x', resourceNames: 7 } } }),
      delivery('c'),
    ];
    const { pool, calls } = outbox(rows);
    expect(await run(pool)).toEqual({ sent: 1, failed: 2 });
    expect(calls).toContain('mark_delivery_failed a 1 There is no template "no_such_kind". true');
    expect(calls).toContainEqual(expect.stringMatching(/^mark_delivery_failed b 1 .* true$/));
    expect(calls).toContain('mark_delivery_sent c 1');
  });

  it('stops when the server is away, so that the others keep their tries', async () => {
    const { pool, calls, waiting } = outbox(['a', 'b', 'c', 'd'].map((id) => delivery(id)));
    const counts = await run(pool, { smtpUrl: 'smtp://127.0.0.1:1', parallel: 1 });
    expect(counts).toEqual({ sent: 0, failed: 1 });
    expect(waiting).toHaveLength(3);
    expect(calls[0]).toMatch(/^mark_delivery_failed a 1 ESOCKET .* false$/);
  });

  it('takes the links back of what nobody can have got, and of nothing else', async () => {
    const { pool, calls } = outbox([delivery('a')]);
    await run(pool, { smtpUrl: 'smtp://127.0.0.1:1' });
    const tokens = Object.values(SAMPLES.booking_reminder.tokens ?? {});
    expect(tokens.length).toBeGreaterThan(1);
    expect(calls).toContain(`withdraw_links a ${tokens.join(',')}`);
    const sent = outbox([delivery('b')]);
    await run(sent.pool);
    expect(sent.calls.join()).not.toContain('withdraw_links');
  });

  it('writes a sent message down even if the database stumbles', async () => {
    const state = { failures: 2 };
    const { pool, calls } = outbox([delivery('a')], (call) => {
      if (call === 'mark_delivery_sent' && state.failures > 0) {
        state.failures -= 1;
        throw new Error('the connection is gone');
      }
    });
    expect(await run(pool)).toEqual({ sent: 1, failed: 0 });
    expect(calls.filter((call) => call.startsWith('mark_delivery_sent'))).toHaveLength(3);
    expect(inbox.messages()).toHaveLength(1);
  });

  it('goes on when following up on a message fails: that is done later', async () => {
    const { pool } = outbox([delivery('a'), delivery('b')], (call) => {
      if (call === 'follow_up_delivery') throw new Error('deadlock detected');
    });
    expect(await run(pool)).toEqual({ sent: 2, failed: 0 });
  });

  it('follows up first on what a killed process had sent', async () => {
    const { pool, calls } = outbox([delivery('a')], undefined, ['old']);
    await run(pool);
    expect(calls).toEqual([
      'follow_up_delivery old',
      'mark_delivery_sent a 1',
      'follow_up_delivery a',
    ]);
  });

  it('asks for no consequences where nothing depends on a message', async () => {
    const { pool, calls } = outbox([delivery('a', { has_consequences: false })]);
    await run(pool);
    expect(calls).toEqual(['mark_delivery_sent a 1']);
  });

  it('logs no address and no token', async () => {
    const write = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    setLogLevel('debug');
    const { pool } = outbox([delivery('zoe'), delivery('max', { address: 'max@no one' })]);
    const counts = await run(pool);
    const text = write.mock.calls.join('\n');
    setLogLevel('error');
    write.mockRestore();
    expect(counts).toEqual({ sent: 1, failed: 1 });
    expect(text).toContain('mail sent');
    expect(text).toContain('mail not sent');
    expect(text).not.toMatch(/zoe@|max@|sample-/);
  });
});
