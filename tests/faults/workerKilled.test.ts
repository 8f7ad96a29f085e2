import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Answer, Stage } from './mailServer.ts';
import {
  type Booked,
  blockedWorker,
  eventually,
  type FaultWorld,
  HOUR,
  openWorld,
  times,
} from './world.ts';

/** Seconds as a rule, a lease and a start; but the machine may be busy. The queue alone takes four hours. */
const RESUMED_WITHIN_MS = 120_000;

jest.setTimeout(times(600_000, 3_600_000));

let world: FaultWorld;

beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

/** What one kill has hit, and how many copies of its mail there may be. */
interface Hit {
  point: string;
  person: Booked;
  kind: string;
  copies: 1 | 2;
  /** One more for each later worker that died between the final OK of its second try and noting it. */
  most: number;
  killedAt: number;
}

/** Keeps the mail to one person at one point of its dialogue, until told what to answer. */
function holdAt(stage: Stage, person: () => string) {
  const reached = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<Answer>();
  return {
    reached: reached.promise,
    release: answer.resolve,
    behave: (at: Stage, to: string): Answer | Promise<Answer> => {
      if (at !== stage || to !== person()) return 'as usual';
      reached.resolve();
      return answer.promise;
    },
  };
}

/** The booking's reminder becomes due in so many seconds. */
const bookRemindedIn = (ms: number) => world.book(new Date(Date.now() + 24 * HOUR + ms));

const waitsInQueue = (person: Booked) =>
  eventually(async () => {
    const { rowCount } = await world.admin.query(
      `select from graphile_worker.jobs
       where key = $1 and locked_at is null and run_at > clock_timestamp()`,
      [`deadline:${person.id}`],
    );
    return rowCount === 1;
  });

/** One worker, caught at all the points at once, and killed. */
async function killOnce(round: number, earlier: Hit[]): Promise<Hit[]> {
  const startedAt = Date.now();
  const worker = await world.startWorker();
  const names = { before: '', dialogue: '', written: '', accepted: '' };
  const before = holdAt('rcpt', () => names.before);
  const dialogue = holdAt('end', () => names.dialogue);
  const written = holdAt('end', () => names.written);
  const accepted = holdAt('end', () => names.accepted);
  const holds = [before, dialogue, written, accepted];
  world.mail.behave = async (stage, to) => {
    for (const hold of holds) {
      const answer = await hold.behave(stage, to);
      if (answer !== 'as usual') return answer;
    }
    return 'as usual';
  };
  const book = async (name: keyof typeof names) => {
    const person = await world.book();
    names[name] = person.email;
    return person;
  };

  const writing = await book('written');
  await written.reached;
  const [delivery] = await world.deliveries(writing.email);
  const deliveryLock = await world.lockRow('app_public.deliveries', delivery?.id ?? '');
  written.release('as usual');
  const marking = await blockedWorker(world, 'mark_delivery_sent');

  const started = await bookRemindedIn(2_000);
  const bookingLock = await world.lockRow('app_public.bookings', started.id);
  await blockedWorker(world, 'run_deadline');

  const sending = await book('before');
  const talking = await book('dialogue');
  const sent = await book('accepted');
  await Promise.all([before.reached, dialogue.reached, accepted.reached]);
  const dispatched = await bookRemindedIn(2_500);
  await waitsInQueue(dispatched);

  // Stopped, it does nothing with the mail server's final OK, upon which it is killed.
  const killed = Promise.withResolvers<number>();
  world.mail.onTaken = ({ to }) => {
    if (to !== sent.email) return;
    worker.kill('SIGKILL');
    killed.resolve(Date.now());
  };
  worker.kill('SIGSTOP');
  accepted.release('as usual');
  const killedAt = await killed.promise;
  await worker.end();
  await allowAnotherCopy(earlier, startedAt);
  for (const hold of [before, dialogue]) hold.release('drop');
  // Of a statement under way the database may still do the work, or lose it with the connection.
  const lost = round % 2 === 0;
  if (lost) await world.admin.query('select pg_terminate_backend($1)', [marking]);
  await Promise.all([deliveryLock.release(), bookingLock.release()]);

  const received = 'booking_received';
  const reminder = 'booking_reminder';
  const hit = (point: string, person: Booked, kind: string, copies: 1 | 2): Hit => ({
    point,
    person,
    kind,
    copies,
    most: copies,
    killedAt,
  });
  return [
    hit('after dispatch', dispatched, reminder, 1),
    hit('at the start of the job', started, reminder, 1),
    hit('before sending', sending, received, 1),
    hit('before the final OK', talking, received, 1),
    hit('after the final OK', sent, received, 2),
    hit('before `sent` is written', writing, received, lost ? 2 : 1),
  ];
}

const takenBy = (person: Booked, kind: string) =>
  world.mail.taken.filter((mail) => mail.to === person.email && mail.kind === kind);

const statusOf = async (person: Booked, kind: string) =>
  (await world.deliveries(person.email)).filter((delivery) => delivery.kind === kind);

