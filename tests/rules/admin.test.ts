/** What operators see and do by hand. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createMember,
  createUser,
  createWorld,
  deliverMail,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import {
  advanceWithoutMail,
  cancel,
  createUsers,
  refused,
  rule,
  type Scene,
  statusOf,
} from './rule.ts';

const asAdmin = <T extends Record<string, unknown>>(db: TestDatabase, sql: string) =>
  db.as({ role: 'reslot_admin' }, () => db.rows<T>(sql));

async function health(db: TestDatabase): Promise<Record<string, [number, boolean]>> {
  const rows = await asAdmin<{ name: string; value: number; healthy: boolean }>(
    db,
    'select * from app_public.job_health()',
  );
  return Object.fromEntries(rows.map((row) => [row.name, [row.value, row.healthy]]));
}

async function offerBea({ db, world }: Scene) {
  const [holder, bea] = await createUsers(db, 'Holder', 'Bea');
  const made = await book(db, holder, world.left, range('10:00', '12:00'));
  const waits = await join(db, bea, world.left, range('10:00', '12:00'));
  await cancel(db, holder, made.id);
  await deliverMail(db);
  return waits;
}

describe('expire_due', () => {
  rule('ends what is overdue, and says how much', async (scene) => {
    const { db, world } = scene;
    const waits = await offerBea(scene);
    await refused(db, 'RSNTF', world.owner, 'expire_due', {});
    const expire = async () =>
      (await asAdmin(db, 'select app_public.expire_due() as n'))[0]?.n as number;
    expect(await expire()).toBe(0);
    await db.setClock(at('08:15'));
    expect(await expire()).toBe(1);
    expect(await statusOf(db, waits.id)).toEqual(['expired']);
    expect(await expire()).toBe(0);
  });

  rule(
    'ends requests nobody answered, too',
    async ({ db, world }) => {
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await db.setClock(at('08:00', 1));
      await asAdmin(db, 'select app_public.expire_due()');
      expect((await booking(db, made.id)).status).toBe('expired');
    },
    { requires_approval: true },
  );
});

describe('The lists of managers', () => {
  rule('show the queue in the order of service, with what is theirs only', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem, half] = await createUsers(db, 'Holder', 'Bea', 'Cem', 'Half');
    await createMember(db, world.organizationId, half, 'manager', [world.right]);
    const other = await createWorld(db);
    await book(db, holder, world.left, range('10:00', '12:00'));
    const first = await join(db, bea, world.left, range('10:00', '12:00'));
    const second = await join(db, cem, world.left, range('10:00', '12:00'));
    await call(db, world.manager, 'set_waitlist_priority', { entry_id: second.id, priority: 1 });
    const queue = (user: string) =>
      db.as({ role: 'reslot_user', userId: user }, async () =>
        (await db.rows<{ id: string }>('select id from app_public.waitlist($1)', [world.left])).map(
          ({ id }) => id,
        ),
      );
    expect(await queue(world.manager)).toEqual([second.id, first.id]);
    for (const user of [bea, half, other.owner]) expect(await queue(user)).toEqual([]);
    const named = await db.as({ role: 'reslot_user', userId: world.manager }, () =>
      db.rows(
        `select (select c.name from app_public.customers c where c.id = w.customer_id) as name
         from app_public.waitlist($1) w`,
        [world.left],
      ),
    );
    expect(named).toEqual([{ name: 'Cem' }, { name: 'Bea' }]);
  });

  rule('count who waits, per offering', async (scene) => {
    const { db, world } = scene;
    await offerBea(scene);
    const cem = await createUser(db, 'Cem');
    await join(db, cem, world.hall, range('10:00', '12:00'));
    const lengths = await asAdmin(
      db,
      `select offering_name, waiting, offered, stuck from app_public.waitlist_lengths()
       where organization_id = '${world.organizationId}' order by 1`,
    );
    expect(lengths).toEqual([
      { offering_name: 'Hall', waiting: 1, offered: 0, stuck: 0 },
      { offering_name: 'Left half', waiting: 0, offered: 1, stuck: 0 },
    ]);
    await db.as({ role: 'reslot_user', userId: cem }, async () => {
      expect(await db.rows('select * from app_public.waitlist_lengths()')).toEqual([]);
    });
  });

  rule('show whom I10 spared, as long as it matters', async (scene) => {
    const { db, world } = scene;
    const other = await createWorld(db);
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceWithoutMail(db, at('17:00', 3));
    const spared = (user: string) =>
      db.as({ role: 'reslot_user', userId: user }, async () =>
        (await db.rows<{ id: string }>('select id from app_public.spared_bookings()')).map(
          ({ id }) => id,
        ),
      );
    expect(await spared(world.manager)).toEqual([made.id]);
    expect(await spared(alice)).toEqual([]);
    expect(await spared(other.owner)).toEqual([]);
    await advanceWithoutMail(db, at('21:00', 3));
    expect(await spared(world.manager)).toEqual([]);
  });
});

describe('job_health', () => {
  rule('is for admins', async ({ db, world }) => {
    await refused(db, 'RSNTF', world.owner, 'job_health', {});
  });

  rule('is well when everything due was done', async (scene) => {
    const { db } = scene;
    await offerBea(scene);
    await advanceTo(db, at('09:00'));
    const all = await health(db);
    expect(Object.values(all).every(([, healthy]) => healthy)).toBe(true);
  });

  rule('tells of what is overdue, failing, dead, stuck or spared', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.query(`select app_private.note_deadline_failure($1, 'boom')`, [made.id]);
    expect((await health(db))['failing deadlines']).toEqual([1, false]);
    await db.query(
      `select app_private.mark_delivery_failed(delivery_id, attempt, '550', true)
       from app_private.lease_deliveries(1)`,
    );
    expect((await health(db))['dead deliveries']).toEqual([1, false]);
    await db.setClock(at('18:00:30', 2));
    expect((await health(db))['overdue deadlines']).toEqual([1, true]);
    await db.setClock(at('18:02', 2));
    expect((await health(db))['overdue deadlines']).toEqual([1, false]);
    await runDueDeadlines(db);
    await db.setClock(at('18:10', 2));
    expect((await health(db))['queued deliveries']).toEqual([1, false]);
    await advanceWithoutMail(db, at('16:30', 3));
    expect((await health(db))['bookings spared']).toEqual([1, false]);
  });
});
