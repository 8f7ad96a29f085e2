/**
 * Values at the edges of what PostgreSQL can hold, in every argument of every function for clients, as SQL brings them
 * and GraphQL cannot: infinite, before Christ, a megabyte long. The functions come from the catalogue.
 */
import { describe, expect, test } from '@jest/globals';
import {
  type Caller,
  checkInvariants,
  inTransaction,
  type TestDatabase,
} from '../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  createWorld,
  insert,
  join,
  range,
} from '../support/factories.ts';
import { bookSeries } from '../support/series.ts';
import { createTour } from '../support/tours.ts';

interface Signature {
  name: string;
  args: { name: string; type: string }[];
}

const SIGNATURES = `
  select p.proname as name,
    jsonb_agg(jsonb_build_object('name', a.name, 'type', a.type::regtype::text) order by a.n) as args
  from pg_proc p
  cross join lateral unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) with ordinality a (name, type, n)
  where p.pronamespace = 'app_public'::regnamespace
    and not exists (select from pg_class c where c.reltype = p.proargtypes[0])
    and a.name is not null
  group by p.oid order by 1`;

const TIMES = [
  ...['-infinity', 'infinity', 'epoch', '4713-01-01 00:00:00 BC', '0001-01-01 00:00:00'],
  ...['1900-01-01 00:00:00', '2028-02-29 23:59:59.999999', '9999-12-31 23:59:59'],
  ...['294276-12-31 23:59:59.999999'],
];

const LONG = 'x'.repeat(1_000_000);
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const EXTREMES: Record<string, readonly unknown[]> = {
  text: [
    '',
    ' ',
    LONG,
    'a\r\nb',
    '\u202e\u2066',
    '\u200b\u2060',
    '\u2028',
    '👩‍👩‍👧‍👦'.repeat(500),
    '\u0001\u007f',
  ],
  integer: [0, -1, 2 ** 31 - 1, -(2 ** 31)],
  numeric: ['NaN', 'Infinity', '-Infinity', '-0.01', '0', '1e100', `1${'0'.repeat(1_000)}`],
  boolean: [true, false],
  uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  'uuid[]': ['{}', '{null}', `{${Array(5_000).fill('00000000-0000-7000-8000-000000000000')}}`],
  'time without time zone': ['00:00', '24:00', '23:59:59.999999'],
  interval: [
    ...['0', '-1 hour', '1 microsecond', '13 mons', '1 mon -31 days', '100000 hours'],
    ...['178000000 years', '-178000000 years'],
  ],
  date: ['-infinity', 'infinity', '0001-01-01', '1900-01-01', '2028-02-29', '5874897-12-31'],
  'date[]': [
    ...['{}', '{null}', '{-infinity,infinity}', '{0001-01-01,5874897-12-31}'],
    `{${Array(5_000).fill('2030-06-11')}}`,
  ],
  'timestamp with time zone': TIMES,
  'timestamp without time zone': TIMES,
  jsonb: [
    ...['null', '[]', '{}', '0', '""', nested(5_000), JSON.stringify(LONG), '[null]', '{"": null}'],
    ...[
      '{"claim_window": "infinity"}',
      '{"claim_window": "-infinity"}',
      '{"max_days_ahead": 1e300}',
    ],
    ...[
      '{"max_duration": "178000000 years"}',
      '{"max_hold_share": "NaN"}',
      '{"quiet_from": "24:00"}',
    ],
    ...['[{"weekday": 1e100, "opens": "00:00", "closes": "24:00"}]'],
    ...['[{"weekday": 1, "opens": "allballs", "closes": "now"}]'],
  ],
  'app_public.member_role': [],
  'app_public.booking_status': [],
  'app_public.blackout_kind': [],
  'app_public.payment_method': [],
  'app_public.series_scope': [],
};

const OURS = /^RS[A-Z]{3}$/;

/** The booking of the scene is approved already, and to say so again changes nothing. */
const IGNORED = new Set(['approve_booking note', 'accept_booking note']);

const LOCAL = { local_starts_at: '2030-06-04 16:00', local_ends_at: '2030-06-04 17:00' };

async function createScene(db: TestDatabase) {
  const world = await createWorld(db);
  const ann = await createUser(db, 'Ann');
  const bob = await createUser(db, 'Bob');
  const booking = await book(db, ann, world.left, range('10:00', '11:00'));
  const entry = await join(db, bob, world.left, range('10:00', '11:00'));
  const blackout = await call<{ id: string }>(db, world.manager, 'create_blackout', {
    ...{ organization_id: world.organizationId, resource_id: world.rightRoom, reason: 'Paint' },
    ...{ starts_at: at('10:00', 30), ends_at: at('11:00', 30) },
  });
  const tour = await createTour(db, world);
  const [occurrence] = await bookSeries(db, ann, world.left, { local_start: '18:00' });
  const reviewed = await book(db, bob, world.right, range('10:00', '11:00'));
  const review = await insert(db, 'app_public.reviews', {
    ...{ organization_id: world.organizationId, offering_id: world.right, rating: 4 },
  });
  await db.query('update app_public.bookings set review_id = $2 where id = $1', [
    ...[reviewed.id, review],
  ]);
  const fitting: Record<string, unknown> = {
    blackout_id: blackout.id,
    booking_id: booking.id,
    customer_id: booking.customer_id,
    delivery_id: await db.value('select id from app_public.deliveries order by id limit 1'),
    entry_id: entry.id,
    membership_id: await db.value('select id from app_public.memberships where user_id = $1', [
      world.manager,
    ]),
    offering_id: world.left,
    organization_id: world.organizationId,
    policy_id: world.policyId,
    resource_id: world.leftRoom,
    review_id: review,
    schedule_id: tour.schedule,
    slot_id: tour.slots[0],
    message: 'Bring an umbrella',
    ...{ rating: 4, reply: 'Thank you' },
    ...{ day: '2030-06-04', month: '2030-06-04' },
    ...{ from_day: '2030-06-03', to_day: '2030-06-09' },
    offering_ids: `{${world.left}}`,
    resource_ids: `{${world.leftRoom}}`,
    ids: '{}',
    ...{ rrule: 'FREQ=WEEKLY;COUNT=2', first_date: '2030-06-11', local_start: '14:00' },
    ...{ duration: '1 hour', scope: 'all' },
    ...{ amount: 10, method: 'cash', payment_id: booking.id },
    ...{
      starts_at: at('16:00', 1),
      ends_at: at('17:00', 1),
      from: at('08:00', 1),
      to: at('09:00', 1),
    },
    ...{ email: 'somebody@example.com', name: 'Somebody', reason: 'Because', role: 'manager' },
    ...{ changes: '{"claim_window": "00:20"}', hours: '[]', priority: 1, party_size: 1 },
  };
  return { world, ann, bob, fitting, ofSeries: { booking_id: occurrence?.id } };
}

