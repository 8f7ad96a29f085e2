/** Who waits for what one of several providers does, and what becomes of bookings when one falls away. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  booking,
  call,
  createResource,
  createUser,
  deliverMail,
  entry,
  range,
} from '../support/factories.ts';
import { bookWith, createService, occupied, waitWith } from '../support/services.ts';
import {
  cancel,
  claim,
  confirm,
  createUsers,
  decline,
  refused,
  revise,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

const time = range('10:00', '11:00');

/** Pia and Quinn are both taken; by Ann and by Bob. */
async function bothTaken({ db, world }: Scene) {
  const service = await createService(db, world);
  const [pia, quinn] = service.providers as [string, string];
  const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
  return {
    ...{ service, pia, quinn, ann, bob },
    withPia: await bookWith(db, ann, service, time, pia),
    withQuinn: await bookWith(db, bob, service, time, quinn),
  };
}

const providerOf = async ({ db }: Scene, id: string | null) =>
  (await booking(db, id ?? '')).provider_id;

describe('Whoever waits for a service', () => {
  rule('is offered the first provider who is free', async (scene) => {
    const { db } = scene;
    const { service, quinn, bob, withQuinn } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time);
    await cancel(db, bob, withQuinn.id);
    const { hold_id } = await entry(db, waiting.id);
    expect(await providerOf(scene, hold_id)).toBe(quinn);
    await deliverMail(db);
    const claimed = await claim(db, cem, waiting.id);
    expect(claimed.provider_id).toBe(quinn);
    expect(await occupied(db, String(claimed.id))).toEqual([quinn]);
  });

  rule('of one provider is offered no other', async (scene) => {
    const { db } = scene;
    const { service, pia, ann, bob, withPia, withQuinn } = await bothTaken(scene);
    const [cem, dan] = await createUsers(db, 'Cem', 'Dan');
    const forPia = await waitWith(db, cem, service, time, pia);
    const forAny = await waitWith(db, dan, service, time);
    await cancel(db, bob, withQuinn.id);
    expect(await statusOf(db, forPia.id, forAny.id)).toEqual(['waiting', 'offered']);
    await cancel(db, ann, withPia.id);
    expect(await statusOf(db, forPia.id)).toEqual(['offered']);
    expect(await providerOf(scene, (await entry(db, forPia.id)).hold_id)).toBe(pia);
  });

  rule('may do so only while nobody is free who would do', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    await bookWith(db, ann, service, time, pia);
    const [starts_at, ends_at] = time;
    const wait = { offering_id: service.offering, starts_at, ends_at };
    await refused(db, 'RSAVL', bob, 'join_waitlist', wait);
    await refused(db, 'RSAVL', bob, 'join_waitlist', { ...wait, provider_id: quinn });
    await refused(db, 'RSNTF', bob, 'join_waitlist', { ...wait, provider_id: world.leftRoom });
    await call(db, bob, 'join_waitlist', { ...wait, provider_id: pia });
  });

  rule('is served by priority and time of joining, whoever is freed', async (scene) => {
    const { db } = scene;
    const { service, ann, bob, withPia, withQuinn } = await bothTaken(scene);
    const [cem, dan, eve] = await createUsers(db, 'Cem', 'Dan', 'Eve');
    const entries: string[] = [];
    for (const who of [cem, dan, eve]) entries.push((await waitWith(db, who, service, time)).id);
    await cancel(db, ann, withPia.id);
    expect(await statusOf(db, ...entries)).toEqual(['offered', 'waiting', 'waiting']);
    await cancel(db, bob, withQuinn.id);
    expect(await statusOf(db, ...entries)).toEqual(['offered', 'offered', 'waiting']);
    await deliverMail(db);
    await decline(db, cem, entries[0] ?? '');
    expect(await statusOf(db, ...entries)).toEqual(['declined', 'offered', 'offered']);
  });

  rule('for a provider of two services is offered what the other service frees', async (scene) => {
    const { db, world } = scene;
    const massage = await createService(db, world);
    const [pia] = massage.providers as [string, string];
    const facial = await createService(db, world, { name: 'Facial', pool: [pia] });
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const made = await bookWith(db, ann, massage, range('10:30', '11:30'), pia);
    const waiting = await waitWith(db, bob, facial, time);
    await cancel(db, ann, made.id);
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
  });

  rule(
    'is passed over where they let go, and is offered what somebody else frees',
    async (scene) => {
      const { db, world } = scene;
      const { service, quinn, ann, bob, withPia, withQuinn } = await bothTaken(scene);
      const facial = await createService(db, world, { name: 'Facial', pool: [quinn] });
      const [cem] = await createUsers(db, 'Cem');
      const first = await waitWith(db, cem, service, time);
      const second = await waitWith(db, cem, facial, range('10:15', '11:00'));
      await cancel(db, bob, withQuinn.id);
      await deliverMail(db);
      await decline(db, cem, first.id);
      expect(await statusOf(db, second.id)).toEqual(['waiting']);
      // Quinn is free, and others may have her; what Pia frees is no news to who waits for Quinn.
      await cancel(db, ann, withPia.id);
      expect(await statusOf(db, second.id)).toEqual(['waiting']);
    },
  );

  rule('gets who is free, inside the last call', async (scene) => {
    const { db } = scene;
    const { service, quinn, ann, bob, withPia, withQuinn } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time);
    await confirm(db, ann, withPia.id);
    await confirm(db, bob, withQuinn.id);
    await advanceTo(db, at('09:50', 1));
    await cancel(db, bob, withQuinn.id);
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
    const claimed = await claim(db, cem, waiting.id);
    expect(claimed.provider_id).toBe(quinn);
  });
});

