import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Api, startApi } from './api.ts';
import { eventually, type FaultWorld, openWorld } from './world.ts';

jest.setTimeout(120_000);

let world: FaultWorld;
let api: Api;
let token: string;
let hour = 0;

beforeAll(async () => {
  world = await openWorld();
  api = await startApi(world);
  token = await api.signIn();
});
afterAll(async () => {
  await api.stop();
  await world.stop();
});
afterEach(async () => {
  expect(await world.broken()).toEqual([]);
});

/** Every table that a booking is written to, and the one that says so last. */
const WRITTEN = [
  'app_private.idempotency_keys',
  'app_public.customers',
  'app_public.bookings',
  'app_private.occupancies',
  'app_private.deadlines',
  'app_public.notifications',
  'app_public.deliveries',
  'app_public.audit_log',
];

const countAll = async () => {
  const counts = WRITTEN.map((table) => `(select count(*) from ${table})::integer as "${table}"`);
  return (await world.query(`select ${counts.join(', ')}`))[0];
};

/** While the trouble lasts, a clean refusal and no trace; after it, the same request is carried out. */
async function refusesCleanly(lift: () => Promise<unknown>): Promise<void> {
  hour += 1;
  const key = `key ${hour}`;
  const before = await countAll();
  try {
    const { refusal, text } = await api.book(token, hour, key);
    expect(refusal).toBe('RSBSY');
    expect(text).not.toMatch(/select |insert |connection|disk|lock|postgres/i);
    expect(await countAll()).toEqual(before);
  } finally {
    await lift();
  }
  // Other work on the machine may be in the way a little longer: RSBSY says to try again.
  await eventually(async () => {
    const { id, refusal } = await api.book(token, hour, key);
    if (refusal !== 'RSBSY') expect(id).toBeDefined();
    return id;
  });
  expect(await countAll()).not.toEqual(before);
}

describe('a request is refused cleanly, leaves nothing half done, and can be repeated', () => {
  test('when there are no connections left', async () => {
    const name = new URL(world.database.url('admin')).pathname.slice(1);
    // Idle connections are closed after a while; now there is one to lose.
    await api.signIn();
    await world.admin.query(`alter database ${name} connection limit 0`);
    const { rows } = await world.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and usename = 'reslot_app'`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await eventually(async () => {
      const left = await world.admin.query(
        `select from pg_stat_activity where datname = current_database() and usename = 'reslot_app'`,
      );
      return left.rowCount === 0;
    });
    await refusesCleanly(() => world.admin.query(`alter database ${name} connection limit -1`));
  });

  test('when somebody holds a lock for too long', async () => {
    const [resource] = await world.query<{ id: string }>('select id from app_public.resources');
    const lock = await world.lockRow('app_public.resources', resource?.id ?? '');
    await refusesCleanly(() => lock.release());
  });

  test.each(WRITTEN)('when the disk is full as %s is written to', async (table) => {
    // A customer row is written by somebody's first booking only.
    if (table === 'app_public.customers') token = await api.signIn();
    await world.query(
      `create function app_private.disk_is_full() returns trigger language plpgsql as $$
       begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$`,
    );
    await world.query('grant execute on function app_private.disk_is_full() to public');
    await world.query(
      `create trigger disk_is_full after insert on ${table}
       for each row execute function app_private.disk_is_full()`,
    );
    await refusesCleanly(() => world.query('drop function app_private.disk_is_full() cascade'));
  });
});
