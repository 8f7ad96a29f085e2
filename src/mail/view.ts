import { clean, webAddress } from './clean.ts';
import { moment, shortMoment, span, wholeDay } from './dates.ts';
import type {
  AlternativeModel,
  BookingModel,
  EntryModel,
  MailModel,
  PaymentModel,
  SeriesPaymentModel,
  SlotModel,
  Tokens,
} from './model.ts';
import { money } from './money.ts';

export type Words = Record<string, string>;

type Context = { publicUrl: string; locale: string; words: Words };

/**
 * What the templates see: everything already in words and addresses, so that a template holds
 * sentences and no logic beyond "if there is one".
 */
export function viewOf(model: MailModel, context: Context) {
  const safe = clean(model);
  const organization = organizationView(safe, context);
  const home = webAddress(safe.organization?.frontEndUrl);
  const again = home ? offeringPage(home, safe) : letterTo(safe);
  return {
    words: context.words,
    organization,
    recipient: { name: safe.recipient?.name },
    booking: safe.booking ? bookingView(withStatusThen(safe, safe.booking), context) : undefined,
    previous: previousView(safe, context),
    entry: safe.entry ? entryView(safe.entry, context) : undefined,
    payment: safe.payment ? paymentView(safe.payment, safe, context) : undefined,
    /** `{ open: true }`, so that a template can ask. */
    trouble: safe.trouble ? { [safe.trouble]: true } : undefined,
    slot: safe.slot ? slotView(safe.slot, safe, context) : undefined,
    bookings: safe.bookings?.map((booking) => bookingView(booking, context)),
    entries: safe.entries?.map((entry) => entryView(entry, context)),
    alternatives: safe.alternatives?.flatMap(
      (alternative) => alternativeView(alternative, safe.booking?.timeZone, context) ?? [],
    ),
    series: seriesView(safe, context),
    reason: safe.reason,
    subject: safe.subject,
    by: { customer: safe.actor === 'customer', manager: safe.actor === 'manager' },
    links: { bookAgain: again, joinAgain: again, ...linksOf(safe.tokens, context.publicUrl) },
  };
}

export type View = ReturnType<typeof viewOf>;

function organizationView({ organization, booking, entry }: MailModel, { words }: Context) {
  const { supportContact } = booking ?? entry ?? {};
  return {
    name: organization?.name || words.product,
    logoUrl: webAddress(organization?.logoUrl),
    address: organization?.address,
    supportEmail: organization?.supportEmail,
    supportPhone: organization?.supportPhone,
    supportContact,
    contact: Boolean(supportContact || organization?.supportEmail || organization?.supportPhone),
  };
}

/**
 * The booking as the message speaks of it: as it was then, so that "we have your request" is not
 * turned into "you are booked" by an approval that has a message of its own; and to the customer
 * without the customer's own name.
 */
function withStatusThen({ status, recipient }: MailModel, booking: BookingModel): BookingModel {
  const { name } = recipient ?? {};
  const customerName = booking.customerName === name ? undefined : booking.customerName;
  return { ...booking, customerName, status: status ?? booking.status };
}

function bookingView(booking: BookingModel, context: Context) {
  const { locale } = context;
  const { startsAt, endsAt, timeZone } = booking;
  const deadline = moment({ iso: booking.confirmDeadlineAt, timeZone, locale });
  const pending = booking.status === 'pending' && !booking.awaitsPayment;
  return {
    reference: booking.reference,
    offeringName: booking.offeringName,
    resources: resourceList(booking, locale),
    provider: booking.providerName,
    when: span({ startsAt, endsAt, timeZone, locale }),
    whenShort: shortMoment({ iso: startsAt, timeZone, locale }),
    address: booking.address,
    directions: booking.directions,
    purpose: booking.purpose,
    people: people(booking.partySize),
    price: money(booking, locale),
    customerName: booking.customerName,
    customerContact: booking.customerContact,
    pending,
    offences: pending ? booking.offences : undefined,
    askedFirst: pending && Boolean(booking.offences),
    cancelled: booking.status === 'cancelled' || booking.status === 'auto_cancelled',
    demandsDeposit: Boolean(booking.awaitsPayment && booking.demandsDeposit),
    deadline,
    decideBy: moment({ iso: booking.requestExpiresAt, timeZone, locale }),
    autoCancels: booking.autoCancel === 'on',
    deliveryNotes: booking.deliveryNotes,
    recommendations: booking.recommendations,
    answerBy: moment({ iso: booking.deliveryAnswerBy, timeZone, locale }),
    attendanceConfirmed: Boolean(booking.attendanceConfirmedAt),
    willAsk: Boolean(deadline) && !pending && !booking.attendanceConfirmedAt,
    links: linksOf(booking.tokens, context.publicUrl),
  };
}

function entryView(entry: EntryModel, { locale, publicUrl }: Context) {
  const { startsAt, endsAt, timeZone } = entry;
  return {
    offeringName: entry.offeringName,
    when: wholeDay(entry.day, locale) ?? span({ startsAt, endsAt, timeZone, locale }),
    whenShort: wholeDay(entry.day, locale) ?? shortMoment({ iso: startsAt, timeZone, locale }),
    address: entry.address,
    people: people(entry.partySize),
    price: money(entry, locale),
    position: entry.position,
    deadline: moment({ iso: entry.offerExpiresAt, timeZone, locale }),
    needsApproval: entry.needsApproval === true,
    payFirst: money({ price: entry.payFirst, currency: entry.currency }, locale),
    note: entry.note,
    links: linksOf(entry.tokens, publicUrl),
  };
}

