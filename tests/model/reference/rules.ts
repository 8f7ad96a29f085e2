/** What a policy of the model says. */

export interface Policy {
  autoCancel: 'on' | 'dry_run' | 'off';
  requiresApproval: boolean;
  requestTtl: number;
  leads: number[];
  confirmIfBookedBefore: number;
  confirmDeadline: number;
  minNotice: number;
  claimWindow: number;
  minClaimWindow: number;
  lastCall: number;
  urgentBefore: number;
  /** Local times of day. */
  quiet: [from: number, until: number] | null;
  buffer: number;
  cutoff: number;
  perDay: number;
  maxParty: number;
  infantsTakePlaces: boolean;
  minimumCutoff: number;
  underMinimum: 'report' | 'cancel';
  fullRefundUntil: number;
  halfRefundUntil: number;
  prices: PriceRules;
  services: ServiceRules;
}

/** Rates in thousandths, amounts in cents. */
export interface PriceRules {
  child: number;
  infant: number;
  groupDiscount: number;
  groupFrom: number;
  tax: number;
  taxIncluded: boolean;
  rounding: number;
}

/** What happens to a service after it was booked; the grace of one of them is its own. */
export interface ServiceRules {
  requiresDelivery: boolean;
  completeDeliveredAfter: number;
  providerLead: number | null;
  expiry: 'on' | 'dry_run' | 'off';
  grace: number;
  graceOfLessons: number | null;
  skipsWeekends: boolean;
  skipsHolidays: boolean;
  payment: 'none' | 'on_booking' | 'deposit' | 'on_completion';
  /** In thousandths. */
  depositRate: number;
  paymentDue: number;
}
