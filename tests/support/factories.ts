/**
 * Makes what tests need, as the owner, straight in the tables. Times are given relative to one
 * Monday, 2030-06-03, 08:00 UTC, to which `createWorld` sets the simulated clock.
 */
import type { TestDatabase } from './database.ts';

export const MONDAY = '2030-06-03T08:00:00Z';

export interface World {
  organizationId: string;
  policyId: string;
  /** A hall of two rooms: `hall` uses both, `left` and `right` one each. */
  hall: string;
  left: string;
  right: string;
  leftRoom: string;
  rightRoom: string;
  owner: string;
  manager: string;
}

/** `at('10:00')` is 10:00 UTC on the Monday of the world, `at('10:00', 2)` two days later. */
export function at(time: string, days = 0): string {
  const base = new Date(`2030-06-03T${time.length === 5 ? `${time}:00` : time}Z`);
  return new Date(base.getTime() + days * 86_400_000).toISOString();
}

export function range(from: string, to: string, days = 1): [string, string] {
  return [at(from, days), at(to, days)];
}

let counter = 0;

export function unique(prefix: string): string {
  counter += 1;
  return `${prefix}${process.pid.toString(36)}${counter}`;
}

export async function createUser(
  db: TestDatabase,
  name: string,
  values: Record<string, unknown> = {},
): Promise<string> {
  return insert(db, 'app_public.users', {
    email: `${unique(name.toLowerCase())}@example.com`,
    name,
    email_verified_at: MONDAY,
    ...values,
  });
}

export async function insert(
  db: TestDatabase,
  table: string,
  values: Record<string, unknown>,
): Promise<string> {
  const names = Object.keys(values);
  const row = await db.one<{ id: string }>(
    `insert into ${table} (${names.join(', ')})
     values (${names.map((_, index) => `$${index + 1}`).join(', ')}) returning id`,
    Object.values(values),
  );
  return row.id;
}

export async function createOrganization(
  db: TestDatabase,
  policy: Record<string, unknown> = {},
  organization: Record<string, unknown> = {},
): Promise<{ organizationId: string; policyId: string }> {
  const organizationId = await insert(db, 'app_public.organizations', {
    slug: unique('org-'),
    name: 'Riverside Halls',
    support_email: 'help@riverside.example',
    front_end_url: 'https://riverside.example',
    ...organization,
  });
  const policyId = await insert(db, 'app_public.policies', {
    organization_id: organizationId,
    name: 'Standard',
    is_default: true,
  });
  await insert(db, 'app_public.policy_versions', {
    organization_id: organizationId,
    policy_id: policyId,
    version: 1,
    ...policy,
  });
  return { organizationId, policyId };
}

/** Open around the clock unless `hours` says otherwise. */
export async function createResource(
  db: TestDatabase,
  organizationId: string,
  name: string,
  timeZone = 'UTC',
  hours: [opens: string, closes: string] = ['00:00', '24:00'],
): Promise<string> {
  const id = await insert(db, 'app_public.resources', {
    organization_id: organizationId,
    name,
    time_zone: timeZone,
  });
  await db.query(
    `insert into app_public.opening_hours (organization_id, resource_id, weekday, opens, closes)
     select $1, $2, weekday, $3::time, $4::time from generate_series(1, 7) weekday`,
    [organizationId, id, ...hours],
  );
  return id;
}

export async function createOffering(
  db: TestDatabase,
  values: { organizationId: string; policyId: string; name: string; resourceIds: string[] },
): Promise<string> {
  const id = await insert(db, 'app_public.offerings', {
    organization_id: values.organizationId,
    policy_id: values.policyId,
    kind: 'venue',
    name: values.name,
  });
  for (const resourceId of values.resourceIds) {
    await db.query(
      `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
       values ($1, $2, $3)`,
      [id, resourceId, values.organizationId],
    );
  }
  return id;
}

export async function createMember(
  db: TestDatabase,
  organizationId: string,
  userId: string,
  role: 'owner' | 'manager' | 'provider',
  offeringIds?: string[],
): Promise<string> {
  const id = await insert(db, 'app_public.memberships', {
    organization_id: organizationId,
    user_id: userId,
    role,
    all_offerings: offeringIds === undefined,
  });
  for (const offeringId of offeringIds ?? []) {
    await db.query(
      'insert into app_public.membership_offerings (membership_id, offering_id) values ($1, $2)',
      [id, offeringId],
    );
  }
  return id;
}

/** A member who is a resource: what it serves is theirs. */
export function createProvider(
  db: TestDatabase,
  organizationId: string,
  userId: string,
  resourceId: string,
): Promise<string> {
  return insert(db, 'app_public.memberships', {
    organization_id: organizationId,
    user_id: userId,
    role: 'provider',
    resource_id: resourceId,
  });
}

