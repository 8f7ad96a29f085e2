import { setTimeout as delay } from 'node:timers/promises';
import type { Transporter } from 'nodemailer';
import type { Pool } from 'pg';
import { log } from '../log.ts';
import { metrics } from '../metrics.ts';
import { isKind, type MailModel } from './model.ts';
import { type Rendered, renderMail } from './render.ts';
import { addressOf, type SendResult, sendMail } from './transport.ts';

type Options = {
  /** The login `reslot_worker`. */
  pool: Pick<Pool, 'query'>;
  transport: Transporter;
  publicUrl: string;
  mailFrom: string;
  /** How many messages at most; whatever is left is for the next job. */
  limit: number;
  /** Messages at a time. */
  parallel?: number;
  /** Stop between two messages when the job is told to end. */
  signal?: AbortSignal;
};

/** A third of the lease (renew_lease). */
const RENEW_EVERY_MS = 5_000;
const PERSIST_FOR_MS = 30_000;
const PERSIST_AGAIN_AFTER_MS = 200;

export type SendCounts = { sent: number; failed: number };

/** What the database hands out: one message, leased to us for a while. */
type Leased = {
  delivery_id: string;
  attempt: number;
  address: string;
  kind: string;
  locale: string | null;
  /** Whether something depends on what becomes of it. */
  has_consequences: boolean;
  model: MailModel;
};

/**
 * Sends what the outbox owes. Each message is leased just before its dialogue with the mail
 * server, so a lease never waits in a queue; if this process dies, the lease ends by itself and
 * somebody else tries again under the same Message-ID.
 */
export async function sendDeliveries(options: Options): Promise<SendCounts> {
  await followUpLeftovers(options.pool);
  const counts: SendCounts = { sent: 0, failed: 0 };
  const state = { left: options.limit, unreachable: false };
  const work = async () => {
    while (state.left > 0 && !state.unreachable && !options.signal?.aborted) {
      state.left -= 1;
      const delivery = await lease(options.pool);
      if (!delivery) return;
      const result = await deliver(delivery, options);
      counts[result.accepted ? 'sent' : 'failed'] += 1;
      // A server that is away for one message is away for all: the others keep their tries.
      if (!result.accepted && result.unreachable) state.unreachable = true;
    }
  };
  // All come to their end before a failure is told: none may be left at work behind the job's back.
  const ends = await Promise.allSettled(Array.from({ length: options.parallel ?? 4 }, work));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return counts;
}

async function lease(pool: Options['pool']): Promise<Leased | undefined> {
  const { rows } = await pool.query<Leased>('select * from app_private.lease_deliveries(1)');
  return rows[0];
}

async function deliver(delivery: Leased, options: Options): Promise<SendResult> {
  const started = performance.now();
  const renewal = keepLease(delivery, options.pool);
  const result = await attempt(delivery, options, renewal.lost);
  metrics.mails.inc({ outcome: outcomeOf(result) });
  await record(delivery, result, options.pool).finally(renewal.end);
  log.info(result.accepted ? 'mail sent' : 'mail not sent', {
    delivery: delivery.delivery_id,
    kind: delivery.kind,
    attempt: delivery.attempt,
    to: `…@${domainOf(delivery.address)}`,
    ms: Math.round(performance.now() - started),
    ...(result.accepted ? {} : { permanent: result.permanent, error: result.error }),
  });
  return result;
}

function outcomeOf(result: SendResult): string {
  if (result.accepted) return 'sent';
  return result.permanent ? 'dead' : 'failed';
}

/**
 * A lease is short, so that the mails of a killed worker go on within seconds. Most dialogues end
 * before it is renewed for the first time. Who finds it lost was stopped for long, and breaks off.
 */
function keepLease({ delivery_id: id, attempt }: Leased, pool: Options['pool']) {
  const lost = new AbortController();
  const renew = async () => {
    const { rows } = await pool.query<{ kept: boolean }>(
      'select app_private.renew_lease($1, $2) as kept',
      [id, attempt],
    );
    if (rows[0]?.kept === false) lost.abort();
  };
  const timer = setInterval(() => {
    renew().catch((error) => log.warn('a lease was not renewed', { delivery: id, error }));
  }, RENEW_EVERY_MS);
  return { lost: lost.signal, end: () => clearInterval(timer) };
}

