/** What is not offered any more: bookings stand, nothing new comes, and who waits keeps the place. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createMember,
  createUser,
  createWorld,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, claim, createUsers, refused, rule, type Scene, statusOf, told } from './rule.ts';

const TIME = range('18:00', '20:00', 3);
const [starts_at, ends_at] = TIME;

const KINDS = ['organizations', 'offerings', 'resources'] as const;

/** As those would who may: an operator, a manager, and a manager by the function. */
async function archive(scene: Scene, kind: (typeof KINDS)[number], archived: boolean) {
  const { db, world } = scene;
  if (kind === 'resources') {
    return call(db, world.owner, 'archive_resource', { resource_id: world.leftRoom, archived });
  }
  const caller =
    kind === 'organizations'
      ? { role: 'reslot_admin' as const }
      : { role: 'reslot_user' as const, userId: world.owner };
  return db.as(caller, () =>
    db.query(`update app_public.${kind} set archived_at = $2 where id = $1`, [
      kind === 'organizations' ? world.organizationId : world.left,
      archived ? at('08:00') : null,
    ]),
  );
}

/** Alice has the left half, Bea waits for it. */
async function taken({ db, world }: Scene) {
  const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
  const made = await book(db, alice, world.left, TIME);
  const waits = await join(db, bea, world.left, TIME);
  return { alice, bea, made, waits };
}

describe.each(KINDS)('What is archived (%s)', (kind) => {
  rule('is offered to nobody until it comes back, and then first to who waits', async (scene) => {
    const { db } = scene;
    const { alice, made, waits } = await taken(scene);
    await archive(scene, kind, true);
    expect(await statusOf(db, made.id)).toEqual(['confirmed']);
    await cancel(db, alice, made.id);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
    await archive(scene, kind, false);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('takes its offers back, and costs nobody the place in the queue', async (scene) => {
    const { db } = scene;
    const { alice, bea, made, waits } = await taken(scene);
    await cancel(db, alice, made.id);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
    await archive(scene, kind, true);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
    expect(await told(db, bea)).not.toContain('offer_expired');
    await archive(scene, kind, false);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('has no last call, and nothing can be claimed in it', async (scene) => {
    const { db } = scene;
    const { alice, bea, made, waits } = await taken(scene);
    await call(db, alice, 'confirm_booking', { booking_id: made.id });
    await advanceTo(db, at('17:45', 3));
    await archive(scene, kind, true);
    await cancel(db, alice, made.id);
    await runDueDeadlines(db);
    expect(await told(db, bea)).not.toContain('last_call');
    await refused(db, 'RSTIM', bea, 'claim_slot', { entry_id: waits.id });
    await archive(scene, kind, false);
    await runDueDeadlines(db);
    expect(await told(db, bea)).toContain('last_call');
    expect(await claim(db, bea, waits.id)).toMatchObject({ status: 'confirmed' });
  });

  rule('takes no bookings at another time', async (scene) => {
    const { db, world } = scene;
    const { alice, made } = await taken(scene);
    await archive(scene, kind, true);
    const moved = { starts_at: at('18:00', 4), ends_at: at('20:00', 4) };
    for (const user of [alice, world.owner]) {
      await refused(db, 'RSTIM', user, 'modify_booking', { booking_id: made.id, ...moved });
    }
    await call(db, alice, 'modify_booking', { booking_id: made.id, purpose: 'Choir' });
    const code = kind === 'resources' ? 'RSTIM' : 'RSNTF';
    await refused(db, code, alice, 'create_booking', { offering_id: world.left, ...moved });
    await refused(db, code, alice, 'join_waitlist', {
      offering_id: world.left,
      starts_at,
      ends_at,
    });
  });
});

describe('Archiving a resource', () => {
  rule('is for who manages all of the organisation', async ({ db, world }) => {
    const other = await createWorld(db);
    const [alice, half] = [await createUser(db, 'Alice'), await createUser(db, 'Half')];
    await createMember(db, world.organizationId, half, 'manager', [world.left]);
    for (const user of [alice, half, other.owner]) {
      await refused(db, 'RSNTF', user, 'archive_resource', { resource_id: world.leftRoom });
    }
    await refused(db, 'RSNTF', world.owner, 'archive_resource', { resource_id: world.left });
    await refused(db, 'RSNTF', world.owner, 'archive_resource', { resource_id: null });
  });

  rule('twice is once', async ({ db, world }) => {
    const args = { resource_id: world.leftRoom };
    const first = await call(db, world.owner, 'archive_resource', args);
    expect(first).toMatchObject({ archived_at: new Date(at('08:00')) });
    await db.setClock(at('09:00'));
    expect(await call(db, world.owner, 'archive_resource', args)).toEqual(first);
    const back = { ...args, archived: false };
    expect(await call(db, world.owner, 'archive_resource', back)).toMatchObject({
      archived_at: null,
    });
  });

  rule('closes the hall it is a part of, and leaves the other half open', async (scene) => {
    const { db, world } = scene;
    const { alice, waits } = await taken(scene);
    await archive(scene, 'resources', true);
    await refused(db, 'RSTIM', alice, 'create_booking', {
      offering_id: world.hall,
      ...{ starts_at: at('18:00', 5), ends_at: at('20:00', 5) },
    });
    const right = await book(db, alice, world.right, TIME);
    expect((await booking(db, right.id)).status).toBe('confirmed');
    expect((await entry(db, waits.id)).status).toBe('waiting');
  });
});