export async function createWorld(
  db: TestDatabase,
  policy: Record<string, unknown> = {},
): Promise<World> {
  await db.setClock(MONDAY);
  const { organizationId, policyId } = await createOrganization(db, policy);
  const leftRoom = await createResource(db, organizationId, 'Left room');
  const rightRoom = await createResource(db, organizationId, 'Right room');
  const offering = (name: string, resourceIds: string[]) =>
    createOffering(db, { organizationId, policyId, name, resourceIds });
  const owner = await createUser(db, 'Olga');
  const manager = await createUser(db, 'Max');
  await createMember(db, organizationId, owner, 'owner');
  await createMember(db, organizationId, manager, 'manager');
  return {
    organizationId,
    policyId,
    hall: await offering('Hall', [leftRoom, rightRoom]),
    left: await offering('Left half', [leftRoom]),
    right: await offering('Right half', [rightRoom]),
    leftRoom,
    rightRoom,
    owner,
    manager,
  };
}

export interface BookingRow {
  id: string;
  status: string;
  reference: string;
  customer_id: string;
  starts_at: Date;
  ends_at: Date;
  confirm_by: Date | null;
  attendance_confirmed_at: Date | null;
  attendance_confirmed_how: string | null;
  hold_expires_at: Date | null;
  reminder_sent_at: Date | null;
  spared_at: Date | null;
  sequence: number;
}

export interface EntryRow {
  id: string;
  status: string;
  customer_id: string;
  hold_id: string | null;
  booking_id: string | null;
  claim_window: unknown;
  offer_expires_at: Date | null;
  stuck_at: Date | null;
}

/** Calls an API function as a signed-in user and returns its one row. */
export async function call<T extends Record<string, unknown>>(
  db: TestDatabase,
  userId: string,
  name: string,
  args: Record<string, unknown>,
): Promise<T> {
  return db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.one<T>(callText(name, args), Object.values(args)),
  );
}

/** The error with which the same call is refused. */
export async function refusal(
  db: TestDatabase,
  userId: string,
  name: string,
  args: Record<string, unknown>,
): Promise<{ code: string; message: string; detail?: string }> {
  return db.as({ role: 'reslot_user', userId, via: 'graphql' }, () =>
    db.fails(callText(name, args), Object.values(args)),
  );
}

function callText(name: string, args: Record<string, unknown>): string {
  const list = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
  return `select * from app_public.${name}(${list.join(', ')})`;
}

export function book(
  db: TestDatabase,
  userId: string,
  offeringId: string,
  [startsAt, endsAt]: [string, string],
): Promise<BookingRow & Record<string, unknown>> {
  return call(db, userId, 'create_booking', {
    offering_id: offeringId,
    starts_at: startsAt,
    ends_at: endsAt,
  });
}

export function join(
  db: TestDatabase,
  userId: string,
  offeringId: string,
  [startsAt, endsAt]: [string, string],
): Promise<EntryRow & Record<string, unknown>> {
  return call(db, userId, 'join_waitlist', {
    offering_id: offeringId,
    starts_at: startsAt,
    ends_at: endsAt,
  });
}

export function entry(db: TestDatabase, id: string): Promise<EntryRow & Record<string, unknown>> {
  return db.one('select * from app_public.waitlist_entries where id = $1', [id]);
}

export function booking(
  db: TestDatabase,
  id: string,
): Promise<BookingRow & Record<string, unknown>> {
  return db.one('select * from app_public.bookings where id = $1', [id]);
}

/** Lets the mail server accept everything that is due, and what follows from that happen. */
export async function deliverMail(db: TestDatabase): Promise<{ kind: string; address: string }[]> {
  const sent: { kind: string; address: string }[] = [];
  for (;;) {
    const batch = await db.rows<{
      delivery_id: string;
      attempt: number;
      kind: string;
      address: string;
      model: Record<string, unknown>;
    }>(
      `select l.*, app_private.mark_delivery_sent(l.delivery_id, l.attempt),
         app_private.follow_up_delivery(l.delivery_id)
       from app_private.lease_deliveries(50) l`,
    );
    if (batch.length === 0) return sent;
    sent.push(...batch);
  }
}

/** Does everything that is due at the simulated time, in the order in which it became due. */
export async function runDueDeadlines(db: TestDatabase): Promise<string[]> {
  const done: string[] = [];
  for (;;) {
    const [due] = await db.rows<{ action: string }>(
      `select d.action, app_private.run_deadline(d.subject_id)
       from (select subject_id, action from app_private.deadlines
         where due_at <= (select app_private.clock()) order by due_at, subject_id limit 1) d`,
    );
    if (!due) return done;
    done.push(due.action);
    if (done.length > 1000) throw new Error(`Deadlines do not come to an end: ${due.action}`);
  }
}

/** Moves time forward step by step, as a worker and a mail server that are always up would live it. */
export async function advanceTo(db: TestDatabase, until: string): Promise<void> {
  for (;;) {
    await deliverMail(db);
    const [next] = await db.rows<{ due_at: Date }>(
      'select min(due_at) as due_at from app_private.deadlines having min(due_at) <= $1',
      [until],
    );
    if (!next) break;
    await db.query(
      'select app_private.set_clock(greatest($1::timestamptz, (select app_private.clock())))',
      [next.due_at],
    );
    await runDueDeadlines(db);
  }
  await db.setClock(until);
  await deliverMail(db);
}
