import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Booked, eventually, type FaultWorld, HOUR, openWorld } from './world.ts';

jest.setTimeout(180_000);

let world: FaultWorld;

beforeEach(async () => {
  world = await openWorld();
});
afterEach(() => world.stop());

const asWorker = (sql: string) => world.admin.query(`set role reslot_worker; ${sql}; reset role`);

const countJobs = async () =>
  (await world.admin.query('select from graphile_worker.jobs')).rowCount ?? 0;

/** Reminders that are due and mails that are owed, all of them in the queue. */
async function fillQueue(): Promise<Booked[]> {
  const people: Booked[] = [];
  // A moment ahead, so that the booking is made more than a day before its start and is asked about.
  for (let n = 0; n < 5; n++)
    people.push(await world.book(new Date(Date.now() + 24 * HOUR + 2_000)));
  await eventually(async () => {
    await asWorker('select app_private.dispatch()');
    return (await countJobs()) >= people.length + 1;
  });
  return people;
}

const kindsFor = (person: Booked) =>
  world.mail.taken
    .filter(({ to }) => to === person.email)
    .map(({ kind }) => kind)
    .sort();

async function expectEverything(people: Booked[]): Promise<void> {
  for (const person of people) {
    await eventually(async () => kindsFor(person).length >= 2);
    expect(kindsFor(person)).toEqual(['booking_received', 'booking_reminder']);
  }
  expect(await world.broken()).toEqual([]);
}

describe('everything that is due still happens', () => {
  test('when the queue was emptied; but only because what was lost is looked for', async () => {
    const [{ source } = { source: '' }] = await world.query<{ source: string }>(
      `select pg_get_functiondef('app_private.recover_lost_work()'::regprocedure) as source`,
    );
    await world.query(
      `create or replace function app_private.recover_lost_work() returns integer
       language sql as 'select 0'`,
    );
    const people = await fillQueue();
    await asWorker('truncate graphile_worker._private_jobs');
    await world.startWorker();
    // Longer than it takes until what was queued is missed.
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(people.flatMap(kindsFor)).not.toContain('booking_reminder');
    await world.query(source);
    await expectEverything(people);
  });

  test('when the queue is emptied again and again under a worker', async () => {
    await world.startWorker();
    const people: Booked[] = [];
    for (let n = 0; n < 12; n++) {
      people.push(await world.book(new Date(Date.now() + 24 * HOUR + 1_500)));
      await asWorker('delete from graphile_worker._private_jobs where locked_at is null');
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    await expectEverything(people);
  });

  test('when the database was restored without the schema of the queue', async () => {
    const people = await fillQueue();
    await world.admin.query('drop schema graphile_worker cascade');
    await world.startWorker();
    await expectEverything(people);
  });
});
