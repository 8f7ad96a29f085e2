/** Members who are a resource: what they see of it, and when they are not there. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  at,
  booking,
  call,
  createMember,
  createProvider,
  createUser,
  range,
  type World,
} from '../support/factories.ts';
import { bookWith, createService, type Service, waitWith } from '../support/services.ts';
import { createTour } from '../support/tours.ts';
import { cancel, createUsers, refused, revise, rule, statusOf } from './rule.ts';

const time = range('10:00', '11:00');

interface Line extends Record<string, unknown> {
  kind: string;
  starts_at: Date;
  ends_at: Date;
  customer_name: string | null;
}

const calendar = (
  db: TestDatabase,
  userId: string,
  [from, to]: [string, string],
  resource?: string,
) =>
  db.as({ role: 'reslot_user', userId }, () =>
    db.rows<Line>('select * from app_public.provider_calendar($1, $2, $3)', [from, to, resource]),
  );

const lines = (rows: Line[]) =>
  rows.map(({ kind, starts_at, ends_at, customer_name }) => [
    kind,
    starts_at.toISOString().slice(11, 16),
    ends_at.toISOString().slice(11, 16),
    customer_name,
  ]);

/** Pia's account, bound to the first provider of a service, and Quinn's to the second. */
async function withAccounts(db: TestDatabase, world: World, service: Service) {
  const [first, second] = service.providers as [string, string];
  const [pia, quinn] = await createUsers(db, 'Pia', 'Quinn');
  await createProvider(db, world.organizationId, pia, first);
  await createProvider(db, world.organizationId, quinn, second);
  return { pia, quinn, first, second };
}

const seen = (db: TestDatabase, userId: string, table: string) =>
  db.as({ role: 'reslot_user', userId }, () =>
    db.value<number>(`select count(*)::integer from app_public.${table}`),
  );

describe('A member', () => {
  rule('is bound to a resource by the owner, and freed of it', async ({ db, world }) => {
    const { organizationId, owner, leftRoom } = world;
    const pia = await createUser(db, 'Pia');
    const email = await db.value<string>('select email from app_public.users where id = $1', [pia]);
    const set = { organization_id: organizationId, email, role: 'provider' };
    await call(db, owner, 'set_member', { ...set, resource_id: leftRoom });
    const bound = async () => {
      const members = await db.as({ role: 'reslot_user', userId: owner }, () =>
        db.rows<{ user_id: string; resource_id: string | null }>(
          'select * from app_public.members($1)',
          [organizationId],
        ),
      );
      return members.find(({ user_id }) => user_id === pia)?.resource_id;
    };
    expect(await bound()).toBe(leftRoom);
    await call(db, owner, 'set_member', set);
    expect(await bound()).toBeNull();
    await refused(db, 'RSNTF', world.manager, 'set_member', { ...set, resource_id: leftRoom });
  });

  rule('is not bound to what belongs to somebody else', async ({ db, world }) => {
    const other = await createService(db, world);
    await db.query(
      `update app_public.resources set organization_id = (
      select id from app_public.organizations where id <> $1 order by id limit 1) where id = $2`,
      [...[world.organizationId, other.providers[0]]],
    );
    const email = await db.value<string>('select email from app_public.users where id = $1', [
      await createUser(db, 'Pia'),
    ]);
    await refused(db, 'RSNTF', world.owner, 'set_member', {
      ...{ organization_id: world.organizationId, email, role: 'provider' },
      resource_id: other.providers[0],
    });
  });
});

describe('A provider', () => {
  rule(
    'sees the bookings that it serves, with name and number, and nothing else',
    async (scene) => {
      const { db, world } = scene;
      const service = await createService(db, world);
      const { pia, quinn, first, second } = await withAccounts(db, world, service);
      const ann = await createUser(db, 'Ann', { phone: '+43 1 23' });
      const bob = await createUser(db, 'Bob');
      const made = await bookWith(db, ann, service, time, first);
      await bookWith(db, bob, service, time, second);
      expect(await seen(db, pia, 'bookings')).toBe(1);
      for (const table of ['customers', 'waitlist_entries', 'audit_log']) {
        expect([table, await seen(db, pia, table)]).toEqual([table, 0]);
      }
      // That the one is theirs.
      expect(await seen(db, pia, 'notifications')).toBe(1);
      const contact = (userId: string) =>
        db.as({ role: 'reslot_user', userId }, () =>
          db.one(
            `select app_public.bookings_customer_name(b) as name, app_public.bookings_contact_phone(b) as phone
           from jsonb_populate_record(null::app_public.bookings, $1) b`,
            [JSON.stringify({ id: made.id, customer_id: made.customer_id })],
          ),
        );
      expect(await contact(pia)).toEqual({ name: 'Ann', phone: '+43 1 23' });
      expect(await contact(quinn)).toEqual({ name: null, phone: null });
      const [starts_at, ends_at] = time;
      await call(db, world.manager, 'create_blackout', {
        ...{ organization_id: world.organizationId, resource_id: first, reason: 'Away' },
        ...{ starts_at, ends_at, cancel_bookings: true },
      });
      // Cancelled, it was still theirs.
      expect(await seen(db, pia, 'bookings')).toBe(1);
    },
  );

  rule('no longer sees what another has taken over', async ({ db, world }) => {
    const service = await createService(db, world);
    const { pia, quinn, first } = await withAccounts(db, world, service);
    await bookWith(db, await createUser(db, 'Ann'), service, time, first);
    const [starts_at, ends_at] = time;
    await call(db, pia, 'create_blackout', {
      ...{ organization_id: world.organizationId, resource_id: first, reason: 'Away' },
      ...{ starts_at, ends_at },
    });
    expect([await seen(db, pia, 'bookings'), await seen(db, quinn, 'bookings')]).toEqual([0, 1]);
  });
});

