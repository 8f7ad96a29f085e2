/** Services that go to the customer: where to, whom to call there, and the way. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  at,
  booking,
  call,
  createProvider,
  createUser,
  entry,
  range,
} from '../support/factories.ts';
import { bookWith, createService, type Service, waitWith } from '../support/services.ts';
import { cancel, claim, createUsers, refused, revise, rule, statusOf } from './rule.ts';

const time = range('10:00', '11:00');
const AT_HOME = { at_customer: true };
const VISIT = { customer_address: 'Mill Lane 3', customer_phone: '+43 1 23' };

const visit = (
  db: TestDatabase,
  userId: string,
  { offering }: Service,
  more: Record<string, unknown> = VISIT,
  [starts_at, ends_at] = time,
) =>
  call<{ id: string }>(db, userId, 'create_booking', {
    ...{ offering_id: offering, starts_at, ends_at, ...more },
  });

describe('A service that goes to the customer', () => {
  rule('has to be told where, and a number to call', async ({ db, world }) => {
    const service = await createService(db, world, { values: AT_HOME });
    const [ann] = await createUsers(db, 'Ann');
    const cem = await createUser(db, 'Cem', { phone: '+43 1 77' });
    const [starts_at, ends_at] = time;
    const asked = { offering_id: service.offering, starts_at, ends_at };
    for (const lacking of [
      {},
      { customer_address: 'Mill Lane 3' },
      { customer_phone: '+43 1 23' },
    ]) {
      await refused(db, 'RSARG', ann, 'create_booking', { ...asked, ...lacking });
      await refused(db, 'RSARG', ann, 'create_booking', {
        ...{ ...asked, ...lacking, customer_address: lacking.customer_address ?? ' ' },
      });
    }
    await refused(db, 'RSARG', ann, 'create_booking', {
      ...asked,
      ...VISIT,
      customer_phone: 'a\nb',
    });
    expect(await visit(db, ann, service)).toMatchObject(VISIT);
    // Whose account has a number need not say it again.
    const known = await visit(db, cem, service, { customer_address: 'Mill Lane 5' });
    expect(known).toMatchObject({ customer_address: 'Mill Lane 5', customer_phone: '+43 1 77' });
  });

  rule('goes to the same place when it is booked again', async ({ db, world }) => {
    const service = await createService(db, world, { values: AT_HOME });
    const [ann] = await createUsers(db, 'Ann');
    const booked = await visit(db, ann, service);
    await cancel(db, ann, booked.id);
    expect(await call(db, ann, 'rebook_booking', { booking_id: booked.id })).toMatchObject(VISIT);
  });

  rule('is entered by managers likewise', async ({ db, world }) => {
    const service = await createService(db, world, { values: AT_HOME });
    const [starts_at, ends_at] = time;
    const asked = { offering_id: service.offering, starts_at, ends_at, email: 'ann@example.com' };
    await refused(db, 'RSARG', world.manager, 'create_booking_for', asked);
    const made = await call(db, world.manager, 'create_booking_for', {
      ...{ ...asked, customer_address: 'Mill Lane 3', phone: '+43 1 23' },
    });
    expect(made).toMatchObject(VISIT);
  });

  rule('is changed to another address, but not to none', async ({ db, world }) => {
    const service = await createService(db, world, { values: AT_HOME });
    const [ann] = await createUsers(db, 'Ann');
    const { id } = await visit(db, ann, service);
    const change = (to: Record<string, unknown>) => ({ booking_id: id, ...to });
    const moved = await call(
      db,
      ann,
      'modify_booking',
      change({ customer_address: 'Mill Lane 9' }),
    );
    expect(moved).toMatchObject({ ...VISIT, customer_address: 'Mill Lane 9' });
    await refused(db, 'RSARG', ann, 'modify_booking', change({ customer_address: ' ' }));
    await refused(db, 'RSARG', ann, 'modify_booking', change({ customer_phone: '' }));
  });

  rule('goes where who waited for it has said', async ({ db, world }) => {
    const service = await createService(db, world, { providers: ['Pia'], values: AT_HOME });
    const [pia, ann, bob] = await createUsers(db, 'Pia', 'Ann', 'Bob');
    await createProvider(db, world.organizationId, pia, service.providers[0] as string);
    const made = await visit(db, ann, service);
    const [starts_at, ends_at] = time;
    const wait = { offering_id: service.offering, starts_at, ends_at };
    await refused(db, 'RSARG', bob, 'join_waitlist', wait);
    const waiting = await call<{ id: string }>(db, bob, 'join_waitlist', { ...wait, ...VISIT });
    await cancel(db, ann, made.id);
    const seen = () =>
      db.as({ role: 'reslot_user', userId: pia }, () =>
        db.rows('select id from app_public.bookings where ended_at is null'),
      );
    // Of who has not said yes the provider knows nothing.
    expect(await seen()).toEqual([]);
    const claimed = await claim(db, bob, waiting.id);
    expect(claimed).toMatchObject(VISIT);
    expect(await seen()).toEqual([{ id: claimed.id }]);
  });

  rule('shows its provider and its mails where to go', async ({ db, world }) => {
    const service = await createService(db, world, { values: { ...AT_HOME, address: 'Office 1' } });
    const [pia, ann] = await createUsers(db, 'Pia', 'Ann');
    await createProvider(db, world.organizationId, pia, service.providers[0] as string);
    const { id } = await visit(db, ann, service);
    const [line] = await db.as({ role: 'reslot_user', userId: pia }, () =>
      db.rows(`select * from app_public.provider_calendar($1, $2) where kind = 'booking'`, [
        ...[at('00:00', 1), at('00:00', 2)],
      ]),
    );
    expect(line).toMatchObject({ booking_id: id, ...VISIT });
    const model = await db.value<{ address: string; providerName: string }>(
      'select app_private.booking_as_json(b) from app_public.bookings b where id = $1',
      [id],
    );
    expect(model).toMatchObject({ address: 'Mill Lane 3', providerName: 'Pia' });
  });

  rule('forgets where it went with the person', async ({ db, world }) => {
    const service = await createService(db, world, { values: AT_HOME });
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const { id } = await visit(db, ann, service);
    await visit(db, bob, service);
    const [starts_at, ends_at] = range('10:30', '11:30');
    const waiting = await call<{ id: string }>(db, cem, 'join_waitlist', {
      ...{ offering_id: service.offering, starts_at, ends_at, ...VISIT },
    });
    for (const who of [ann, cem]) await call(db, who, 'erase_me', {});
    const nothing = { customer_address: null, customer_phone: null };
    expect(await booking(db, id)).toMatchObject(nothing);
    expect(await entry(db, waiting.id)).toMatchObject(nothing);
    const logged = await db.value<number>(
      `select count(*)::integer from app_public.audit_log a
       where (coalesce(a.new_values, '{}') || coalesce(a.old_values, '{}'))::text like '%Mill Lane%'`,
    );
    expect(logged).toBe(0);
  });
});

describe('A service that does not go anywhere', () => {
  rule('is told no address', async ({ db, world }) => {
    const service = await createService(db, world);
    const [ann] = await createUsers(db, 'Ann');
    const made = await bookWith(db, ann, service, time);
    const [starts_at, ends_at] = range('14:00', '15:00');
    await refused(db, 'RSARG', ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at, ends_at, ...VISIT },
    });
    await refused(db, 'RSARG', ann, 'modify_booking', { booking_id: made.id, ...VISIT });
  });
});

describe('The way', () => {
  rule('keeps the provider busy before and after, beside the buffers', async ({ db, world }) => {
    await revise(db, world, { buffer_after: '00:10:00' });
    const service = await createService(db, world, {
      ...{ providers: ['Pia'], hours: ['08:00', '13:00'], values: { travel_time: '20 minutes' } },
    });
    const office = await createService(db, world, { name: 'Office', pool: service.providers });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, service, time);
    const room = await db.one<{ from: Date; until: Date }>(
      'select lower(room) as "from", upper(room) as until from app_public.bookings where id = $1',
      [made.id],
    );
    expect(room).toEqual({ from: new Date(at('09:40', 1)), until: new Date(at('11:30', 1)) });
    const free = async ({ offering }: Service) => {
      const rows = await db.rows<{ starts_at: Date; ends_at: Date }>(
        'select * from app_public.availability($1, $2, $3)',
        [offering, at('00:00', 1), at('00:00', 2)],
      );
      return rows.map((row) =>
        [row.starts_at, row.ends_at].map((moment) => moment.toISOString().slice(11, 16)).join(),
      );
    };
    expect(await free(office)).toEqual(['08:00,09:30', '11:30,13:00']);
    expect(await free(service)).toEqual(['08:00,09:10', '11:50,13:00']);
    const [starts_at, ends_at] = range('11:40', '12:00');
    const details = await refused<{ alternatives: { startsAt: string }[] }>(
      ...([db, 'RSFUL', bob, 'create_booking'] as const),
      { offering_id: service.offering, starts_at, ends_at },
    );
    expect(new Date(details.alternatives[0]?.startsAt ?? '').toISOString()).toBe(at('11:50', 1));
    await bookWith(db, bob, service, range('11:50', '12:30'));
  });

  rule('that is longer now counts for what is booked from now on', async ({ db, world }) => {
    const service = await createService(db, world, {
      ...{ providers: ['Pia'], values: { travel_time: '10 minutes' } },
    });
    const [ann, bob, cem] = await createUsers(db, 'Ann', 'Bob', 'Cem');
    const made = await bookWith(db, ann, service, time);
    const waiting = await waitWith(db, bob, service, time);
    await bookWith(db, cem, service, range('11:20', '12:00'));
    await db.query(`update app_public.offerings set travel_time = '1 hour' where id = $1`, [
      service.offering,
    ]);
    await cancel(db, ann, made.id);
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
    await claim(db, bob, waiting.id);
    await refused(db, 'RSFUL', ann, 'create_booking', {
      ...{ offering_id: service.offering, starts_at: at('13:00', 1), ends_at: at('14:00', 1) },
    });
  });
});
