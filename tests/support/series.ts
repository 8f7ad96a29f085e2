/** Series, as tests book and change them. */
import type { TestDatabase } from './database.ts';
import { type BookingRow, call } from './factories.ts';

export const WEEKLY = 'FREQ=WEEKLY;COUNT=4';

export interface Line {
  local_date: string;
  starts_at: Date | null;
  ends_at: Date | null;
  booking_id: string | null;
  code: string | null;
  message: string | null;
}

export interface Occurrence extends BookingRow {
  series_id: string;
  series_date: string;
  provider_id: string | null;
}

/** Four Tuesdays of the world from 4 June 2030 at 10:00 for two hours, unless `args` say otherwise. */
export function seriesArgs(offeringId: string, args: Record<string, unknown> = {}) {
  return {
    offering_id: offeringId,
    rrule: WEEKLY,
    first_date: '2030-06-04',
    local_start: '10:00',
    duration: '2 hours',
    ...args,
  };
}

export async function bookSeries(
  db: TestDatabase,
  userId: string,
  offeringId: string,
  args: Record<string, unknown> = {},
): Promise<Occurrence[]> {
  const { id } = await call<{ id: string }>(
    db,
    userId,
    'book_series',
    seriesArgs(offeringId, args),
  );
  return occurrencesOf(db, id);
}

/** The bookings of a series by their dates, ended ones as well. */
export function occurrencesOf(db: TestDatabase, seriesId: string): Promise<Occurrence[]> {
  return db.rows(
    `select b.*, b.series_date::text as series_date from app_public.bookings b
     where b.series_id = $1 order by b.series_date`,
    [seriesId],
  );
}

/** Calls a function of the API that returns a line a date. */
export function lines(
  db: TestDatabase,
  userId: string,
  name: string,
  args: Record<string, unknown>,
): Promise<Line[]> {
  const list = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
  return db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.rows<Line>(
      `select x.*, x.local_date::text as local_date from app_public.${name}(${list.join(', ')}) x`,
      Object.values(args),
    ),
  );
}

/** How the bookings of a series stand, in the order of their dates. */
export async function statusesOf(db: TestDatabase, seriesId: string): Promise<string[]> {
  return (await occurrencesOf(db, seriesId)).map(({ status }) => status);
}

/** Calls what returns the bookings it was done to; out come their ids. */
export async function answer(
  db: TestDatabase,
  userId: string,
  name: string,
  args: Record<string, unknown>,
): Promise<string[]> {
  const list = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
  const rows = await db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.rows<{ id: string }>(
      `select id from app_public.${name}(${list.join(', ')})`,
      Object.values(args),
    ),
  );
  return rows.map(({ id }) => id);
}

/** The ids of those that were cancelled. */
export const cancelSeries = (
  db: TestDatabase,
  userId: string,
  bookingId: string,
  scope: string,
  reason: string | null = null,
): Promise<string[]> =>
  answer(db, userId, 'cancel_series', { booking_id: bookingId, scope, reason });
