/** What time does (DESIGN §5 to §7), and the mail that goes out. */

import { awaitDelivery, expire, start } from './expiry.ts';
import { tell, tellProvider, tellProviderOf, worthUntil } from './messages.ts';
import { lastCallAt } from './offers.ts';
import { followBookings } from './payments.ts';
import { refundDue } from './prices.ts';
import { isBookable } from './providers.ts';
import {
  clearForBlackout,
  endBooking,
  endOffer,
  expireHold,
  handOn,
  hitBy,
  settle,
  windowEnd,
} from './queue.ts';
import { answerBy } from './silence.ts';
import { checkMinimum, endSlot } from './slotChanges.ts';
import { handOnSlots, lateComersFor } from './slots.ts';
import {
  type Booking,
  type Entry,
  type Freeing,
  isForPlaces,
  item,
  type Message,
  OFFERINGS,
  overlap,
  roomOf,
  rooms,
  type Slot,
  type State,
  type Sweep,
  share,
} from './state.ts';

export interface Due {
  at: number;
  created: number;
  action: string;
  run(): void;
}

function asksConfirmation(booking: Booking): boolean {
  return booking.confirmBy !== null && booking.attendance === null;
}

/** At each lead time; the first asks, and goes out even if its time was over when the booking was made. */
function nextReminder(s: State, booking: Booking): number | null {
  const times = s.policy.leads.map((lead) => booking.from - lead);
  for (const [n, time] of times.entries()) {
    if (n < booking.remindersDone) continue;
    if (time >= booking.madeAt) return time;
    if (n === 0 && asksConfirmation(booking)) return booking.madeAt;
  }
  return null;
}

function remind(s: State, booking: Booking): void {
  // One reminder, however late, not all that were missed.
  booking.remindersDone = s.policy.leads.filter((lead) => booking.from - lead <= s.now).length;
  const kind = asksConfirmation(booking) ? 'booking_reminder' : 'booking_reminder_info';
  tell(s, booking.who, kind, { booking, sequence: true });
}

function autoCancel(s: State, booking: Booking): void {
  const leavesAt = booking.reminderSent === null ? null : booking.reminderSent + s.policy.minNotice;
  if (leavesAt !== null && leavesAt <= s.now && s.now < booking.from) {
    if (s.policy.autoCancel === 'dry_run') {
      booking.wouldCancel = true;
    } else {
      const before = { ...booking };
      endBooking(s, booking, 'auto_cancelled', { refund: refundDue(s, booking) });
      tellProviderOf(s, before, booking);
      tell(s, booking.who, 'booking_auto_cancelled', { booking });
    }
  } else if (leavesAt !== null && s.now < leavesAt && leavesAt < booking.from) {
    booking.confirmBy = leavesAt;
  } else {
    booking.spared = true;
    tell(s, 'managers', 'booking_spared', { booking, sequence: true });
  }
}

function providerReminder(s: State, b: Booking): number | null {
  const { providerLead } = s.policy.services;
  if (providerLead === null || b.provider === null || b.providerReminded !== null) return null;
  return b.from - providerLead >= b.madeAt ? b.from - providerLead : null;
}

function mayAutoCancel(s: State, b: Booking): boolean {
  const exempt = b.overridden || b.spared || b.wouldCancel;
  return (
    b.status === 'confirmed' && asksConfirmation(b) && s.policy.autoCancel !== 'off' && !exempt
  );
}

