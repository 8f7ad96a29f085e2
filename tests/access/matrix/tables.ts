/**
 * Every table that clients can reach, as a type of the API and as a table of the database. A column
 * or a relation that is not written down here fails the test: whoever adds one says here who may
 * see it. Names are those of the API; in the database they are the same in snake case.
 */
import { CONCERNED, EVERYBODY, may, type Rule } from './callers.ts';

export interface Table {
  type: string;
  /** Who sees each of the rows that the scene has of it, in their order. */
  rows: readonly Rule[];
  /** The database roles that read it. */
  readers: string;
  /** Columns seen by whoever sees the row. */
  columns: string;
  /** What functions make of the row, likewise. */
  computed?: string;
  /** Columns or computed ones that not everybody sees who sees the row. */
  narrower?: Readonly<Record<string, Rule>>;
  /** Rows of other tables, seen by whoever sees both. */
  relations: string;
  /** Columns that the API does not have; readers of the table could read them. */
  internal?: string;
  /** Columns that the API does not have and that nobody but an admin could read. */
  secret?: string;
  /** Columns that roles may write directly, where the policies let them. */
  insert?: Readonly<Record<string, string>>;
  update?: Readonly<Record<string, string>>;
}

const CUSTOMER_OR_MANAGER = may(CONCERNED);
const NOT_YET_PUBLIC = may('manager head admin', 'nothing', 'nothing');
const EVERYONE = 'anonymous user admin';
const USERS = 'user admin';

