/** What a message is about. A kind is also the name of its template. */
export const KINDS = [
  'booking_received',
  'booking_requested',
  'booking_approved',
  'booking_rejected',
  'booking_reminder',
  'booking_reminder_info',
  'booking_auto_cancelled',
  'booking_cancelled',
  'booking_modified',
  'booking_expired',
  'booking_delivered',
  'provider_reminder',
  'provider_booking',
  'provider_booking_gone',
  'delivery_due',
  'service_expired',
  'expiry_notice',
  'payment_due',
  'payment_received',
  'payment_failed',
  'payment_refunded',
  'payment_trouble',
  'booking_unpaid',
  'booking_spared',
  'booking_claimed',
  'series_booked',
  'series_requested',
  'series_modified',
  'series_payment_due',
  'series_approved',
  'series_rejected',
  'series_cancelled',
  'series_unused',
  'series_unused_notice',
  'message_blackout',
  'blackout_conflict',
  'slot_under_minimum',
  'message_slot',
  'slot_available',
  'offer_expired',
  'last_call',
  'entry_ended',
  'waitlist_joined',
  'booking_link',
  'account_verify',
  'account_magic_link',
  'account_reset',
  'account_exists',
  'links_again',
] as const;

export type Kind = (typeof KINDS)[number];

export function isKind(value: string): value is Kind {
  return (KINDS as readonly string[]).includes(value);
}

/** Every value may be absent or null: the database sends what it has. Times are ISO 8601. */
type Maybe<T> = { [K in keyof T]?: T[K] | null };

export type Tokens = Record<string, string | null | undefined>;

export type OrganizationModel = Maybe<{
  id: string;
  name: string;
  logoUrl: string;
  address: string;
  supportEmail: string;
  supportPhone: string;
  frontEndUrl: string;
}>;

export type RecipientModel = Maybe<{
  name: string;
  email: string;
  locale: string;
  timeZone: string;
}>;

export type BookingModel = Maybe<{
  id: string;
  reference: string;
  offeringId: string;
  offeringName: string;
  resourceNames: string[];
  /** Who serves it, where that is somebody. */
  providerName: string;
  startsAt: string;
  endsAt: string;
  timeZone: string;
  address: string;
  directions: string;
  purpose: string;
  partySize: number;
  status: string;
  sequence: number;
  /** In the currency's main unit: 12.5 is twelve euros fifty. */
  price: number | string;
  currency: string;
  /** When an unanswered reminder costs the booking. */
  confirmDeadlineAt: string;
  /** A pending booking waits for its payment, and for nobody's yes. */
  awaitsPayment: boolean;
  /** Until when a manager may decide on a pending booking. */
  requestExpiresAt: string;
  autoCancel: 'on' | 'off' | 'dry_run';
  /** What its provider says once it is done, and until when the customer may answer. */
  deliveryNotes: string;
  recommendations: string;
  deliveryAnswerBy: string;
  attendanceConfirmedAt: string;
  customerName: string;
  /** How managers reach the customer; other messages do not have it. */
  customerContact: string;
  /** Of a pending booking: how many earlier ones were not used, if somebody has to agree for that. */
  offences: number;
  /** A deposit is asked for because of them. */
  demandsDeposit: boolean;
  /** Whom to ask about this offering, in words; instead of the organisation's support contact. */
  supportContact: string;
  tokens: Tokens;
}>;

/** What somebody waits for, or what a guest asks to book. */
export type EntryModel = Maybe<{
  id: string;
  offeringId: string;
  offeringName: string;
  startsAt: string;
  endsAt: string;
  /** Instead of a time: any slot of this local date will do. */
  day: string;
  timeZone: string;
  address: string;
  partySize: number;
  /** What the place costs, in the currency's main unit. */
  price: number | string;
  currency: string;
  position: number;
  offerExpiresAt: string;
  needsApproval: boolean;
  /** What has to be paid before it is theirs. */
  payFirst: number;
  note: string;
  /** As for a booking. */
  supportContact: string;
  tokens: Tokens;
}>;

export type SlotModel = Maybe<{
  id: string;
  offeringId: string;
  offeringName: string;
  startsAt: string;
  endsAt: string;
  timeZone: string;
}>;

export type PaymentModel = Maybe<{
  id: string;
  /** In the currency's main unit. */
  amount: number | string;
  currency: string;
  purpose: 'price' | 'deposit' | 'balance';
  /** Whether the booking waits for it, and until when. */
  pending: boolean;
  dueAt: string;
}>;

export type SeriesPaymentModel = PaymentModel &
  Maybe<{ startsAt: string; endsAt: string; providerName: string; tokens: Tokens }>;

export type AlternativeModel = Maybe<{
  startsAt: string;
  endsAt: string;
  /** Left out if it is the same. */
  offeringName: string;
  providerName: string;
}>;

export type MailModel = Maybe<{
  organization: OrganizationModel;
  recipient: RecipientModel;
  booking: BookingModel;
  /** As it was; without a purpose if that has not changed, with an empty one if there was none. */
  previous: Maybe<{
    startsAt: string;
    endsAt: string;
    purpose: string;
    partySize: number;
    price: number | string;
    /** Who was to serve it, if that is somebody else now. */
    provider: string;
  }>;
  entry: EntryModel;
  slot: SlotModel;
  payment: PaymentModel;
  /** What has gone wrong with it afterwards. */
  trouble: 'inquiry' | 'open' | 'won' | 'lost' | 'returned';
  /** Of a series: what is still to be paid for which dates, and whether that follows a yes. */
  payments: SeriesPaymentModel[];
  agreed: boolean;
  /** How much of the payment has been given back, or has come back. */
  amount: number | string;
  /** People booked on the slot, and how many it needs. */
  booked: number;
  minSize: number;
  reason: string;
  /** A manager's own, in one line. */
  subject: string;
  actor: 'customer' | 'manager' | 'system';
  /** The booking's status when the message was owed; it may be another one by now. */
  status: string;
  tokens: Tokens;
  /** What could be booked instead of what was cancelled or refused: another slot, or somebody else. */
  alternatives: AlternativeModel[];
  /** The bookings of a series that the message is about, and the dates that were left out. */
  occurrences: Maybe<{ startsAt: string; endsAt: string; providerName: string }>[];
  skipped: string[];
  /** How many of a series in a row nobody confirmed. */
  released: number;
  /** For the message that lists all one has coming up. */
  bookings: BookingModel[];
  entries: EntryModel[];
}>;