async function attempt(
  delivery: Leased,
  options: Options,
  signal: AbortSignal,
): Promise<SendResult> {
  const { transport, publicUrl, mailFrom } = options;
  const { kind, locale, model, address } = delivery;
  if (!isKind(kind)) return unsendable(new Error(`There is no template "${kind}".`));
  let rendered: Rendered;
  try {
    const organizerEmail = addressOf(mailFrom);
    rendered = await renderMail({ kind, locale, model, publicUrl, organizerEmail });
  } catch (error) {
    return unsendable(error);
  }
  // Every try carries the same one, so that a second copy can be told to be one.
  const messageId = `<${delivery.delivery_id}@${domainOf(addressOf(mailFrom))}>`;
  return sendMail(transport, { kind, messageId, address, model }, rendered, {
    mailFrom,
    signal,
  });
}

/** It would fail in the same way every time; the others are not held up by it. */
function unsendable(error: unknown): SendResult {
  const { message } = error as Error;
  return {
    accepted: false,
    permanent: true,
    unreachable: false,
    certain: true,
    error: message.slice(0, 500),
  };
}

async function record(delivery: Leased, result: SendResult, pool: Options['pool']): Promise<void> {
  const { delivery_id: id, attempt: tried } = delivery;
  if (!result.accepted) {
    const mark = 'select app_private.mark_delivery_failed($1, $2, $3, $4)';
    await persist(() => pool.query(mark, [id, tried, result.error, result.permanent]));
    if (result.certain) await withdrawLinks(delivery, pool);
  } else {
    await persist(() => pool.query('select app_private.mark_delivery_sent($1, $2)', [id, tried]));
  }
  if (delivery.has_consequences) await followUp(id, pool);
}

/**
 * Each try has links of its own. Those of one that nobody got are worth nothing, and while a mail server is away for a
 * day with thousands of mails waiting they would be millions. If there is any doubt they stay, for somebody may have them.
 */
async function withdrawLinks({ delivery_id: id, model }: Leased, pool: Options['pool']) {
  const tokens = tokensIn(model);
  if (tokens.length === 0) return;
  try {
    await pool.query('select app_private.withdraw_links($1, $2)', [id, tokens]);
  } catch (error) {
    log.warn('the links of a mail that was not sent stay until they end', { delivery: id, error });
  }
}

/** A mail may list several bookings and entries, each with links. */
function tokensIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === 'tokens' ? Object.values(inner ?? {}).map(String) : tokensIn(inner),
  );
}

/**
 * What hangs on the answer (claim windows, deadlines) is set in motion in a transaction of its own:
 * marking must not wait for the locks this takes. If it fails, the next send job does it.
 */
async function followUp(id: string, pool: Options['pool']): Promise<void> {
  try {
    await pool.query('select app_private.follow_up_delivery($1)', [id]);
  } catch (error) {
    log.warn('following up a mail failed; it is done later', { delivery: id, error });
  }
}

/** What a process that was killed between marking and following up has left behind. */
async function followUpLeftovers(pool: Options['pool']): Promise<void> {
  const { rows } = await pool.query<{ id: string }>(
    'select id from app_private.deliveries_to_follow_up(100) id',
  );
  for (const { id } of rows) await followUp(id, pool);
}

/**
 * A message that is out must be written down: otherwise it goes out again after its lease. A
 * database that was killed is back within seconds, so this is tried quickly and for a while.
 */
async function persist(write: () => Promise<unknown>): Promise<void> {
  for (const until = performance.now() + PERSIST_FOR_MS; ; ) {
    try {
      await write();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      log.warn('the database did not take the outcome of a mail; trying again', { error });
      await delay(PERSIST_AGAIN_AFTER_MS);
    }
  }
}

function domainOf(address: string): string {
  return address.split('@').at(-1) ?? '';
}
