/**
 * One organisation, a customer of it, and everything there can be between them, with every column
 * filled in some row. Others stand around it at all distances.
 */
import type { TestDatabase } from '../../support/database.ts';
import {
  at,
  book,
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
import { addPhoto } from '../../support/photos.ts';
import { bookSlot, createTour, type Tour, waitFor } from '../../support/tours.ts';
import type { Live } from './callers.ts';

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
  const { bookings, entries, review, photo, series } = await createBookings(db, base);
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
      booking_modifications: [tours.modification],
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

/** What time did to a booking, and could not do. */
async function createEvents(db: TestDatabase, { organizationId }: World, booking?: string) {
  const of = { organization_id: organizationId, booking_id: booking };
  const failed = { what: 'auto_cancel', due_at: at('08:00', 1), outcome: 'failed' };
  const reminded = { what: 'remind', due_at: MONDAY, done_at: MONDAY, outcome: 'done' };
  const table = 'app_public.automation_events';
  return [
    [await insert(db, table, { ...of, ...failed, error: 'The database was busy.' })],
    [await insert(db, table, { ...of, ...reminded, reminder: 1 })],
  ];
}

/** One that is being made, and one of which something goes back. */
async function createPayments(db: TestDatabase, { organizationId }: World, booking?: string) {
  const of = { organization_id: organizationId, booking_id: booking, currency: 'EUR' };
  const table = 'app_public.payments';
  return [
    [
      await insert(db, table, {
        ...{ ...of, purpose: 'balance', provider: 'stripe', status: 'processing', amount: 40 },
        ...{ checkouts: 1, checkout_id: 'cs_1', checkout_url: 'https://pay.example/cs_1' },
      }),
    ],
    [
      await insert(db, table, {
        ...{ ...of, purpose: 'deposit', provider: 'stripe', status: 'partly_refunded', amount: 80 },
        ...{ method: 'stripe', reference: 'pi_1', processed_at: MONDAY, refund_due: 80 },
        ...{ refunded: 20, refunding: 80, attempts: 2, next_attempt_at: at('09:00') },
        error_code: 'charge_pending',
      }),
    ],
  ];
}

type Base = World & Pick<Scene, 'users' | 'asked'>;

async function createBookings(db: TestDatabase, scene: Base) {
  const { users, left } = scene;
  const { id: live } = await book(db, users.customer, left, range('10:00', '11:00'));
  await fill(db, 'bookings', live, {
    purpose: 'A birthday',
    special_requests: 'A window',
    dietary_needs: 'No nuts',
    access_needs: 'A ramp',
    provider_id: scene.leftRoom,
    customer_address: 'Mill Lane 3',
    customer_phone: '+43 1 9',
    attendance_confirmed_at: MONDAY,
    attendance_confirmed_how: 'not_needed',
    confirm_by: at('08:00', 1),
    reminder_sent_at: MONDAY,
    request_expires_at: at('09:00', 1),
    would_auto_cancel_at: MONDAY,
  });
  const series = await insert(db, 'app_public.recurring_bookings', {
    ...{ organization_id: scene.organizationId, offering_id: left, rrule: 'FREQ=DAILY;COUNT=2' },
    ...{ first_date: '2030-06-04', local_start: '10:00', duration: '1 hour' },
    skipped: '{2030-06-05}',
  });
  await fill(db, 'bookings', live, { series_id: series, series_date: '2030-06-04' });
  const claimed = await offer(db, scene, range('12:00', '13:00'));
  const { id: cancelled } = await call<{ id: string }>(db, users.customer, 'claim_slot', {
    entry_id: claimed,
  });
  await call(db, users.customer, 'cancel_booking', { booking_id: cancelled, reason: 'Ill' });
  const { id: released } = await book(db, users.customer, left, range('14:00', '15:00'));
  await db.query(`select app_private.end_booking($1, 'auto_cancelled', 'Not confirmed')`, [
    released,
  ]);
  const offered = await offer(db, scene, range('16:00', '17:00'));
  await fill(db, 'waitlist_entries', offered, {
    offer_expires_at: at('08:10'),
    priority_set_at: MONDAY,
    stuck_at: MONDAY,
    stuck_reason: 'Nobody knows',
    provider_id: scene.leftRoom,
    customer_address: 'Mill Lane 3',
    customer_phone: '+43 1 9',
  });
  const hold = await db.value<string>(
    'select hold_id from app_public.waitlist_entries where id = $1',
    [offered],
  );
  const served = await createServed(db, scene);
  return {
    bookings: [live, cancelled, released, hold, served.delivered, served.awaited, served.expired],
    entries: [offered, claimed],
    review: served.review,
    photo: served.photo,
    series,
  } as const;
}

/** What was delivered and reviewed, and what is over and to be delivered. */
async function createServed(db: TestDatabase, scene: Base) {
  const { users, left, leftRoom } = scene;
  const { id: delivered } = await book(db, users.customer, left, range('18:00', '19:00'));
  await fill(db, 'bookings', delivered, {
    ...{ provider_id: leftRoom, answered_at: at('09:00'), provider_reminded_at: MONDAY },
  });
  const { id: awaited } = await book(db, users.customer, left, range('20:00', '21:00'));
  for (const id of [delivered, awaited]) {
    await fill(db, 'bookings', id, { status: 'in_progress' });
    await db.query('select app_private.give_back_room($1)', [id]);
  }
  await fill(db, 'bookings', awaited, {
    ...{ awaits_delivery_since: MONDAY, expires_at: at('08:00', 2), would_expire_at: MONDAY },
  });
  await fill(db, 'bookings', delivered, {
    ...{ status: 'delivered', delivered_at: MONDAY, delivery_answer_by: at('08:00', 3) },
    ...{ delivery_notes: 'Aired', recommendations: 'Come again' },
  });
  const photo = await addPhoto(db, scene.manager, delivered);
  await call(db, users.customer, 'confirm_delivery', { booking_id: delivered });
  const { id: review } = await call<{ id: string }>(db, users.customer, 'review_booking', {
    ...{ booking_id: delivered, rating: 5, words: 'A bright room' },
  });
  await call(db, scene.manager, 'reply_to_review', { review_id: review, reply: 'Thank you' });
  const { id: expired } = await book(db, users.customer, left, range('22:00', '23:00'));
  await fill(db, 'bookings', expired, { status: 'in_progress' });
  await db.query(`select app_private.end_booking($1, 'expired', 'Nobody said so')`, [expired]);
  return { delivered, awaited, expired, review, photo };
}

/** Somebody else cancels, so that the customer is offered their place. */
export async function offer(
  db: TestDatabase,
  { left, users }: Pick<Scene, 'left' | 'users'>,
  time: [string, string],
): Promise<string> {
  const holder = await createUser(db, 'Holder');
  const { id } = await book(db, holder, left, time);
  const entry = await call<{ id: string }>(db, users.customer, 'join_waitlist', {
    offering_id: left,
    starts_at: time[0],
    ends_at: time[1],
    note: 'We would be glad',
  });
  await call(db, holder, 'cancel_booking', { booking_id: id });
  return entry.id;
}

async function createTours(db: TestDatabase, scene: Base) {
  const { users } = scene;
  const tour = await createTour(db, scene, { days: 3 });
  await fill(db, 'schedules', tour.schedule, {
    ...{ recurrence: 'weekly', weekdays: '{1,2,3,4,5,6,7}', valid_until: '2031-06-03' },
    price: 15,
  });
  const custom = await insert(db, 'app_public.schedules', {
    ...{ organization_id: scene.organizationId, offering_id: tour.offering, name: 'By a rule' },
    ...{ local_start: '09:00', duration: '1 hour', recurrence: 'custom', rrule: 'FREQ=DAILY' },
    ...{ capacity: 4, valid_from: '2030-06-03' },
  });
  const [closed, cancelled, open] = tour.slots as [string, string, string];
  await fill(db, 'slots', closed, {
    ...{ closed_at: MONDAY, closed_reason: 'Private', price: 12, altered_at: MONDAY },
    minimum_checked_at: MONDAY,
  });
  await db.query(
    `select app_private.cancel_slot_for(s, 'Rain') from app_public.slots s where id = $1`,
    [cancelled],
  );
  const holder = await createUser(db, 'Holder');
  const full = await bookSlot(db, holder, tour, open, { party_size: 8 });
  const entry = await waitFor(db, users.customer, tour, { day: '2030-06-06', party_size: 2 });
  await call(db, holder, 'cancel_booking', { booking_id: full.id });
  const booking = await call<{ id: string }>(db, users.customer, 'claim_slot', {
    entry_id: entry.id,
  });
  await call(db, users.customer, 'modify_booking', { booking_id: booking.id, party_size: 3 });
  return {
    tour,
    schedules: [[tour.schedule], [custom]],
    slots: [[closed], [cancelled], [open]],
    booking: [booking.id],
    modification: [await one(db, 'booking_modifications', `booking_id = '${booking.id}'`)],
    entry: [entry.id],
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

/** The newest row that fits. */
export const one = (db: TestDatabase, table: string, where: string): Promise<string> =>
  db.value(`select id from app_public.${table} where ${where} order by id desc limit 1`);

export async function fill(
  db: TestDatabase,
  table: string,
  id: string | undefined,
  values: Record<string, unknown>,
): Promise<void> {
  const names = Object.keys(values);
  await db.query(
    `update app_public.${table} set ${names.map((name, n) => `${name} = $${n + 2}`).join(', ')} where id = $1`,
    [id, ...Object.values(values)],
  );
}
