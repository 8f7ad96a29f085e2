import { describe, expect, it } from '@jest/globals';
import ICAL from 'ical.js';
import { calendarEvent } from '../../src/mail/ics.ts';
import { KINDS, type Kind, type MailModel } from '../../src/mail/model.ts';
import { SAMPLES } from '../../src/mail/samples.ts';

const organizerEmail = 'bookings@reslot.example';

function eventOf(kind: Kind, model: MailModel = SAMPLES[kind]) {
  const ics = calendarEvent({ kind, model, organizerEmail });
  if (!ics) throw new Error(`${kind} has no event`);
  const calendar = new ICAL.Component(ICAL.parse(ics.content));
  const component = calendar.getFirstSubcomponent('vevent');
  if (!component) throw new Error('no VEVENT');
  return { ics, calendar, component, event: new ICAL.Event(component) };
}

describe('the calendar event of a message', () => {
  it.each([
    ['booking_received', 'REQUEST', 'CONFIRMED'],
    ['booking_approved', 'REQUEST', 'CONFIRMED'],
    ['booking_claimed', 'REQUEST', 'CONFIRMED'],
    ['booking_modified', 'REQUEST', 'CONFIRMED'],
    ['booking_reminder', 'REQUEST', 'CONFIRMED'],
    ['booking_cancelled', 'CANCEL', 'CANCELLED'],
    ['booking_auto_cancelled', 'CANCEL', 'CANCELLED'],
    ['booking_rejected', 'CANCEL', 'CANCELLED'],
    ['booking_expired', 'CANCEL', 'CANCELLED'],
    ['message_blackout', 'CANCEL', 'CANCELLED'],
  ] as const)('of %s is a %s of status %s', (kind, method, status) => {
    const { ics, calendar, component } = eventOf(kind);
    expect(ics.method).toBe(method);
    expect(calendar.getFirstPropertyValue('method')).toBe(method);
    expect(component.getFirstPropertyValue('status')).toBe(status);
  });

  it('is there only where a customer’s calendar is concerned', () => {
    const without: Kind[] = [
      'booking_requested',
      'booking_spared',
      'slot_available',
      'links_again',
    ];
    for (const kind of [...without, ...KINDS.filter((name) => name.startsWith('account_'))]) {
      expect(calendarEvent({ kind, model: SAMPLES[kind], organizerEmail })).toBeUndefined();
    }
  });

  it('is the same one in all messages about a booking, and later ones have a higher sequence', () => {
    const first = eventOf('booking_received').event;
    const changed = eventOf('booking_modified').event;
    const cancelled = eventOf('booking_cancelled').event;
    expect(changed.uid).toBe(first.uid);
    expect(cancelled.uid).toBe(first.uid);
    expect(first.sequence).toBe(0);
    expect(changed.sequence).toBe(1);
  });

  it('has exact times, a place, an organiser and the customer', () => {
    const { event, component } = eventOf('booking_received');
    expect(event.startDate.toJSDate().toISOString()).toBe('2026-12-04T13:00:00.000Z');
    expect(event.endDate.toJSDate().toISOString()).toBe('2026-12-04T16:30:00.000Z');
    expect(component.getFirstPropertyValue('dtstamp')).toBeTruthy();
    expect(event.location).toBe('Hauptplatz 1, Stiege 2, 1010 Wien');
    expect(event.organizer).toBe(`mailto:${organizerEmail}`);
    expect(event.attendees).toHaveLength(1);
    expect(event.attendees[0]?.getFirstValue()).toMatch(/zoe@example\.org/i);
    expect(event.summary).toBe('Festsaal, ganzer Saal, Haus & Hof');
    expect(event.description).toContain('HH-20261204-7K3QXA');
  });

  it('is tentative while the booking waits for a yes', () => {
    const base = SAMPLES.booking_received;
    const pending = { ...base, booking: { ...base.booking, status: 'pending' } };
    const { component } = eventOf('booking_received', pending);
    expect(component.getFirstPropertyValue('status')).toBe('TENTATIVE');
  });

  it('survives names with every character that means something in a calendar', () => {
    const base = SAMPLES.booking_received;
    const offeringName = `A;b,c\\d "e" ${'äöü '.repeat(40)}`.trim();
    const model: MailModel = {
      ...base,
      organization: { ...base.organization, name: 'X"; END:VEVENT\r\nBEGIN:VEVENT' },
      booking: { ...base.booking, offeringName, purpose: 'one\r\nEND:VCALENDAR\ntwo' },
    };
    const { ics, calendar, event } = eventOf('booking_received', model);
    expect(calendar.getAllSubcomponents('vevent')).toHaveLength(1);
    expect(event.summary).toContain(offeringName);
    for (const line of ics.content.split('\r\n')) expect(Buffer.byteLength(line)).toBeLessThan(76);
    expect(ics.content).not.toMatch(/(?<!\r)\n/);
  });

  it('holds no link that acts for its owner, because calendars are shared', () => {
    for (const kind of KINDS) {
      const ics = calendarEvent({ kind, model: SAMPLES[kind], organizerEmail });
      expect(ics?.content.replace(/\r\n /g, '') ?? '').not.toMatch(/sample-/);
    }
  });
});
