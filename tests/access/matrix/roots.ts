/** Who may ask for what at the top of the API; a field that is not here fails the test. */

import { at } from '../../support/factories.ts';
import { CONCERNED, EVERYBODY, MANAGERS, may, type Rule, SIGNED_IN, words } from './callers.ts';
import type { Scene } from './scene.ts';

export interface Root {
  /** Left out: the rows come by the rules of their table, each by its own. */
  rule?: Rule;
  /** Which row of the scene it finds; left out: the first. */
  row?: number;
  /** Arguments that are not those of the scene. */
  values?(scene: Scene): Record<string, unknown>;
}

const MANAGER_ELSE_NOTHING = may(MANAGERS);
const MANAGER_ELSE_REFUSED = may(MANAGERS, 'RSNTF');

/** What finds one row or lists all of a table. */
const BY_ROWS = words(`
  auditLog auditLogByNodeId auditLogs
  automationEvent automationEventByNodeId automationEvents
  blackout blackoutByNodeId blackouts
  bookingModification bookingModificationByNodeId bookingModifications
  booking bookingByNodeId bookingByOrganizationIdAndReference bookings
  customer customerByNodeId customerByOrganizationIdAndUserId customers
  delivery deliveryByNodeId deliveryByNotificationIdAndChannel deliveries
  membership membershipByNodeId membershipByOrganizationIdAndUserId memberships
  membershipOffering membershipOfferingByNodeId membershipOfferings
  notification notificationByNodeId notifications
  offering offeringByNodeId offerings
  offeringResource offeringResourceByNodeId offeringResources
  openingHour openingHourByNodeId openingHours
  organization organizationByNodeId organizationBySlug organizations
  bookingPhoto bookingPhotoByNodeId bookingPhotos
  payment paymentByNodeId payments
  policy policyByNodeId policies
  policyVersion policyVersionByNodeId policyVersionByPolicyIdAndVersion policyVersions
  resource resourceByNodeId resources
  recurringBooking recurringBookingByNodeId recurringBookings
  review reviewByNodeId reviews
  schedule scheduleByNodeId schedules
  slot slotByNodeId slotByScheduleIdAndStartsAt slots
  user userByEmailNormalised userByNodeId users
  waitlistEntry waitlistEntryByNodeId waitlistEntries
`);

/** The slot that somebody has booked. */
const OPEN_SLOT = ({ tour }: Scene) => ({ slotId: tour.slots[2] });

export const QUERIES: Readonly<Record<string, Root>> = {
  ...Object.fromEntries(BY_ROWS.map((name) => [name, {}])),
  membershipByOrganizationIdAndUserId: { values: ({ users }) => ({ userId: users.keeper }) },
  slotByScheduleIdAndStartsAt: { values: () => ({ startsAt: at('10:00', 1) }) },
  membershipOffering: { values: ({ right }) => ({ offeringId: right }) },
  // Whatever row it is: here the booking.
  node: { rule: may(`${CONCERNED} provider`) },
  nodeId: { rule: EVERYBODY },
  query: { rule: EVERYBODY },

  availability: { rule: EVERYBODY },
  quote: { rule: EVERYBODY },
  availabilityByDay: {
    rule: EVERYBODY,
    values: ({ tour }) => ({ offeringId: tour.offering }),
  },
  checkAvailability: {
    rule: EVERYBODY,
    values: ({ tour }) => ({ offeringId: tour.offering }),
  },
  previewSeries: { rule: EVERYBODY },
  viewer: {
    rule: may('customer other keeper provider manager head foreign admin', 'nothing', 'nothing'),
  },
  exportMyData: { rule: SIGNED_IN },
  myBookings: { rule: may('customer') },
  myNotifications: { rule: may('customer') },
  myWaitlist: { rule: may('customer') },

  alternativesOfBooking: { rule: may(`${CONCERNED} provider`, 'RSNTF') },
  bookingsNeedingNoConfirmation: { rule: MANAGER_ELSE_NOTHING },
  bookingsThatWouldBeReleased: { rule: MANAGER_ELSE_NOTHING },
  findBookings: { rule: MANAGER_ELSE_NOTHING },
  expiredBookings: { rule: MANAGER_ELSE_NOTHING, row: 6 },
  failedDeliveries: { rule: MANAGER_ELSE_NOTHING },
  repeatedOffenders: { rule: MANAGER_ELSE_NOTHING },
  sparedBookings: { rule: MANAGER_ELSE_NOTHING },
  waitlist: { rule: MANAGER_ELSE_NOTHING },
  waitlistLengths: { rule: MANAGER_ELSE_NOTHING },
  blackoutConflicts: {
    rule: MANAGER_ELSE_REFUSED,
    // A blackout is of an offering or of a resource.
    values: () => ({ resourceId: null }),
  },
  members: { rule: MANAGER_ELSE_REFUSED },
  providerCalendar: { rule: may(`provider ${MANAGERS}`, 'RSNTF') },
  slotManifest: { rule: MANAGER_ELSE_REFUSED, values: OPEN_SLOT },
  slotManifestCsv: { rule: MANAGER_ELSE_REFUSED, values: OPEN_SLOT },
  plannedSlots: {
    rule: MANAGER_ELSE_REFUSED,
    values: () => ({ from: '2030-06-18', to: '2030-06-19' }),
  },
  figures: { rule: MANAGER_ELSE_REFUSED },
  revenue: { rule: MANAGER_ELSE_REFUSED },
  jobHealth: { rule: may('admin', 'RSNTF') },
};

/** Who hears of the customer's notification. The others have subscriptions that stay silent. */
export const SUBSCRIPTIONS: Readonly<Record<string, Rule>> = {
  notificationAdded: may('customer'),
};
