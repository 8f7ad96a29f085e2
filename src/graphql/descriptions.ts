/**
 * Everything in the schema is described. Most of it comes from `comment on`; PostgreSQL has no place
 * for comments on arguments and on values of enums, so those are here. A test finds what is missing.
 */

/** Arguments and input fields, by name: one name means one thing everywhere. */
const INPUTS: Record<string, string> = {
  accessNeeds: 'What somebody needs to take part.',
  adults: 'How many adults; with children and infants, instead of `partySize`.',
  allOfferings:
    'Whether all offerings are managed, now and in future; if not, those in `offeringIds`.',
  blackoutId: 'The blackout.',
  bookingId: 'The booking.',
  amount: 'How much, in the main unit of the currency.',
  atLeast: 'How many at least; left out: more than the policy lets pass.',
  archived: 'True, or left out: put it away. False: take it back into use.',
  byDay: 'False: one line for the whole range. Left out: one for each day.',
  cancelBookings: 'Whether to cancel the bookings that stand in the way.',
  capacity: 'How many places.',
  changes: 'What changes, by name as in the database; what is left out stays.',
  channel: 'How it travels.',
  children: 'How many children.',
  customerAddress: 'Where a service that goes to the customer is to go.',
  customerId: 'The customer.',
  customerPhone: 'How to reach somebody there; left out: the number of the account.',
  day: 'The local date.',
  dietaryNeeds: 'What somebody may or may not eat.',
  deliveryId: 'The delivery.',
  duration: 'How long it lasts; left out: as long as the offering does, or as before.',
  email: 'The e-mail address.',
  emailNormalised: 'The address in lower case.',
  endsAt: 'The end, as a moment with its offset (2026-11-20T20:00:00+01:00).',
  entryId: 'The waitlist entry.',
  exceptDates: 'Dates of the rule that are left out; COUNT counts them all the same.',
  firstDate: 'From which date on the rule counts, where the offering is.',
  from: 'The beginning of the range.',
  fromDay: 'The first local day.',
  hours: 'The hours of each weekday.',
  id: 'The identifier.',
  idempotencyKey:
    'Any text of your choice: repeating the call with the same key and input returns the same row and does nothing twice.',
  ids: 'The identifiers; left out: all.',
  keepBookings: 'Whether bookings outside the new hours stay.',
  infants: 'How many infants.',
  kind: 'What kind it is.',
  live: 'Whether to show only those that still wait or have an offer.',
  localTime: 'The time of day one would like best, as a clock shows it where the offering is.',
  locale: 'The language of mails (BCP 47), such as `de` or `pt-BR`.',
  localEndsAt: 'The end in the time zone of the offering, without an offset (2026-11-20T20:00:00).',
  localStart: 'When it begins on its dates, as a clock shows it where the offering is.',
  localStartsAt:
    'The start in the time zone of the offering, without an offset (2026-11-20T18:00:00).',
  membershipId: 'The membership.',
  message: 'What everybody is told.',
  method: 'How it was paid.',
  minSize: 'How many places have to be booked at the policy’s cutoff; 0: none.',
  month: 'Any date of the month.',
  name: 'The name.',
  needsConfirmation: 'Whether the customer has to confirm when reminded.',
  note: 'A note, as the other side reads it.',
  notes: 'What was done, as the customer reads it.',
  notificationId: 'The notification.',
  offeringId: 'The offering.',
  offeringIds: 'The offerings.',
  organizationId: 'The organisation.',
  partySize: 'How many people.',
  paymentId: 'The payment.',
  phone: 'The phone number.',
  photoId: 'The photo.',
  policyId: 'The policy.',
  poolIds: 'Of the resources, those of which a booking takes one.',
  price: 'The price of a person.',
  priority: 'Lower goes first; 100 is usual.',
  providerId: 'Who is to serve it, if only one of several will do.',
  purpose: 'What for, in one’s own words.',
  rating: 'From 1 to 5, 5 being best.',
  reason: 'Why, as the other side and the log read it.',
  recommendations: 'What is recommended to the customer.',
  reference: 'What a person can read out, such as RS-20261120-7K3QXA.',
  refund: 'For managers: what of the price is given back; left out: all of it.',
  reply: 'The answer, as everybody reads it.',
  resourceId: 'The resource.',
  resourceIds: 'The resources.',
  reviewId: 'The review.',
  role: 'The role.',
  rrule: 'On which dates (RFC 5545), such as FREQ=WEEKLY;BYDAY=TU;COUNT=10.',
  scheduleId: 'The schedule.',
  scope: 'How much of the series is meant.',
  shiftDays: 'How many days later each date is to be; earlier if less than 0.',
  skipConflicts: 'Whether dates that are in the way are left out; if not, nothing is done.',
  slotId: 'The slot.',
  slug: 'The short name.',
  specialRequests: 'What somebody wishes.',
  startsAt: 'The start, as a moment with its offset (2026-11-20T18:00:00+01:00).',
  subject: 'One line that says what it is about.',
  status: 'Where it is in its life.',
  text: 'What to look for, whichever way it is written.',
  timeZone: 'IANA time zone, such as Europe/Berlin.',
  to: 'The end of the range.',
  toDay: 'The last local day; with the first at most 366.',
  unreadOnly: 'Whether to leave out what has been read.',
  upcoming: 'True: those that have not ended; false: those that have; left out: all.',
  userId: 'The user.',
  version: 'The number of the version.',
  words: 'What one says, as everybody reads it.',
};

