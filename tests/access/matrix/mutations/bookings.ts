/** What is done to bookings, to series of them, and to what was delivered and paid of them. */
import type { TestDatabase } from '../../../support/database.ts';
import { at, book, call, insert } from '../../../support/factories.ts';
import { addPhoto } from '../../../support/photos.ts';
import { CONCERNED, MANAGERS, may, type Rule, SIGNED_IN } from '../callers.ts';
import { fill, one } from '../fill.ts';
import type { Scene } from '../scene.ts';
import {
  booked,
  CUSTOMER,
  CUSTOMER_OR_MANAGER,
  type Deed,
  freshHour,
  freshPlace,
  MANAGER,
} from './support.ts';

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

async function seriesOn(offering: string, db: TestDatabase, { users }: Scene): Promise<string> {
  const args = { offering_id: offering, ...seriesOf(freshHour()), duration: '1 hour' };
  const { id } = await call<{ id: string }>(db, users.customer, 'book_series', args);
  return one(db, 'bookings', `series_id = '${id}'`);
}

const inSeries = (db: TestDatabase, scene: Scene) => seriesOn(scene.left, db, scene);

const askedInSeries = (db: TestDatabase, scene: Scene) => seriesOn(scene.asked, db, scene);

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

const SERVES = may(`provider ${MANAGERS}`, 'RSNTF');

const aboutBooking = (rule: Rule, more: object = {}, make = booked): Deed => ({
  rule,
  input: async (db, scene) => ({ bookingId: await make(db, scene), ...more }),
});

export const BOOKINGS: Record<string, Deed> = {
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
  acceptSeries: aboutBooking(SERVES, { scope: 'ALL', note: 'Welcome' }, served(askedInSeries)),
  rejectSeries: aboutBooking(SERVES, { scope: 'FOLLOWING', reason: 'Rain' }, served(askedInSeries)),
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