describe('Time off of a provider', () => {
  const timeOff = ({ world }: Scene, resource: string, more: Record<string, unknown> = {}) => ({
    ...{ organization_id: world.organizationId, resource_id: resource, reason: 'Away' },
    ...{ starts_at: at('09:00', 1), ends_at: at('12:00', 1), ...more },
  });

  rule('gives the bookings it hits to others who are free, and says so', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann] = await createUsers(db, 'Ann');
    const made = await bookWith(db, ann, service, time, pia);
    await call(db, world.manager, 'create_blackout', timeOff(scene, pia));
    const now = await booking(db, made.id);
    expect(now).toMatchObject({ status: 'confirmed', provider_id: quinn, sequence: made.sequence });
    expect(await occupied(db, made.id)).toEqual([quinn]);
    expect(await told(db, ann)).toEqual(['booking_received', 'booking_modified']);
    const data = await db.value(
      `select data -> 'previous' ->> 'provider' from app_public.notifications
       where booking_id = $1 and kind = 'booking_modified'`,
      [made.id],
    );
    expect(data).toBe('Pia');
  });

  rule('over bookings that nobody else can serve is refused, and moves none', async (scene) => {
    const { db, world } = scene;
    const { service, pia, withPia } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const movable = await bookWith(db, cem, service, range('11:00', '11:30'), pia);
    const details = await refused<{ bookings: { id: string }[] }>(
      ...([db, 'RSBLK', world.manager, 'create_blackout', timeOff(scene, pia)] as const),
    );
    expect(details.bookings.map(({ id }) => id)).toEqual([withPia.id]);
    expect(await providerOf(scene, movable.id)).toBe(pia);
  });

  rule('cancels what nobody else can serve, if it is to', async (scene) => {
    const { db, world } = scene;
    const { service, pia, quinn, ann, withPia } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const movable = await bookWith(db, cem, service, range('11:00', '11:30'), pia);
    await call(
      db,
      world.manager,
      'create_blackout',
      timeOff(scene, pia, { cancel_bookings: true }),
    );
    expect(await statusOf(db, withPia.id, movable.id)).toEqual(['cancelled', 'confirmed']);
    expect(await providerOf(scene, movable.id)).toBe(quinn);
    expect(await told(db, ann)).toEqual(['booking_received', 'message_blackout']);
  });

  rule('takes an offer back, or gives it to another who is free', async (scene) => {
    const { db, world } = scene;
    const { service, pia, quinn, ann, bob, withPia, withQuinn } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time);
    await cancel(db, ann, withPia.id);
    expect(await providerOf(scene, (await entry(db, waiting.id)).hold_id)).toBe(pia);
    await call(db, world.manager, 'create_blackout', timeOff(scene, pia));
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
    await cancel(db, bob, withQuinn.id);
    expect(await providerOf(scene, (await entry(db, waiting.id)).hold_id)).toBe(quinn);
  });

  rule('keeps new bookings from that provider alone', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, bob] = await createUsers(db, 'Ann', 'Bob');
    const { id } = await call<{ id: string }>(
      db,
      world.manager,
      'create_blackout',
      timeOff(scene, pia),
    );
    const asked = { offering_id: service.offering, starts_at: time[0], ends_at: time[1] };
    await refused(db, 'RSBLK', ann, 'create_booking', { ...asked, provider_id: pia });
    expect((await bookWith(db, ann, service, time)).provider_id).toBe(quinn);
    await refused(db, 'RSFUL', bob, 'create_booking', asked);
    const waiting = await waitWith(db, bob, service, time);
    // Whoever is back is offered to who waits.
    await call(db, world.manager, 'lift_blackout', { blackout_id: id });
    expect(await providerOf(scene, (await entry(db, waiting.id)).hold_id)).toBe(pia);
  });

  rule('of all of them closes the service', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    for (const provider of service.providers) {
      await call(db, world.manager, 'create_blackout', timeOff(scene, provider));
    }
    await refused(db, 'RSTIM', await createUser(db, 'Ann'), 'create_booking', {
      ...{ offering_id: service.offering, starts_at: time[0], ends_at: time[1] },
    });
  });
});

