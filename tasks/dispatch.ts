/** The safety net: what is due becomes a job, and what was lost is found, whoever forgot it. */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';

const dispatch: JobTask = async (_payload, { services }) => {
  const { rows } = await services.pool.query<{ done: number }>(
    'select app_private.dispatch(recover => true) as done',
  );
  log.debug('dispatch', { done: rows[0]?.done });
};

export default dispatch;
