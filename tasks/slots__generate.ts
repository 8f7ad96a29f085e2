/**
 * Keeps the slots of all schedules made as many days ahead as their policies say. Each schedule is a
 * transaction of its own, and making slots again changes nothing: after a crash half way the next
 * run does the rest.
 */
import type { JobTask } from '../src/jobs.ts';
import { log } from '../src/log.ts';
import { type DueSchedule, localStarts } from '../src/recurrence.ts';

type Outcome = { local_starts_at: string; outcome: string };

const generate: JobTask = async (_payload, { services: { pool }, abortSignal }) => {
  const { rows: schedules } = await pool.query<DueSchedule>(
    `select schedule_id, rrule, local_start::text, valid_from::text, first_day::text, last_day::text
     from app_private.schedules_to_fill()`,
  );
  const failed: unknown[] = [];
  let made = 0;
  for (const schedule of schedules) {
    if (abortSignal?.aborted) break;
    try {
      const { rows } = await pool.query<Outcome>(
        `select local_starts_at::text, outcome
         from app_private.fill_schedule($1, $2::date, $3::date, $4::timestamp[])`,
        [schedule.schedule_id, schedule.first_day, schedule.last_day, localStarts(schedule)],
      );
      made += rows.filter(({ outcome }) => outcome === 'made').length;
      reportGaps(schedule, rows);
    } catch (error) {
      // One rule that cannot be used must not keep all others from being filled.
      failed.push(error);
      log.error('slots', { schedule: schedule.schedule_id, error: (error as Error).message });
    }
  }
  log.info('slots', { schedules: schedules.length, made });
  if (failed.length > 0) throw new AggregateError(failed, 'Some schedules could not be filled.');
};

/** A start that the clocks skip is said, not moved in silence. */
function reportGaps({ schedule_id: schedule }: DueSchedule, rows: Outcome[]): void {
  const skipped = rows.filter(({ outcome }) => outcome === 'gap');
  if (skipped.length === 0) return;
  log.warn('slots', { schedule, skipped: skipped.map((row) => row.local_starts_at) });
}

export default generate;
