/** Deletes what has outlived its retention time, batch after batch, each its own transaction. */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';

const cleanup: JobTask = async (_payload, { services, abortSignal }) => {
  let total = 0;
  for (;;) {
    const { rows } = await services.pool.query<{ deleted: number }>(
      'select app_private.cleanup() as deleted',
    );
    const deleted = rows[0]?.deleted ?? 0;
    total += deleted;
    if (deleted === 0 || abortSignal?.aborted) break;
  }
  log.info('cleanup', { deleted: total });
};

export default cleanup;