/** The next thing time will do to a booking. */
export function dueOfBooking(s: State, b: Booking): Due | null {
  const dues: Due[] = [];
  const add = (action: string, at: number | null, run: () => void) => {
    if (at !== null) dues.push({ at, created: b.id, action, run });
  };
  if (b.status === 'held') add('expire_hold', b.holdExpires, () => expireHold(s, b));
  if (b.status === 'pending') {
    add('expire_request', b.requestExpires, () => {
      const isUnpaid = b.awaitsPayment;
      const until = answerBy(s, b, Math.max(b.madeAt, b.touched));
      if (!isUnpaid && until > s.now) {
        b.requestExpires = until;
        return;
      }
      endBooking(s, b, 'expired', { refund: b.price });
      tell(s, b.who, isUnpaid ? 'booking_unpaid' : 'booking_expired', { booking: b });
      tell(s, 'managers', 'expiry_notice', { booking: b });
      tellProvider(s, 'expiry_notice', b, false);
    });
  }
  if (b.status === 'confirmed') {
    add('remind', nextReminder(s, b), () => remind(s, b));
    if (mayAutoCancel(s, b)) add('auto_cancel', b.confirmBy, () => autoCancel(s, b));
    add('remind_provider', providerReminder(s, b), () => {
      b.providerReminded = s.now;
      tellProvider(s, 'provider_reminder', b, true);
    });
    add('start', b.from, () => start(s, b));
  }
  if (b.status === 'in_progress') {
    const over = b.slot === null ? roomOf(s, b).to : b.to;
    if (!s.policy.services.requiresDelivery)
      add('complete', over, () => endBooking(s, b, 'completed'));
    else if (b.awaitsDelivery === null) add('await_delivery', over, () => awaitDelivery(s, b));
    if (b.wouldExpire === null) add('expire', b.expires, () => expire(s, b));
  }
  if (b.status === 'delivered') add('complete', b.answerBy, () => endBooking(s, b, 'completed'));
  // The sort keeps the order of equals.
  return dues.sort((one, other) => one.at - other.at)[0] ?? null;
}

export function dueOfEntry(s: State, entry: Entry): Due | null {
  if (entry.status !== 'waiting') return null;
  const run = () => {
    entry.status = 'lapsed';
    entry.endedAt = s.now;
    tell(s, entry.who, 'entry_ended', { entry });
  };
  return { at: worthUntil(entry), created: entry.id, action: 'lapse', run };
}

export function dueOfSlot(s: State, slot: Slot): Due | null {
  if (slot.endedAt !== null) return null;
  const due = (action: string, at: number, run: () => void) => ({
    at,
    created: slot.id,
    action,
    run,
  });
  if (slot.minSize > 0 && !slot.checked) {
    const at = slot.from - s.policy.minimumCutoff;
    return due('check_minimum', at, () => checkMinimum(s, slot));
  }
  return due('end_slot', roomOf(s, slot).to, () => endSlot(s, slot));
}

function tellLastCall(s: State, freeing: Freeing): void {
  s.freeings.splice(s.freeings.indexOf(freeing), 1);
  if (freeing.slot !== null) {
    const slot = item(s.slots, freeing.slot);
    for (const entry of lateComersFor(s, slot)) tell(s, entry.who, 'last_call', { entry });
    return;
  }
  for (const entry of s.entries) {
    if (
      entry.status === 'waiting' &&
      !entry.stuck &&
      !isForPlaces(entry) &&
      share(rooms(entry.offering), freeing.rooms) &&
      overlap(roomOf(s, entry), freeing) &&
      lastCallAt(s, entry) <= s.now &&
      s.now < entry.from &&
      isBookable(s, entry.offering, entry, entry.provider)
    ) {
      tell(s, entry.who, 'last_call', { entry });
    }
  }
}

/** Cancels what a blackout of everything hits, or tells the managers once; if lifted, hands all its room on. */
function sweep(s: State, { room, blackout }: Sweep): void {
  const offerings = OFFERINGS.filter((offering) => rooms(offering).includes(room));
  settle(s, offerings);
  if (blackout.lifted) {
    handOn(s, [...new Set(offerings.flatMap(rooms))], blackout);
    handOnSlots(s, offerings, blackout);
    return;
  }
  for (const booking of hitBy(s, blackout).filter((b) => rooms(b.offering).includes(room))) {
    if (blackout.cancels || booking.status === 'held') clearForBlackout(s, booking);
    else if (rooms(booking.offering)[0] === room) {
      tell(s, 'managers', 'blackout_conflict', { booking });
    }
  }
}

function dueOfSweep(s: State, planned: Sweep): Due | null {
  if (planned.at === null) return null;
  const run = () => {
    planned.at = null;
    sweep(s, planned);
  };
  return { at: planned.at, created: planned.id, action: 'sweep_blackout', run };
}

export function nextDue(s: State): Due | null {
  const dues = [
    ...s.sweeps.map((planned) => dueOfSweep(s, planned)),
    ...s.bookings.map((b) => dueOfBooking(s, b)),
    ...s.entries.map((e) => dueOfEntry(s, e)),
    ...s.slots.map((slot) => dueOfSlot(s, slot)),
    ...s.freeings.map((f) => ({
      at: f.at,
      created: f.id,
      action: 'last_call',
      run: () => tellLastCall(s, f),
    })),
  ].filter((due) => due !== null);
  return dues.sort((a, b) => a.at - b.at || a.created - b.created)[0] ?? null;
}

