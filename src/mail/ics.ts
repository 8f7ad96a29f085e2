import ical, { ICalAttendeeStatus, ICalCalendarMethod, ICalEventStatus } from 'ical-generator';
import { clean, joinLines, webAddress } from './clean.ts';
import type { BookingModel, Kind, MailModel } from './model.ts';

export type IcalEvent = { method: 'REQUEST' | 'CANCEL'; filename: string; content: string };

/** Messages after which the event stands in the customer's calendar as the booking now is. */
const REQUESTS: ReadonlySet<Kind> = new Set<Kind>([
  'booking_received',
  'booking_approved',
  'booking_claimed',
  'booking_modified',
  'booking_reminder',
  'booking_reminder_info',
]);

/** Messages that take it out again; a request for approval was in the calendar as tentative. */
const CANCELS: ReadonlySet<Kind> = new Set<Kind>([
  'booking_cancelled',
  'booking_auto_cancelled',
  'booking_rejected',
  'booking_expired',
  'message_blackout',
]);

type Input = { kind: Kind; model: MailModel; organizerEmail: string; stamp?: Date };

/**
 * The event that goes with a message. All messages about one booking carry the same UID, and the
 * booking's sequence number, so that calendars change or remove the event they already have.
 */
export function calendarEvent({
  kind,
  model,
  organizerEmail,
  stamp,
}: Input): IcalEvent | undefined {
  const method = CANCELS.has(kind) ? 'CANCEL' : REQUESTS.has(kind) ? 'REQUEST' : undefined;
  const { booking, organization, recipient, reason } = clean(model);
  if (!method || !booking?.id || !booking.startsAt || !booking.endsAt) return undefined;

  const calendar = ical({ prodId: { company: 'Reslot', product: 'Reslot' } });
  calendar.method(ICalCalendarMethod[method]);
  const event = calendar.createEvent({
    // Times are in UTC: exact everywhere, and no zone definition to disagree about.
    id: `${booking.id}@reslot`,
    start: new Date(booking.startsAt),
    end: new Date(booking.endsAt),
    stamp: stamp ?? new Date(),
    sequence: booking.sequence ?? 0,
    summary: [booking.offeringName, organization?.name].filter(Boolean).join(', '),
    status: statusOf(method, booking),
  });
  event.organizer({ name: organization?.name || 'Reslot', email: organizerEmail });
  if (booking.address) event.location(joinLines(booking.address));
  event.description(descriptionOf(booking, method === 'CANCEL' ? reason : undefined));
  // Links from the mail stay out: calendars are shared, and a link's token acts for its owner.
  const home = webAddress(organization?.frontEndUrl);
  if (home) event.url(home);
  if (recipient?.email) {
    event.createAttendee({
      name: recipient.name || recipient.email,
      email: recipient.email,
      status: ICalAttendeeStatus.ACCEPTED,
      rsvp: false,
    });
  }
  return { method, filename: 'booking.ics', content: calendar.toString() };
}

function statusOf(method: IcalEvent['method'], booking: BookingModel): ICalEventStatus {
  if (method === 'CANCEL') return ICalEventStatus.CANCELLED;
  return booking.status === 'pending' ? ICalEventStatus.TENTATIVE : ICalEventStatus.CONFIRMED;
}

function descriptionOf(booking: BookingModel, reason: string | null | undefined): string {
  const rows = [booking.reference, booking.resourceNames?.join(', '), booking.purpose];
  return [...rows, booking.directions, reason].filter(Boolean).join('\n');
}
