/** What one of several providers does: who serves a booking, and when there is somebody to serve it. */
import { describe, expect } from '@jest/globals';
import {
  at,
  book,
  booking,
  call,
  createResource,
  createUser,
  range,
} from '../support/factories.ts';
import { bookWith, createService, occupied } from '../support/services.ts';
import { cancel, createUsers, refused, revise, rule } from './rule.ts';

const time = range('10:00', '11:00');

describe('A booking of a service', () => {
  rule('takes one of its providers, and all else that the service uses', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world, { fixed: [world.leftRoom] });
    const made = await bookWith(db, await createUser(db, 'Ann'), service, time);
    expect(made.provider_id).toBe(service.providers[0]);
    expect(await occupied(db, made.id)).toEqual([world.leftRoom, made.provider_id].sort());
  });

  rule('is possible as often as there are providers, and then refused', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const first = await bookWith(db, ann, service, time);
    const second = await bookWith(db, bob, service, time);
    expect([first.provider_id, second.provider_id].sort()).toEqual([...service.providers].sort());
    const details = await refused<{ alternatives: unknown[]; mayWait: boolean }>(
      ...([db, 'RSFUL', cem, 'create_booking'] as const),
      { offering_id: service.offering, starts_at: time[0], ends_at: time[1] },
    );
    expect(details.mayWait).toBe(true);
    expect(details.alternatives).toHaveLength(3);
  });

  rule('takes the provider that is wished for, or is refused', async ({ db, world }) => {
    const service = await createService(db, world);
    const [, quinn] = service.providers as [string, string];
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, service, time, quinn);
    expect(made.provider_id).toBe(quinn);
    await refused(db, 'RSFUL', bob, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: time[0], ends_at: time[1] },
      provider_id: quinn,
    });
    await refused(db, 'RSNTF', bob, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: time[0], ends_at: time[1] },
      provider_id: world.leftRoom,
    });
  });

  rule('goes to who has least to do that day', async ({ db, world }) => {
    await revise(db, world, { max_bookings_per_day: 10 });
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann] = await createUsers(db, 'Ann');
    await bookWith(db, ann, service, range('08:00', '10:00', 2), pia);
    await bookWith(db, ann, service, range('12:00', '13:00', 2), quinn);
    expect((await bookWith(db, ann, service, range('15:00', '15:30', 2))).provider_id).toBe(quinn);
    expect((await bookWith(db, ann, service, range('16:00', '17:00', 2))).provider_id).toBe(quinn);
    expect((await bookWith(db, ann, service, range('18:00', '19:00', 2))).provider_id).toBe(pia);
    // On another day nobody has done anything yet.
    expect((await bookWith(db, ann, service, range('18:00', '19:00', 3))).provider_id).toBe(pia);
  });

  rule('blocks its provider for other services, buffers included', async ({ db, world }) => {
    await revise(db, world, { buffer_after: '00:15:00' });
    const massage = await createService(db, world, { providers: ['Pia'] });
    const facial = await createService(db, world, { name: 'Facial', pool: massage.providers });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    await bookWith(db, ann, massage, time);
    await refused(db, 'RSFUL', bob, 'create_booking', {
      ...{ offering_id: facial.offering, starts_at: time[1], ends_at: at('12:00', 1) },
    });
    await bookWith(db, bob, facial, range('11:15', '12:00'));
  });

  rule('of one person has that person for its provider', async ({ db, world }) => {
    const pia = await createResource(db, world.organizationId, 'Pia');
    const service = await createService(db, world, { pool: [], fixed: [pia] });
    const made = await bookWith(db, await createUser(db, 'Ann'), service, time);
    expect(made.provider_id).toBe(pia);
    const hall = await book(db, await createUser(db, 'Bob'), world.hall, time);
    expect(hall.provider_id).toBeNull();
  });

  rule('of a fixed length ends when that is over, and needs no end', async ({ db, world }) => {
    const service = await createService(db, world, { values: { duration: '50 minutes' } });
    const [ann] = await createUsers(db, 'Ann');
    const made = await call<{ id: string; ends_at: Date }>(db, ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('10:00', 1) },
    });
    expect(made.ends_at.toISOString()).toBe(at('10:50', 1));
    const local = await call<{ ends_at: Date }>(db, ann, 'create_booking', {
      ...{ offering_id: service.offering, local_starts_at: '2030-06-04 14:00' },
    });
    expect(local.ends_at.toISOString()).toBe(at('14:50', 1));
    const moved = await call<{ ends_at: Date }>(db, ann, 'modify_booking', {
      ...{ booking_id: made.id, starts_at: at('12:00', 1) },
    });
    expect(moved.ends_at.toISOString()).toBe(at('12:50', 1));
    await refused(db, 'RSARG', ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('16:00', 1), ends_at: at('17:00', 1) },
    });
    await refused(db, 'RSARG', ann, 'create_booking', {
      ...{ offering_id: world.left, starts_at: at('16:00', 1) },
    });
  });

  rule('of a fixed length may be shorter than what others choose', async ({ db, world }) => {
    await revise(db, world, { min_duration: '01:00:00' });
    const service = await createService(db, world, { values: { duration: '15 minutes' } });
    const [ann] = await createUsers(db, 'Ann');
    await call(db, ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('10:00', 1) },
    });
  });
});

