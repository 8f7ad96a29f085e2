import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { at } from '../support/factories.ts';
import type { Answer, Stage } from './mailServer.ts';
import { type Booked, eventually, type FaultWorld, openWorld } from './world.ts';

jest.setTimeout(120_000);

const worlds: FaultWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

async function setUp(policy: Record<string, unknown> = {}): Promise<FaultWorld> {
  const world = await openWorld(policy);
  worlds.push(world);
  return world;
}

/** What the server does at the first try; later it does as usual. */
const TRANSIENT: [fault: string, stage: Stage, answer: Answer | 'stall', copies: number][] = [
  ['refuses the recipient for now', 'rcpt', '450 not now', 1],
  ['refuses the message for now', 'end', '451 not now', 1],
  ['refuses to take data for now', 'data', '452 no space', 1],
  ['is shutting down', 'rcpt', '421 closing', 1],
  ['asks for a login', 'rcpt', '530 who are you', 1],
  ['hangs up before the data', 'data', 'drop', 1],
  ['hangs up after the final dot, without taking it', 'end', 'drop', 1],
  // Nobody can know that it was taken, so it is sent again.
  ['hangs up after the final dot, having taken it', 'end', 'take and drop', 2],
];

/** Longer than a step of the dialogue may take. */
const STALL_MS = 60_000;
if (process.env.RESLOT_LONG) TRANSIENT.push(['stalls', 'end', 'stall', 1]);

const PERMANENT: [fault: string, stage: Stage, answer: Answer][] = [
  ['knows no such recipient', 'rcpt', '550 nobody here'],
  ['does not like the message', 'end', '554 looks like spam'],
];

/** It turns everybody away, hangs up on everybody, and takes our sender for nobody. */
const FOR_EVERYBODY: [stage: Stage, answer: Answer][] = [
  ['connect', '421 too busy'],
  ['connect', 'drop'],
  ['mail', '550 who is that'],
];

describe('a mail server that has trouble', () => {
  test('loses no mail: what is refused for now goes out later, what is refused for good is shown and can be tried again', async () => {
    const world = await setUp();
    const faults = new Map<string, { stage: Stage; answer: Answer | 'stall' }>();
    world.mail.behave = (stage, to) => {
      const fault = faults.get(to);
      if (fault?.stage !== stage) return 'as usual';
      if (!PERMANENT.some(([, , answer]) => answer === fault.answer)) faults.delete(to);
      return fault.answer === 'stall' ? stall() : fault.answer;
    };
    const people = new Map<string, Booked>();
    for (const [fault, stage, answer] of [...TRANSIENT, ...PERMANENT]) {
      const person = await world.book();
      people.set(fault, person);
      faults.set(person.email, { stage, answer });
    }
    const only = async (fault: string) =>
      (await world.deliveries(people.get(fault)?.email ?? ''))[0];
    await world.startWorker();
    for (const [fault, , , copies] of TRANSIENT) {
      const delivery = await eventually(async () => {
        const found = await only(fault);
        return found?.status === 'sent' && found;
      });
      const mails = world.mail.taken.filter(({ to }) => to === people.get(fault)?.email);
      expect([fault, delivery.attempts, mails.length]).toEqual([fault, 2, copies]);
      expect(new Set(mails.map(({ messageId }) => messageId)).size).toBe(1);
    }
    const refused: string[] = [];
    for (const [fault, , answer] of PERMANENT) {
      const dead = await eventually(async () => {
        const found = await only(fault);
        return found?.status === 'dead' && found;
      });
      expect(dead.last_error).toContain(answer);
      refused.push(dead.id);
    }
    // Before any is tried again, or it would be refused again.
    faults.clear();
    for (const id of refused) await showsAndRetries(world, id);
    for (const [fault] of PERMANENT) {
      await eventually(async () => (await only(fault))?.status === 'sent');
    }
    expect(await world.broken()).toEqual([]);
  });

  test('gets everything when it has come to its senses', async () => {
    const world = await setUp();
    await world.startWorker();
    for (const [bad, answer] of FOR_EVERYBODY) {
      world.mail.taken.length = 0;
      world.mail.behave = (stage) => (stage === bad ? answer : 'as usual');
      // No connection of before is left to go on with.
      await world.mail.down();
      await world.mail.up();
      const people = [await world.book(), await world.book(), await world.book()];
      await eventually(async () => {
        const tried = await world.query(
          `select from app_public.deliveries where status = 'queued' and attempts > 0`,
        );
        return tried.length > 0;
      });
      world.mail.behave = () => 'as usual';
      await eventually(async () => world.mail.taken.length === people.length);
    }
    const unsent = await world.query(`select from app_public.deliveries where status <> 'sent'`);
    expect(unsent).toEqual([]);
    expect(await world.broken()).toEqual([]);
  });
});

/** Says nothing at all, and hangs up in the end. */
function stall(): Promise<Answer> {
  return new Promise((resolve) => {
    setTimeout(resolve, STALL_MS, 'drop').unref();
  });
}

