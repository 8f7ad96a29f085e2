/**
 * Negative controls: with a lock taken out of the database of the run, the race it guards must find
 * a problem. A race that does not would prove nothing in races.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { type Field, openField, type Weaken } from '../support/field.ts';
import { linger, play, type Scenario, without } from '../support/races.ts';
import * as bookings from './bookingScenarios.ts';
import * as guests from './guestScenarios.ts';
import * as keys from './keyScenarios.ts';
import * as life from './lifeScenarios.ts';
import * as payments from './paymentScenarios.ts';
import * as pools from './poolScenarios.ts';
import * as queue from './queueScenarios.ts';
import * as series from './seriesScenarios.ts';
import * as slots from './slotScenarios.ts';
import * as time from './timeScenarios.ts';

async function noRoomLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_room(uuid[])', /for no key update/);
  await linger(db, 'app_private.occupancies');
}

async function noPlaceLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_room(uuid[])', /for no key update/);
  await linger(db, 'app_private.taken_places', 'insert or delete');
  await linger(db, 'app_public.slots', 'insert or update');
  await linger(db, 'app_public.waitlist_entries');
  await linger(db, 'app_public.notifications');
}

async function noConstraint(db: TestDatabase): Promise<void> {
  await db.query('alter table app_private.occupancies drop constraint occupancies_do_not_overlap');
}

async function noCustomerLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_customer(uuid)', /for no key update/);
  await linger(db, 'app_public.bookings');
  await linger(db, 'app_public.waitlist_entries');
}

/** Looks first and writes later, as idempotency is often done. */
async function noKeyLock(db: TestDatabase): Promise<void> {
  await without(
    db,
    'app_private.begin_idempotent(text,text,jsonb)',
    /insert into app_private.idempotency_keys[\s\S]*?do nothing;\s*if found then/,
    'if not exists (select from app_private.idempotency_keys i where i.key = begin_idempotent.key) then',
  );
}

/** Looks at the request before the lock of who asked, or without it. */
async function noLockOfAGuest(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_customer(uuid)', /for no key update/);
  await linger(db, 'app_public.bookings');
}

async function noAskingLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.request_booking_by_mail(jsonb)', /for no key update/);
  await linger(db, 'app_private.guest_requests');
}

async function noClaimerLock(db: TestDatabase): Promise<void> {
  await without(
    db,
    'app_private.lock_entry_to_claim(uuid)',
    /perform app_private.lock_customer\(e.customer_id\)/,
    'perform',
  );
  await without(db, 'app_private.lock_room(uuid[])', /for no key update/);
  // Nor the entry's, for which erasing waits as well.
  await without(db, 'app_private.end_everything_of(uuid[],boolean,text)', /for no key update/);
  await linger(db, 'app_public.bookings', 'update');
}

async function noBookingLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_room(uuid[])', /for no key update/);
  await without(db, 'app_private.lock_booking(uuid)', /for no key update/);
  await linger(db, 'app_public.bookings', 'update');
}

async function noLockOfTheAbsent(db: TestDatabase): Promise<void> {
  await without(db, 'app_public.mark_no_show(uuid,text)', /for no key update of c/);
  await linger(db, 'app_public.bookings', 'update');
}

async function noLocksOfAPhoto(db: TestDatabase): Promise<void> {
  await noBookingLock(db);
  await linger(db, 'app_public.booking_photos', 'insert or delete');
}

async function noLocksOfASeries(db: TestDatabase): Promise<void> {
  await noBookingLock(db);
  await without(
    db,
    'app_private.lock_series(uuid,app_public.series_scope)',
    /order by b\.id for no key update/,
  );
}

/** Beneath the lock stands the table of transitions, which refuses what comes second, though not cleanly. */
async function noBookingLockNorTable(db: TestDatabase): Promise<void> {
  await noBookingLock(db);
  await db.query('drop trigger bookings_check_transition on app_public.bookings');
}

/** The second line of defence: what has ended becomes nothing else. */
async function anyTransition(db: TestDatabase): Promise<void> {
  await db.query('alter table app_public.bookings disable trigger bookings_check_transition');
}

async function noEntryLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.lock_room(uuid[])', /for no key update/);
  await without(
    db,
    'app_private.lock_entry(uuid)',
    /for no key update;/,
    '; perform pg_sleep(0.004);',
  );
  await linger(db, 'app_public.bookings', 'insert or update');
  await linger(db, 'app_public.notifications');
}

