/** Removes the files of photos that are gone, and of those that never came to be. */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';

const photoFilesRemove: JobTask = async (_payload, { services, abortSignal }) => {
  const { pool, photos } = services;
  const failures: unknown[] = [];
  let removed = 0;
  for (let after: string | null = null; !abortSignal?.aborted; ) {
    const found: { rows: { id: string }[] } = await pool.query(
      'select f as id from app_private.photo_files_to_remove($1) f',
      [after],
    );
    for (const { id } of found.rows) {
      try {
        await photos.remove(id);
        // Only now: what is not forgotten is removed again.
        await pool.query('select app_private.forget_photo_file($1)', [id]);
        removed++;
      } catch (error) {
        failures.push(error);
      }
    }
    after = found.rows.at(-1)?.id ?? null;
    if (after === null) break;
  }
  log.info('files of photos', { removed, failed: failures.length });
  if (failures.length > 0) throw failures[0];
};

export default photoFilesRemove;
