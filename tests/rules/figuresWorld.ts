/** A day of which every figure is known, and how figures are asked for. */
import { expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { advanceTo, at, book, call, join, range } from '../support/factories.ts';
import { cancel, claim, confirm, createUsers, decline, type Scene } from './rule.ts';

type Figure = Record<string, unknown>;

/** The Thursday of the world. */
export const DAY = '2030-06-06';
export const HOUR = 3600;

export const thursday = (from: string, to: string) => range(from, to, 3);

/** What a caller is told, by the names of the columns asked for. */
export async function figures(
  db: TestDatabase,
  userId: string,
  scope: Record<string, unknown>,
  days: [string, string] = [DAY, DAY],
  name: 'figures' | 'revenue' = 'figures',
): Promise<Figure[]> {
  const args = { from_day: days[0], to_day: days[1], ...scope };
  const list = Object.keys(args).map((key, n) => `${key} => $${n + 1}`);
  return db.as({ role: 'reslot_user', userId }, () =>
    db.rows(
      `select f.*, f.day::text as day from app_public.${name}(${list.join(', ')}) f`,
      Object.values(args),
    ),
  );
}

export async function theFigure(...args: Parameters<typeof figures>): Promise<Figure> {
  const found = await figures(...args);
  expect(found.length).toBe(1);
  return found[0] ?? {};
}

export async function figureOf(scene: Scene, resourceId: string): Promise<Figure> {
  return theFigure(scene.db, scene.world.manager, { resource_id: resourceId });
}

/**
 * One Thursday of the left room, hour by hour. Everything was booked on the Monday before at 8 but
 * for the late one; a booking costs 100, the late one 40.
 *
 *  9  confirmed by link          completed
 * 10  nobody answers             released at 8:00, booked anew at 8:30, completed
 * 11  confirmed                  nobody comes, noted at 11:30
 * 12  exempted by the manager    completed
 * 13  cancelled on Wednesday at 10:00, offered, claimed at 10:10, confirmed, completed
 * 14  cancelled on Wednesday at 10:00, offered, declined at 10:10, offered to the next, not answered
 */
export async function liveThursday({ db, world }: Scene, until: string): Promise<void> {
  const price = (of: number) =>
    db.query('update app_public.offerings set price = $1 where id = $2', [of, world.left]);
  const people = await createUsers(db, 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'W', 'X', 'Y');
  const [a, b, c, d, e, f, g, w, x, y] = people;
  await price(100);
  const nine = await book(db, a, world.left, thursday('09:00', '10:00'));
  await book(db, b, world.left, thursday('10:00', '11:00'));
  const eleven = await book(db, c, world.left, thursday('11:00', '12:00'));
  const twelve = await book(db, d, world.left, thursday('12:00', '13:00'));
  const one = await book(db, e, world.left, thursday('13:00', '14:00'));
  const two = await book(db, g, world.left, thursday('14:00', '15:00'));
  const claimer = await join(db, w, world.left, thursday('13:00', '14:00'));
  const decliner = await join(db, x, world.left, thursday('14:00', '15:00'));
  await join(db, y, world.left, thursday('14:00', '15:00'));
  await advanceTo(db, at('10:00', 2));
  await cancel(db, e, one.id);
  await cancel(db, g, two.id);
  await advanceTo(db, at('10:10', 2));
  const claimed = await claim(db, w, claimer.id);
  await decline(db, x, decliner.id);
  await advanceTo(db, at('20:00', 2));
  await follow(db, 'confirm', nine.id);
  await confirm(db, c, eleven.id);
  await confirm(db, w, String(claimed.id));
  const override = { booking_id: twelve.id, reason: 'A regular' };
  await call(db, world.manager, 'override_auto_cancel', override);
  await advanceTo(db, at('08:30', 3));
  await price(40);
  await book(db, f, world.left, thursday('10:00', '11:00'));
  await advanceTo(db, at('11:30', 3));
  await call(db, world.manager, 'mark_no_show', { booking_id: eleven.id });
  await advanceTo(db, until);
}

/** Follows a link of a mail, as its page does. */
export async function follow(db: TestDatabase, action: string, bookingId: string): Promise<void> {
  const token = await db.value<string>(
    `select app_private.issue_link($1, b.organization_id, b.customer_id, null, b.id, null, null, b.ends_at)
     from app_public.bookings b where b.id = $2`,
    [action, bookingId],
  );
  await db.value('select app_private.follow_link($1)', [token]);
}