/** The same locks, but each in an order of its own, and not all at once. */
async function noLockOrder(db: TestDatabase): Promise<void> {
  await without(
    db,
    'app_private.lock_room(uuid[])',
    /perform from app_public\.resources r where r\.id = any \(v_before\.resources\) order by r\.id for no key update;/,
    `for v_hold in select r.id from unnest(v_before.resources) r (id) order by random() loop
       perform from app_public.resources r where r.id = v_hold for no key update;
       perform pg_sleep(0.005);
     end loop;`,
  );
}

/** Whoever locks room also settles what is overdue on it; here nobody does. */
async function noLockNorSettling(db: TestDatabase): Promise<void> {
  await noEntryLock(db);
  await without(
    db,
    'app_private.lock_room(uuid[])',
    /foreach v_hold in array v_rooms\.overdue loop[\s\S]*?end loop;/,
  );
}

/** The second line of defence of a claim: it takes only a hold that is still one. */
async function noLocksOfAClaim(db: TestDatabase): Promise<void> {
  await noLockNorSettling(db);
  await without(db, 'app_private.lock_customer(uuid)', /for no key update/);
  await without(
    db,
    'app_private.claim_hold(app_public.waitlist_entries,app_public.policy_versions,timestamptz)',
    /and b\.hold_expires_at > now_at/,
  );
}

async function noLeaseLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.next_deliveries(integer)', /for no key update of d skip locked/);
  await linger(db, 'app_public.deliveries', 'update');
}

/** Looks whether the link is unused and marks it later, as one-use links are often made. */
async function noSingleUse(db: TestDatabase): Promise<void> {
  await without(
    db,
    'app_private.use_account_link(text,app_private.link_action)',
    /and t\.used_at is null /,
  );
}

async function noSessionLock(db: TestDatabase): Promise<void> {
  await without(db, 'app_private.rotate_session(bytea,bytea)', /for no key update/);
  await linger(db, 'app_private.refresh_tokens', 'insert or update');
}

/** The queue writes several jobs in an order of its own; at worst each time in another. */
async function anyOrderOfJobs(db: TestDatabase): Promise<void> {
  await db.query('grant create on schema app_private to reslot_worker');
  await db.query('set role reslot_worker');
  await without(db, 'app_private.add_jobs(jsonb)', /order by j\.key/, 'order by random()');
  await linger(db, 'graphile_worker._private_jobs', 'insert or update');
  await db.query('set role reslot_owner');
}

async function noSendingLock(db: TestDatabase): Promise<void> {
  await anyOrderOfJobs(db);
  await without(db, 'app_private.queue_sending()', /perform pg_advisory_xact_lock\(.*?\);/);
}

