/** Who is told of what; words are not the model's. */
import {
  type Booking,
  type Entry,
  type Message,
  PROVIDERS,
  type Provider,
  type State,
} from './state.ts';

const ACCOUNTS = ['paul', 'nora'] as const;

/** What no later event makes worthless. */
const ALWAYS = [
  ...['booking_rejected', 'booking_auto_cancelled', 'booking_cancelled', 'booking_expired'],
  ...['expiry_notice', 'offer_expired', 'entry_ended', 'message_blackout', 'delivery_due'],
  'provider_booking_gone',
  ...['payment_due', 'payment_received', 'payment_refunded', 'booking_unpaid', 'service_expired'],
];

/** Who waits for a day waits until it is over. */
export function worthUntil(subject: Booking | Entry): number {
  return 'day' in subject && subject.day !== null && subject.slot === null
    ? subject.to
    : subject.from;
}

export function tell(
  s: State,
  to: Message['to'] | 'managers',
  kind: string,
  about: { booking?: Booking; entry?: Entry; sequence?: boolean; payment?: number },
): void {
  const byEntry = ['slot_available', 'last_call', 'waitlist_joined'].includes(kind);
  for (const recipient of to === 'managers' ? (['owner', 'manager'] as const) : [to]) {
    s.messages.push({
      to: recipient,
      kind,
      booking: about.booking ? s.bookings.indexOf(about.booking) : null,
      entry: about.entry ? s.entries.indexOf(about.entry) : null,
      sequence: about.sequence && about.booking ? about.booking.sequence : null,
      status: 'queued',
      notAfter: notAfter(kind, byEntry ? about.entry : about.booking),
      sentAt: null,
      bounced: false,
      payment: about.payment ?? null,
    });
  }
}

function notAfter(kind: string, subject: Booking | Entry | undefined): number | null {
  if (ALWAYS.includes(kind) || !subject) return null;
  if (kind === 'booking_delivered' && 'answerBy' in subject) return subject.answerBy;
  return worthUntil(subject);
}

/** Whoever serves it, if they have an account; says whether. */
export function tellProvider(s: State, kind: string, booking: Booking, sequence: boolean): boolean {
  const provider = accountOf(booking);
  if (provider) tell(s, provider, kind, { booking, sequence });
  return provider !== undefined;
}

export function accountOf(booking: Booking): Provider | undefined {
  return ACCOUNTS.find((name) => PROVIDERS[name] === booking.provider);
}

/** What a booking was before somebody changed it. */
export type Before = Readonly<Booking> | null;

/** Providers hear what others do to what they serve; what they do themselves they know. */
export function tellProviderOf(s: State, before: Before, booking: Booking): void {
  const mine = (b: Booking) => s.caller !== null && accountOf(b) === s.caller;
  const handedOver = before?.provider !== booking.provider;
  const wasTheirs =
    before !== null &&
    ['pending', 'confirmed', 'in_progress'].includes(before.status) &&
    // Of what is not paid for yet they have only heard if they were asked.
    !(before.awaitsPayment && before.answeredAt === null);
  if (wasTheirs && (handedOver || booking.endedAt !== null) && !mine(before)) {
    const former = accountOf(before);
    if (former) tell(s, former, 'provider_booking_gone', { booking });
  }
  if (booking.endedAt !== null || mine(booking)) return;
  const moved = before?.from !== booking.from || before.to !== booking.to;
  const isNews = before?.status !== 'confirmed' || handedOver || moved;
  if (booking.status === 'confirmed') {
    if (isNews) tellProvider(s, 'provider_booking', booking, true);
  } else if (booking.status === 'pending' && !booking.awaitsPayment) {
    const sameTime = before?.sequence === booking.sequence;
    if (handedOver && sameTime) tellProvider(s, 'booking_requested', booking, true);
  }
}

export function tellWhoDecides(s: State, booking: Booking): void {
  tell(s, 'managers', 'booking_requested', { booking, sequence: true });
  tellProvider(s, 'booking_requested', booking, true);
}
