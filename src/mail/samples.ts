import type { Kind, MailModel } from './model.ts';

/**
 * One full example a kind, for the preview page and the tests. The venue is in Vienna, the day is
 * an ordinary one; names have what names have: umlauts, an ampersand, an apostrophe.
 */

/** Of the same shape as logos are; the preview page serves it. */
export const SAMPLE_LOGO = new URL('./sampleLogo.png', import.meta.url);
export const SAMPLE_LOGO_PATH = '/mail-preview/logo.png';

const organization = {
  id: '01990000-0000-7000-8000-000000000001',
  name: 'Haus & Hof',
  logoUrl: `https://book.haus-und-hof.example${SAMPLE_LOGO_PATH}`,
  address: 'Hauptplatz 1\n1010 Wien',
  supportEmail: 'office@haus-und-hof.example',
  supportPhone: '+43 1 234 56 78',
  frontEndUrl: 'https://book.haus-und-hof.example',
};

const recipient = {
  name: "Zoë O'Hara",
  email: 'zoe@example.org',
  locale: 'en',
  timeZone: 'Europe/Vienna',
};

const booking = {
  id: '01990000-0000-7000-8000-00000000b001',
  reference: 'HH-20261204-7K3QXA',
  offeringId: '01990000-0000-7000-8000-00000000f001',
  offeringName: 'Festsaal, ganzer Saal',
  resourceNames: ['Saal links', 'Saal rechts'],
  providerName: null,
  startsAt: '2026-12-04T13:00:00Z',
  endsAt: '2026-12-04T16:30:00Z',
  timeZone: 'Europe/Vienna',
  address: 'Hauptplatz 1, Stiege 2\n1010 Wien',
  directions: 'Entrance from the yard, second floor.\nThe lift is on the left.',
  purpose: 'Choir rehearsal',
  partySize: 24,
  status: 'confirmed',
  sequence: 0,
  price: 120,
  currency: 'EUR',
  confirmDeadlineAt: '2026-12-04T11:00:00Z',
  requestExpiresAt: '2026-12-03T13:00:00Z',
  autoCancel: 'on',
  attendanceConfirmedAt: null,
  customerName: null,
} as const;

const entry = {
  id: '01990000-0000-7000-8000-00000000e001',
  offeringId: booking.offeringId,
  offeringName: booking.offeringName,
  startsAt: booking.startsAt,
  endsAt: booking.endsAt,
  timeZone: booking.timeZone,
  address: booking.address,
  partySize: 24,
  price: booking.price,
  currency: booking.currency,
  position: 3,
  offerExpiresAt: '2026-12-03T15:15:00Z',
  needsApproval: false,
  note: 'Mornings are fine as well',
};

const payment = {
  id: '01990000-0000-7000-8000-00000000a001',
  amount: 120,
  currency: 'EUR',
  purpose: 'price',
} as const;

/** Every action has a token of its own; these open nothing. */
function tokens(...actions: string[]): Record<string, string> {
  return Object.fromEntries(actions.map((action) => [action, `sample-${action}`.padEnd(22, '0')]));
}

const base: MailModel = {
  organization,
  recipient,
  booking: { ...booking, resourceNames: [...booking.resourceNames] },
};
const forBooking = (change: Partial<NonNullable<MailModel['booking']>>): MailModel => ({
  ...base,
  booking: { ...base.booking, ...change },
});
const forEntry: MailModel = { organization, recipient, entry };
const forAccount: MailModel = { organization, recipient };
const manager = { name: 'Max Huber', email: 'max@haus-und-hof.example', locale: 'en' };
const forManager = (change: Partial<NonNullable<MailModel['booking']>>): MailModel => ({
  ...forBooking({
    customerName: recipient.name,
    customerContact: `+43 699 11 22 33, ${recipient.email}`,
    ...change,
  }),
  recipient: manager,
});

/** What others of the same category have free at the time. */
const standIns = [
  {
    offeringName: 'Kleiner Saal',
    startsAt: booking.startsAt,
    endsAt: booking.endsAt,
  },
  {
    offeringName: 'Probenraum',
    providerName: 'Raum 2',
    startsAt: booking.startsAt,
    endsAt: booking.endsAt,
  },
];

