/**
 * Requests made up from the schema, sent over HTTP to a server in a process of its own, by everybody who can call: with
 * values that fit, that nobody expects and that are wrong, and documents that are broken. Whatever comes back is an
 * answer or a registered refusal; what is behind it stays whole. A finding is printed with all it takes to send it again.
 *
 * A case is one field at the top with its arguments and its selection, or a document that is refused as a whole. Several
 * go in one request, as many as the limits allow; most of the time goes into planning and running them in the server.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startInbox } from '../../src/mail/inbox.ts';
import { sendDeliveries } from '../../src/mail/send.ts';
import { createMailTransport } from '../../src/mail/transport.ts';
import { CALLS_OF_EACH, type Findings, fuzz, growthMb, rootFields } from './fuzz.ts';
import { changeOf, oweMail } from './scene.ts';
import { type Served, serve } from './served.ts';

const LONG = process.env.RESLOT_LONG === '1';
// RESLOT_RUNS and RESLOT_SEED look longer, or at the same again.
const CASES = Number(process.env.RESLOT_RUNS ?? (LONG ? 100_000 : 20_000));
const SEED = Number(process.env.RESLOT_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** What a server that holds on to nothing differs by, from one collection of garbage to another. */
const MOST_GROWTH_MB = 64;
/** Mails to be written out, for that is slow. */
const MAILS = 60;

let served: Served;
let findings: Findings;

beforeAll(
  async () => {
    process.stdout.write(`fuzz test: seed ${SEED} (RESLOT_SEED repeats it)\n`);
    served = await serve();
    findings = await fuzz(served, { seed: SEED, cases: CASES });
  },
  60_000 + CASES * 100,
);
afterAll(() => served?.stop());

test('every case gets a result or a registered error, and nothing breaks', () => {
  expect(findings.problems.join('\n\n')).toBe('');
  expect(findings.cases).toBeGreaterThanOrEqual(CASES);
});

test('every root field was called, and more often than not things were done', () => {
  const fields = rootFields();
  expect(fields.length).toBeGreaterThan(100);
  const seldom = fields.filter((field) => (findings.called.get(field) ?? 0) < CALLS_OF_EACH);
  expect(seldom).toEqual([]);
  // Without these little was tried. Of thousands they are hundreds.
  expect(findings.codes.get('ok')).toBeGreaterThan(findings.cases / 3);
  const seen = ['RSAUT', 'RSNTF', 'RSARG', 'RSSTA', 'document RSARG'];
  expect(seen.filter((code) => !findings.codes.has(code))).toEqual([]);
});

test('the server wrote nothing about them, and holds on to nothing', () => {
  expect(served.output()).toBe('');
  expect(growthMb(findings)).toBeLessThan(MOST_GROWTH_MB);
});

test('the mails that came of them can be written and sent', async () => {
  // Whatever has become of those that chance owes.
  await oweMail(changeOf(served));
  const inbox = await startInbox({ port: 0 });
  const transport = createMailTransport({ smtpUrl: inbox.smtpUrl });
  try {
    const counts = await sendDeliveries({
      pool: served.database.pool('worker', 4),
      transport,
      publicUrl: 'https://reslot.example.org',
      mailFrom: 'Reslot <bookings@reslot.example.org>',
      limit: MAILS,
    });
    expect(counts.failed).toBe(0);
    expect(counts.sent).toBeGreaterThan(0);
  } finally {
    transport.close();
    await inbox.stop();
  }
}, 120_000);