/** An admin sees it in the list, and sets it going again. */
async function showsAndRetries(world: FaultWorld, id: string): Promise<void> {
  const shown = await world.query(
    `select id from app_public.deliveries d where d.id = $1 and d.status = 'dead'`,
    [id],
  );
  expect(shown).toHaveLength(1);
  const [list] = await world.asAdmin(
    'select id from app_public.failed_deliveries() where id = $1',
    [id],
  );
  expect(list).toEqual({ id });
  await world.asAdmin('select app_public.retry_delivery($1)', [id]);
}

/** Everything that is due at the simulated time has been done or tried. */
async function settle(world: FaultWorld): Promise<void> {
  await eventually(async () => {
    const [found] = await world.query<{ busy: boolean }>(
      `select exists (select from app_private.deadlines where due_at <= app_private.clock())
         or exists (select from app_public.deliveries
                    where status = 'sending' or status = 'queued' and next_attempt_at <= app_private.clock()
                       or status in ('sent', 'dead') and followed_up_at is null) as busy`,
    );
    return found?.busy === false;
  });
}

async function liveUntil(world: FaultWorld, ...moments: [time: string, day: number][]) {
  for (const moment of moments) {
    await world.setClock(at(...moment));
    await settle(world);
  }
}

interface Outage {
  world: FaultWorld;
  /** Asked to confirm during the outage. */
  asked: Booked;
  /** Waits for a place that became free during the outage, and that begins after it. */
  offered: Booked;
  /** Waits for one that also began during the outage. */
  missed: Booked;
}

/** The mail server is away from Monday 09:00. */
async function beginOutage(prepare: (world: FaultWorld) => Promise<unknown>): Promise<Outage> {
  const world = await setUp();
  await prepare(world);
  await world.setClock(at('08:00'));
  const booked = (time: string, day: number) => world.book(new Date(at(time, day)));
  const asked = await booked('11:00', 1);
  const early = await booked('14:00', 1);
  const soon = await booked('04:00', 1);
  const offered = await world.join(early);
  const missed = await world.join(soon);
  await world.startWorker();
  await settle(world);
  await world.mail.down();
  await world.setClock(at('09:00'));
  await world.call(early.userId, 'cancel_booking', { booking_id: early.id });
  await world.call(soon.userId, 'cancel_booking', { booking_id: soon.id });
  await settle(world);
  await liveUntil(world, ['11:01', 0], ['18:00', 0], ['03:31', 1], ['04:01', 1], ['09:01', 1]);
  return { world, asked, offered, missed };
}

const bookingOf = async (world: FaultWorld, { id }: Booked) =>
  (
    await world.query<{ status: string; spared: boolean }>(
      'select status::text, spared_at is not null as spared from app_public.bookings where id = $1',
      [id],
    )
  )[0];

const entryOf = async (world: FaultWorld, { id }: Booked) =>
  (
    await world.query<{ status: string }>(
      'select status::text from app_public.waitlist_entries where id = $1',
      [id],
    )
  )[0]?.status;

describe('a mail server that is away for a day', () => {
  test('costs nobody a booking or a place in the queue, and what is still worth it goes out afterwards', async () => {
    const { world, asked, offered, missed } = await beginOutage(async () => undefined);
    expect(await bookingOf(world, asked)).toEqual({ status: 'confirmed', spared: true });
    expect(await entryOf(world, offered)).toBe('offered');
    expect(await entryOf(world, missed)).toBe('lapsed');
    expect(await world.broken()).toEqual([]);
    const [waiting] = await world.asAdmin(
      `select count(*)::integer as n from app_public.failed_deliveries() where last_error like '%ECONNREFUSED%'`,
    );
    expect(waiting?.n).toBeGreaterThan(0);

    await world.mail.up();
    world.mail.taken.length = 0;
    await liveUntil(world, ['09:20', 1]);
    const kinds = world.mail.taken.map(({ to, kind }) => `${kind} ${to}`);
    expect(kinds).toContain(`booking_reminder ${asked.email}`);
    expect(kinds).not.toContain(`slot_available ${missed.email}`);
    // Asked late, it is released an hour later at the earliest, as its policy promises.
    await liveUntil(world, ['10:15', 1]);
    expect((await bookingOf(world, asked))?.status).toBe('confirmed');
    await liveUntil(world, ['10:25', 1]);
    expect((await bookingOf(world, asked))?.status).toBe('auto_cancelled');
    expect(await world.broken()).toEqual([]);
  });

  test('would cost them, if a mail counted as sent because it was tried', async () => {
    const { world, asked } = await beginOutage((careless) =>
      careless.query(
        `create or replace function app_private.mark_delivery_failed(
           delivery_id uuid, attempt integer, error text, permanent boolean) returns boolean
         language sql security definer set search_path = pg_catalog, app_public, app_private, pg_temp
         as 'select app_private.mark_delivery_sent(delivery_id, attempt)'`,
      ),
    );
    expect((await bookingOf(world, asked))?.status).toBe('auto_cancelled');
  });
});
