/** A booking by its reference and the address it was booked with, for guests without account. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { book, call, createUser, join, MONDAY, range } from '../support/factories.ts';
import { bookSlot, createTour, type Tour } from '../support/tours.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let tour: Tour;
let counter = 0;
let email: string;
let reference: string;

beforeAll(async () => {
  world = await createGraphqlWorld();
  await world.change(async (db) => {
    await db.setClock(MONDAY);
    tour = await createTour(db, world, { schedule: { capacity: 500 } });
  });
});
afterAll(() => world?.stop());

beforeEach(async () => {
  counter += 1;
  email = `gina${counter}@example.org`;
  reference = await world.change(async (db) => {
    await db.setClock(MONDAY);
    const made = await call<{ reference: string }>(db, world.manager, 'create_booking_for', {
      ...{ offering_id: tour.offering, slot_id: tour.slots[0], name: 'Gina', email },
      ...{ adults: 2, phone: '+43 1 234', purpose: 'A birthday', dietary_needs: 'No nuts' },
    });
    return made.reference;
  });
});

const FIELDS = `reference status organizationName offeringName startsAt endsAt timeZone partySize price refund
  currency attendanceConfirmed confirmBy`;

const lookUp = (input: Record<string, unknown>) =>
  world.ask(
    `mutation ($input: LookUpBookingInput!) { lookUpBooking(input: $input) { ${FIELDS} } }`,
    { input },
  );

const failures = () =>
  world.change((db) =>
    db.value<number>('select coalesce(sum(failures), 0)::int from app_private.sign_in_attempts'),
  );

describe('a booking that is looked up', () => {
  test('is shown without the person, however the two are written', async () => {
    for (const input of [
      { reference, email },
      { reference: ` ${reference.toLowerCase()} `, email: email.toUpperCase() },
    ]) {
      const { data, errors } = await lookUp(input);
      expect(errors).toEqual([]);
      expect(data?.lookUpBooking).toMatchObject({
        ...{ reference, status: 'CONFIRMED', offeringName: 'Old Town Walk', partySize: 2 },
        ...{ timeZone: 'UTC', price: '40.00', refund: null, attendanceConfirmed: false },
        startsAt: expect.stringMatching(/^2030-06-04T10:00:00/),
      });
      expect(JSON.stringify(data)).not.toMatch(/gina|\+43|birthday|nuts/i);
    }
  });

  test('is not counted among the guesses', async () => {
    const before = await failures();
    for (let n = 0; n < 7; n++) expect((await lookUp({ reference, email })).errors).toEqual([]);
    expect(await failures()).toBe(before);
  });

  test('is none that is kept for somebody with an offer', async () => {
    const held = await world.change(async (db) => {
      const holder = await createUser(db, 'Holder');
      const time = range('10:00', '11:00');
      const made = await book(db, holder, world.left, time);
      const { id } = await join(db, world.stranger, world.left, time);
      await call(db, holder, 'cancel_booking', { booking_id: made.id });
      return db.one<{ reference: string; email: string }>(
        `select b.reference, c.email from app_public.bookings b
         join app_public.customers c on c.id = b.customer_id
         join app_public.waitlist_entries e on e.hold_id = b.id where e.id = $1 and b.status = 'held'`,
        [id],
      );
    });
    expect((await lookUp(held)).code).toBe('RSNTF');
  });
});

describe('a guess', () => {
  test('is answered alike, whether the reference, the address or both are wrong', async () => {
    const other = await world.change(async (db) =>
      bookSlot(db, world.customer, tour, tour.slots[0]),
    );
    const nobody = `nobody${counter}@example.org`;
    const answers = [
      await lookUp({ reference, email: nobody }),
      await lookUp({ reference: `RS-20300604-X${counter}`, email }),
      await lookUp({ reference: other.reference, email }),
      await lookUp({ reference: `RS-20300604-Y${counter}`, email: `x${nobody}` }),
    ];
    expect(new Set(answers.map(({ errors }) => JSON.stringify(errors))).size).toBe(1);
    expect(answers[0]?.code).toBe('RSNTF');
  });

  test('takes no less time than what is found', async () => {
    const time = async (input: Record<string, unknown>) => {
      const started = performance.now();
      await lookUp(input);
      return performance.now() - started;
    };
    const known = await time({ reference, email });
    const unknown = await time({ reference: 'RS-20300604-ZZZZZZ', email });
    expect(Math.min(known, unknown)).toBeGreaterThan(240);
  });

  test('at the reference of an address ends after five, also for the right one', async () => {
    for (let n = 0; n < 5; n++) {
      const guess = { reference: `RS-20300604-G${counter}${n}`, email };
      expect((await lookUp(guess)).code).toBe('RSNTF');
    }
    const right = await lookUp({ reference, email });
    expect(right.code).toBe('RSRAT');
    expect(right.errors[0]?.extensions.details?.retryAfterSeconds).toBeGreaterThan(0);
    await world.change((db) => db.setClock('2030-06-03T08:01:00Z'));
    expect((await lookUp({ reference, email })).errors).toEqual([]);
  });

  test('at the address of a reference ends after five, in one request as in many', async () => {
    const field = (n: number) =>
      `a${n}: lookUpBooking(input: {reference: "${reference}", email: "guess${counter}-${n}@example.org"}) { reference }`;
    await world.ask(`mutation { ${[0, 1, 2].map(field).join(' ')} }`);
    for (let n = 3; n < 5; n++) await world.ask(`mutation { ${field(n)} }`);
    const tried = await world.change((db) =>
      db.value<number>(
        `select failures from app_private.sign_in_attempts where address_hash = sha256(convert_to($1, 'UTF8'))`,
        [`booking ${reference}`],
      ),
    );
    expect(tried).toBeGreaterThanOrEqual(3);
    for (let n = tried; n < 5; n++) await world.ask(`mutation { ${field(10 + n)} }`);
    expect((await lookUp({ reference, email })).code).toBe('RSRAT');
  });

  test('does not lock anybody out of signing in', async () => {
    for (let n = 0; n < 6; n++) await lookUp({ reference: `RS-20300604-L${counter}${n}`, email });
    const signIn = `mutation { signIn(input: {email: "${email}", password: "wrong horse battery"}) { userId } }`;
    expect((await world.ask(signIn)).code).toBe('RSCRD');
  });

  test.each([
    ['no reference', { reference: ' ' }],
    ['an endless reference', { reference: 'x'.repeat(101) }],
    ['no address', { email: 'gina' }],
    ['NUL', { reference: 'RS\0' }],
  ])('with %s is a bad argument', async (_what, wrong) => {
    expect((await lookUp({ reference, email, ...wrong })).code).toBe('RSARG');
  });
});
