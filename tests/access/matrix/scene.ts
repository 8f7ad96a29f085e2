/**
 * One organisation, a customer of it, and everything there can be between them, with every column
 * filled in some row. Others stand around it at all distances.
 */
import type { TestDatabase } from '../../support/database.ts';
import {
  at,
  call,
  createMember,
  createOffering,
  createOrganization,
  createProvider,
  createResource,
  createUser,
  insert,
  MONDAY,
  range,
  type World,
} from '../../support/factories.ts';
import type { Tour } from '../../support/tours.ts';
import type { Live } from './callers.ts';
import { fill, one } from './fill.ts';
import { createBookings, createEvents, createPayments, createTours } from './sceneBookings.ts';

export type Somebody = Exclude<Live, 'anonymous'>;
/** The primary key of a row. */
export type Key = readonly string[];

export interface Scene extends World {
  users: Readonly<Record<Somebody | 'deactivated', string>>;
  otherOrganizationId: string;
  /** An offering that needs a manager's yes. */
  asked: string;
  /** Its first slot is closed, and its second cancelled. */
  tour: Tour;
  /** The rows that the matrix asks for, by their table; declared in the same order. */
  rows: Readonly<Record<string, readonly Key[]>>;
  /** Values of arguments, by their names, that lead to the rows. */
  values: Readonly<Record<string, unknown>>;
}

/** What stands before anything happens. */
export type Base = World & Pick<Scene, 'users' | 'asked'>;

const GONE = { deactivated_at: MONDAY };

export async function createScene(db: TestDatabase, world: World): Promise<Scene> {
  await db.setClock(MONDAY);
  const users = await createPeople(db, world);
  const others = await createOthers(db, users.foreign);
  const places = await createPlaces(db, world);
  const keeping = await createMember(db, world.organizationId, users.keeper, 'manager', [
    world.right,
  ]);
  const { organizationId, leftRoom } = world;
  const providing = await createProvider(db, organizationId, users.provider, leftRoom);
  await fill(db, 'memberships', providing, { unsubscribed_at: MONDAY });
  const base = { ...world, ...places, users };
  const { bookings, entries, review, photo, move, series } = await createBookings(db, base);
  const tours = await createTours(db, base);
  const told = await createMessages(db, base, bookings, entries);
  const blackouts = await createBlackouts(db, base);
  const customer = await one(db, 'customers', `user_id = '${users.customer}'`);
  const erased = await insert(db, 'app_public.customers', {
    organization_id: world.organizationId,
    name: 'Erased',
    erased_at: MONDAY,
  });
  // What they did after that counts.
  await fill(db, 'customers', customer, { offences_cleared_at: at('08:00', -1) });
  await fill(db, 'customers', customer, { unsubscribed_at: MONDAY, time_zone: 'Europe/Vienna' });
  const version = await one(
    db,
    'policy_versions',
    `policy_id = '${world.policyId}' and version = 2`,
  );
  return {
    ...base,
    tour: tours.tour,
    otherOrganizationId: others.otherOrganizationId,
    rows: {
      organizations: [[world.organizationId], [others.closed]],
      users: [[users.customer], [users.deactivated], [users.manager], [users.keeper]],
      memberships: [[keeping], [providing]],
      membership_offerings: [[keeping, world.right]],
      policies: [[world.policyId], [places.oldPolicy]],
      policy_versions: [[version]],
      offerings: [[world.left], [world.right], [places.oldOffering], [tours.tour.offering]],
      offering_resources: [[world.left, world.leftRoom]],
      resources: [[world.leftRoom], [places.oldRoom]],
      opening_hours: [[await one(db, 'opening_hours', `resource_id = '${world.leftRoom}'`)]],
      schedules: tours.schedules,
      slots: tours.slots,
      blackouts: blackouts.map((id) => [id]),
      customers: [[customer], [erased]],
      bookings: [...bookings.map((id) => [id]), tours.booking],
      recurring_bookings: [[series]],
      reviews: [[review]],
      booking_photos: [[photo]],
      booking_modifications: [tours.modification, [move]],
      automation_events: await createEvents(db, base, bookings[0]),
      payments: await createPayments(db, base, bookings[0]),
      waitlist_entries: [...entries.map((id) => [id]), tours.entry],
      ...told,
    },
    values: {
      ...(await valuesFor(db, base, bookings[0], told.notifications[0]?.[0])),
      scheduleId: tours.tour.schedule,
      slotId: tours.tour.slots[0],
      day: '2030-06-04',
      month: '2030-06-04',
    },
  };
}