describe('The working hours of a provider', () => {
  rule('concern what this one serves, and nothing else', async (scene) => {
    const { db, world } = scene;
    const { pia, quinn, withPia } = await bothTaken(scene);
    const hours = JSON.stringify([{ weekday: 1, opens: '08:00', closes: '18:00' }]);
    const details = await refused<{ bookings: { id: string }[] }>(
      ...([db, 'RSBLK', world.manager, 'set_opening_hours'] as const),
      { resource_id: pia, hours },
    );
    expect(details.bookings.map(({ id }) => id)).toEqual([withPia.id]);
    await call(db, world.manager, 'create_blackout', {
      ...{ organization_id: world.organizationId, resource_id: quinn, reason: 'Away' },
      ...{ starts_at: at('09:00', 1), ends_at: at('12:00', 1), cancel_bookings: true },
    });
    // Nobody is left whom it would keep from anything.
    await db.as({ role: 'reslot_user', userId: world.manager }, () =>
      db.query('select app_public.set_opening_hours($1, $2)', [quinn, hours]),
    );
  });

  rule('of who comes back from the archive serve who waits', async (scene) => {
    const { db, world } = scene;
    const { service, pia, ann, withPia } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time);
    await call(db, world.manager, 'archive_resource', { resource_id: pia });
    await cancel(db, ann, withPia.id);
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
    await call(db, world.manager, 'archive_resource', { resource_id: pia, archived: false });
    expect(await providerOf(scene, (await entry(db, waiting.id)).hold_id)).toBe(pia);
  });
});

describe('A pool that changes', () => {
  const set = ({ world }: Scene, offering: string, pool_ids: string[]) =>
    [
      world.manager,
      'set_offering_resources',
      { offering_id: offering, resource_ids: [], pool_ids },
    ] as const;

  rule('serves who waits with whoever comes to it', async (scene) => {
    const { db, world } = scene;
    const { service, pia, quinn } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time);
    const rex = await createResource(db, world.organizationId, 'Rex');
    await call(db, ...set(scene, service.offering, [pia, quinn, rex]));
    expect(await providerOf(scene, (await entry(db, waiting.id)).hold_id)).toBe(rex);
  });

  rule('lets nobody go who has bookings there, or is waited for', async (scene) => {
    const { db } = scene;
    const { service, pia, quinn, ann, withPia } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, time, pia);
    const without = set(scene, service.offering, [quinn]);
    await refused(db, 'RSSTA', ...without);
    await cancel(db, ann, withPia.id);
    await refused(db, 'RSSTA', ...without);
    await call(db, cem, 'leave_waitlist', { entry_id: waiting.id });
    await call(db, ...without);
    const [manager, name, args] = set(scene, service.offering, [pia, quinn]);
    await refused(db, 'RSSTA', manager, name, { ...args, resource_ids: [scene.world.leftRoom] });
  });
});

describe('A policy that is applied', () => {
  rule('gives a booking its new buffers with the provider it has', async (scene) => {
    const { db, world } = scene;
    const { service, pia, withPia } = await bothTaken(scene);
    const [cem] = await createUsers(db, 'Cem');
    const waiting = await waitWith(db, cem, service, range('10:45', '11:15'));
    await revise(db, world, { buffer_after: '00:15:00' });
    await call(db, world.manager, 'apply_policy', { policy_id: world.policyId });
    expect(await occupied(db, withPia.id)).toEqual([pia]);
    const room = await db.value<string>(
      'select upper(room)::text from app_public.bookings where id = $1',
      [withPia.id],
    );
    expect(new Date(room).toISOString()).toBe(at('11:15', 1));
    expect(await statusOf(db, waiting.id)).toEqual(['waiting']);
  });
});