export const TABLES: Readonly<Record<string, Table>> = {
  organizations: {
    type: 'Organization',
    // One that is open, and one that is closed, of which only its members still know.
    rows: [EVERYBODY, may('foreign admin', 'nothing', 'nothing')],
    readers: EVERYONE,
    columns: `id slug name logoUrl address supportEmail supportPhone frontEndUrl locale timeZone
      currency referencePrefix createdAt archivedAt`,
    relations: `automationEvents bookingModifications bookingPhotos bookings customers deliveries memberships notifications offeringResources offerings
      openingHours payments policies policyVersions resources reviews schedules slots waitlistEntries recurringBookings`,
    insert: {
      reslot_admin: `slug name logoUrl address supportEmail supportPhone frontEndUrl locale timeZone
        currency referencePrefix`,
    },
    update: {
      reslot_user: 'name logoUrl address supportEmail supportPhone frontEndUrl locale timeZone',
      reslot_admin:
        'name logoUrl address supportEmail supportPhone frontEndUrl locale timeZone slug archivedAt',
    },
  },
  users: {
    type: 'User',
    // The customer, somebody who is gone, the manager, and the keeper.
    rows: [may('customer admin'), may('admin'), may('manager admin'), may('keeper admin')],
    readers: USERS,
    columns: `id email emailVerifiedAt name phone locale timeZone isAdmin createdAt deactivatedAt
      erasedAt`,
    internal: 'emailNormalised',
    relations: `blackoutsByCreatedBy bookingsByCreatedBy customers memberships notifications
      policyVersionsByCreatedBy`,
  },
  memberships: {
    type: 'Membership',
    // The keeper's, and the provider's.
    rows: [may('keeper manager head admin'), may('provider manager head admin')],
    readers: USERS,
    columns: 'id organizationId userId role allOfferings createdAt resourceId unsubscribedAt',
    relations: 'membershipOfferings organization resource user',
  },
  membership_offerings: {
    type: 'MembershipOffering',
    rows: [may('keeper manager head admin')],
    readers: USERS,
    columns: 'membershipId offeringId',
    relations: 'membership offering',
  },
  policies: {
    type: 'Policy',
    rows: [EVERYBODY, EVERYBODY],
    readers: EVERYONE,
    columns: 'id organizationId name isDefault createdAt archivedAt',
    relations: 'offerings organization policyVersions',
    insert: { reslot_user: 'organizationId name', reslot_admin: 'organizationId name' },
    update: { reslot_user: 'name archivedAt', reslot_admin: 'name archivedAt' },
  },
  policy_versions: {
    type: 'PolicyVersion',
    rows: [EVERYBODY],
    readers: EVERYONE,
    columns: `id organizationId policyId version createdAt createdBy autoCancel waitlistEnabled
      requiresApproval requestTtl reminderLeads confirmIfBookedBefore confirmDeadline minNotice
      claimWindow minClaimWindow maxPlannedOffers maxHoldShare lastCall quietFrom quietUntil
      urgentBefore bufferBefore bufferAfter minDuration maxDuration maxDaysAhead bookingCutoff
      maxBookingsPerDay maxEntriesPerDay maxMailsPerDay mailGiveUpAfter auditRetention
      notificationRetention deliveryRetention minParty maxParty infantsTakePlaces infantMaxAge childMaxAge childRate
      infantRate groupDiscount groupFrom taxRate taxIncluded rounding fullRefundUntil
      halfRefundUntil advanceDays
      minimumCutoff underMinimum guestBookings guestLinkTtl maxGuestMailsPerHour
      maxGuestRequestsPerHour requiresDelivery completeDeliveredAfter
      providerReminderLead offenceLimit offenceWindow
      expiry expiryGrace expiryGraceByCategory expirySkipsWeekends expirySkipsHolidays expiryMails deliveryNeedsPhoto maxPhotos photoRetention
      seriesMaxOccurrences seriesReleaseLimit
      payment paymentProvider depositRate paymentDue offenderDemand`,
    relations: 'organization policy slots userByCreatedBy',
  },
  offerings: {
    type: 'Offering',
    // The customer's, the keeper's, one that is no more, and a tour.
    rows: [EVERYBODY, EVERYBODY, EVERYBODY, EVERYBODY],
    readers: EVERYONE,
    columns: `id organizationId policyId kind allocation name description address directions
      supportContact price createdAt archivedAt category duration atCustomer travelTime`,
    computed: 'averageRating',
    relations: `bookings membershipOfferings offeringResources organization policy reviews schedules slots
      waitlistEntries recurringBookings`,
    insert: {
      reslot_user: `organizationId policyId kind allocation name description address directions
        supportContact price category duration atCustomer travelTime`,
      reslot_admin: `organizationId policyId kind allocation name description address directions
        supportContact price category duration atCustomer travelTime`,
    },
    update: {
      reslot_user: `policyId name description address directions supportContact price archivedAt
        category duration atCustomer travelTime`,
      reslot_admin: `policyId name description address directions supportContact price archivedAt
        category duration atCustomer travelTime`,
    },
  },
  offering_resources: {
    type: 'OfferingResource',
    rows: [EVERYBODY],
    readers: EVERYONE,
    columns: 'offeringId resourceId organizationId inPool',
    relations: 'offering organization resource',
  },
  resources: {
    type: 'Resource',
    rows: [EVERYBODY, EVERYBODY],
    readers: EVERYONE,
    columns: 'id organizationId name timeZone shared createdAt archivedAt',
    computed: 'averageRating',
    relations: 'memberships offeringResources openingHours organization reviewsByProviderId',
    insert: {
      reslot_user: 'organizationId name timeZone shared',
      reslot_admin: 'organizationId name timeZone shared',
    },
    update: { reslot_user: 'name', reslot_admin: 'name' },
  },
  opening_hours: {
    type: 'OpeningHour',
    rows: [EVERYBODY],
    readers: EVERYONE,
    columns: 'id organizationId resourceId weekday opens closes',
    relations: 'organization resource',
  },
  schedules: {
    type: 'Schedule',
    // One weekly, and one by a rule.
    rows: [EVERYBODY, EVERYBODY],
    readers: EVERYONE,
    columns: `id organizationId offeringId name localStart duration recurrence weekdays rrule
      capacity minSize validFrom validUntil price active createdAt`,
    relations: 'offering organization slots',
    insert: {
      reslot_user: `organizationId offeringId name localStart duration recurrence weekdays rrule
        capacity minSize validFrom validUntil price active`,
      reslot_admin: `organizationId offeringId name localStart duration recurrence weekdays rrule
        capacity minSize validFrom validUntil price active`,
    },
    update: {
      reslot_user: `name localStart duration recurrence weekdays rrule capacity minSize validFrom
        validUntil price active`,
      reslot_admin: `name localStart duration recurrence weekdays rrule capacity minSize validFrom
        validUntil price active`,
    },
  },
  slots: {
    type: 'Slot',
    // One that is closed, one that was cancelled, and one that is booked.
    rows: [EVERYBODY, EVERYBODY, EVERYBODY],
    readers: EVERYONE,
    columns: `id organizationId offeringId scheduleId policyVersionId day startsAt endsAt capacity
      minSize taken price closedAt closedReason alteredAt minimumCheckedAt createdAt endedAt
      cancelledReason`,
    internal: 'room',
    relations: 'bookings offering organization policyVersion schedule waitlistEntries',
  },
  blackouts: {
    type: 'Blackout',
    // One to come, and one that was lifted.
    rows: [EVERYBODY, NOT_YET_PUBLIC],
    readers: EVERYONE,
    columns: `id organizationId offeringId resourceId startsAt endsAt kind reason cancelsBookings
      createdAt createdBy liftedAt`,
    relations: 'offering organization resource userByCreatedBy',
  },
  customers: {
    type: 'Customer',
    // The customer, and a guest who was erased.
    rows: [CUSTOMER_OR_MANAGER, may('manager head admin')],
    readers: USERS,
    columns: `id organizationId userId name email phone locale timeZone unsubscribedAt createdAt
      erasedAt offencesClearedAt`,
    internal: 'emailNormalised',
    relations: 'bookings notifications organization user waitlistEntries',
  },
  bookings: {
    type: 'Booking',
    // One that is live, one that was cancelled, one that was released, a hold, one that was delivered and
    // reviewed, one that is to be delivered, one that has expired, and places of a slot.
    rows: [
      // It takes the resource of the provider.
      may(`${CONCERNED} provider`),
      CUSTOMER_OR_MANAGER,
      CUSTOMER_OR_MANAGER,
      CUSTOMER_OR_MANAGER,
      may(`${CONCERNED} provider`),
      CUSTOMER_OR_MANAGER,
      CUSTOMER_OR_MANAGER,
      CUSTOMER_OR_MANAGER,
    ],
    readers: USERS,
    columns: `id organizationId offeringId customerId policyVersionId reference status startsAt
      endsAt slotId partySize adults children infants places personPrice adultPrice childPrice infantPrice subtotal discount tax
      taxIncluded purpose specialRequests dietaryNeeds accessNeeds price refund currency sequence createdBy createdAt madeAt endedAt
      endedReason holdExpiresAt unclaimed requestExpiresAt confirmBy reminderSentAt
      attendanceConfirmedAt attendanceConfirmedHow sparedAt wouldAutoCancelAt autoCancelledAt
      autoCancelReason overrideAt overrideBy overrideReason refundShare providerId customerAddress
      customerPhone answeredAt awaitsDeliverySince
      deliveredAt deliveryNotes recommendations deliveryAnswerBy deliveryConfirmedAt reviewId
      providerRemindedAt expiresAt wouldExpireAt seriesId seriesDate awaitsPayment demandsDeposit`,
    computed: 'reminderSent customerName contactPhone responseTime',
    internal: 'room remindersDone',
    relations: `automationEvents bookingModifications bookingPhotos customer notifications offering organization payments policyVersion provider review
      slot userByCreatedBy
      userByOverrideBy series`,
  },
  recurring_bookings: {
    type: 'RecurringBooking',
    // The one that the live booking is of.
    rows: [may(`${CONCERNED} provider`)],
    readers: USERS,
    columns:
      'id organizationId offeringId rrule firstDate localStart duration skipped createdAt exceptDates',
    relations: 'bookingsBySeriesId offering organization',
  },
  reviews: {
    type: 'Review',
    // The customer's, which everybody may read and nobody can trace.
    rows: [EVERYBODY],
    readers: EVERYONE,
    columns: 'id organizationId offeringId providerId rating words createdAt reply repliedAt',
    relations: 'offering organization provider',
  },
  booking_photos: {
    type: 'BookingPhoto',
    // Of the booking that was delivered.
    rows: [may(`${CONCERNED} provider`)],
    readers: USERS,
    columns: 'id organizationId bookingId createdBy createdAt width height bytes sha256',
    relations: 'booking organization userByCreatedBy',
  },
  booking_modifications: {
    type: 'BookingModification',
    // The customer has changed the places of a slot, and the time of what the provider serves.
    rows: [CUSTOMER_OR_MANAGER, may(`${CONCERNED} provider`)],
    readers: USERS,
    columns: `id organizationId bookingId modifiedAt modifiedBy fromSlotId toSlotId fromStartsAt
      toStartsAt fromEndsAt toEndsAt fromPartySize toPartySize fromPrice toPrice fromProviderId toProviderId`,
    relations: 'booking fromProvider fromSlot organization toProvider toSlot userByModifiedBy',
  },
  automation_events: {
    type: 'AutomationEvent',
    // What could not be done to the customer's booking, which the provider serves, and a reminder of it.
    rows: [may(`${CONCERNED} provider`), may(`${CONCERNED} provider`)],
    readers: USERS,
    columns: 'id organizationId bookingId what dueAt doneAt outcome attempts reminder',
    narrower: { error: may('manager head admin') },
    secret: 'error',
    relations: 'booking organization',
  },
  payments: {
    type: 'Payment',
    // Of the customer's booking, which the provider serves: one that is open, and one that goes back.
    rows: [may(`${CONCERNED} provider`), may(`${CONCERNED} provider`)],
    readers: USERS,
    columns: `id organizationId bookingId purpose provider status amount currency refundDue refunded method
      reference checkoutUrl attempts nextAttemptAt errorCode createdAt processedAt dispute returned`,
    internal: 'refunding checkouts checkoutId',
    relations: 'booking organization',
  },
  waitlist_entries: {
    type: 'WaitlistEntry',
    // One with an offer, one that was claimed, and one for a day, which was claimed.
    rows: [CUSTOMER_OR_MANAGER, CUSTOMER_OR_MANAGER, CUSTOMER_OR_MANAGER],
    readers: USERS,
    columns: `id organizationId offeringId customerId policyVersionId status startsAt endsAt
      lastCallAt slotId day partySize adults children infants places priority prioritySetAt note joinedAt holdId offeredAt claimWindow
      offerExpiresAt stuckAt stuckReason bookingId endedAt providerId customerAddress
      customerPhone`,
    computed: 'position secondsLeft',
    internal: 'room offeredFrom passedAt passedSlotIds forPlaces',
    relations:
      'booking customer hold notificationsByEntryId offering organization policyVersion provider slot',
  },
  notifications: {
    type: 'Notification',
    // About the booking, about the entry, and about the customer's account.
    rows: [CUSTOMER_OR_MANAGER, CUSTOMER_OR_MANAGER, may('customer admin')],
    readers: USERS,
    columns: 'id organizationId customerId userId kind bookingId entryId data createdAt readAt',
    internal: 'publishedAt',
    relations: 'booking customer deliveries entry organization user',
  },
  deliveries: {
    type: 'Delivery',
    // One that came back, and one that is dead.
    rows: [CUSTOMER_OR_MANAGER, CUSTOMER_OR_MANAGER],
    readers: USERS,
    columns: `id organizationId notificationId subjectId channel status notAfter attempts
      nextAttemptAt sentAt bouncedAt lastError createdAt`,
    secret: 'address urgent leaseUntil followedUpAt',
    relations: 'notification organization',
  },
  audit_log: {
    type: 'AuditLog',
    // What the manager did with the customer's booking.
    rows: [CUSTOMER_OR_MANAGER],
    readers: USERS,
    columns: `id organizationId at actorUserId actorRole via tableName recordId customerId operation
      oldValues newValues reason`,
    narrower: { address: may('manager head admin'), program: may('manager head admin') },
    secret: 'ip userAgent',
    relations: '',
  },
};

