/**
 * Who may do what, and how the thing that it is done to is made. A mutation that is not here fails
 * the test.
 */
import { hashPassword } from '../../../src/auth/passwords.ts';
import { createTokens, hashToken } from '../../../src/auth/tokens.ts';
import type { TestDatabase } from '../../support/database.ts';
import {
  at,
  book,
  call,
  createMember,
  createOffering,
  createResource,
  createUser,
  insert,
  MONDAY,
  range,
  unique,
} from '../../support/factories.ts';
import { addPhoto } from '../../support/photos.ts';
import { ACCOUNTS, CONCERNED, EVERYBODY, MANAGERS, may, type Rule, SIGNED_IN } from './callers.ts';
import { fill, one } from './fill.ts';
import type { Scene } from './scene.ts';
import { offer } from './sceneBookings.ts';

export interface Deed {
  rule: Rule;
  /** Makes what it is done to, anew for each time, and says the input. */
  input(db: TestDatabase, scene: Scene, userId: string | undefined): Promise<object>;
  /** It ends sessions or accounts: those of a twin, who has the same standing. */
  byTwin?: true;
  /** Everybody may, who knows the secret; without it the answer is this code. */
  secret?: string;
  /** Everybody may, and the answer is the same where there is nobody. */
  discreet?: true;
  /** It is a count of what was done: none is nothing. */
  counts?: true;
}

let day = 20;

/** An hour that nobody has. */
export function freshHour(): [string, string] {
  day += 1;
  return range('10:00', '11:00', day);
}

const PASSWORD = 'correct horse battery';
/** Of the same password, made once. */
let hash: Promise<string> | undefined;

async function withPassword(db: TestDatabase, userId: string | undefined): Promise<void> {
  hash ??= hashPassword(PASSWORD);
  await db.query(
    `insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)
     on conflict (user_id) do update set password_hash = excluded.password_hash`,
    [userId, await hash],
  );
}

/** A place that nobody has booked yet. */
async function freshPlace(db: TestDatabase, { organizationId, policyId }: Scene): Promise<string> {
  const room = await createResource(db, organizationId, 'Fresh room');
  return createOffering(db, { organizationId, policyId, name: 'Fresh', resourceIds: [room] });
}

const booked = async (db: TestDatabase, { users, left }: Scene) =>
  (await book(db, users.customer, left, freshHour())).id;

/** One that has begun. */
async function begun(db: TestDatabase, scene: Scene): Promise<string> {
  const place = await freshPlace(db, scene);
  const { id } = await book(db, scene.users.customer, place, freshHour());
  const room = `[${at('07:00')},${at('09:00')})`;
  await fill(db, 'bookings', id, { starts_at: at('07:00'), ends_at: at('09:00'), room });
  await db.query('update app_private.occupancies set during = $2 where booking_id = $1', [
    id,
    room,
  ]);
  return id;
}

const cancelled = async (db: TestDatabase, scene: Scene) => {
  const id = await booked(db, scene);
  await call(db, scene.users.customer, 'cancel_booking', { booking_id: id });
  return id;
};

const pending = async (db: TestDatabase, { users, asked }: Scene) =>
  (await book(db, users.customer, asked, freshHour())).id;

const inSeries = async (db: TestDatabase, { users, left }: Scene) => {
  const args = { offering_id: left, ...seriesOf(freshHour()), duration: '1 hour' };
  const { id } = await call<{ id: string }>(db, users.customer, 'book_series', args);
  return one(db, 'bookings', `series_id = '${id}'`);
};

function seriesOf([startsAt]: [string, string]) {
  return { rrule: 'FREQ=DAILY;COUNT=1', first_date: startsAt.slice(0, 10), local_start: '10:00' };
}

function seriesInput(offeringId: string) {
  const { rrule, first_date, local_start } = seriesOf(freshHour());
  return { offeringId, rrule, firstDate: first_date, localStart: local_start };
}

/** One that costs something. */
async function dear(db: TestDatabase, scene: Scene): Promise<string> {
  const id = await booked(db, scene);
  await fill(db, 'bookings', id, { price: 80 });
  return id;
}

/** One that is to be paid by Stripe. */
async function owed(db: TestDatabase, scene: Scene): Promise<string> {
  const id = await dear(db, scene);
  await insert(db, 'app_public.payments', {
    ...{ organization_id: scene.organizationId, booking_id: id, purpose: 'price' },
    ...{ provider: 'stripe', amount: 80, currency: 'EUR' },
  });
  return id;
}

