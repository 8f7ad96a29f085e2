/**
 * Empties the outbox. It carries no ids: it takes what is due, so a job that comes twice, late or
 * beside another one sends nothing twice; what it leaves, the next dispatch queues again.
 */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';
import { sendDeliveries } from '../src/mail/send.ts';

const BATCH = 200;

const send: JobTask = async (_payload, { services, abortSignal }) => {
  const counts = await sendDeliveries({
    pool: services.pool,
    transport: services.transport,
    publicUrl: services.publicUrl,
    mailFrom: services.mailFrom,
    limit: BATCH,
    ...(abortSignal ? { signal: abortSignal } : {}),
  });
  if (counts.sent + counts.failed > 0) log.info('outbox', counts);
};

export default send;