/** Whether a message has not been overtaken by events. */
function isCurrent(s: State, m: Message): boolean {
  if (m.kind === 'payment_due') return item(s.payments, m.payment).status === 'due';
  if (m.kind === 'delivery_due') return item(s.bookings, m.booking).status === 'in_progress';
  if (m.notAfter === null) return true;
  if (m.notAfter <= s.now) return false;
  if (m.kind === 'last_call' || m.kind === 'waitlist_joined') {
    return item(s.entries, m.entry).status === 'waiting';
  }
  if (m.kind === 'slot_available') return item(s.entries, m.entry).hold === m.booking;
  const booking = item(s.bookings, m.booking);
  if (m.sequence !== null && m.sequence !== booking.sequence) return false;
  if (m.kind === 'booking_requested') return booking.status === 'pending' && !booking.awaitsPayment;
  if (m.kind === 'booking_delivered') return booking.status === 'delivered';
  if (m.kind === 'booking_reminder') {
    return booking.status === 'confirmed' && booking.attendance === null;
  }
  return booking.endedAt === null;
}

function accepted(s: State, m: Message): void {
  m.status = 'sent';
  m.sentAt = s.now;
  if (m.kind === 'slot_available') {
    const entry = item(s.entries, m.entry);
    entry.offerExpires = windowEnd(s, entry);
    item(s.bookings, m.booking).holdExpires = entry.offerExpires;
  } else if (m.kind === 'booking_reminder') {
    noteReminder(s, item(s.bookings, m.booking));
  }
}

function acceptedReminders(s: State, booking: Booking): Message[] {
  const position = s.bookings.indexOf(booking);
  return s.messages.filter(
    (m) =>
      m.kind === 'booking_reminder' &&
      m.booking === position &&
      m.sequence === booking.sequence &&
      m.status === 'sent' &&
      !m.bounced,
  );
}

/** What counts for I10 is the first reminder that was accepted and did not come back. */
function noteReminder(s: State, booking: Booking): void {
  const times = acceptedReminders(s, booking).map((m) => m.sentAt ?? 0);
  const sent = times.length === 0 ? null : Math.min(...times);
  if (booking.status !== 'confirmed' || booking.confirmBy === null) return;
  if (sent === booking.reminderSent) return;
  booking.reminderSent = sent;
  if (sent === null || sent + s.policy.minNotice >= booking.from) return;
  booking.confirmBy = Math.max(booking.confirmBy, sent + s.policy.minNotice);
  booking.spared = false;
}

/** The newest accepted reminder of a booking comes back. */
export function bounce(s: State, booking: Booking): void {
  const newest = acceptedReminders(s, booking).at(-1);
  if (newest) newest.bounced = true;
  noteReminder(s, booking);
}

/** The entry keeps its place, but is set aside until a manager has looked; the room goes to the next. */
function refused(s: State, m: Message): void {
  m.status = 'dead';
  if (m.kind !== 'slot_available') return;
  const entry = item(s.entries, m.entry);
  entry.stuck = true;
  endOffer(s, entry, 'waiting');
}

function deliver(s: State): void {
  for (;;) {
    // What a refusal sets in motion may owe further messages.
    const queued = s.messages.filter((m) => m.status === 'queued');
    if (queued.length === 0) return;
    for (const message of queued) {
      if (!isCurrent(s, message)) message.status = 'obsolete';
      else if (s.mail === 'refusing') refused(s, message);
      else accepted(s, message);
    }
  }
}

/** Time moves on, and the worker (and, if it is up, the mail server) does what there is to do. */
export function tick(s: State, until: number): void {
  for (;;) {
    for (let due = nextDue(s); due && due.at <= s.now; due = nextDue(s)) {
      due.run();
      followBookings(s);
    }
    if (s.mail !== 'down') deliver(s);
    const next = nextDue(s);
    if (!next || next.at > until) break;
    s.now = Math.max(s.now, next.at);
  }
  s.now = Math.max(s.now, until);
}
