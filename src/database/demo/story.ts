/** What has happened by the time the demo is loaded, in the order in which it happened. */
import type { Name } from './people.ts';
import { KOLKATA, MERIDIAN, NEW_YORK, OFFERINGS, VIENNA } from './places.ts';
import { MISTYPED_ADDRESS, type Stage } from './stage.ts';

export async function tellStory(stage: Stage): Promise<void> {
  await stage.liveUntil(stage.daysAgo(12));
  await bookTheTerrace(stage);
  await stage.liveUntil(stage.daysAgo(5));
  await bookWhatIsOver(stage);
  await stage.liveUntil(stage.daysAgo(4));
  const annas = await queueForTheLeftHalf(stage);
  await stage.liveUntil(stage.daysAgo(2));
  await bookForTomorrow(stage);
  await stage.liveUntil(stage.now);
  await stage.backToReality();
  // What happens now owes mails that are really sent.
  await stage.call('anna', 'cancel_booking', { booking_id: annas, reason: 'We meet elsewhere.' });
  await book(stage, 'chris', OFFERINGS.hudsonLoft, NEW_YORK, 5, ['10:00', '14:00'], 'Book launch');
  await bookForInAMoment(stage);
}

/** One is spared, because its reminder came back; the other would have been released, but for the dry run. */
async function bookTheTerrace(stage: Stage): Promise<void> {
  await stage.call('mira', 'create_booking_for', {
    offering_id: OFFERINGS.lotusTerrace,
    local_starts_at: stage.local(KOLKATA, 1, '10:00'),
    local_ends_at: stage.local(KOLKATA, 1, '13:00'),
    name: 'Walter Ghosh',
    email: MISTYPED_ADDRESS,
    purpose: 'Family lunch, by phone',
  });
  await book(stage, 'ben', OFFERINGS.lotusTerrace, KOLKATA, 1, ['15:00', '17:00'], 'Sitar evening');
}

async function bookWhatIsOver(stage: Stage): Promise<void> {
  const choir = await book(
    stage,
    'ben',
    OFFERINGS.townHall,
    VIENNA,
    -2,
    ['10:00', '12:00'],
    'Choir practice',
  );
  await stage.call('ben', 'confirm_booking', { booking_id: choir });
  // Nobody confirms this one, so it is released two hours before its start.
  await book(stage, 'chris', OFFERINGS.leftHalf, VIENNA, -1, ['14:00', '16:00'], 'Flea market');
}

/** Anna has the place; Ben and Chris wait for it. */
async function queueForTheLeftHalf(stage: Stage): Promise<string> {
  const range: [string, string] = ['18:00', '20:00'];
  const id = await book(stage, 'anna', OFFERINGS.leftHalf, VIENNA, 3, range, 'Yoga');
  for (const who of ['ben', 'chris'] as const) {
    await stage.liveUntil(
      new Date(stage.daysAgo(4).getTime() + (who === 'ben' ? 1 : 2) * 3_600_000),
    );
    await stage.call(who, 'join_waitlist', {
      offering_id: OFFERINGS.leftHalf,
      local_starts_at: stage.local(VIENNA, 3, range[0]),
      local_ends_at: stage.local(VIENNA, 3, range[1]),
    });
  }
  return id;
}

async function bookForTomorrow(stage: Stage): Promise<void> {
  // Its reminder is due three minutes after the first start.
  await stage.call('ben', 'create_booking', {
    offering_id: OFFERINGS.rehearsalRoom,
    starts_at: stage.inMinutes(24 * 60 + 3),
    ends_at: stage.inMinutes(25 * 60 + 3),
    purpose: 'Band rehearsal',
  });
  await stage.call('chris', 'create_booking', {
    offering_id: OFFERINGS.pianoTuning,
    local_starts_at: stage.local(VIENNA, 4, '10:00'),
    customer_address: 'Lindengasse 7, 1070 Wien',
    customer_phone: '+43 664 555 0142',
  });
  // Somebody at the door, who cannot be asked by mail.
  await stage.call('max', 'create_booking_for', {
    offering_id: OFFERINGS.rightHalf,
    local_starts_at: stage.local(VIENNA, 1, '09:00'),
    local_ends_at: stage.local(VIENNA, 1, '11:00'),
    name: 'Gerda Winter',
    phone: '+43 664 555 0199',
    purpose: 'Chess club',
    needs_confirmation: false,
  });
  await stage.call('mira', 'create_blackout', {
    organization_id: MERIDIAN,
    offering_id: OFFERINGS.hudsonLoft,
    starts_at: stage.inMinutes(10 * 24 * 60),
    ends_at: stage.inMinutes(11 * 24 * 60),
    kind: 'maintenance',
    reason: 'The floor is sanded.',
  });
}

/** Asked at once, released four minutes later unless Chris confirms, then offered to Ben. */
async function bookForInAMoment(stage: Stage): Promise<void> {
  const range = { starts_at: stage.inMinutes(8), ends_at: stage.inMinutes(68) };
  const offering_id = OFFERINGS.rehearsalRoom;
  await stage.call('chris', 'create_booking', { offering_id, ...range, purpose: 'Drum lesson' });
  await stage.call('ben', 'join_waitlist', { offering_id, ...range });
}

function book(
  stage: Stage,
  who: Name,
  offeringId: string,
  timeZone: string,
  days: number,
  [from, to]: [string, string],
  purpose: string,
): Promise<string> {
  return stage.call(who, 'create_booking', {
    offering_id: offeringId,
    local_starts_at: stage.local(timeZone, days, from),
    local_ends_at: stage.local(timeZone, days, to),
    purpose,
  });
}
