/** What the database tells about a link (`app_private.read_link`). Times are ISO 8601. */

/** Actions that follow_link carries out. */
export const DEEDS = [
  'confirm',
  'cancel',
  'claim',
  'decline',
  'leave',
  'approve',
  'reject',
  'confirm_delivery',
  'cancel_series',
  'pay',
  'approve_series',
  'reject_series',
  'unsubscribe',
  'book',
  // The link that books, when what it would book is taken by now.
  'wait',
] as const;

/** Actions of accounts: they have functions of their own. */
export const ACCOUNT_ACTIONS = ['verify', 'reset', 'magic'] as const;

export type Deed = (typeof DEEDS)[number];
export type AccountAction = (typeof ACCOUNT_ACTIONS)[number];
export type Action = Deed | AccountAction;

/** What managers and providers answer, to one request or to all of a series. */
export function answerOf(action: Action): 'approve' | 'reject' | undefined {
  if (action === 'approve' || action === 'approve_series') return 'approve';
  if (action === 'reject' || action === 'reject_series') return 'reject';
  return undefined;
}

/** Why there is nothing to do (any more). */
export const REASONS = [
  'link_expired',
  'cancelled',
  'auto_cancelled',
  'rejected',
  'expired',
  'over',
  'completed',
  'no_show',
  'begun',
  'pending',
  'approved',
  'not_delivered',
  'claimed',
  'declined',
  'left',
  'lapsed',
  'closed',
  'not_offered',
  'taken',
  'used',
  'unpaid',
  'full',
  'not_bookable',
] as const;

export type Reason = (typeof REASONS)[number];

export type LinkOrganization = {
  name: string;
  logoUrl: string | null;
  address: string | null;
  supportEmail: string | null;
  supportPhone: string | null;
  frontEndUrl: string | null;
};

/** The optional ones are left out of a link that has expired. */
export type LinkBooking = {
  offeringId: string;
  offeringName: string;
  startsAt: string;
  endsAt: string;
  timeZone: string;
  reference?: string;
  status?: string;
  partySize?: number;
  price?: number;
  currency?: string;
  purpose?: string | null;
  /** Until when the answer keeps the booking; null: nothing depends on it. */
  confirmBy?: string | null;
  requestExpiresAt?: string | null;
  /** When a delivery counts as confirmed without an answer. */
  deliveryAnswerBy?: string | null;
  endedReason?: string | null;
  /** How many of its series wait for an answer; this is the first of them. */
  seriesWaiting?: number | null;
  /** How many of its series are still to come; this is the first of them. */
  seriesLeft?: number | null;
  /** What is still to be paid; where, once somebody has asked for the page to pay on. */
  payment?: { amount: number; status: string; dueBy: string | null; url: string | null } | null;
  address?: string | null;
  supportContact?: string | null;
  customerName?: string | null;
  /** Of what a guest asks for: without a reference, it is not booked yet. */
  needsApproval?: boolean;
  /** What of it is to be paid before it is booked. */
  payFirst?: number | null;
  alternatives?: { startsAt: string; endsAt: string }[] | null;
};

export type LinkEntry = {
  offeringId: string;
  offeringName: string;
  startsAt: string;
  endsAt: string;
  /** Instead of a time: any slot of this local date will do. */
  day?: string | null;
  timeZone: string;
  status?: string;
  partySize?: number;
  price?: number;
  currency?: string;
  offerExpiresAt?: string | null;
  isHeld?: boolean;
  needsApproval?: boolean;
  payFirst?: number | null;
  address?: string | null;
  supportContact?: string | null;
};

type Common = {
  action: Action;
  locale: string;
  organization: LinkOrganization;
  booking: LinkBooking | null;
  entry: LinkEntry | null;
};

export type LateLink = Common & { state: 'too_late'; why: Reason };
export type KnownLink = (Common & { state: 'ready' | 'done'; why: string }) | LateLink;

export type Link = KnownLink | { state: 'not_valid'; why: 'unknown' };

export function isDeed(action: Action): action is Deed {
  return (DEEDS as readonly string[]).includes(action);
}

/** The price that a page shows, of what is sold by pressing its button. */
export function shownPrice(link: KnownLink): number | null {
  return link.action === 'book' ? (link.booking?.price ?? null) : null;
}

/** The start that a page shows, and that the person agrees to. */
export function shownStart(link: KnownLink): string | null {
  if (link.action === 'unsubscribe') return null;
  return (link.booking ?? link.entry)?.startsAt ?? null;
}