async function noLockOfMoney(db: TestDatabase): Promise<void> {
  await without(
    db,
    'app_private.take_stripe_event(text,text,uuid,text,jsonb)',
    /perform pg_advisory_xact_lock\(.*?;/,
  );
  await linger(db, 'app_private.stripe_events');
}

const both =
  (...steps: Weaken[]): Weaken =>
  async (db) => {
    for (const step of steps) await step(db);
  };

/** One database for each, in which its races follow each other. */
const controls: [lock: string, weaken: Weaken, scenarios: Scenario[]][] = [
  [
    'the room lock',
    noRoomLock,
    [
      bookings.bookSame,
      bookings.bookOverlapping,
      bookings.bookNested,
      bookings.bookAndCancel,
      bookings.hallAndParts,
      bookings.hallWaits,
      bookings.moves,
      series.crossedSeries,
      series.seriesAndBlackout,
      pools.bookPool,
      pools.sharedProvider,
      pools.timeOff,
      pools.freedAndJoined,
      pools.newcomer,
      pools.changeOfProvider,
      queue.cancelAndJoin,
      queue.lastCall,
      time.blackouts[0] as Scenario,
      time.blackouts[1] as Scenario,
      time.policyAtDeadline,
      time.releaseAndBookAgain,
    ],
  ],
  [
    'an order of locks',
    noLockOrder,
    [bookings.crossedMoves, bookings.hallAndParts, series.crossedSeries],
  ],
  ['the key lock', noKeyLock, [series.seriesTwice, bookings.sameKey]],
  ['all locks of a series', noLocksOfASeries, [series.seriesAnswered, series.seriesLinkPressed]],
  [
    'the room lock',
    noPlaceLock,
    [
      slots.lastPlaces,
      slots.growAndBook,
      slots.cutAndBook,
      slots.generateAndBook,
      slots.generateTwice,
      slots.blackoutAndClaim,
      slots.crossedSlots,
      slots.freedAndJoined,
      slots.cancelSlotAndBook,
      guests.lastPlacesByMail,
    ],
  ],
  // Seldom seen once the connections are warm, so it has a database of its own.
  ['the lock of places', noPlaceLock, [slots.resizeAndBook]],
  ['the lock of the guest', noLockOfAGuest, [guests.sameLink, guests.linkAndErase]],
  ['the lock of the organisation', noAskingLock, [guests.manyAsks]],
  ['room lock and constraint', both(noRoomLock, noConstraint), [bookings.bookSame]],
  ['the customer lock', noCustomerLock, [bookings.dailyBookings, bookings.dailyEntries]],
  [
    'the booking lock',
    noBookingLock,
    [
      time.confirmAtDeadline,
      time.overrideAtDeadline,
      time.keepAtDeadline,
      life.acceptAtDeadline,
      life.confirmDeliveryAtDeadline,
      life.deliverAndErase,
      payments.paidAtDeadline,
    ],
  ],
  ['lock and table of states', both(noBookingLock, anyTransition), [time.deliverAtDeadline]],
  ['all locks of a claim', noLocksOfAClaim, [queue.sameClaim, queue.claimAtDeadline]],
  ['lock and settling', noLockNorSettling, [queue.declineAtDeadline]],
  ['all locks of a booking', noLocksOfAPhoto, [life.photosAtOnce, life.photoAndErase]],
  ['the lock of the customer', noLockOfTheAbsent, [life.noShowAndErase]],
  [
    'lock and table',
    noBookingLockNorTable,
    [life.acceptAndCancel, life.deliverAndNoShow, payments.paidAndCancelled],
  ],
  ['the lock of the money', noLockOfMoney, [payments.paidAndDisputed]],
  ['the entry lock', noEntryLock, [queue.claimAndManager, queue.leaveAndOffer]],
  ['the claimer’s lock', noClaimerLock, [queue.eraseAndClaim]],
  ['the lock of a lease', noLeaseLock, [time.leases]],
  [
    'use in one statement',
    noSingleUse,
    [keys.sameMagicLink, keys.sameResetLink, keys.sameVerifyLink],
  ],
  ['the lock of the account', noSessionLock, [keys.sameRefresh, keys.refreshAndSignOut]],
  ['the lock of those that queue', noSendingLock, [keys.sendings]],
];

/** A race stops at what it finds, so nearly all need far fewer. */
const ROUNDS = 640;

describe.each(controls)('Without %s', (_lock, weaken, scenarios) => {
  let field: Field;
  beforeAll(async () => {
    field = await openField({}, weaken);
  });
  afterAll(() => field?.close());

  test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
    'the race sees it: %s',
    async (_name, scenario) => {
      // Too few for parties of which most find a place.
      const clients = weaken === noPlaceLock ? 64 : 24;
      expect((await play(field, scenario, { rounds: ROUNDS }, clients)).problems).not.toEqual([]);
    },
    180_000,
  );
});

/** Plays on a field of its own, which is weakened, and returns what was wrong. */
async function problemsOf(scenario: Scenario, rounds: number, weaken: Weaken): Promise<string[]> {
  const field = await openField({}, weaken);
  try {
    return (await play(field, scenario, { rounds })).problems;
  } finally {
    await field.close();
  }
}

describe('With one of the two safeguards of room', () => {
  test('the lock alone keeps bookings apart', async () => {
    expect(await problemsOf(bookings.bookSame, 5, noConstraint)).toEqual([]);
  }, 180_000);

  test('the constraint alone keeps bookings apart, though without a clean refusal', async () => {
    const problems = await problemsOf(bookings.bookSame, 40, noRoomLock);
    expect(problems).toContainEqual(expect.stringMatching(/^23P01 /));
    expect(problems).not.toContainEqual(expect.stringMatching(/^I2/));
  }, 180_000);
});

describe('With jobs written in any order', () => {
  test('the lock alone keeps those that queue from waiting for each other', async () => {
    expect(await problemsOf(keys.sendings, 40, anyOrderOfJobs)).toEqual([]);
  }, 180_000);
});