/** Types that are no table: what lists, answers and functions are made of, and all their fields. */
export const OTHER_TYPES: Readonly<Record<string, string>> = {
  Alternative: `offeringId offeringName providerId providerName slotId startsAt endsAt price
    currency`,
  Figure: `resourceId resourceName day due autoCancelled noShows ghostRate reminded confirmed confirmationRate
    offers claims declines expiries conversion lastCallClaims releases refills refillSecondsP50 refillSecondsP90
    openSeconds bookedSeconds utilisation overrides linksSent linksFollowed ended completed completionRate waiting
    offered answered responseSecondsP50 responseSecondsP90 reviews rating expired`,
  FreeRange: 'startsAt endsAt',
  Health: 'name value oldest healthy',
  Interval: 'years months days hours minutes seconds',
  Member: 'membershipId userId name email role allOfferings offeringIds resourceId',
  CalendarLine: `kind startsAt endsAt busyFrom busyUntil offeringId offeringName bookingId reference status partySize
    customerName customerPhone blackoutId reason customerAddress`,
  SlotChoice: `slotId startsAt endsAt placesLeft price currency available reason mayWait`,
  DaySummary: 'day slots placesLeft hasAvailability',
  ManifestLine: `bookingId reference status customerName phone email adults children infants places
    attendanceConfirmed specialRequests dietaryNeeds accessNeeds`,
  Quote: `currency personPrice adultPrice childPrice infantPrice subtotal discount tax taxIncluded
    price dueFirst`,
  PlannedSlot: 'localStartsAt outcome slotId',
  SeriesOccurrence: 'localDate startsAt endsAt bookingId code message',
  PageInfo: 'startCursor endCursor hasNextPage hasPreviousPage',
  Offender: 'organizationId customerId customerName autoCancelled noShows lastAt clearedAt',
  RevenueFigure: 'resourceId resourceName day currency bookings price refund revenue averageValue',
  QueueLength: 'organizationId offeringId offeringName waiting offered stuck oldest',
  AcceptedPayload: 'accepted',
  BookingSummary: `reference status organizationName offeringName startsAt endsAt timeZone partySize price refund
    currency attendanceConfirmed confirmBy`,
  SessionPayload: 'userId accessToken accessTokenExpiresAt refreshToken',
};

/** The shapes that PostGraphile makes for every list and every mutation. */
export const SHAPES: readonly [RegExp, RegExp][] = [
  [/Connection$/, /^(nodes|edges|pageInfo|totalCount)$/],
  [/Edge$/, /^(node|cursor)$/],
  [
    /Payload$/,
    /^(clientMutationId|query|result|(offering|organization|policy|resource|schedule)|\w+Edge)$/,
  ],
];
