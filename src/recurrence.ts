/** Rules of one's own (RFC 5545): the one kind of recurrence that is not worked out in SQL. */
import { RRuleTemporal } from 'rrule-temporal';
import { Temporal } from 'temporal-polyfill';

/** A row of `app_private.schedules_to_fill`; dates and times as text, as PostgreSQL writes them. */
export interface DueSchedule {
  schedule_id: string;
  rrule: string | null;
  local_start: string;
  valid_from: string;
  first_day: string;
  last_day: string;
}

/** More starts in one run than any schedule means; a rule of seconds would never come to an end. */
const MOST = 1_000;

/**
 * The local starts of a custom schedule, such as `2026-11-20T09:00:00`; null for all others, whose
 * dates SQL knows. The rule is worked out without a time zone: what a wall clock shows is a moment
 * only in SQL, which also says so where there is no such time.
 */
export function localStarts(schedule: DueSchedule): string[] | null {
  if (schedule.rrule === null) return null;
  const from = wallClock(schedule.first_day, '00:00:00');
  const to = wallClock(schedule.last_day, '23:59:59');
  const rule = new RRuleTemporal({
    rruleString: schedule.rrule,
    dtstart: wallClock(schedule.valid_from, schedule.local_start),
  });
  const starts: string[] = [];
  for (const start of rule.between(from, to, true)) {
    if (starts.length === MOST) throw new Error(`The rule has more than ${MOST} starts.`);
    starts.push(start.toPlainDateTime().toString({ smallestUnit: 'second' }));
  }
  return starts;
}

/** As in a zone whose clocks never change. */
function wallClock(day: string, time: string): Temporal.ZonedDateTime {
  return Temporal.PlainDateTime.from(`${day}T${time}`).toZonedDateTime('UTC');
}