describe('A service is open', () => {
  rule('when one provider is at work from start to end', async ({ db, world }) => {
    const { organizationId } = world;
    const early = await createResource(db, organizationId, 'Eve', 'UTC', ['08:00', '12:00']);
    const late = await createResource(db, organizationId, 'Leo', 'UTC', ['12:00', '18:00']);
    const service = await createService(db, world, { pool: [early, late] });
    const [ann] = await createUsers(db, 'Ann');
    expect((await bookWith(db, ann, service, range('11:00', '12:00'))).provider_id).toBe(early);
    expect((await bookWith(db, ann, service, range('12:00', '13:00'))).provider_id).toBe(late);
    const across = { starts_at: at('11:30', 2), ends_at: at('12:30', 2) };
    await refused(db, 'RSTIM', ann, 'create_booking', {
      ...{ offering_id: service.offering, ...across },
    });
    await refused(db, 'RSTIM', ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('13:00', 2), ends_at: at('14:00', 2) },
      provider_id: early,
    });
  });

  rule('only with all else that it uses', async ({ db, world }) => {
    const cabin = await createResource(db, world.organizationId, 'Cabin', 'UTC', [
      '09:00',
      '10:00',
    ]);
    const service = await createService(db, world, { fixed: [cabin] });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    await bookWith(db, ann, service, range('09:00', '10:00'));
    for (const [code, from, to] of [
      ['RSTIM', '09:30', '10:30'],
      ['RSFUL', '09:00', '10:00'],
    ] as const) {
      await refused(db, code, bob, 'create_booking', {
        ...{ offering_id: service.offering, starts_at: at(from, 1), ends_at: at(to, 1) },
      });
    }
  });

  rule('not with who is free but away, nor with who is there but taken', async (scene) => {
    const { db, world } = scene;
    const { organizationId } = world;
    const early = await createResource(db, organizationId, 'Eve', 'UTC', ['08:00', '12:00']);
    const whole = await createResource(db, organizationId, 'Will');
    const service = await createService(db, world, { pool: [early, whole] });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const afternoon = range('14:00', '15:00');
    await bookWith(db, ann, service, afternoon);
    await refused(db, 'RSFUL', bob, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: afternoon[0], ends_at: afternoon[1] },
    });
  });
});

describe('The availability of a service', () => {
  interface Free extends Record<string, unknown> {
    starts_at: Date;
    ends_at: Date;
  }

  rule('is that of each provider, not of both after one another', async ({ db, world }) => {
    const { organizationId } = world;
    const early = await createResource(db, organizationId, 'Eve', 'UTC', ['08:00', '12:00']);
    const late = await createResource(db, organizationId, 'Leo', 'UTC', ['11:00', '18:00']);
    const service = await createService(db, world, { pool: [early, late] });
    const [ann] = await createUsers(db, 'Ann');
    const free = async (provider?: string) => {
      const rows = await db.as({ role: 'reslot_anonymous' }, () =>
        db.rows<Free>('select * from app_public.availability($1, $2, $3, $4)', [
          ...[service.offering, at('00:00', 1), at('00:00', 2), provider],
        ]),
      );
      return rows.map((row) =>
        [row.starts_at, row.ends_at].map((moment) => moment.toISOString().slice(11, 16)).join(),
      );
    };
    expect(await free()).toEqual(['08:00,12:00', '11:00,18:00']);
    await bookWith(db, ann, service, range('11:00', '13:00'), late);
    expect(await free()).toEqual(['08:00,12:00', '13:00,18:00']);
    expect(await free(late)).toEqual(['13:00,18:00']);
    await bookWith(db, ann, service, range('09:00', '09:30'), early);
    expect(await free()).toEqual(['08:00,09:00', '09:30,12:00', '13:00,18:00']);
    const failure = await db.fails('select * from app_public.availability($1, $2, $3, $4)', [
      ...[service.offering, at('00:00', 1), at('00:00', 2), world.leftRoom],
    ]);
    expect(failure.code).toBe('RSNTF');
  });

  rule('leaves out what is shorter than the service takes', async ({ db, world }) => {
    const service = await createService(db, world, {
      ...{ providers: ['Pia'], hours: ['08:00', '12:00'], values: { duration: '01:00:00' } },
    });
    const [ann] = await createUsers(db, 'Ann');
    await call(db, ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('08:45', 1) },
    });
    const rows = await db.rows<Free>('select * from app_public.availability($1, $2, $3)', [
      ...[service.offering, at('00:00', 1), at('00:00', 2)],
    ]);
    expect(rows.map(({ starts_at }) => starts_at.toISOString())).toEqual([at('09:45', 1)]);
  });
});

