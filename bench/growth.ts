/** What one call costs as history grows. History is written straight into the tables. */
import pg from 'pg';
import { type Ground, openGround, ROOMS, USERS } from './ground.ts';
import { round } from './load.ts';
import { AS_USER, cell } from './rush.ts';

const CALLS = 200;
const HOUR_MS = 3_600_000;
/** Customers without an account, whose the history is. */
const OTHERS = 200_000;
const STEP = 250_000;
const FILLED = [
  'app_public.bookings',
  'app_public.notifications',
  'app_public.deliveries',
  'app_private.deadlines',
];
/** The first days are left free for what is measured. */
const FUTURE = `date_trunc('day', now()) + interval '30 days' + (n / ${ROOMS}) * interval '30 minutes'`;

export interface GrowthRow {
  past: number;
  future: number;
  /** Medians in milliseconds, by what was called. */
  ms: Record<string, number>;
  /** Those of the database with the shortest history, called in turn with the other. */
  shortMs: Record<string, number>;
}

/** A database that is called by one client. */
interface Side {
  ground: Ground;
  caller: pg.Client;
  latencies: Map<string, number[]>;
}

/** Beside the database that grows stands one that does not, so that what else the machine does falls on both. */
export async function measureGrowth(pasts: number[], future: number): Promise<GrowthRow[]> {
  const sides: Side[] = [];
  try {
    for (let n = 0; n < 2; n++) {
      const side = await openSide();
      sides.push(side);
      await withoutIndexes(side.ground, async () => {
        await fillOthers(side.ground);
        await fillFuture(side.ground, future);
        await fillPast(side.ground, 0, pasts[0] ?? 0);
      });
      await settle(side.ground);
    }
    const [growing, short] = sides as [Side, Side];
    const rows: GrowthRow[] = [];
    for (const [index, past] of pasts.entries()) {
      const before = pasts[index - 1];
      if (before !== undefined) {
        await withoutIndexes(growing.ground, () => fillPast(growing.ground, before, past));
        await settle(growing.ground);
      }
      await measure(sides, index);
      rows.push({ past, future, ms: medians(growing), shortMs: medians(short) });
      process.stderr.write(`growth: ${past} past bookings measured\n`);
    }
    return rows;
  } finally {
    for (const { caller, ground } of sides) {
      await caller.end();
      await ground.stop();
    }
  }
}

async function openSide(): Promise<Side> {
  const ground = await openGround();
  const caller = new pg.Client({ connectionString: ground.url('app') });
  await caller.connect();
  await caller.query(AS_USER);
  return { ground, caller, latencies: new Map() };
}

