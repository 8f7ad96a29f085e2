/** What there is between the organisation and its customer: bookings and what comes of them, offers, tours. */
import type { TestDatabase } from '../../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  insert,
  MONDAY,
  range,
  type World,
} from '../../support/factories.ts';
import { addPhoto } from '../../support/photos.ts';
import { bookSlot, createTour, waitFor } from '../../support/tours.ts';
import { fill, one } from './fill.ts';
import type { Base } from './scene.ts';

/** What time did to a booking, and could not do. */
export async function createEvents(db: TestDatabase, { organizationId }: World, booking?: string) {
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
export async function createPayments(
  db: TestDatabase,
  { organizationId }: World,
  booking?: string,
) {
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
        ...{ error_code: 'charge_pending', dispute: 'inquiry', returned: 5 },
      }),
    ],
  ];
}

export async function createBookings(db: TestDatabase, scene: Base) {
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
    except_dates: '{2030-06-06}',
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
    move: served.move,
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
  const times = { starts_at: at('18:00', 1), ends_at: at('19:00', 1), party_size: 1, price: 0 };
  const sides = { ...times, provider_id: leftRoom };
  const move = await insert(db, 'app_public.booking_modifications', {
    ...{ organization_id: scene.organizationId, booking_id: delivered },
    ...prefixed('from', { ...sides, starts_at: at('17:00', 1) }),
    ...prefixed('to', sides),
  });
  return { delivered, awaited, expired, review, photo, move };
}

const prefixed = (side: 'from' | 'to', values: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${side}_${name}`, value]));

/** Somebody else cancels, so that the customer is offered their place. */
export async function offer(
  db: TestDatabase,
  { left, users }: Pick<Base, 'left' | 'users'>,
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

export async function createTours(db: TestDatabase, scene: Base) {
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
