import { afterEach, expect, jest, test } from '@jest/globals';
import { type Booked, eventually, type FaultWorld, HOUR, openWorld } from './world.ts';

jest.setTimeout(240_000);

const DAY = 24 * HOUR;

/** Asked ten seconds before the start, released four later, held for two; last call two before it. */
const QUICK = {
  reminder_leads: ['10 seconds'],
  confirm_if_booked_before: '10 seconds',
  confirm_deadline: '6 seconds',
  min_notice: '3 seconds',
  claim_window: '2 seconds',
  min_claim_window: '2 seconds',
  last_call: '2 seconds',
  urgent_before: '1 hour',
};
const LATE_MS = 3_000;

const worlds: FaultWorld[] = [];

afterEach(async () => {
  for (const world of worlds.splice(0)) await world.stop();
});

/** Loaded before anything else: for this process it is another day. */
function shiftedBy(ms: number): string {
  const script = `
    const Real = Date;
    globalThis.Date = class Date extends Real {
      constructor(...parts) { parts.length ? super(...parts) : super(Real.now() + ${ms}); }
      static now() { return Real.now() + ${ms}; }
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

interface Times {
  due: Date;
  done: Date;
}

/** What was due when to a booking and to whoever got its place offered, and when it was done. */
async function timesOf(world: FaultWorld, booked: Booked, waiting: Booked): Promise<Times[]> {
  return world.query<Times>(
    `select b.starts_at - interval '10 seconds' as due, n.created_at as done
     from app_public.bookings b join app_public.notifications n on n.booking_id = b.id
     where b.id = $1 and n.kind = 'booking_reminder'
     union all
     select b.confirm_by, b.auto_cancelled_at from app_public.bookings b where b.id = $1
     union all
     select e.offer_expires_at, e.ended_at from app_public.waitlist_entries e where e.id = $2`,
    [booked.id, waiting.id],
  );
}

/** Lives through a booking with a worker whose clock is off by so much. */
async function liveOff(ms: number): Promise<void> {
  const world = await openWorld(QUICK);
  worlds.push(world);
  const worker = await world.startWorker({ NODE_OPTIONS: shiftedBy(ms) });
  const booked = await world.book(new Date(Date.now() + 12_500));
  const waiting = await world.join(booked);
  const tomorrow = await world.book(new Date(Date.now() + DAY / 2));
  await eventually(async () => {
    const [entry] = await world.query<{ status: string }>(
      'select status::text from app_public.waitlist_entries where id = $1',
      [waiting.id],
    );
    return entry?.status === 'expired';
  });

  const all = await timesOf(world, booked, waiting);
  expect(all).toHaveLength(3);
  for (const { due, done } of all) {
    const lateMs = done.getTime() - due.getTime();
    expect(lateMs).toBeGreaterThanOrEqual(0);
    expect(lateMs).toBeLessThan(LATE_MS);
  }
  const kinds = (await world.deliveries(tomorrow.email)).map(({ kind }) => kind);
  expect(kinds).toEqual(['booking_received']);
  expect(await world.broken()).toEqual([]);
  // It did live on another day: its log says so.
  const logged = /"time":"([^"]+)"/.exec(worker.output())?.[1] ?? '';
  expect(Math.abs(Date.parse(logged) - Date.now() - ms)).toBeLessThan(HOUR);
}

test('a worker whose clock is a day off decides nothing early and nothing late', async () => {
  await Promise.all([liveOff(DAY), liveOff(-DAY)]);
});