describe('A booking of a service that is moved', () => {
  rule('keeps its provider, if they are free then', async ({ db, world }) => {
    const service = await createService(db, world);
    const [, quinn] = service.providers as [string, string];
    const [ann] = await createUsers(db, 'Ann');
    const made = await bookWith(db, ann, service, time, quinn);
    const [starts_at, ends_at] = range('10:30', '11:30');
    const moved = await call(db, ann, 'modify_booking', {
      ...{ booking_id: made.id, starts_at, ends_at },
    });
    expect(moved.provider_id).toBe(quinn);
    expect(await occupied(db, made.id)).toEqual([quinn]);
  });

  rule('is served by another, if they are not', async ({ db, world }) => {
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, service, time, quinn);
    const [starts_at, ends_at] = range('14:00', '15:00');
    await bookWith(db, bob, service, [starts_at, ends_at], quinn);
    const moved = await call(db, ann, 'modify_booking', {
      ...{ booking_id: made.id, starts_at, ends_at },
    });
    expect(moved.provider_id).toBe(pia);
    expect(await occupied(db, made.id)).toEqual([pia]);
  });

  rule('is given the provider it asks for, at the same time or another', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, service, time, pia);
    const same = await call(db, ann, 'modify_booking', {
      ...{ booking_id: made.id, provider_id: quinn },
    });
    expect(same).toMatchObject({ provider_id: quinn, sequence: made.sequence });
    await bookWith(db, bob, service, time, pia);
    await refused(db, 'RSFUL', ann, 'modify_booking', {
      ...{ booking_id: made.id, provider_id: pia },
    });
    const [starts_at, ends_at] = range('10:30', '11:30', 2);
    const later = await call(db, ann, 'modify_booking', {
      ...{ booking_id: made.id, starts_at, ends_at, provider_id: pia },
    });
    expect(later.provider_id).toBe(pia);
    expect((await booking(db, made.id)).provider_id).toBe(pia);
  });

  rule('gives its old provider back', async ({ db, world }) => {
    const service = await createService(db, world, { providers: ['Pia'] });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, service, time);
    const [starts_at, ends_at] = range('14:00', '15:00');
    await call(db, ann, 'modify_booking', { booking_id: made.id, starts_at, ends_at });
    const next = await bookWith(db, bob, service, time);
    await cancel(db, bob, next.id);
    expect(await occupied(db, next.id)).toEqual([]);
  });
});

describe('The pool of an offering', () => {
  rule('is set by its managers', async ({ db, world }) => {
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const set = {
      offering_id: service.offering,
      resource_ids: [world.leftRoom],
      pool_ids: [quinn],
    };
    await call(db, world.manager, 'set_offering_resources', set);
    const rows = await db.rows(
      `select resource_id, in_pool from app_public.offering_resources where offering_id = $1
       order by in_pool`,
      [service.offering],
    );
    expect(rows).toEqual([
      { resource_id: world.leftRoom, in_pool: false },
      { resource_id: quinn, in_pool: true },
    ]);
    await refused(db, 'RSARG', world.manager, 'set_offering_resources', {
      ...{ offering_id: service.offering, resource_ids: [pia], pool_ids: [pia, quinn] },
    });
    await db.query('update app_public.resources set shared = true where id = $1', [pia]);
    await refused(db, 'RSARG', world.manager, 'set_offering_resources', {
      ...{ offering_id: service.offering, resource_ids: [], pool_ids: [pia, quinn] },
    });
  });
});
