/**
 * Rooms are locked in one order by everybody. Here somebody has the first room and wants the second, while another
 * begins who needs both: whoever took the second first would be in the way, and one of the two would be thrown out.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import type { PoolClient } from 'pg';
import { cloneDatabase, type TestDatabase, testDatabase } from '../support/database.ts';
import {
  book,
  call,
  createOffering,
  createResource,
  createUser,
  createWorld,
  deliverMail,
  insert,
  range,
} from '../support/factories.ts';

interface Two {
  db: TestDatabase;
  one: PoolClient;
  two: PoolClient;
}

async function withTwo(action: (two: Two) => Promise<void>): Promise<void> {
  const clone = await cloneDatabase();
  const pool = clone.pool('owner', 2);
  const [one, two] = [await pool.connect(), await pool.connect()];
  try {
    await action({ db: testDatabase(one), one, two });
  } finally {
    one.release(true);
    two.release(true);
    await clone.drop();
  }
}

/** What the scene is made of; it has to be there for both. */
async function committed<T>({ db, one }: Two, make: () => Promise<T>): Promise<T> {
  await one.query('begin');
  const made = await make();
  await one.query('commit');
  await db.query('begin');
  return made;
}

async function untilBlocked(db: TestDatabase): Promise<void> {
  const blocked = `exists (select from pg_locks l where not l.granted and l.locktype = 'transactionid')`;
  while (!(await db.value<boolean>(`select ${blocked}`))) await sleep(20);
}

const lock = (db: TestDatabase, resourceId: string) =>
  db.query('select from app_public.resources where id = $1 for no key update', [resourceId]);

/** The first takes one room, the second begins and has to wait, the first takes the other room. */
async function crossed(
  { db, one, two }: Two,
  rooms: [first: string, second: string],
  sql: string,
  params: unknown[],
): Promise<Record<string, unknown>[]> {
  await lock(db, rooms[0]);
  const acting = two.query(sql, params);
  await untilBlocked(db);
  await lock(db, rooms[1]);
  await one.query('commit');
  return (await acting).rows as Record<string, unknown>[];
}

describe('Rooms are taken in the order in which everybody takes them', () => {
  test('by who archives one room of a hall', () =>
    withTwo(async (both) => {
      const { db, two } = both;
      const world = await committed(both, () => createWorld(db));
      await two.query('set role reslot_admin');
      const rows = await crossed(
        both,
        [world.leftRoom, world.rightRoom],
        'select archived_at is not null as archived from app_public.archive_resource($1)',
        [world.rightRoom],
      );
      expect(rows).toEqual([{ archived: true }]);
    }));

  test('by who takes over guests of two organisations', () =>
    withTwo(async (both) => {
      const { db } = both;
      const { bea, later, earlier } = await committed(both, async () => {
        const [first, second] = [await createWorld(db), await createWorld(db)];
        const { organizationId, policyId } = first;
        const room = await createResource(db, organizationId, 'Annex');
        const annex = await createOffering(db, {
          organizationId,
          policyId,
          name: 'Annex',
          resourceIds: [room],
        });
        const guest = await createUser(db, 'Bea');
        await book(db, guest, annex, range('10:00', '12:00'));
        await book(db, guest, second.left, range('10:00', '12:00'));
        const email = await db.value('select email from app_public.users where id = $1', [guest]);
        for (const { organizationId: organization_id } of [first, second]) {
          await insert(db, 'app_public.customers', { organization_id, name: 'Guest', email });
        }
        return { bea: guest, later: room, earlier: second.leftRoom };
      });
      const adopt = 'select app_private.adopt_customers($1)';
      await crossed(both, [earlier, later], adopt, [bea]);
      const left = await db.value(
        'select count(*)::integer from app_public.customers where user_id is null and erased_at is null',
      );
      expect(left).toBe(0);
    }));
});

describe('A dead mail that is tried again while its failure is followed up', () => {
  test('is followed up anew when it is accepted', () =>
    withTwo(async (both) => {
      const { db, one, two } = both;
      const { made, delivery, owner } = await committed(both, async () => {
        const world = await createWorld(db);
        const alice = await createUser(db, 'Alice');
        const booked = await book(db, alice, world.left, range('18:00', '20:00', 3));
        await deliverMail(db);
        await db.query('select app_private.set_clock($1)', [range('18:00', '20:00', 2)[0]]);
        await db.query('select app_private.run_deadline($1)', [booked.id]);
        const [mail] = await db.rows<{ delivery_id: string }>(
          'select delivery_id from app_private.lease_deliveries(1)',
        );
        const id = mail?.delivery_id as string;
        await db.query(`select app_private.mark_delivery_failed($1, 1, 'mailbox full', true)`, [
          id,
        ]);
        return { made: booked, delivery: id, owner: world.owner };
      });
      await db.query('select from app_public.bookings where id = $1 for no key update', [made.id]);
      const followed = two.query('select app_private.follow_up_delivery($1)', [delivery]);
      await untilBlocked(db);
      await call(db, owner, 'retry_delivery', { delivery_id: delivery });
      await one.query('commit');
      await followed;
      expect(await deliverMail(db)).toHaveLength(1);
      const sent = await db.value(
        'select reminder_sent_at from app_public.bookings where id = $1',
        [made.id],
      );
      expect(sent).not.toBeNull();
    }));
});
