/** What the scenarios of the races have in common: short names for what people and time do. */
import { expect } from '@jest/globals';
import { at, createResource, insert, range, unique } from '../support/factories.ts';
import {
  type Action,
  as,
  type Ground,
  job,
  literal,
  owner,
  type Weaken,
} from '../support/races.ts';

export type Times = [startsAt: string, endsAt: string];

export function book(userId: string, offering: string, [startsAt, endsAt]: Times): Action {
  return as(userId, 'create_booking', {
    offering_id: offering,
    starts_at: startsAt,
    ends_at: endsAt,
  });
}

export function join(userId: string, offering: string, [startsAt, endsAt]: Times): Action {
  return as(userId, 'join_waitlist', {
    offering_id: offering,
    starts_at: startsAt,
    ends_at: endsAt,
  });
}

export function cancel(userId: string, bookingId: string, reason = 'Plans changed.'): Action {
  return as(userId, 'cancel_booking', { booking_id: bookingId, reason });
}

export function move(userId: string, bookingId: string, [startsAt, endsAt]: Times): Action {
  return as(userId, 'modify_booking', {
    booking_id: bookingId,
    starts_at: startsAt,
    ends_at: endsAt,
  });
}

/** Does to a booking or an entry what is due. */
export function due(subjectId: string): Action {
  return job(`app_private.run_deadline(${literal(subjectId)})`);
}

/** Time goes on, in the middle of everything. */
export function tick(until: string): Action {
  return { ...owner(`app_private.set_clock(${literal(until)})`), once: true };
}

export function user(ground: Ground, n: number): string {
  const found = ground.users[n];
  if (!found) throw new Error(`There is no user ${n}.`);
  return found;
}

export async function idOf(ground: Ground, action: Action): Promise<string> {
  return String((await ground.act(action)).id);
}

export interface Offered {
  time: Times;
  /** The entries of users 1, 2 and 3; the first has the offer, and its window runs. */
  entries: [string, string, string];
  hold: string;
  deadline: string;
}

/** User 0 booked and cancelled, user 1 is offered the place, users 2 and 3 wait. */
export async function offered(ground: Ground, day: number, offering: string): Promise<Offered> {
  const time = range('18:00', '20:00', day);
  const booked = await idOf(ground, book(user(ground, 0), offering, time));
  const entries: string[] = [];
  for (const n of [1, 2, 3])
    entries.push(await idOf(ground, join(user(ground, n), offering, time)));
  await ground.act(cancel(user(ground, 0), booked));
  await ground.deliverMail();
  const [first, second, third] = entries as [string, string, string];
  const { hold, deadline } = await ground.db.one<{ hold: string; deadline: string }>(
    `select hold_id as hold, to_json(offer_expires_at) #>> '{}' as deadline
     from app_public.waitlist_entries where id = $1`,
    [first],
  );
  return { time, entries: [first, second, third], hold, deadline };
}

/** So many milliseconds after a moment. */
export function after(moment: string, milliseconds: number): string {
  return new Date(new Date(moment).getTime() + milliseconds).toISOString();
}

export async function statusOf(ground: Ground, entryId: string): Promise<string> {
  return ground.db.value('select status from app_public.waitlist_entries where id = $1', [entryId]);
}

export async function bookingOf(ground: Ground, id: string): Promise<Record<string, unknown>> {
  return ground.db.one('select * from app_public.bookings where id = $1', [id]);
}

/** Exactly one mail tells of the offer that an entry now has. */
export async function expectOneOffer(ground: Ground, entryId: string): Promise<void> {
  expect(await statusOf(ground, entryId)).toBe('offered');
  const told = await ground.db.value<number>(
    `select count(*)::integer from app_public.notifications
     where entry_id = $1 and kind = 'slot_available'`,
    [entryId],
  );
  expect(told).toBe(1);
}

/** Live bookings of a day that have their room, holds included. */
export async function liveBookings(
  ground: Ground,
  day: number,
): Promise<Record<string, unknown>[]> {
  return ground.db.rows(
    `select * from app_public.bookings
     where organization_id = $1 and ended_at is null and starts_at >= $2 and starts_at < $3`,
    [ground.world.organizationId, at('00:00', day), at('00:00', day + 1)],
  );
}

export interface Tour {
  offering: string;
  schedules: string[];
  slots: string[];
}

/** A tour with a guide of its own, with a slot of so many places at each of these times of the day. */
export async function tourOn(
  ground: Ground,
  day: number,
  capacity: number,
  starts = ['10:00'],
): Promise<Tour> {
  const { db, world } = ground;
  const owned = { organization_id: world.organizationId };
  const guide = await createResource(db, world.organizationId, unique('Guide '));
  const offering = await insert(db, 'app_public.offerings', {
    ...{ ...owned, policy_id: world.policyId, kind: 'tour', allocation: 'capacity' },
    ...{ name: unique('Walk '), price: 20 },
  });
  await db.query('insert into app_public.offering_resources values ($1, $2, $3)', [
    ...[offering, guide, world.organizationId],
  ]);
  const date = at('00:00', day).slice(0, 10);
  const schedules: string[] = [];
  const slots: string[] = [];
  for (const start of starts) {
    const schedule = await insert(db, 'app_public.schedules', {
      ...{ ...owned, offering_id: offering, name: start, local_start: start, duration: '2 hours' },
      ...{ recurrence: 'none', valid_from: date, capacity },
    });
    schedules.push(schedule);
    slots.push(
      await db.value<string>(
        'select slot_id from app_private.make_slots($1, array[$2::date + $3::time])',
        [schedule, date, start],
      ),
    );
  }
  return { offering, schedules, slots };
}

/** What is played in a fixed order: the second has looked, and waits for the first. */
interface Played {
  first: Action;
  second: Action;
  /** What has come of it. */
  look(): Promise<unknown>;
}

/** What was looked at before a lock is looked at again after it. */
export interface SecondLook {
  name: string;
  policy?: Record<string, unknown>;
  prepare(ground: Ground): Promise<Played>;
  /** What the second hears, and what has come of it. */
  outcome: [code: string, found: unknown];
  /** The mend taken out, and what comes of it then. */
  weaken: Weaken;
  otherwise: [code: string, found: unknown];
}
