/**
 * Does what is to be done at Stripe. It carries no ids: it takes what is due, so a job that comes
 * twice, late or beside another one charges and gives back nothing twice.
 */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';
import { carryOutPayments } from '../src/payments/work.ts';

const carryOut: JobTask = async (_payload, { services, abortSignal }) => {
  const counts = await carryOutPayments({
    pool: services.pool,
    stripe: services.stripe,
    publicUrl: services.publicUrl,
    ...(abortSignal ? { signal: abortSignal } : {}),
  });
  if (counts.done + counts.failed > 0) log.info('payments', counts);
};

export default carryOut;
