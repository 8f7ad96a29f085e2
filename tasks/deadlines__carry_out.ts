/** Does what has become due to one subject. The decision, the locks and the truth are in SQL. */
import { z } from 'zod';
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';
import { metrics } from '../src/metrics.ts';

const Payload = z.object({ subjectId: z.uuid() });

const carryOut: JobTask = async (payload, { services }) => {
  const { subjectId } = Payload.parse(payload);
  try {
    const { rows } = await services.pool.query<{ outcome: string }>(
      'select app_private.run_deadline($1) as outcome',
      [subjectId],
    );
    metrics.deadlines.inc({ action: rows[0]?.outcome ?? 'gone' });
    log.info('deadline', { subject: subjectId, outcome: rows[0]?.outcome });
  } catch (error) {
    metrics.deadlines.inc({ action: 'failed' });
    // Kept where operators look (job_health); the queue tries again with back-off.
    const { message, code } = error as Error & { code?: string };
    await services.pool
      .query('select app_private.note_deadline_failure($1, $2, $3)', [subjectId, message, code])
      .catch(() => undefined);
    throw error;
  }
};

export default carryOut;