/** The provider serves it. */
const served =
  (make: typeof booked): typeof booked =>
  async (db, scene) => {
    const id = await make(db, scene);
    await fill(db, 'bookings', id, { provider_id: scene.leftRoom });
    return id;
  };

/** One that has begun, and ends if nobody says anything. */
async function expiring(db: TestDatabase, scene: Scene): Promise<string> {
  const id = await begun(db, scene);
  await fill(db, 'bookings', id, { status: 'in_progress', expires_at: at('08:30', 1) });
  return id;
}

async function delivered(db: TestDatabase, scene: Scene): Promise<string> {
  const id = await begun(db, scene);
  await call(db, scene.manager, 'deliver_booking', { booking_id: id });
  return id;
}

async function completed(db: TestDatabase, scene: Scene): Promise<string> {
  const id = await begun(db, scene);
  await call(db, scene.manager, 'complete_booking', { booking_id: id });
  return id;
}

async function reviewOf(db: TestDatabase, { users }: Scene, booking: string): Promise<string> {
  const args = { booking_id: booking, rating: 4 };
  return (await call<{ id: string }>(db, users.customer, 'review_booking', args)).id;
}

/** Nobody has two offers of one room at a time, hence another room for each. */
const offered = async (db: TestDatabase, scene: Scene) =>
  offer(db, { ...scene, left: await freshPlace(db, scene) }, freshHour());

/** A link of an account, and its owner. */
async function accountLink(db: TestDatabase, { organizationId }: Scene, action: string) {
  const proven = action === 'verify' ? { email_verified_at: null } : {};
  const userId = await createUser(db, 'Linus', proven);
  return db.value<string>(`select app_private.issue_link($1, $2, null, $3, null, null, null, $4)`, [
    action,
    organizationId,
    userId,
    at('12:00'),
  ]);
}

async function refreshToken(db: TestDatabase): Promise<string> {
  const token = createTokens('any').newRefresh();
  await db.query(
    `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
     values (uuidv7(), $1, $2, app_private.clock() + interval '1 hour')`,
    [await createUser(db, 'Rita'), hashToken(token)],
  );
  return token;
}

const emailOf = (db: TestDatabase, userId: string) =>
  db.value<string>('select email from app_public.users where id = $1', [userId]);

const addressOf = async (db: TestDatabase) => emailOf(db, await createUser(db, 'Adam'));

const CUSTOMER = may('customer', 'RSNTF');
const CUSTOMER_OR_MANAGER = may(CONCERNED, 'RSNTF');
const MANAGER = may(MANAGERS, 'RSNTF');
const SERVES = may(`provider ${MANAGERS}`, 'RSNTF');
const HEAD = may('head admin', 'RSNTF');
const ADMIN = may('admin', 'RSNTF');
/** Operators have to hand over first. */
const LEAVES = may(ACCOUNTS.replace(' admin', ''), 'RSSTA');

const aboutBooking = (rule: Rule, more: object = {}, make = booked): Deed => ({
  rule,
  input: async (db, scene) => ({ bookingId: await make(db, scene), ...more }),
});
const aboutEntry = (rule: Rule, more: object = {}): Deed => ({
  rule,
  input: async (db, scene) => ({ entryId: await offered(db, scene), ...more }),
});
const byAddress = (more: object = {}): Deed => ({
  rule: EVERYBODY,
  discreet: true,
  input: async (db) => ({ email: await addressOf(db), ...more }),
});
const byLink = (action: string, more: object = {}): Deed => ({
  rule: EVERYBODY,
  secret: 'RSEXP',
  input: async (db, scene) => ({ token: await accountLink(db, scene, action), ...more }),
});
/** A slot that nobody has booked yet. */
const aboutSlot = (more: object, closedReason?: string): Deed => ({
  rule: MANAGER,
  input: async (db, { tour }) => {
    day += 1;
    const date = at('10:00', day).slice(0, 10);
    await db.query('select app_private.make_slots($1, array[$2::date + $3::time])', [
      ...[tour.schedule, date, '10:00'],
    ]);
    const id = await one(db, 'slots', `day = '${date}' and offering_id = '${tour.offering}'`);
    if (closedReason) {
      await fill(db, 'slots', id, { closed_at: MONDAY, closed_reason: closedReason });
    }
    return { slotId: id, ...more };
  },
});
const toOneself = (rule: Rule, input: object = {}): Deed => ({
  rule,
  byTwin: true,
  input: async () => input,
});