/** A worker that has just died may have been sending what an earlier one had left, and this was accepted already. */
async function allowAnotherCopy(earlier: Hit[], startedAt: number): Promise<void> {
  const sending = await world.query<{ mail: string }>(
    `select d.address || ' ' || n.kind as mail
     from app_public.deliveries d join app_public.notifications n on n.id = d.notification_id
     where d.status = 'sending'`,
  );
  const unnoted = new Set(sending.map(({ mail }) => mail));
  for (const hit of earlier) {
    const taken = takenBy(hit.person, hit.kind).some(({ at }) => at >= startedAt);
    if (taken && unnoted.has(`${hit.person.email} ${hit.kind}`)) hit.most += 1;
  }
}

describe('a worker that is killed', () => {
  test('loses nothing at any point, and sends twice only what was accepted and not yet noted', async () => {
    const hits: Hit[] = [];
    for (let round = 0; round < times(20, 100); round++) {
      hits.push(...(await killOnce(round, hits)));
    }
    world.mail.behave = () => 'as usual';
    await world.startWorker();
    for (const { person, kind, copies } of hits) {
      await eventually(async () => {
        const all = await statusOf(person, kind);
        return all[0]?.status === 'sent' && takenBy(person, kind).length >= copies;
        // What did not happen is told below, with the point that was hit.
      }, RESUMED_WITHIN_MS).catch(() => undefined);
    }
    for (const { point, person, kind, copies, most, killedAt } of hits) {
      const mails = takenBy(person, kind);
      const unavoidable = mails.length > copies && mails.length <= most;
      const messageIds = new Set(mails.map(({ messageId }) => messageId));
      const all = await statusOf(person, kind);
      const late = mails.filter(({ at }) => at > killedAt + RESUMED_WITHIN_MS);
      expect({
        point,
        mails: unavoidable ? copies : mails.length,
        messageIds: messageIds.size,
        all: all.length,
        late,
      }).toEqual({ point, mails: copies, messageIds: 1, all: 1, late: [] });
    }
    expect(await world.broken()).toEqual([]);
  });

  test('would leave mails behind, were they not looked for', async () => {
    const [{ source } = { source: '' }] = await world.query<{ source: string }>(
      `select pg_get_functiondef('app_private.recover_lost_work()'::regprocedure) as source`,
    );
    await world.query(
      `create or replace function app_private.recover_lost_work() returns integer
       language sql as 'select 0'`,
    );
    const hold = holdAt('rcpt', () => person.email);
    world.mail.behave = hold.behave;
    const worker = await world.startWorker();
    const person = await world.book();
    await hold.reached;
    await worker.end();
    hold.release('drop');
    world.mail.behave = () => 'as usual';
    await letLeaseRunOut(person);
    await world.startWorker();
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(world.mail.taken).toEqual([]);
    await world.query(source);
    await eventually(async () => world.mail.taken.length === 1);
  });
});

/** As if so much time had passed. */
async function letLeaseRunOut(person: Booked): Promise<void> {
  const rows = await world.query(
    `update app_public.deliveries set lease_until = lease_until - interval '1 minute'
     where address = $1 and status = 'sending' returning id`,
    [person.email],
  );
  expect(rows).toHaveLength(1);
}

describe('a worker that is stopped for longer than its lease', () => {
  test('changes nothing when it goes on', async () => {
    const hold = holdAt('end', () => person.email);
    world.mail.behave = hold.behave;
    const stale = await world.startWorker();
    const person = await world.book();
    await hold.reached;
    stale.kill('SIGSTOP');
    world.mail.behave = () => 'as usual';
    await letLeaseRunOut(person);
    await world.startWorker();
    const [before] = await eventually(async () => {
      const found = await world.deliveries(person.email);
      return found[0]?.status === 'sent' && found;
    });
    expect(before?.attempts).toBe(2);
    stale.kill('SIGCONT');
    hold.release('as usual');
    // It says how its own attempt went once it has tried to write that down.
    await eventually(async () => /"message":"mail (not )?sent"/.test(stale.output()));
    expect(await world.deliveries(person.email)).toEqual([before]);
    expect(new Set(world.mail.taken.map(({ messageId }) => messageId)).size).toBe(1);
    expect(await world.broken()).toEqual([]);
  });

  test('does not keep what is due to itself', async () => {
    const stale = await world.startWorker();
    const person = await bookRemindedIn(2_000);
    await eventually(async () => takenBy(person, 'booking_received').length === 1);
    const bookingLock = await world.lockRow('app_public.bookings', person.id);
    const backend = await blockedWorker(world, 'run_deadline');
    stale.kill('SIGSTOP');
    await world.admin.query('select pg_terminate_backend($1)', [backend]);
    await bookingLock.release();
    await world.startWorker();
    // Its connections live, so to the others it looks like one that works. Half a minute passes.
    const { rowCount } = await world.admin.query(
      `update graphile_worker._private_jobs set locked_at = locked_at - interval '1 minute'
       where locked_at is not null`,
    );
    expect(rowCount).toBeGreaterThan(0);
    await eventually(async () => takenBy(person, 'booking_reminder').length === 1);
    stale.kill('SIGCONT');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await statusOf(person, 'booking_reminder')).toHaveLength(1);
    expect(takenBy(person, 'booking_reminder')).toHaveLength(1);
    expect(await world.broken()).toEqual([]);
  });
});
