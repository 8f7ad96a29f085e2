/** Looks whether any rule that always holds is broken, and keeps the answer for those who watch. */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';

type Broken = { invariant: string; subject_id: string; problem: string };

const check: JobTask = async (_payload, { services }) => {
  const { rows } = await services.pool.query<Broken>(
    'select invariant, subject_id, problem from app_private.remember_invariants()',
  );
  if (rows.length > 0) log.error('invariants are broken', { broken: rows });
  else log.info('invariants', { broken: 0 });
};

export default check;