const BOOKINGS: Record<string, Deed> = {
  approveBooking: aboutBooking(MANAGER, {}, pending),
  acceptBooking: aboutBooking(SERVES, {}, served(pending)),
  rejectBooking: aboutBooking(SERVES, {}, served(pending)),
  deliverBooking: aboutBooking(SERVES, { notes: 'Done' }, served(begun)),
  keepBooking: aboutBooking(SERVES, { reason: 'Not dry yet' }, served(expiring)),
  completeBooking: aboutBooking(SERVES, {}, served(begun)),
  confirmDelivery: aboutBooking(CUSTOMER, {}, delivered),
  reviewBooking: aboutBooking(CUSTOMER, { rating: 5, words: 'Bright' }, completed),
  removePhoto: {
    rule: SERVES,
    input: async (db, scene) => ({
      photoId: await addPhoto(db, scene.manager, await served(begun)(db, scene)),
    }),
  },
  replyToReview: {
    rule: SERVES,
    input: async (db, scene) => ({
      reviewId: await reviewOf(db, scene, await served(completed)(db, scene)),
      reply: 'Thank you',
    }),
  },
  recordPayment: aboutBooking(SERVES, { amount: '80', method: 'CASH' }, served(dear)),
  recordRefund: {
    rule: SERVES,
    input: async (db, scene) => {
      const booking_id = await served(dear)(db, scene);
      const args = { booking_id, amount: 80, method: 'cash' };
      const { id } = await call<{ id: string }>(db, scene.manager, 'record_payment', args);
      return { paymentId: id, amount: '80' };
    },
  },
  startPayment: aboutBooking(CUSTOMER, {}, owed),
  cancelBooking: aboutBooking(
    may(`${CONCERNED} provider`, 'RSNTF'),
    { reason: 'Rain' },
    served(booked),
  ),
  confirmBooking: aboutBooking(CUSTOMER),
  rebookBooking: aboutBooking(CUSTOMER_OR_MANAGER, {}, cancelled),
  modifyBooking: aboutBooking(CUSTOMER_OR_MANAGER, { purpose: 'Chess' }),
  overrideAutoCancel: aboutBooking(MANAGER, { reason: 'A regular' }),
  markNoShow: aboutBooking(SERVES, {}, served(begun)),
  createBooking: {
    rule: SIGNED_IN,
    input: async (_db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      return { offeringId: left, startsAt, endsAt };
    },
  },
  bookSeries: { rule: SIGNED_IN, input: async (_db, { left }) => seriesInput(left) },
  bookSeriesFor: {
    rule: MANAGER,
    input: async (_db, { left }) => ({
      ...seriesInput(left),
      ...{ name: 'Gina', needsConfirmation: false },
    }),
  },
  cancelSeries: aboutBooking(
    may(`${CONCERNED} provider`, 'RSNTF'),
    { scope: 'ALL', reason: 'Rain' },
    served(inSeries),
  ),
  modifySeries: aboutBooking(
    CUSTOMER_OR_MANAGER,
    { scope: 'FOLLOWING', purpose: 'Chess' },
    inSeries,
  ),
  createBookingFor: {
    rule: MANAGER,
    input: async (_db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      return { offeringId: left, startsAt, endsAt, name: 'Gina', needsConfirmation: false };
    },
  },
};

const WAITING: Record<string, Deed> = {
  claimSlot: aboutEntry(CUSTOMER),
  declineSlot: aboutEntry(CUSTOMER),
  leaveWaitlist: aboutEntry(CUSTOMER_OR_MANAGER),
  setWaitlistPriority: aboutEntry(MANAGER, { priority: 1 }),
  joinWaitlist: {
    rule: SIGNED_IN,
    input: async (db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      await book(db, await createUser(db, 'Holder'), left, [startsAt, endsAt]);
      return { offeringId: left, startsAt, endsAt };
    },
  },
};