const VALUES: Record<string, Record<string, string>> = {
  AllocationMode: {
    CAPACITY: 'Places in dated slots, as of a tour.',
    EXCLUSIVE: 'Any range of time, in which the resources belong to the booking.',
  },
  AutomationAction: {
    AUTO_CANCEL: 'Releases a booking that nobody confirmed.',
    AWAIT_DELIVERY: 'Ends its time, and asks its provider whether it was delivered.',
    COMPLETE: 'Completes it.',
    EXPIRE: 'Ends what was to be delivered and of which nobody says anything.',
    EXPIRE_HOLD: 'Ends an offer that nobody claimed.',
    EXPIRE_REQUEST: 'Ends a request that nobody answered, or that was not paid for.',
    REMIND: 'Reminds the customer.',
    REMIND_PROVIDER: 'Reminds the provider.',
    START: 'Says that it has begun.',
  },
  AutomationOutcome: {
    DONE: 'It was done.',
    DRY_RUN: 'Only noted, for the policy rehearses.',
    FAILED: 'Tried without success, and tried again.',
    POSTPONED: 'Due again later.',
    SPARED: 'Left out for good.',
  },
  AutomationMode: {
    DRY_RUN: 'Only reports what it would have done.',
    OFF: 'Does nothing.',
    ON: 'Acts.',
  },
  BlackoutKind: {
    CUSTOM: 'Another reason.',
    HOLIDAY: 'A holiday.',
    MAINTENANCE: 'Repairs or cleaning.',
    WEATHER: 'The weather.',
  },
  BookingStatus: {
    AUTO_CANCELLED: 'Released because nobody confirmed.',
    CANCELLED: 'Cancelled by the customer or a manager.',
    COMPLETED: 'Over.',
    CONFIRMED: 'Booked. Whether attendance is confirmed is in `attendanceConfirmedAt`.',
    DELIVERED: 'Rendered; the payment may be open.',
    EXPIRED: 'A hold nobody claimed, or a request nobody answered.',
    HELD: 'Kept for somebody on the waiting list until the offer ends.',
    IN_PROGRESS: 'Has begun.',
    NO_SHOW: 'Nobody came.',
    PENDING: 'Waits for the yes of a manager.',
    REJECTED: 'A manager said no.',
  },
  Channel: { EMAIL: 'E-mail.' },
  ConfirmationSource: {
    ACCOUNT: 'By the customer, signed in.',
    BOOKING: 'By booking so close to the start.',
    LINK: 'By the link in a mail.',
    NOT_NEEDED: 'Not needed, as the manager said who booked.',
  },
  DeliveryStatus: {
    DEAD: 'Given up after the last try.',
    OBSOLETE: 'Overtaken by events, and not sent.',
    QUEUED: 'Waits to be sent.',
    SENDING: 'Being sent.',
    SENT: 'Accepted by the mail server.',
    SUPPRESSED: 'Not sent: the daily limit, an unsubscription, or no address.',
  },
  DisputeState: {
    INQUIRY: 'The bank of the customer asks, and has taken nothing.',
    LOST: 'The money is with the customer for good.',
    OPEN: 'The bank has taken the money back for now.',
    WON: 'The money is here after all.',
  },
  MemberRole: {
    MANAGER: 'Manages all offerings or named ones.',
    OWNER: 'Manages everything, members included.',
    PROVIDER: 'Renders services.',
  },
  OffenderDemand: {
    APPROVAL: 'A manager’s yes.',
    BOTH: 'A manager’s yes, and then a deposit.',
    DEPOSIT: 'A deposit before the booking is confirmed.',
  },
  OfferingKind: { SERVICE: 'A service.', TOUR: 'A tour.', VENUE: 'A venue.' },
  PaymentMethod: { CASH: 'In cash.', STRIPE: 'By Stripe.', TRANSFER: 'By bank transfer.' },
  PaymentProvider: {
    MANUAL: 'By hand: who takes the money records it.',
    STRIPE: 'By Stripe.',
  },
  PaymentPurpose: { BALANCE: 'The rest.', DEPOSIT: 'A deposit.', PRICE: 'The price.' },
  PaymentStatus: {
    CANCELLED: 'Not wanted any more.',
    DUE: 'To be paid.',
    FAILED: 'Came to nothing; it can be tried again.',
    PAID: 'Paid.',
    PARTLY_REFUNDED: 'Paid, and a part of it given back.',
    PROCESSING: 'The customer is paying.',
    REFUNDED: 'Paid, and all of it given back.',
  },
  PaymentTime: {
    DEPOSIT: 'A part before the booking is confirmed, the rest once it is completed.',
    NONE: 'Nothing is asked for.',
    ON_BOOKING: 'All of it before the booking is confirmed.',
    ON_COMPLETION: 'All of it once the booking is completed.',
  },
  Recurrence: {
    CUSTOM: 'By a rule of one’s own (RFC 5545).',
    DAILY: 'Every day.',
    EVERY_TWO_WEEKS: 'On chosen weekdays of every other week.',
    MONTHLY: 'On the same date of every month that has it.',
    NONE: 'Once.',
    WEEKLY: 'On chosen weekdays of every week.',
  },
  SeriesScope: {
    ALL: 'All that is still to come.',
    FOLLOWING: 'This one, and those of later dates.',
    THIS: 'This one.',
  },
  ShortfallAction: { CANCEL: 'It is cancelled.', REPORT: 'Its managers are told.' },
  WaitlistStatus: {
    CLAIMED: 'Became a booking.',
    CLOSED: 'Ended by another claim of the same customer, or by the operator.',
    DECLINED: 'The offer was let go.',
    EXPIRED: 'The offer ran out.',
    LAPSED: 'The time waited for has come.',
    LEFT: 'Left by the customer or taken off by a manager.',
    OFFERED: 'Has an offer, held until its deadline.',
    WAITING: 'Waits.',
  },
};

