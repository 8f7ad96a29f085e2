/** Random rules: three paces, and what else may differ. */
import fc from 'fast-check';
import {
  DAY,
  HOUR,
  MINUTE,
  type Policy,
  type PriceRules,
  type ServiceRules,
} from './reference/state.ts';

const STANDARD = {
  requestTtl: 24 * HOUR,
  leads: [24 * HOUR, HOUR, 15 * MINUTE],
  confirmIfBookedBefore: 24 * HOUR,
  confirmDeadline: 2 * HOUR,
  minNotice: HOUR,
  claimWindow: 15 * MINUTE,
  minClaimWindow: 5 * MINUTE,
  lastCall: 30 * MINUTE,
  urgentBefore: 6 * HOUR,
  cutoff: 0,
  maxParty: 1000,
  infantsTakePlaces: true,
  minimumCutoff: 24 * HOUR,
  underMinimum: 'report' as const,
  fullRefundUntil: 48 * HOUR,
  halfRefundUntil: 24 * HOUR,
  prices: {
    child: 700,
    infant: 0,
    groupDiscount: 0,
    groupFrom: 10,
    tax: 100,
    taxIncluded: true,
    rounding: 1,
  },
  services: {
    requiresDelivery: false,
    completeDeliveredAfter: 72 * HOUR,
    providerLead: null,
    expiry: 'on' as const,
    grace: 24 * HOUR,
    graceOfLessons: null,
    skipsWeekends: false,
    skipsHolidays: false,
    payment: 'none' as const,
    depositRate: 300,
    paymentDue: 24 * HOUR,
  },
};

export const PACES = {
  standard: STANDARD,
  short: {
    ...STANDARD,
    requestTtl: 30 * MINUTE,
    leads: [2 * HOUR, 20 * MINUTE],
    confirmIfBookedBefore: HOUR,
    confirmDeadline: 30 * MINUTE,
    minNotice: 15 * MINUTE,
    claimWindow: 5 * MINUTE,
    minClaimWindow: 2 * MINUTE,
    lastCall: 10 * MINUTE,
    urgentBefore: HOUR,
    cutoff: 20 * MINUTE,
  },
  long: {
    ...STANDARD,
    confirmIfBookedBefore: 6 * HOUR,
    leads: [8 * HOUR, HOUR],
    claimWindow: 4 * HOUR,
    minClaimWindow: 20 * MINUTE,
    lastCall: HOUR,
  },
};

export const policies: fc.Arbitrary<Policy> = fc
  .record({
    pace: fc.constantFrom(...(['standard', 'short', 'long'] as const)),
    buffer: fc.constantFrom(0, 30 * MINUTE),
    requiresApproval: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
    autoCancel: fc.constantFrom(...(['on', 'on', 'dry_run', 'off'] as const)),
    quiet: fc.constantFrom<[number, number] | null>(null, [22 * HOUR, 8 * HOUR]),
    perDay: fc.constantFrom(3, 3, 2),
  })
  .map(({ pace, ...rest }) => ({ ...PACES[pace], ...rest }));

const prices: fc.Arbitrary<PriceRules> = fc.record({
  child: fc.constantFrom(700, 700, 333),
  infant: fc.constantFrom(0, 0, 125),
  groupDiscount: fc.constantFrom(0, 100, 75),
  groupFrom: fc.constantFrom(3, 5),
  tax: fc.constantFrom(100, 200, 77),
  taxIncluded: fc.boolean(),
  rounding: fc.constantFrom(1, 1, 50, 100),
});

export const tourPolicies: fc.Arbitrary<Policy> = fc
  .tuple(
    policies,
    fc.record({
      perDay: fc.constantFrom(4, 4, 2),
      maxParty: fc.constantFrom(1000, 1000, 4),
      infantsTakePlaces: fc.constantFrom(true, true, false),
      underMinimum: fc.constantFrom(...(['report', 'cancel'] as const)),
      minimumCutoff: fc.constantFrom(HOUR, 4 * HOUR, 24 * HOUR),
      refunds: fc.constantFrom<[number, number]>([48, 24], [24, 4], [3, 1]),
      prices,
    }),
  )
  .map(([policy, { refunds, ...rest }]) => ({
    ...policy,
    ...rest,
    fullRefundUntil: refunds[0] * HOUR,
    halfRefundUntil: refunds[1] * HOUR,
  }));

/** What is over so soon that it is seen in a sequence, or so late that a weekend lies between. */
const serviceRules: fc.Arbitrary<ServiceRules> = fc.record({
  requiresDelivery: fc.constantFrom(true, true, false),
  completeDeliveredAfter: fc.constantFrom(HOUR, DAY, 72 * HOUR),
  providerLead: fc.constantFrom(null, HOUR, 3 * HOUR),
  expiry: fc.constantFrom(...(['on', 'on', 'on', 'dry_run', 'off'] as const)),
  grace: fc.constantFrom(2 * HOUR, DAY, DAY),
  graceOfLessons: fc.constantFrom(null, null, 3 * HOUR, 90 * MINUTE),
  skipsWeekends: fc.constantFrom(true, true, false),
  skipsHolidays: fc.boolean(),
  payment: fc.constantFrom(...(['none', 'on_booking', 'deposit', 'on_completion'] as const)),
  depositRate: fc.constantFrom(300, 500, 1000),
  paymentDue: fc.constantFrom(HOUR, 4 * HOUR, DAY),
});

export const servicePolicies: fc.Arbitrary<Policy> = fc
  .tuple(
    policies,
    fc.record({
      requiresApproval: fc.boolean(),
      perDay: fc.constantFrom(4, 4, 2),
      refunds: fc.constantFrom<[number, number]>([48, 24], [4, 1], [3, 2]),
      services: serviceRules,
    }),
  )
  .map(([policy, { refunds, ...rest }]) => ({
    ...policy,
    ...rest,
    fullRefundUntil: refunds[0] * HOUR,
    halfRefundUntil: refunds[1] * HOUR,
  }));
