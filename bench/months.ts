/** What a month of a tour looks like, among a million slots: beside the query that adds them up and nothing else. */
import { type Ground, openGround } from './ground.ts';
import { figures } from './load.ts';
import { AS_USER, connect } from './rush.ts';

const TOURS = 250;
/** Days before and after today that have slots. */
const DAYS = { past: 135, future: 365 };
const CALLS = 400;

export interface MonthsFigures {
  slots: number;
  ms: Record<string, { p50: number; p99: number }>;
}

export async function measureMonths(slots: number): Promise<MonthsFigures> {
  const ground = await openGround();
  const clients = await connect(ground.url('app'), AS_USER, 1);
  try {
    const made = await fill(ground, slots);
    const tours = await ground.owner.query<{ id: string }>(
      `select id from app_public.offerings where kind = 'tour' order by id`,
    );
    const [client] = clients;
    const months = Array.from({ length: CALLS }, (_, n) => [
      tours.rows[(n * 7) % TOURS]?.id,
      new Date(Date.now() + (n % 12) * 30 * 86_400_000).toISOString().slice(0, 10),
    ]);
    const ask = (asWhom: typeof ground.owner | undefined, name: string, text: string) =>
      timed(months, (values) => asWhom?.query({ name, text, values }));
    return {
      slots: made,
      ms: {
        'bare query': await ask(
          ground.owner,
          'bare month',
          `select s.day, count(*), sum(s.capacity - s.taken), bool_or(s.capacity > s.taken)
           from app_public.slots s
           where s.offering_id = $1 and s.ended_at is null and s.starts_at > now()
             and s.day between date_trunc('month', $2::date)::date
               and (date_trunc('month', $2::date) + interval '1 month')::date - 1
           group by s.day order by s.day`,
        ),
        availability_by_day: await ask(
          client,
          'month',
          'select * from app_public.availability_by_day($1, $2)',
        ),
      },
    };
  } finally {
    await Promise.all(clients.map((client) => client.end()));
    await ground.stop();
  }
}

async function timed(
  calls: unknown[][],
  call: (values: unknown[]) => Promise<unknown> | undefined,
): Promise<{ p50: number; p99: number }> {
  for (const values of calls.slice(0, 50)) await call(values);
  const latencies: number[] = [];
  for (const values of calls) {
    const started = performance.now();
    await call(values);
    latencies.push(performance.now() - started);
  }
  const { p50Ms, p99Ms } = figures(latencies, latencies.length, 0, 1);
  return { p50: p50Ms, p99: p99Ms };
}

/** Tours that use what many can use at once, each with several slots a day; half taken. */
async function fill(ground: Ground, slots: number): Promise<number> {
  const perDay = Math.max(1, Math.round(slots / TOURS / (DAYS.past + DAYS.future)));
  await ground.owner.query(
    `insert into app_public.resources (organization_id, name, time_zone, shared)
     select id, 'Meeting point', 'Europe/Berlin', true from app_public.organizations where slug = 'bench'`,
  );
  await ground.owner.query(
    `insert into app_public.offerings (organization_id, policy_id, kind, allocation, name, price)
     select organization_id, id, 'tour', 'capacity', 'Walk ' || n, 20
     from app_public.policies, generate_series(1, ${TOURS}) n
     where organization_id = (select id from app_public.organizations where slug = 'bench')`,
  );
  await ground.owner.query(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
     select f.id, r.id, f.organization_id from app_public.offerings f, app_public.resources r
     where f.kind = 'tour' and r.shared`,
  );
  await ground.owner.query(
    `insert into app_public.schedules (
       organization_id, offering_id, name, local_start, duration, recurrence, capacity, valid_from)
     select organization_id, id, 'Daily', '08:00', '45 minutes', 'daily', 20, current_date
     from app_public.offerings where kind = 'tour'`,
  );
  await ground.admin.query("set session_replication_role = 'replica'");
  const made = await ground.admin.query(
    `insert into app_public.slots (organization_id, offering_id, schedule_id, policy_version_id, day, starts_at, ends_at,
       room, capacity, taken, ended_at)
     select h.organization_id, h.offering_id, h.id, v.id, t.at::date, t.at, t.at + interval '45 minutes',
       tstzrange(t.at, t.at + interval '45 minutes'), 20, abs(n) % 21, case when t.at < now() then t.at end
     from app_public.schedules h
     join app_public.policy_versions v on v.organization_id = h.organization_id
     cross join generate_series(-${DAYS.past}, ${DAYS.future - 1}) n
     cross join generate_series(0, $1::integer - 1) k
     cross join lateral (
       select date_trunc('day', now()) + n * interval '24 hours' + interval '8 hours' + k * interval '1 hour' as at) t`,
    [perDay],
  );
  await ground.admin.query("set session_replication_role = 'origin'");
  await ground.admin.query('vacuum (analyze)');
  return made.rowCount ?? 0;
}
