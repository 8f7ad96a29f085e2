/** Makes tours: what is booked by the place, in slots that schedules make. */
import type { TestDatabase } from './database.ts';
import {
  type BookingRow,
  call,
  createResource,
  type EntryRow,
  insert,
  type World,
} from './factories.ts';

export interface Tour {
  offering: string;
  guide: string;
  schedule: string;
  /** In the order of their starts. */
  slots: string[];
}

export interface SlotRow {
  id: string;
  starts_at: Date;
  ends_at: Date;
  capacity: number;
  taken: number;
  ended_at: Date | null;
  cancelled_reason: string | null;
  minimum_checked_at: Date | null;
}

interface Plan {
  days?: number;
  guide?: string;
  timeZone?: string;
  price?: number;
  schedule?: Record<string, unknown>;
}

/** A walk of two hours at 10:00 with eight places, on Tuesday and, with more days, on those that follow. */
export async function createTour(db: TestDatabase, world: World, plan: Plan = {}): Promise<Tour> {
  const { organizationId, policyId } = world;
  const guide =
    plan.guide ?? (await createResource(db, organizationId, 'Guide', plan.timeZone ?? 'UTC'));
  const offering = await insert(db, 'app_public.offerings', {
    organization_id: organizationId,
    policy_id: policyId,
    kind: 'tour',
    allocation: 'capacity',
    name: 'Old Town Walk',
    price: plan.price ?? 20,
  });
  await db.query('insert into app_public.offering_resources values ($1, $2, $3)', [
    offering,
    guide,
    organizationId,
  ]);
  const schedule = await createSchedule(db, world, offering, plan.schedule);
  const days = plan.days ?? 1;
  const last = `2030-06-${String(3 + days).padStart(2, '0')}`;
  const made = await generate(db, world, schedule, '2030-06-04', last);
  return { offering, guide, schedule, slots: made.flatMap(({ slot_id: id }) => id ?? []) };
}

export function createSchedule(
  db: TestDatabase,
  world: World,
  offering: string,
  values: Record<string, unknown> = {},
): Promise<string> {
  return insert(db, 'app_public.schedules', {
    organization_id: world.organizationId,
    offering_id: offering,
    name: 'Mornings',
    local_start: '10:00',
    duration: '2 hours',
    recurrence: 'daily',
    capacity: 8,
    valid_from: '2030-06-03',
    ...values,
  });
}

export interface Planned extends Record<string, unknown> {
  start: string;
  outcome: string;
  slot_id: string | null;
}

/** What became of each date. */
export function generate(
  db: TestDatabase,
  world: World,
  schedule: string,
  from: string,
  to: string,
  name: 'generate_slots' | 'planned_slots' = 'generate_slots',
): Promise<Planned[]> {
  return db.as({ role: 'reslot_user', userId: world.manager }, () =>
    db.rows<Planned>(
      `select to_char(local_starts_at, 'YYYY-MM-DD HH24:MI') as start, outcome, slot_id
       from app_public.${name}($1, $2, $3)`,
      [schedule, from, to],
    ),
  );
}

/** Something to be named with `slot_id`, and how many come. */
type Party = Record<string, unknown>;

export function bookSlot(
  db: TestDatabase,
  userId: string,
  tour: Pick<Tour, 'offering'>,
  slot: string | undefined,
  party: Party = {},
): Promise<BookingRow & Record<string, unknown>> {
  return call(db, userId, 'create_booking', {
    offering_id: tour.offering,
    slot_id: slot,
    ...party,
  });
}

export function waitFor(
  db: TestDatabase,
  userId: string,
  tour: Pick<Tour, 'offering'>,
  what: { slot_id?: string | undefined; day?: string } & Party,
): Promise<EntryRow & Record<string, unknown>> {
  return call(db, userId, 'join_waitlist', { offering_id: tour.offering, ...what });
}

export function slotRow(
  db: TestDatabase,
  id: string | undefined,
): Promise<SlotRow & Record<string, unknown>> {
  return db.one('select * from app_public.slots where id = $1', [id]);
}