export const descriptionsPlugin: GraphileConfig.Plugin = {
  name: 'ReslotDescriptionsPlugin',
  version: '1.0.0',
  schema: {
    hooks: {
      GraphQLObjectType_fields_field(field, _build, { scope }) {
        if (scope.fieldName === 'result') field.description ??= 'What the mutation returns.';
        return field;
      },
      GraphQLObjectType_fields_field_args_arg(argument, _build, { scope }) {
        argument.description ??= INPUTS[scope.argName];
        return argument;
      },
      GraphQLInputObjectType_fields_field(field, _build, { scope }) {
        if (scope.fieldName) field.description ??= INPUTS[scope.fieldName];
        return field;
      },
      GraphQLEnumType_values_value(value, _build, { Self, scope }) {
        value.description ??= describeValue(Self.name, scope.valueName);
        return value;
      },
    },
  },
};

function describeValue(type: string, value: string): string | undefined {
  if (!type.endsWith('OrderBy')) return VALUES[type]?.[value];
  if (value === 'NATURAL') return 'In the order of the list itself.';
  const [, column, direction] = /^(.+)_(ASC|DESC)$/.exec(value) ?? [];
  if (!column) return undefined;
  const words = column.toLowerCase().replaceAll('_', ' ');
  return `By ${words}, ${direction === 'ASC' ? 'lowest' : 'highest'} first.`;
}