describe('The calendar of a provider', () => {
  rule('has bookings, holds, time off and what lies outside the hours', async ({ db, world }) => {
    await revise(db, world, { buffer_after: '00:15:00' });
    const service = await createService(db, world, { hours: ['08:00', '18:00'] });
    const { pia, first, second } = await withAccounts(db, world, service);
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    await bookWith(db, ann, service, time, first);
    const gone = await bookWith(db, bob, service, range('12:00', '13:00'), first);
    await bookWith(db, bob, service, range('13:30', '14:00'), second);
    await waitWith(db, cem, service, range('12:00', '13:00'), first);
    await cancel(db, bob, gone.id);
    const [starts_at, ends_at] = range('15:00', '16:00');
    await call(db, pia, 'create_blackout', {
      ...{ organization_id: world.organizationId, resource_id: first, reason: 'Dentist' },
      ...{ starts_at, ends_at },
    });
    const day: [string, string] = [at('00:00', 1), at('20:00', 1)];
    const own = await calendar(db, pia, day);
    expect(lines(own)).toEqual([
      ['closed', '00:00', '08:00', null],
      ['booking', '10:00', '11:00', 'Ann'],
      ['hold', '12:00', '13:00', null],
      ['time_off', '15:00', '16:00', null],
      ['closed', '18:00', '20:00', null],
    ]);
    expect(own[1]).toMatchObject({
      ...{ offering_name: 'Massage', status: 'confirmed', busy_from: new Date(time[0]) },
      busy_until: new Date(at('11:15', 1)),
    });
    expect(await calendar(db, world.manager, day, first)).toEqual(own);
  });

  rule('has the slots that a guide leads', async ({ db, world }) => {
    const tour = await createTour(db, world);
    const gil = await createUser(db, 'Gil');
    await createProvider(db, world.organizationId, gil, tour.guide);
    const rows = await calendar(db, gil, [at('00:00', 1), at('24:00', 1)]);
    expect(lines(rows)).toEqual([['slot', '10:00', '12:00', null]]);
  });

  rule('is for them and for managers, and nobody else', async ({ db, world }) => {
    const service = await createService(db, world);
    const { pia, second } = await withAccounts(db, world, service);
    const keeper = await createUser(db, 'Kim');
    await createMember(db, world.organizationId, keeper, 'manager', [world.left]);
    const ask = { '"from"': at('00:00', 1), '"to"': at('00:00', 2) };
    await refused(db, 'RSNTF', pia, 'provider_calendar', { ...ask, resource_id: second });
    await refused(db, 'RSNTF', keeper, 'provider_calendar', { ...ask, resource_id: second });
    await refused(db, 'RSNTF', world.manager, 'provider_calendar', ask);
    await refused(db, 'RSARG', pia, 'provider_calendar', { ...ask, '"to"': at('00:00', 200) });
  });
});

describe('A provider who takes time off', () => {
  rule('sees first what it hits', async ({ db, world }) => {
    const service = await createService(db, world);
    const { pia, first } = await withAccounts(db, world, service);
    const ann = await createUser(db, 'Ann');
    const made = await bookWith(db, ann, service, time, first);
    await bookWith(db, ann, service, range('12:00', '13:00'), service.providers[1]);
    const hit = await db.as({ role: 'reslot_user', userId: pia }, () =>
      db.rows<{ id: string }>(
        'select id from app_public.blackout_conflicts($1, $2, $3, resource_id => $4)',
        [world.organizationId, at('00:00', 1), at('00:00', 2), first],
      ),
    );
    expect(hit).toEqual([{ id: made.id }]);
  });

  rule('does so for nobody else', async ({ db, world }) => {
    const service = await createService(db, world);
    const { pia, second } = await withAccounts(db, world, service);
    const [starts_at, ends_at] = time;
    const off = { organization_id: world.organizationId, reason: 'Away', starts_at, ends_at };
    for (const scope of [{ resource_id: second }, { offering_id: service.offering }, {}]) {
      await refused(db, 'RSNTF', pia, 'create_blackout', { ...off, ...scope });
    }
  });

  rule('is back early by their own word, but not where a manager closed', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const { pia, first } = await withAccounts(db, world, service);
    const close = async (userId: string, [starts_at, ends_at]: [string, string]) =>
      call<{ id: string }>(db, userId, 'create_blackout', {
        ...{ organization_id: world.organizationId, resource_id: first, reason: 'Away' },
        ...{ starts_at, ends_at },
      });
    const own = await close(pia, time);
    const theirs = await close(world.manager, range('12:00', '13:00'));
    await call(db, pia, 'lift_blackout', { blackout_id: own.id });
    await refused(db, 'RSNTF', pia, 'lift_blackout', { blackout_id: theirs.id });
  });

  rule('may cancel what nobody else can serve', async ({ db, world }) => {
    const service = await createService(db, world, { providers: ['Pia'] });
    const [only] = service.providers as [string];
    const [pia, ann] = await createUsers(db, 'Pia', 'Ann');
    await createProvider(db, world.organizationId, pia, only);
    const made = await bookWith(db, ann, service, time);
    const [starts_at, ends_at] = time;
    const off = {
      ...{ organization_id: world.organizationId, resource_id: only, reason: 'Ill' },
      ...{ starts_at, ends_at },
    };
    await refused(db, 'RSBLK', pia, 'create_blackout', off);
    await call(db, pia, 'create_blackout', { ...off, cancel_bookings: true });
    expect(await statusOf(db, made.id)).toEqual(['cancelled']);
    expect(await booking(db, made.id)).toMatchObject({ ended_reason: 'Ill' });
  });
});
