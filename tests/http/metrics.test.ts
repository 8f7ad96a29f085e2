import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type MetricsPort, openMetricsPort, VITAL_SIGNS } from '../../src/http/metrics.ts';
import { type Inbox, startInbox } from '../../src/mail/inbox.ts';
import { createMailTransport } from '../../src/mail/transport.ts';
import { book, insert, join } from '../support/factories.ts';
import { eventually, startTestWorker, TEST_SERVICES } from '../support/worker.ts';
import { createGraphqlWorld, type GraphqlWorld } from './graphqlWorld.ts';

let world: GraphqlWorld;
let port: MetricsPort;

beforeAll(async () => {
  world = await createGraphqlWorld();
  port = await open(world.database.url('app'));
});
afterAll(async () => {
  await port.stop();
  await world.stop();
});

async function open(databaseUrl: string): Promise<MetricsPort> {
  const opened = await openMetricsPort({ metricsPort: 0, metricsHost: '127.0.0.1' }, databaseUrl);
  if (!opened) throw new Error('There is no port for metrics.');
  return opened;
}

/** Every series with its value, such as `reslot_jobs_total{task="dispatch",outcome="done"}`. */
async function scrape(from = port): Promise<Map<string, number>> {
  const response = await fetch(from.url);
  expect(response.status).toBe(200);
  const lines = (await response.text()).split('\n').filter((line) => line && line[0] !== '#');
  return new Map(
    lines.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }),
  );
}

async function gauge(name: string): Promise<number | undefined> {
  return (await scrape()).get(`reslot_${name}`);
}

/** By how much the series that `action` has moved have grown. */
async function growth(action: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await scrape();
  await action();
  const grown = [...(await scrape())]
    .map(([series, value]): [string, number] => [series, value - (before.get(series) ?? 0)])
    .filter(([series, more]) => more > 0 && /^reslot_\w+_total/.test(series));
  return Object.fromEntries(grown);
}

const inHours = (hours: number) => new Date(Date.now() + hours * 3_600_000).toISOString();

describe('the port for metrics', () => {
  test('is not open unless a setting says so, and the public port has none of it', async () => {
    const closed = { metricsPort: undefined, metricsHost: '127.0.0.1' };
    expect(await openMetricsPort(closed, world.database.url('app'))).toBeNull();
    expect((await fetch(world.url.replace('/graphql', '/metrics'))).status).toBe(404);
  });

  test('answers nothing else', async () => {
    expect((await fetch(port.url.replace('/metrics', '/'))).status).toBe(404);
    expect((await fetch(port.url, { method: 'POST' })).status).toBe(404);
  });

  test('tells of the process, of the database, and of no worker where there is none', async () => {
    const series = await scrape();
    expect(series.get('reslot_database_up')).toBe(1);
    expect(series.get('reslot_worker_present')).toBe(0);
    expect(series.get('process_resident_memory_bytes')).toBeGreaterThan(0);
  });

  test('has each vital sign with what it is, once the invariants were checked', async () => {
    expect(await gauge('broken_invariants')).toBeUndefined();
    await world.change((db) => db.query('select app_private.remember_invariants()'));
    const text = await (await fetch(port.url)).text();
    for (const [name, help] of Object.entries(VITAL_SIGNS)) {
      expect(text).toContain(`# HELP reslot_${name} ${help}\n# TYPE reslot_${name} gauge\n`);
    }
    const told = await world.change((db) =>
      db.rows<{ name: string }>('select name from app_private.vital_signs()'),
    );
    expect(told.map(({ name }) => name).toSorted()).toEqual(Object.keys(VITAL_SIGNS).toSorted());
  });

  test('says that the database is away, and leaves out what it does not know', async () => {
    const lost = await open('postgres://reslot_app:x@127.0.0.1:1/nowhere');
    const series = await scrape(lost);
    await lost.stop();
    expect(series.get('reslot_database_up')).toBe(0);
    expect([...series.keys()].filter((name) => name.slice(7) in VITAL_SIGNS)).toEqual([]);
  });

  test('says when it cannot be opened', async () => {
    const taken = { metricsPort: Number(new URL(port.url).port), metricsHost: '127.0.0.1' };
    await expect(openMetricsPort(taken, world.database.url('app'))).rejects.toThrow(
      `METRICS_PORT ${taken.metricsPort} cannot be opened`,
    );
  });
});

describe('what is counted', () => {
  test('requests, operations and errors, each by the little that is known beforehand', async () => {
    const grown = await growth(async () => {
      await world.ask('{ organizations { nodes { id } } }');
      await world.ask('{ nonsense }');
      await world.ask('{ organizations(first: 1000000) { nodes { id } } }');
      await world.ask('{ jobHealth { nodes { name } } }', {}, world.customer);
    });
    expect(grown).toEqual({
      'reslot_http_requests_total{route="/graphql",method="POST",status="200"}': expect.any(Number),
      'reslot_http_requests_total{route="/graphql",method="POST",status="400"}': expect.any(Number),
      'reslot_graphql_operations_total{type="query",outcome="done"}': 1,
      'reslot_graphql_operations_total{type="unreadable",outcome="refused"}': 1,
      'reslot_graphql_operations_total{type="query",outcome="refused"}': 1,
      'reslot_graphql_operations_total{type="query",outcome="failed"}': 1,
      'reslot_graphql_errors_total{code="RSARG"}': 2,
      'reslot_graphql_errors_total{code="RSNTF"}': 1,
    });
  });

  test('nothing under a name that a stranger has chosen, however many they try', async () => {
    const origin = new URL(world.url).origin;
    const before = (await scrape()).size;
    for (let n = 0; n < 30; n++) {
      await fetch(`${origin}/secret-${n}@example.com`, { method: n % 2 ? 'PUT' : 'DELETE' });
      await world.ask(`query Secret${n} { secret${n} }`);
    }
    const after = await scrape();
    expect([...after.keys()].filter((series) => /secret/i.test(series))).toEqual([]);
    // One more: everything that is not known, with the status 404.
    expect(after.size - before).toBeLessThanOrEqual(15);
  });
});