function paymentView(payment: PaymentModel, model: MailModel, { locale }: Context) {
  const { timeZone } = model.booking ?? {};
  return {
    amount: money({ price: model.amount ?? payment.amount, currency: payment.currency }, locale),
    dueBy: payment.pending ? moment({ iso: payment.dueAt, timeZone, locale }) : undefined,
  };
}

function seriesPaymentView(payment: SeriesPaymentModel, model: MailModel, context: Context) {
  const { startsAt, endsAt, providerName, tokens } = payment;
  const { locale, publicUrl } = context;
  const when = span({ startsAt, endsAt, timeZone: model.booking?.timeZone, locale });
  return {
    ...paymentView(payment, model, context),
    when: when && providerName ? `${when}, ${providerName}` : when,
    links: linksOf(tokens, publicUrl),
  };
}

function slotView(slot: SlotModel, { booked, minSize }: MailModel, { locale }: Context) {
  const { startsAt, endsAt, timeZone } = slot;
  return {
    offeringName: slot.offeringName,
    when: span({ startsAt, endsAt, timeZone, locale }),
    whenShort: shortMoment({ iso: startsAt, timeZone, locale }),
    booked,
    minSize,
  };
}

/** When, and if it is somebody else or something else, who or what. */
function alternativeView(
  { startsAt, endsAt, offeringName, providerName }: AlternativeModel,
  timeZone: string | null | undefined,
  { locale }: Context,
) {
  const when = span({ startsAt, endsAt, timeZone, locale });
  const what = providerName ? `${offeringName} (${providerName})` : offeringName;
  return when && what ? `${what}: ${when}` : when;
}

function seriesView(model: MailModel, context: Context) {
  const { occurrences, skipped, released, booking, payments, agreed } = model;
  const { locale } = context;
  const timeZone = booking?.timeZone;
  const names = new Set(occurrences?.map(({ providerName }) => providerName ?? undefined));
  const [provider] = names.size === 1 ? names : [];
  return {
    provider,
    dates: occurrences?.flatMap(({ startsAt, endsAt, providerName }) => {
      const when = span({ startsAt, endsAt, timeZone, locale });
      return when && providerName && !provider ? `${when}, ${providerName}` : (when ?? []);
    }),
    skipped: skipped?.flatMap((day) => wholeDay(day, locale) ?? []),
    released,
    agreed,
    payments: payments?.map((payment) => seriesPaymentView(payment, model, context)),
    byLink: payments?.some(({ tokens }) => tokens?.pay) ?? false,
    total: money(
      {
        price: payments?.reduce((sum, { amount }) => sum + Number(amount ?? 0), 0),
        currency: payments?.[0]?.currency,
      },
      locale,
    ),
  };
}

function previousView({ previous, booking }: MailModel, { locale }: Context) {
  if (!previous || !booking) return undefined;
  const { startsAt, endsAt, purpose, partySize, price, provider } = previous;
  const changed = (before: string | null | undefined, after: string | null | undefined) =>
    before !== undefined && before !== null && Date.parse(before) !== Date.parse(after ?? '');
  return {
    when: span({ startsAt, endsAt, timeZone: booking.timeZone, locale }),
    timeChanged: changed(startsAt, booking.startsAt) || changed(endsAt, booking.endsAt),
    people: String(partySize),
    peopleNow: String(booking.partySize),
    peopleChanged: Boolean(partySize) && partySize !== booking.partySize,
    price: money({ price, currency: booking.currency }, locale),
    priceChanged:
      Number(price) > 0 && Number(booking.price) > 0 && Number(price) !== Number(booking.price),
    provider,
    purpose,
    // An empty one is a purpose too: there was none, or there is none any more.
    purposeChanged: typeof purpose === 'string' && purpose !== (booking.purpose ?? ''),
  };
}

/** Rooms are named only where the offering's own name does not say it already. */
function resourceList(booking: BookingModel, locale: string) {
  const { resourceNames, offeringName, providerName } = booking;
  // Who serves it has a line of their own.
  const names = (resourceNames ?? []).filter((name) => name !== providerName);
  if (names.length === 0 || (names.length === 1 && names[0] === offeringName)) return undefined;
  return new Intl.ListFormat(locale).format(names);
}

/** One person is not worth a line. */
function people(partySize: number | null | undefined): number | undefined {
  return partySize && partySize > 1 ? partySize : undefined;
}

/** The addresses behind the buttons: one opaque token each. */
export function linksOf(tokens: Tokens | null | undefined, publicUrl: string) {
  const links: Record<string, string> = {};
  for (const [action, token] of Object.entries(tokens ?? {})) {
    if (token) links[action] = `${trimSlash(publicUrl)}/l/${encodeURIComponent(token)}`;
  }
  return links;
}

/** Where the front end shows what the message is about. */
function offeringPage(frontEnd: string, { booking, entry }: MailModel): string {
  const offeringId = booking?.offeringId ?? entry?.offeringId;
  return offeringId
    ? `${trimSlash(frontEnd)}/offerings/${encodeURIComponent(offeringId)}`
    : frontEnd;
}

/** Without a front end one books again by writing to the people there, if they can be written to. */
function letterTo({ organization, booking, entry }: MailModel): string | undefined {
  const { supportEmail } = organization ?? {};
  if (!supportEmail) return undefined;
  const subject = booking?.reference ?? entry?.offeringName;
  return `mailto:${encodeURI(supportEmail)}${subject ? `?subject=${encodeURIComponent(subject)}` : ''}`;
}

function trimSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