const CONFIGURATION: Record<string, Deed> = {
  createBlackout: {
    // Of the provider's own resource: time off.
    rule: may(`provider ${MANAGERS}`, 'RSNTF'),
    input: async (_db, { organizationId, leftRoom }) => {
      const [startsAt, endsAt] = freshHour();
      return { organizationId, resourceId: leftRoom, startsAt, endsAt, reason: 'Paint' };
    },
  },
  liftBlackout: {
    rule: MANAGER,
    input: async (db, { organizationId, leftRoom, manager }) => {
      const [startsAt, endsAt] = freshHour();
      const { id } = await call<{ id: string }>(db, manager, 'create_blackout', {
        organization_id: organizationId,
        resource_id: leftRoom,
        starts_at: startsAt,
        ends_at: endsAt,
        reason: 'Paint',
      });
      return { blackoutId: id };
    },
  },
  setOpeningHours: {
    rule: MANAGER,
    input: async (_db, { leftRoom }) => ({
      resourceId: leftRoom,
      hours: [1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens: '00:00', closes: '24:00' })),
    }),
  },
  archiveResource: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      resourceId: await createResource(db, organizationId, 'Spare room'),
    }),
  },
  setOfferingResources: {
    rule: MANAGER,
    input: async (db, { organizationId, policyId, leftRoom }) => ({
      offeringId: await insert(db, 'app_public.offerings', {
        organization_id: organizationId,
        policy_id: policyId,
        kind: 'venue',
        name: 'New',
      }),
      resourceIds: [leftRoom],
    }),
  },
  revisePolicy: {
    rule: MANAGER,
    input: async (_db, { policyId }) => {
      day += 1;
      return { policyId, changes: { max_mails_per_day: day } };
    },
  },
  applyPolicy: {
    rule: MANAGER,
    input: async (db, scene) => {
      await booked(db, scene);
      day += 1;
      const changes = JSON.stringify({ max_mails_per_day: day });
      await call(db, scene.manager, 'revise_policy', { policy_id: scene.policyId, changes });
      return { policyId: scene.policyId };
    },
  },
  createOffering: {
    rule: MANAGER,
    input: async (_db, { organizationId, policyId }) => ({
      offering: { organizationId, policyId, kind: 'VENUE', name: 'New' },
    }),
  },
  updateOffering: {
    rule: MANAGER,
    input: async (_db, { left }) => ({ id: left, patch: { name: unique('Left ') } }),
  },
  createPolicy: {
    rule: MANAGER,
    input: async (_db, { organizationId }) => ({ policy: { organizationId, name: 'New' } }),
  },
  updatePolicy: {
    rule: MANAGER,
    input: async (_db, { policyId }) => ({ id: policyId, patch: { name: unique('Standard ') } }),
  },
  alterSlot: aboutSlot({ capacity: 5 }),
  closeSlot: aboutSlot({ reason: 'Private' }),
  cancelSlot: aboutSlot({ reason: 'Rain' }),
  openSlot: aboutSlot({}, 'A private group'),
  messageSlot: {
    rule: MANAGER,
    counts: true,
    input: async (_db, { tour }) => ({
      slotId: tour.slots[2],
      message: unique('Bring an umbrella '),
    }),
  },
  createSchedule: {
    rule: MANAGER,
    input: async (_db, { organizationId, tour }) => ({
      schedule: {
        ...{ organizationId, offeringId: tour.offering, name: 'New', localStart: '15:00' },
        ...{ duration: { hours: 1 }, recurrence: 'NONE', capacity: 4, validFrom: '2030-07-01' },
      },
    }),
  },
  updateSchedule: {
    rule: MANAGER,
    input: async (_db, { tour }) => ({ id: tour.schedule, patch: { name: unique('Mornings ') } }),
  },
  generateSlots: {
    rule: MANAGER,
    input: async (_db, { tour }) => {
      day += 1;
      const date = at('10:00', day).slice(0, 10);
      return { scheduleId: tour.schedule, from: date, to: date };
    },
  },
  createResource: {
    rule: MANAGER,
    input: async (_db, { organizationId }) => ({
      resource: { organizationId, name: 'New', timeZone: 'UTC' },
    }),
  },
  updateResource: {
    rule: MANAGER,
    input: async (_db, { leftRoom }) => ({ id: leftRoom, patch: { name: unique('Room ') } }),
  },
  createOrganization: {
    rule: ADMIN,
    input: async () => ({ organization: { slug: unique('new-'), name: 'New' } }),
  },
  updateOrganization: {
    rule: HEAD,
    input: async (_db, { organizationId }) => ({
      id: organizationId,
      patch: { name: unique('Riverside ') },
    }),
  },
  updateOrganizationBySlug: {
    rule: HEAD,
    input: async (_db, { values }) => ({
      slug: values.slug,
      patch: { name: unique('Riverside ') },
    }),
  },
};