async function valuesFor(db: TestDatabase, scene: Base, booking: string, notification?: string) {
  return {
    bookingId: booking,
    atLeast: 1,
    channel: 'EMAIL',
    emailNormalised: await db.value('select email_normalised from app_public.users where id = $1', [
      scene.users.customer,
    ]),
    ...{ rrule: 'FREQ=DAILY;COUNT=2', firstDate: '2030-06-20', localStart: '10:00' },
    from: at('08:00', 1),
    to: at('20:00', 1),
    startsAt: at('08:00', 1),
    endsAt: at('20:00', 1),
    fromDay: '2030-06-03',
    toDay: '2030-06-30',
    notificationId: notification,
    offeringId: scene.left,
    organizationId: scene.organizationId,
    policyId: scene.policyId,
    reference: await db.value('select reference from app_public.bookings where id = $1', [booking]),
    resourceId: scene.leftRoom,
    slug: await db.value('select slug from app_public.organizations where id = $1', [
      scene.organizationId,
    ]),
    userId: scene.users.customer,
    version: 2,
  };
}

async function createPeople(db: TestDatabase, world: World): Promise<Scene['users']> {
  const details = { phone: '+43 1 234 56 78', locale: 'de-AT', time_zone: 'Europe/Vienna' };
  const deactivated = await createUser(db, 'Dora', { ...details, ...GONE, erased_at: MONDAY });
  return {
    customer: await createUser(db, 'Carl', details),
    other: await createUser(db, 'Otto'),
    keeper: await createUser(db, 'Kim'),
    provider: await createUser(db, 'Pia'),
    manager: world.manager,
    head: world.owner,
    foreign: await createUser(db, 'Fay'),
    admin: await createUser(db, 'Ada', { is_admin: true }),
    deactivated,
  };
}

async function createOthers(db: TestDatabase, foreign: string) {
  const { organizationId } = await createOrganization(db, {}, { name: 'Elsewhere' });
  await createMember(db, organizationId, foreign, 'owner');
  const closed = await createOrganization(db, {}, { name: 'Closed', archived_at: MONDAY });
  await createMember(db, closed.organizationId, foreign, 'owner');
  return { otherOrganizationId: organizationId, closed: closed.organizationId };
}

async function createPlaces(db: TestDatabase, world: World) {
  const { organizationId, policyId } = world;
  await fill(db, 'organizations', organizationId, {
    logo_url: 'https://riverside.example/logo.png',
    address: 'Riverside 1',
    support_phone: '+43 1 1',
  });
  await fill(db, 'offerings', world.left, {
    description: 'Bright',
    address: 'Riverside 1',
    directions: 'Second door',
    support_contact: 'The porter',
    category: 'Halls',
    duration: '1 hour',
  });
  const many = { max_bookings_per_day: 1000, max_entries_per_day: 1000, max_days_ahead: 700 };
  await call(db, world.manager, 'revise_policy', {
    policy_id: policyId,
    changes: JSON.stringify({
      ...many,
      quiet_from: '03:00',
      quiet_until: '04:00',
      provider_reminder_lead: '02:00',
      offence_limit: 900,
    }),
  });
  const old = { organization_id: organizationId, name: 'Old', archived_at: MONDAY };
  const asking = await insert(db, 'app_public.policies', {
    organization_id: organizationId,
    name: 'Asks',
  });
  await insert(db, 'app_public.policy_versions', {
    organization_id: organizationId,
    policy_id: asking,
    version: 1,
    requires_approval: true,
    ...many,
  });
  const place = (name: string, policy: string, room: string) =>
    createOffering(db, { organizationId, policyId: policy, name, resourceIds: [room] });
  const oldRoom = await insert(db, 'app_public.resources', { ...old, time_zone: 'UTC' });
  const askedRoom = await createResource(db, organizationId, 'Asked room');
  const oldOffering = await place('Old hall', policyId, oldRoom);
  await fill(db, 'offerings', oldOffering, { archived_at: MONDAY });
  const askedPlace = await place('Asked', asking, askedRoom);
  // It may stand in for the other.
  await fill(db, 'offerings', askedPlace, { category: 'Halls' });
  return {
    oldPolicy: await insert(db, 'app_public.policies', old),
    oldRoom,
    oldOffering,
    asked: askedPlace,
  };
}

