/** What always holds of services, and that the views say so when it does not: as invariants.test.ts. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { at, createUser, insert, range } from '../support/factories.ts';
import { bookWith, createService, waitWith } from '../support/services.ts';
import { createUsers, rule, type Scene } from './rule.ts';

const time = range('10:00', '11:00');

async function found(db: TestDatabase, ...statements: string[]): Promise<string[][]> {
  await db.query('savepoint broken');
  for (const statement of statements) await db.query(statement);
  const rows = await db.rows<{ invariant: string; subject_id: string; problem: string }>(
    'select * from app_private.check_invariants()',
  );
  await db.query('rollback to savepoint broken');
  return rows.map(({ invariant, subject_id, problem }) => [invariant, subject_id, problem]);
}

async function twoBookings({ db, world }: Scene) {
  const service = await createService(db, world);
  const [pia, quinn] = service.providers as [string, string];
  const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
  const withPia = await bookWith(db, ann, service, time, pia);
  const withQuinn = await bookWith(db, bob, service, time, quinn);
  return { service, pia, quinn, withPia, withQuinn };
}

describe('I2, of a pool', () => {
  rule('finds a booking without its provider, with two, or with another', async (scene) => {
    const { db, world } = scene;
    const { service, pia, withPia } = await twoBookings(scene);
    const rex = await insert(db, 'app_public.resources', {
      ...{ organization_id: world.organizationId, name: 'Rex', time_zone: 'UTC' },
    });
    await db.query('insert into app_public.offering_resources values ($1, $2, $3, true)', [
      ...[service.offering, rex, world.organizationId],
    ]);
    const one = ['I2', withPia.id, 'booking takes not one of the pool'];
    const disagree = ['I2', withPia.id, 'booking and occupancies disagree'];
    const where = `where booking_id = '${withPia.id}'`;
    const remove = `delete from app_private.occupancies ${where}`;
    expect(await found(db, remove)).toEqual([disagree, one]);
    expect(
      await found(
        db,
        `insert into app_private.occupancies (organization_id, resource_id, booking_id, during)
         select organization_id, '${rex}', id, room from app_public.bookings where id = '${withPia.id}'`,
      ),
    ).toEqual([one]);
    expect(
      await found(db, `update app_private.occupancies set resource_id = '${rex}' ${where}`),
    ).toEqual([disagree]);
    expect(
      await found(db, `update app_private.occupancies set resource_id = '${pia}' ${where}`),
    ).toEqual([]);
  });
});

describe('I4, of a pool', () => {
  rule(
    'finds a provider who is free while somebody waits for them, or for anybody',
    async (scene) => {
      const { db } = scene;
      const { service, pia, withPia, withQuinn } = await twoBookings(scene);
      const [cem, dan] = await createUsers(db, 'Cem', 'Dan');
      const forPia = await waitWith(db, cem, service, time, pia);
      const forAny = await waitWith(db, dan, service, time);
      const free = (id: string) =>
        [
          'alter table app_public.bookings disable trigger user',
          `delete from app_private.deadlines where subject_id = '${id}'`,
          `delete from app_private.occupancies where booking_id = '${id}'`,
          `update app_public.bookings set status = 'completed', ended_at = '${at('09:00')}' where id = '${id}'`,
        ] as const;
      const waits = async (id: string) => {
        const rows = await found(db, ...free(id));
        return rows.filter(([invariant]) => invariant === 'I4').map(([, subject]) => subject);
      };
      expect(await waits(withQuinn.id)).toEqual([forAny.id]);
      expect((await waits(withPia.id)).sort()).toEqual([forPia.id, forAny.id].sort());
    },
  );

  rule('counts only who is both at work and free', async (scene) => {
    const { db, world } = scene;
    const { service, quinn, withQuinn } = await twoBookings(scene);
    await waitWith(db, await createUser(db, 'Cem'), service, time);
    await insert(db, 'app_public.blackouts', {
      ...{ organization_id: world.organizationId, resource_id: quinn, reason: 'Away' },
      ...{ starts_at: time[0], ends_at: time[1] },
    });
    const rows = await found(
      db,
      'alter table app_public.bookings disable trigger user',
      `delete from app_private.occupancies where booking_id = '${withQuinn.id}'`,
    );
    expect(rows.filter(([invariant]) => invariant === 'I4')).toEqual([]);
  });
});

describe('I5, of a pool', () => {
  rule('finds an offer to somebody while another came first', async (scene) => {
    const { db } = scene;
    const { service, withPia, pia } = await twoBookings(scene);
    const [cem, dan, eve] = await createUsers(db, 'Cem', 'Dan', 'Eve');
    const first = await waitWith(db, cem, service, time);
    const second = await waitWith(db, dan, service, time);
    const third = await waitWith(db, eve, service, time, pia);
    const offer = (id: string) =>
      `select app_private.make_offer(e, 1, e.room) from app_public.waitlist_entries e where e.id = '${id}'`;
    const end = `delete from app_private.occupancies where booking_id = '${withPia.id}'`;
    const outOfTurn = async (id: string) => {
      const rows = await found(db, end, offer(id));
      return rows
        .filter(([invariant]) => invariant === 'I5')
        .map(([, subject, problem]) => [subject, problem?.slice(-36)]);
    };
    expect(await outOfTurn(first.id)).toEqual([]);
    expect(await outOfTurn(second.id)).toEqual([[second.id, first.id]]);
    expect((await outOfTurn(third.id)).sort()).toEqual(
      [
        [third.id, first.id],
        [third.id, second.id],
      ].sort(),
    );
  });
});