type Outcome = { code: string; message: string } | null;

/** Everything but the one value fits; nothing is kept. */
async function callWith(
  db: TestDatabase,
  caller: Caller,
  { name, args }: Signature,
  values: Record<string, unknown>,
): Promise<Outcome> {
  // A range is given in one of two ways, and a blackout is of an offering or of a resource.
  const isLocal = Object.keys(values).some((argument) => argument in LOCAL);
  const given = args.filter(
    (argument) =>
      argument.name in values &&
      !(isLocal && /^(starts_at|ends_at)$/.test(argument.name)) &&
      !(argument.name === 'resource_id' && args.some((other) => other.name === 'offering_id')) &&
      // A slot has its own start and end.
      !(/^(slot_id|day)$/.test(argument.name) && args.some((other) => other.name === 'starts_at')),
  );
  const list = given.map((argument, n) => `"${argument.name}" => $${n + 1}::${argument.type}`);
  await db.query('savepoint extreme');
  try {
    await db.as(caller, async () => {
      const sql = `select * from app_public.${name}(${list.join(', ')})`;
      await db.query(
        sql,
        given.map((argument) => values[argument.name]),
      );
    });
    await checkInvariants(db);
    return null;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return { code: code ?? 'no code', message };
  } finally {
    await db.query('rollback to savepoint extreme');
  }
}

/** What was neither taken nor refused in words; and how much was taken. */
async function tryAll(
  db: TestDatabase,
  only?: string,
): Promise<{ wrong: string[]; taken: number; refused: number }> {
  const { world, ann, bob, fitting, ofSeries } = await createScene(db);
  const callers: Caller[] = [
    ...[world.owner, ann, bob].map((userId) => ({ role: 'reslot_user' as const, userId })),
    { role: 'reslot_admin' },
  ];
  const result = { wrong: [] as string[], taken: 0, refused: 0 };
  for (const signature of await db.rows<Signature & Record<string, unknown>>(SIGNATURES)) {
    if (only && signature.name !== only) continue;
    for (const { name, type } of signature.args) {
      const extremes = EXTREMES[type];
      if (!extremes) result.wrong.push(`there are no values of the type ${type}`);
      for (const extreme of [null, ...(extremes ?? [])]) {
        const around = name in LOCAL ? LOCAL : {};
        const own = signature.name.endsWith('_series') ? ofSeries : {};
        const values = { ...fitting, ...own, ...around, [name]: extreme };
        for (const caller of callers) {
          const outcome = await callWith(db, caller, signature, values);
          const shown = `${signature.name}(${name} => ${String(extreme).slice(0, 40)})`;
          if (outcome && OURS.test(outcome.code)) result.refused += 1;
          else if (outcome) result.wrong.push(`${shown}: ${outcome.code} ${outcome.message}`);
          else if (extreme === LONG && !IGNORED.has(`${signature.name} ${name}`))
            result.wrong.push(`${shown} was taken`);
          else result.taken += 1;
        }
      }
    }
  }
  return result;
}

describe('a value at the edge of what there is', () => {
  test(
    'is taken or refused in words, in every argument of every function',
    () =>
      inTransaction(async (db) => {
        const { wrong, taken, refused } = await tryAll(db);
        expect(wrong).toEqual([]);
        expect(taken).toBeGreaterThan(200);
        expect(refused).toBeGreaterThan(1_000);
      }),
    300_000,
  );

  test('would be noticed if it were neither', () =>
    inTransaction(async (db) => {
      await db.query(`
        create function app_public.fragile(reason text, starts_at timestamptz, priority integer)
        returns text language sql stable
        as $$ select reason || (starts_at + interval '1 day') || (priority + 1) $$`);
      await db.query('grant execute on function app_public.fragile to reslot_user, reslot_admin');
      const { wrong } = await tryAll(db, 'fragile');
      expect(wrong).toContainEqual(expect.stringMatching(/^fragile\(reason => x+\) was taken/));
      expect(wrong).toContainEqual(expect.stringMatching(/starts_at => 294276.*: 22008/));
      expect(wrong).toContainEqual(expect.stringMatching(/priority => 2147483647\): 22003/));
    }));
});