describe('the state of things', () => {
  test('an overdue deadline, and one that fails', async () => {
    expect(await gauge('oldest_due_deadline_seconds')).toBe(0);
    await world.change((db) =>
      db.query(
        `insert into app_private.deadlines (subject_id, subject, organization_id, action, due_at, attempts)
         values (uuidv7(), 'booking', $1, 'remind', app_private.clock() - interval '5 minutes', 2)`,
        [world.organizationId],
      ),
    );
    expect(await gauge('overdue_deadlines')).toBe(1);
    expect(await gauge('failing_deadlines')).toBe(1);
    const seconds = await gauge('oldest_due_deadline_seconds');
    expect(seconds).toBeGreaterThanOrEqual(300);
    // It belongs to nothing, which is just what an invariant forbids.
    await world.change((db) => db.query('select app_private.remember_invariants()'));
    expect(await gauge('broken_invariants')).toBe(1);
    expect(await gauge('invariants_checked_seconds')).toBeGreaterThanOrEqual(0);
    await world.change((db) => db.query('delete from app_private.deadlines'));
  });

  test('who waits, what is offered, what is owed and what was given up', async () => {
    const time: [string, string] = [inHours(48), inHours(49)];
    const [first, second] = await world.change(async (db) => {
      const made = await book(db, world.customer, world.left, time);
      const waiting = await join(db, world.stranger, world.left, time);
      return [made.id, waiting.id];
    });
    const owed = (await gauge('queued_deliveries')) ?? 0;
    expect(owed).toBeGreaterThan(0);
    expect(await gauge('waiting_entries')).toBe(1);
    expect(await gauge('live_offers')).toBe(0);
    await world.ask(
      'mutation ($id: UUID!) { cancelBooking(input: { bookingId: $id }) { clientMutationId } }',
      { id: first },
      world.customer,
    );
    expect(await gauge('waiting_entries')).toBe(0);
    expect(await gauge('live_offers')).toBe(1);
    expect(await gauge('open_holds')).toBe(1);
    await world.change(async (db) => {
      await db.query(
        `update app_public.deliveries set created_at = created_at - interval '1 hour',
           next_attempt_at = next_attempt_at - interval '10 minutes'`,
      );
      await db.query(
        `update app_public.deliveries set status = 'dead' where id = (select min(id::text)::uuid from app_public.deliveries)`,
      );
      await db.query(
        `update app_public.waitlist_entries set stuck_at = app_private.clock(), stuck_reason = 'x' where id = $1`,
        [second],
      );
    });
    expect(await gauge('dead_deliveries')).toBe(1);
    expect(await gauge('stuck_entries')).toBe(1);
    expect(await gauge('oldest_queued_delivery_seconds')).toBeGreaterThanOrEqual(3600);
    expect(await gauge('late_delivery_seconds')).toBeGreaterThanOrEqual(600);
  });
});

describe('with a worker', () => {
  let inbox: Inbox;
  beforeAll(async () => {
    inbox = await startInbox({ port: 0 });
  });
  afterAll(() => inbox.stop());

  test('its jobs, mails and deadlines are counted, and it is seen to be there', async () => {
    const transport = createMailTransport({ smtpUrl: inbox.smtpUrl });
    const grown = await growth(async () => {
      const subject = await world.change((db) =>
        insert(db, 'app_private.freeings', {
          organization_id: world.organizationId,
          resource_ids: [world.leftRoom],
          during: '[2020-01-01,2020-01-02)',
        }),
      );
      const worker = await startTestWorker(world.database, {
        services: { ...TEST_SERVICES, transport },
      });
      await eventually(async () => (await gauge('queued_deliveries')) === 0);
      await eventually(() =>
        world.change((db) =>
          db.value<boolean>('select told_at is not null from app_private.freeings where id = $1', [
            subject,
          ]),
        ),
      );
      expect(await gauge('worker_present')).toBe(1);
      await worker.stop();
      transport.close();
    });
    const sent = grown['reslot_mails_total{outcome="sent"}'];
    expect(sent).toBeGreaterThan(0);
    expect(grown).toMatchObject({
      'reslot_jobs_total{task="deliveries__send",outcome="done"}': expect.any(Number),
      'reslot_jobs_total{task="deadlines__carry_out",outcome="done"}': expect.any(Number),
      'reslot_deadlines_total{action="last_call"}': 1,
    });
    expect(inbox.messages().length).toBe(sent);
  });
});
