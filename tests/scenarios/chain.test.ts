/** The four scenarios of the product, in real time, through HTTP, worker and SMTP. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkInvariants } from '../support/database.ts';
import { linkOf, type Person, type Scenario, soon, startScenario } from './support.ts';

let scenario: Scenario;
/** A room each, so that the scenarios can run side by side. */
const rooms: Record<string, string> = {};

beforeAll(async () => {
  scenario = await startScenario();
  for (const name of ['Confirmed', 'Ghost', 'Claimed', 'Expired']) {
    rooms[name] = await scenario.createRoom(name);
  }
});

afterAll(async () => {
  await scenario?.stop();
});

const START = 14;

interface Made {
  id: string;
  status: string;
}

async function create(person: Person, offeringId: string, time: object): Promise<Made> {
  const { createBooking } = await scenario.graphql<{ createBooking: { result: Made } }>(
    person,
    'mutation ($input: CreateBookingInput!) { createBooking(input: $input) { result { id status } } }',
    { input: { offeringId, ...time } },
  );
  return createBooking.result;
}

async function wait(person: Person, offeringId: string, time: object): Promise<Made> {
  const { joinWaitlist } = await scenario.graphql<{ joinWaitlist: { result: Made } }>(
    person,
    'mutation ($input: JoinWaitlistInput!) { joinWaitlist(input: $input) { result { id status } } }',
    { input: { offeringId, ...time } },
  );
  return joinWaitlist.result;
}

function bookingOf(person: Person, id: string) {
  return scenario
    .graphql<{ booking: Record<string, unknown> }>(
      person,
      `query ($id: UUID!) { booking(id: $id) {
         status attendanceConfirmedHow reminderSent autoCancelReason } }`,
      { id },
    )
    .then(({ booking }) => booking);
}

async function statusOfEntry(person: Person, id: string): Promise<string> {
  const { myWaitlist } = await scenario.graphql<{ myWaitlist: { nodes: Made[] } }>(
    person,
    '{ myWaitlist(live: false) { nodes { id status } } }',
  );
  return myWaitlist.nodes.find((node) => node.id === id)?.status ?? 'none';
}

describe('The chain in real time', () => {
  test.concurrent('a booking confirmed by the link in its reminder goes on to its end', async () => {
    const room = rooms.Confirmed ?? '';
    const alice = await scenario.signUp('Alice');
    const time = soon(START);
    const made = await create(alice, room, time);
    const reminder = await scenario.mail(alice, 'booking_reminder');
    expect(await scenario.press(linkOf(reminder, /confirm|coming/i))).toContain('confirmed');
    expect(await bookingOf(alice, made.id)).toMatchObject({
      status: 'CONFIRMED',
      attendanceConfirmedHow: 'LINK',
      reminderSent: true,
    });
    const patience = new Date(time.endsAt).getTime() + 20_000;
    const isOver = async () => (await bookingOf(alice, made.id)).status === 'COMPLETED';
    while (!(await isOver()) && Date.now() < patience) await sleep(200);
    expect(await bookingOf(alice, made.id)).toMatchObject({
      status: 'COMPLETED',
      attendanceConfirmedHow: 'LINK',
    });
  });

  test.concurrent('a ghost booking is released, and its customer is told why', async () => {
    const room = rooms.Ghost ?? '';
    const ghost = await scenario.signUp('Ghost');
    const made = await create(ghost, room, soon(START));
    await scenario.mail(ghost, 'booking_reminder');
    await scenario.mail(ghost, 'booking_auto_cancelled');
    expect(await bookingOf(ghost, made.id)).toMatchObject({
      status: 'AUTO_CANCELLED',
      autoCancelReason: expect.any(String),
    });
  });

  test.concurrent('the next person claims a released place by the link in the offer', async () => {
    const room = rooms.Claimed ?? '';
    const [ghost, bea] = [await scenario.signUp('Ghost'), await scenario.signUp('Bea')];
    const time = soon(START);
    await create(ghost, room, time);
    const entry = await wait(bea, room, time);
    const offer = await scenario.mail(bea, 'slot_available');
    expect(await statusOfEntry(bea, entry.id)).toBe('OFFERED');
    expect(await scenario.press(linkOf(offer, /take|claim|book/i))).toContain('yours');
    expect(await statusOfEntry(bea, entry.id)).toBe('CLAIMED');
    await scenario.mail(bea, 'booking_claimed');
  });

  test.concurrent('an offer nobody claims expires, and the one after claims', async () => {
    const room = rooms.Expired ?? '';
    const [ann, bea, cem] = [
      await scenario.signUp('Ann'),
      await scenario.signUp('Bea'),
      await scenario.signUp('Cem'),
    ];
    const time = soon(START);
    const made = await create(ann, room, time);
    const silent = await wait(bea, room, time);
    const next = await wait(cem, room, time);
    await scenario.graphql(
      ann,
      'mutation ($id: UUID!) { cancelBooking(input: { bookingId: $id }) { result { id } } }',
      { id: made.id },
    );
    await scenario.mail(bea, 'offer_expired');
    expect(await statusOfEntry(bea, silent.id)).toBe('EXPIRED');
    await scenario.mail(cem, 'slot_available');
    const { claimSlot } = await scenario.graphql<{ claimSlot: { result: Made } }>(
      cem,
      'mutation ($id: UUID!) { claimSlot(input: { entryId: $id }) { result { id status } } }',
      { id: next.id },
    );
    expect(claimSlot.result.status).toBe('CONFIRMED');
  });

  test('afterwards every invariant is whole', () => checkInvariants(scenario.db));
});