async function createMessages(
  db: TestDatabase,
  scene: Base,
  [booking]: readonly string[],
  [entry]: readonly string[],
): Promise<Record<'notifications' | 'deliveries' | 'audit_log', readonly Key[]>> {
  const { users, organizationId } = scene;
  const about = (kind: string, column: string, id: string | undefined) =>
    one(db, 'notifications', `kind = '${kind}' and ${column} = '${id}'`);
  const notifications = [
    await about('booking_received', 'booking_id', booking),
    await about('slot_available', 'entry_id', entry),
    await db.value<string>(
      `select app_private.notify_user($1, $2, 'account_magic_link', null, null)`,
      [organizationId, users.customer],
    ),
  ];
  for (const id of notifications) {
    await fill(db, 'notifications', id, { read_at: MONDAY });
  }
  const delivery = (n: number) => one(db, 'deliveries', `notification_id = '${notifications[n]}'`);
  const deliveries = [await delivery(0), await delivery(1)];
  await fill(db, 'deliveries', deliveries[0], {
    status: 'sent',
    sent_at: MONDAY,
    bounced_at: MONDAY,
    not_after: at('08:00', 5),
  });
  await fill(db, 'deliveries', deliveries[1], { status: 'dead', last_error: 'No such mailbox' });
  return {
    notifications: notifications.map((id) => [id]),
    deliveries: deliveries.map((id) => [id]),
    audit_log: [[await overridden(db, scene, booking)]],
  };
}

/** The line in the log about what the manager did with the booking. */
async function overridden(db: TestDatabase, scene: Base, booking?: string): Promise<string> {
  await db.query(
    `select set_config('reslot.ip', '192.0.2.7', true), set_config('reslot.user_agent', 'Browser/7', true)`,
  );
  await call(db, scene.manager, 'override_auto_cancel', {
    booking_id: booking,
    reason: 'A friend',
  });
  await db.query(
    `select set_config('reslot.ip', '', true), set_config('reslot.user_agent', '', true)`,
  );
  // Whoever overrides says that nobody need be spared; the scene has it both ways.
  await fill(db, 'bookings', booking, { spared_at: MONDAY });
  return one(db, 'audit_log', `record_id = '${booking}' and reason = 'A friend'`);
}

async function createBlackouts(db: TestDatabase, scene: Base): Promise<string[]> {
  const close = async (days: number, place: Record<string, unknown>) => {
    const [startsAt, endsAt] = range('10:00', '11:00', days);
    const { id } = await call<{ id: string }>(db, scene.manager, 'create_blackout', {
      organization_id: scene.organizationId,
      starts_at: startsAt,
      ends_at: endsAt,
      reason: 'The floor is varnished',
      ...place,
    });
    return id;
  };
  const coming = await close(600, { resource_id: scene.leftRoom });
  const lifted = await close(601, { offering_id: scene.left });
  await call(db, scene.manager, 'lift_blackout', { blackout_id: lifted });
  return [coming, lifted];
}