/** As a restore does it: what is not needed to keep a constraint is built when the rows are there. */
async function withoutIndexes({ admin }: Ground, write: () => Promise<void>): Promise<void> {
  const { rows } = await admin.query<{ name: string; definition: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
     from pg_index i
     where i.indrelid = any (array[${FILLED.map((table) => `'${table}'`)}]::regclass[])
       and not exists (select from pg_constraint c where c.conindid = i.indexrelid)`,
  );
  for (const { name } of rows) await admin.query(`drop index ${name}`);
  await write();
  await admin.query("set maintenance_work_mem = '1GB'");
  for (const { definition } of rows) await admin.query(definition);
  process.stderr.write(`growth: ${rows.length} indexes built\n`);
}

async function settle({ admin }: Ground): Promise<void> {
  await admin.query('vacuum (analyze)');
  await admin.query('checkpoint');
}

/** Without triggers, which would do to history what was done to it long ago. */
async function fill(ground: Ground, ...statements: [string, unknown[]][]): Promise<void> {
  await ground.admin.query("set session_replication_role = 'replica'");
  for (const [text, values] of statements) await ground.admin.query(text, values);
  await ground.admin.query("set session_replication_role = 'origin'");
}

const COLUMNS = `id, organization_id, offering_id, customer_id, policy_version_id, reference, status, starts_at,
  ends_at, room, currency, created_at, made_at, ended_at, confirm_by`;

/** Identifiers that can be computed, so that rows find each other without a search. */
const id = (digit: string) =>
  `('00000000-000${digit}-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid`;

/** Whoever is measured has fifty bookings behind them however long the history; the rest is others'. */
const PEOPLE = `
  join (select *, row_number() over (order by id) - 1 as place from app_public.offerings) f on f.place = n % ${ROOMS}
  join (select *, row_number() over (order by user_id nulls last, id) - 1 as place from app_public.customers) c
    on c.place = case when n < ${CALLS} * 50 then n % ${CALLS}
      else ${2 * CALLS} + (n::bigint * 7919) % ${USERS + OTHERS - 2 * CALLS} end
  join app_public.policy_versions p on p.organization_id = f.organization_id`;

async function fillOthers(ground: Ground): Promise<void> {
  await fill(ground, [
    `insert into app_public.customers (organization_id, name, email)
     select o.id, 'Guest ' || n, 'guest' || n || '@bench.example'
     from app_public.organizations o, generate_series(1, ${OTHERS}) n where o.slug = 'bench'`,
    [],
  ]);
}

async function fillPast(ground: Ground, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += STEP) {
    const numbers = [first, Math.min(first + STEP, to) - 1];
    await fill(
      ground,
      [
        `insert into app_public.bookings (${COLUMNS})
         select ${id('1')}, f.organization_id, f.id, c.id, p.id, 'PAST-' || n,
           (array['cancelled', 'completed'])[least(n % 10, 1) + 1]::app_public.booking_status,
           s.at, s.at + interval '1 hour', tstzrange(s.at, s.at + interval '1 hour'), 'EUR',
           s.at - interval '5 days', s.at - interval '5 days', s.at, null
         from generate_series($1::integer, $2::integer) n ${PEOPLE}
         cross join lateral (select now() - interval '3 days' - (n / ${ROOMS}) * interval '1 hour' as at) s`,
        numbers,
      ],
      [
        `insert into app_public.notifications (id, organization_id, customer_id, kind, booking_id, created_at, published_at)
         select ${id('2')}, f.organization_id, c.id, 'booking_received', ${id('1')}, s.at, s.at
         from generate_series($1::integer, $2::integer) n ${PEOPLE}
         cross join lateral (select now() - interval '8 days' - (n / ${ROOMS}) * interval '1 hour' as at) s`,
        numbers,
      ],
      [
        `insert into app_public.deliveries (id, organization_id, notification_id, subject_id, address, status, sent_at,
           followed_up_at, created_at)
         select ${id('3')}, o.id, ${id('2')}, ${id('1')}, 'person@bench.example', 'sent', s.at, s.at, s.at
         from generate_series($1::integer, $2::integer) n
         cross join (select id from app_public.organizations where slug = 'bench') o
         cross join lateral (select now() - interval '8 days' - (n / ${ROOMS}) * interval '1 hour' as at) s`,
        numbers,
      ],
    );
  }
}

async function fillFuture(ground: Ground, count: number): Promise<void> {
  for (let first = 0; first < count; first += STEP) {
    const numbers = [first, Math.min(first + STEP, count) - 1];
    await fill(
      ground,
      [
        `insert into app_public.bookings (${COLUMNS})
         select ${id('4')}, f.organization_id, f.id, c.id, p.id, 'FUTURE-' || n, 'confirmed',
           s.at, s.at + interval '15 minutes', tstzrange(s.at, s.at + interval '15 minutes'), 'EUR', now(), now(),
           null, s.at - interval '2 hours'
         from generate_series($1::integer, $2::integer) n ${PEOPLE}
         cross join lateral (select ${FUTURE} as at) s`,
        numbers,
      ],
      [
        `insert into app_private.occupancies (organization_id, resource_id, booking_id, during)
         select f.organization_id, x.resource_id, ${id('4')}, tstzrange(s.at, s.at + interval '15 minutes')
         from generate_series($1::integer, $2::integer) n
         join (select *, row_number() over (order by id) - 1 as place from app_public.offerings) f on f.place = n % ${ROOMS}
         join app_public.offering_resources x on x.offering_id = f.id
         cross join lateral (select ${FUTURE} as at) s`,
        numbers,
      ],
      [
        `insert into app_private.deadlines (organization_id, subject, subject_id, action, due_at)
         select o.id, 'booking', ${id('4')}, 'remind', s.at - interval '24 hours'
         from generate_series($1::integer, $2::integer) n
         cross join (select id from app_public.organizations where slug = 'bench') o
         cross join lateral (select ${FUTURE} as at) s`,
        numbers,
      ],
    );
  }
}

/** Each kind of call in turn, on both sides, so that what else the machine does falls on all alike. */
async function measure(sides: Side[], index: number): Promise<void> {
  for (const { latencies } of sides) latencies.clear();
  for (let n = 0; n < CALLS; n++) {
    // Who is first finds the caches of the processor as the other has left them.
    for (const side of n % 2 === 0 ? sides : sides.toReversed()) await callEach(side, n, index);
  }
}

async function callEach({ ground, caller, latencies }: Side, n: number, index: number) {
  const timed = async (what: string, client: pg.Client, text: string, values: unknown[]) => {
    const started = performance.now();
    const { rows } = await client.query({ name: what, text, values });
    latencies.set(what, [...(latencies.get(what) ?? []), performance.now() - started]);
    return rows[0] as Record<string, string> | undefined;
  };
  const act = (what: string, user: string, call: string, values: unknown[]) =>
    caller
      .query(`select set_config('reslot.user_id', $1, false)`, [user])
      .then(() => timed(what, caller, `select ${call}`, values));
  const [owner, waiter] = [ground.users[n], ground.users[CALLS + n]] as [string, string];
  const { offering, startsAt, endsAt } = cell(ground, n + index * CALLS, 0);
  const args = [offering, startsAt, endsAt];
  const week = new Date(Date.parse(startsAt) + 7 * 24 * HOUR_MS).toISOString();
  const booked = await act('book', owner, 'id from app_public.create_booking($1, $2, $3)', args);
  await act('join', waiter, 'id from app_public.join_waitlist($1, $2, $3)', args);
  await act('cancel with offer', owner, 'id from app_public.cancel_booking($1)', [booked?.id]);
  await timed('dispatch', ground.owner, 'select app_private.dispatch()', []);
  await act('availability of a week', owner, '* from app_public.availability($1, $2, $3)', [
    ...[offering, startsAt, week],
  ]);
  await act('my bookings', owner, '* from app_public.my_bookings() limit 50', []);
}

const medians = ({ latencies }: Side): Record<string, number> =>
  Object.fromEntries([...latencies].map(([what, times]) => [what, median(times)]));

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return round(sorted[Math.floor(sorted.length / 2)] ?? 0, 3);
}