/** A series of which one date could not be had. */
const series: MailModel = {
  ...base,
  occurrences: ['04', '11', '25'].map((day) => ({
    startsAt: `2026-12-${day}T13:00:00Z`,
    endsAt: `2026-12-${day}T16:30:00Z`,
  })),
  skipped: ['2026-12-18'],
};
const seriesForManager: MailModel = {
  ...forManager({}),
  occurrences: series.occurrences ?? [],
};

export const SAMPLES: Readonly<Record<Kind, MailModel>> = {
  booking_received: { ...base, tokens: tokens('cancel') },
  booking_requested: {
    ...forManager({ status: 'pending', offences: 3 }),
    tokens: tokens('approve', 'reject'),
  },
  booking_approved: { ...base, reason: 'The piano is tuned.', tokens: tokens('cancel') },
  booking_rejected: {
    ...forBooking({ status: 'rejected', sequence: 1 }),
    reason: 'The hall is being painted.',
    actor: 'manager',
    alternatives: standIns,
  },
  booking_reminder: { ...base, tokens: tokens('confirm', 'cancel') },
  booking_reminder_info: {
    ...forBooking({ attendanceConfirmedAt: '2026-12-03T14:00:00Z' }),
    tokens: tokens('cancel', 'unsubscribe'),
  },
  booking_auto_cancelled: { ...forBooking({ status: 'cancelled', sequence: 1 }), actor: 'system' },
  booking_cancelled: {
    ...forBooking({ status: 'cancelled', sequence: 1 }),
    reason: 'The heating has failed.',
    actor: 'manager',
    alternatives: [
      { startsAt: '2026-12-10T14:00:00Z', endsAt: '2026-12-10T16:30:00Z' },
      { startsAt: '2026-12-11T14:00:00Z', endsAt: '2026-12-11T16:30:00Z' },
    ],
  },
  booking_modified: {
    ...forBooking({ sequence: 1 }),
    previous: {
      startsAt: '2026-12-03T13:00:00Z',
      endsAt: '2026-12-03T16:30:00Z',
      purpose: 'Choir practice',
    },
    actor: 'customer',
    tokens: tokens('cancel'),
  },
  booking_expired: {
    ...forBooking({ status: 'expired', sequence: 1 }),
    actor: 'system',
    alternatives: standIns,
  },
  booking_delivered: {
    ...forBooking({
      status: 'delivered',
      deliveryNotes: 'Cleaned and oiled.\nThe left hinge is new.',
      recommendations: 'Oil the hinges once a year.',
      deliveryAnswerBy: '2026-12-07T16:30:00Z',
    }),
    tokens: tokens('confirm_delivery'),
  },
  delivery_due: forManager({ status: 'in_progress' }),
  provider_reminder: { ...forManager({}), tokens: tokens('unsubscribe') },
  provider_booking: {
    ...forManager({ providerName: manager.name }),
    previous: {
      startsAt: '2026-12-03T13:00:00Z',
      endsAt: '2026-12-03T16:30:00Z',
      provider: 'Eva Gruber',
    },
    tokens: tokens('unsubscribe'),
  },
  provider_booking_gone: {
    ...forManager({ status: 'cancelled', sequence: 1 }),
    previous: { startsAt: booking.startsAt, endsAt: booking.endsAt },
    tokens: tokens('unsubscribe'),
  },
  service_expired: { ...forBooking({ status: 'expired', sequence: 1 }), actor: 'system' },
  expiry_notice: {
    ...forManager({ status: 'expired', sequence: 1 }),
    reason: 'Nobody said in time that it was done.',
    actor: 'system',
  },
  payment_due: {
    ...forBooking({ status: 'pending', awaitsPayment: true }),
    payment: { ...payment, pending: true, dueAt: booking.requestExpiresAt },
    tokens: tokens('pay', 'cancel'),
  },
  payment_received: { ...base, payment, tokens: tokens('cancel') },
  payment_failed: {
    ...forBooking({ status: 'pending', awaitsPayment: true }),
    payment: { ...payment, pending: true, dueAt: booking.requestExpiresAt },
    tokens: tokens('pay', 'cancel'),
  },
  payment_refunded: { ...forBooking({ status: 'cancelled', sequence: 1 }), payment, amount: 60 },
  payment_trouble: { ...forManager({}), payment, trouble: 'open' },
  booking_unpaid: {
    ...forBooking({ status: 'expired', sequence: 1 }),
    actor: 'system',
    alternatives: standIns,
  },
  booking_spared: {
    ...forManager({}),
    reason: 'The mail server accepted the reminder only at 13:40.',
  },
  booking_claimed: { ...base, tokens: tokens('cancel') },
  series_booked: { ...series, tokens: tokens('cancel_series') },
  series_requested: { ...seriesForManager, tokens: tokens('approve_series', 'reject_series') },
  series_modified: { ...series, actor: 'customer', tokens: tokens('cancel_series') },
  series_payment_due: {
    ...{ ...base, skipped: series.skipped ?? [], agreed: true, reason: 'The key is at the bar.' },
    payments: (series.occurrences ?? []).map((occurrence) => ({
      ...{ ...payment, ...occurrence, pending: true, dueAt: booking.requestExpiresAt },
      tokens: tokens('pay'),
    })),
    tokens: tokens('cancel_series'),
  },
  series_approved: {
    ...{ ...series, skipped: [], reason: 'The key is at the bar.' },
    tokens: tokens('cancel_series'),
  },
  series_rejected: {
    ...forBooking({ status: 'rejected', sequence: 1 }),
    occurrences: series.occurrences ?? [],
    reason: 'The hall is being painted.',
  },
  series_cancelled: {
    ...base,
    occurrences: series.occurrences ?? [],
    reason: 'The heating has failed.',
    actor: 'manager',
  },
  series_unused: { ...series, skipped: [], released: 3, tokens: tokens('cancel_series') },
  series_unused_notice: { ...seriesForManager, released: 3, tokens: tokens('cancel_series') },
  message_blackout: {
    ...forBooking({ status: 'cancelled', sequence: 1 }),
    reason: 'Burst pipe, the hall is closed until Saturday.',
    actor: 'manager',
  },
  blackout_conflict: {
    ...forManager({}),
    reason: 'Burst pipe',
    actor: 'manager',
  },
  message_slot: {
    ...base,
    subject: 'Rain',
    reason: 'It will rain: please bring an umbrella.\nWe meet under the arcades.',
    tokens: tokens('cancel'),
  },
  slot_under_minimum: {
    organization,
    recipient: manager,
    slot: {
      offeringName: 'Old Town Walk',
      startsAt: booking.startsAt,
      endsAt: booking.endsAt,
      timeZone: booking.timeZone,
    },
    booked: 2,
    minSize: 4,
  },
  slot_available: { ...forEntry, tokens: tokens('claim', 'decline') },
  offer_expired: { ...forEntry, tokens: tokens('unsubscribe') },
  last_call: { ...forEntry, tokens: tokens('claim', 'leave') },
  entry_ended: { ...forEntry, tokens: tokens('unsubscribe') },
  waitlist_joined: { ...forEntry, tokens: tokens('leave', 'unsubscribe') },
  booking_link: {
    organization,
    recipient: { ...recipient, name: null },
    entry: { ...entry, note: null },
    tokens: tokens('book'),
  },
  account_verify: { ...forAccount, tokens: tokens('verify') },
  account_magic_link: { ...forAccount, tokens: tokens('magic') },
  account_reset: { ...forAccount, tokens: tokens('reset') },
  account_exists: { ...forAccount, tokens: tokens('magic', 'reset') },
  links_again: {
    organization,
    recipient,
    bookings: [
      { ...base.booking, tokens: tokens('confirm', 'cancel') },
      {
        ...base.booking,
        reference: 'HH-20261218-Q2M8PD',
        startsAt: '2026-12-18T17:00:00Z',
        endsAt: '2026-12-18T20:00:00Z',
        tokens: tokens('cancel'),
      },
    ],
    entries: [{ ...entry, tokens: tokens('leave') }],
  },
};

/** The same message with nothing in it that may be missing: only what it is about. */
export function sparseSample(kind: Kind): MailModel {
  const full = SAMPLES[kind];
  const { startsAt, endsAt, timeZone, offeringName } = booking;
  const subject = { startsAt, endsAt, timeZone, offeringName };
  return {
    ...(full.booking ? { booking: { ...subject, reference: booking.reference } } : {}),
    ...(full.entry ? { entry: subject } : {}),
    ...(full.slot ? { slot: subject } : {}),
    ...(full.payment ? { payment: { amount: payment.amount, currency: payment.currency } } : {}),
    ...(kind.startsWith('account_') && full.tokens ? { tokens: full.tokens } : {}),
  };
}