const PEOPLE: Record<string, Deed> = {
  setMember: {
    rule: HEAD,
    input: async (db, { organizationId }) => ({
      organizationId,
      email: await addressOf(db),
      role: 'PROVIDER',
    }),
  },
  removeMember: {
    rule: HEAD,
    input: async (db, { organizationId }) => ({
      membershipId: await createMember(db, organizationId, await createUser(db, 'Pia'), 'provider'),
    }),
  },
  eraseCustomer: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      customerId: await insert(db, 'app_public.customers', {
        organization_id: organizationId,
        name: 'Gone soon',
      }),
    }),
  },
  clearOffences: {
    rule: MANAGER,
    input: async (db, { organizationId }) => ({
      customerId: await insert(db, 'app_public.customers', {
        organization_id: organizationId,
        name: 'Was ill',
      }),
      reason: 'Was ill',
    }),
  },
  markNotificationsRead: {
    rule: may('customer'),
    counts: true,
    input: async (db, scene) => {
      const id = await booked(db, scene);
      return { ids: [await one(db, 'notifications', `booking_id = '${id}'`)] };
    },
  },
  updateProfile: { rule: SIGNED_IN, input: async () => ({ phone: unique('+43 ') }) },
  changePassword: {
    rule: SIGNED_IN,
    input: async (db, _scene, userId) => {
      if (userId) await withPassword(db, userId);
      return { oldPassword: PASSWORD, newPassword: PASSWORD };
    },
  },
  deactivateAccount: toOneself(LEAVES),
  eraseMe: toOneself(LEAVES),
  signOutEverywhere: toOneself(SIGNED_IN),
  signOut: { rule: EVERYBODY, byTwin: true, input: async () => ({}) },

  signUp: byAddress({ password: PASSWORD }),
  requestMagicLink: byAddress(),
  requestPasswordReset: byAddress(),
  sendLinksAgain: {
    rule: EVERYBODY,
    discreet: true,
    input: async (db, { left }) => {
      const userId = await createUser(db, 'Lena');
      await book(db, userId, left, freshHour());
      return { email: await emailOf(db, userId) };
    },
  },
  requestBookingByMail: {
    rule: EVERYBODY,
    input: async (_db, { left }) => {
      const [startsAt, endsAt] = freshHour();
      return {
        offeringId: left,
        startsAt,
        endsAt,
        name: 'Gina',
        email: `${unique('g')}@example.org`,
      };
    },
  },
  lookUpBooking: {
    rule: EVERYBODY,
    secret: 'RSNTF',
    input: async (db, { left }) => {
      const userId = await createUser(db, 'Lena');
      const { reference } = await book(db, userId, left, freshHour());
      return { reference, email: await emailOf(db, userId) };
    },
  },
  verifyEmail: byLink('verify'),
  signInWithMagicLink: byLink('magic'),
  resetPassword: byLink('reset', { password: PASSWORD }),
  refreshSession: {
    rule: EVERYBODY,
    secret: 'RSAUT',
    input: async (db) => ({ refreshToken: await refreshToken(db) }),
  },
  signIn: {
    rule: EVERYBODY,
    secret: 'RSCRD',
    input: async (db) => {
      const userId = await createUser(db, 'Ines');
      await withPassword(db, userId);
      return { email: await emailOf(db, userId), password: PASSWORD };
    },
  },
};

const OPERATION: Record<string, Deed> = {
  autoCancelNow: { rule: ADMIN, input: async () => ({}) },
  expireOverdueBookings: { rule: ADMIN, input: async () => ({}) },
  expireDue: { rule: ADMIN, input: async () => ({}) },
  retryDelivery: {
    rule: MANAGER,
    input: async (db, scene) => {
      const id = await booked(db, scene);
      const notification = await one(db, 'notifications', `booking_id = '${id}'`);
      const delivery = await one(db, 'deliveries', `notification_id = '${notification}'`);
      await fill(db, 'deliveries', delivery, { status: 'dead' });
      return { deliveryId: delivery };
    },
  },
};

export const MUTATIONS: Readonly<Record<string, Deed>> = {
  ...BOOKINGS,
  ...WAITING,
  ...CONFIGURATION,
  ...PEOPLE,
  ...OPERATION,
};
