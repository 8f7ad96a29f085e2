/** Shortly before the start nothing is held any more: the first to claim gets it. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  call,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, claim, createUsers, refused, rule, type Scene, statusOf, told } from './rule.ts';

describe('Inside the last call', () => {
  const SOON = range('10:00', '12:00', 0);

  async function freeLate(scene: Scene, when = '09:40') {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.left, SOON);
    const first = await join(db, bea, world.left, SOON);
    const second = await join(db, cem, world.left, SOON);
    await advanceTo(db, at(when));
    await cancel(db, holder, made.id);
    return { holder, bea, cem, first, second };
  }

  rule('nothing is held, and everyone still waiting is told, once', async (scene) => {
    const { db } = scene;
    const { bea, cem, first, second } = await freeLate(scene);
    expect(await statusOf(db, first.id, second.id)).toEqual(['waiting', 'waiting']);
    await runDueDeadlines(db);
    await runDueDeadlines(db);
    for (const user of [bea, cem]) {
      expect((await told(db, user)).filter((kind) => kind === 'last_call')).toHaveLength(1);
    }
    expect(await db.value('select count(*) from app_private.freeings where told_at is null')).toBe(
      0,
    );
  });

  rule('begins exactly so long before the start', async (scene) => {
    const { db } = scene;
    const { first } = await freeLate(scene, '09:29:59');
    expect(await statusOf(db, first.id)).toEqual(['offered']);
  });

  rule('begins exactly so long before the start, and not later', async (scene) => {
    const { db } = scene;
    const { first } = await freeLate(scene, '09:30');
    expect(await statusOf(db, first.id)).toEqual(['waiting']);
  });

  rule('the first to claim gets it; the others are told that it is taken', async (scene) => {
    const { db } = scene;
    const { bea, cem, first, second } = await freeLate(scene);
    await runDueDeadlines(db);
    const claimed = await claim(db, cem, second.id);
    expect(claimed).toMatchObject({ status: 'confirmed', attendance_confirmed_how: 'booking' });
    await refused(db, 'RSFUL', bea, 'claim_slot', { entry_id: first.id });
    expect(await claim(db, cem, second.id)).toEqual(claimed);
  });

  rule('the public may book, too', async (scene) => {
    const { db, world } = scene;
    const { holder, bea, first } = await freeLate(scene);
    await book(db, holder, world.left, SOON);
    await refused(db, 'RSFUL', bea, 'claim_slot', { entry_id: first.id });
  });

  rule('nobody is told of room that was booked meanwhile', async (scene) => {
    const { db, world } = scene;
    const { holder, bea } = await freeLate(scene);
    await book(db, holder, world.left, SOON);
    await runDueDeadlines(db);
    expect(await told(db, bea)).not.toContain('last_call');
  });

  rule('each freeing is told of by itself', async (scene) => {
    const { db, world } = scene;
    const { holder, bea } = await freeLate(scene);
    await runDueDeadlines(db);
    const again = await book(db, holder, world.left, SOON);
    await db.setClock(at('09:45'));
    await cancel(db, holder, again.id);
    await runDueDeadlines(db);
    expect((await told(db, bea)).filter((kind) => kind === 'last_call')).toHaveLength(2);
  });

  rule('a hold made before runs out, and then everyone is told', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.left, SOON);
    const first = await join(db, bea, world.left, SOON);
    const second = await join(db, cem, world.left, SOON);
    await advanceTo(db, at('09:28'));
    await cancel(db, holder, made.id);
    await deliverMail(db);
    expect((await entry(db, first.id)).offer_expires_at).toEqual(new Date(at('09:33')));
    await advanceTo(db, at('09:32:59'));
    expect(await statusOf(db, first.id, second.id)).toEqual(['offered', 'waiting']);
    await advanceTo(db, at('09:33'));
    expect(await statusOf(db, first.id, second.id)).toEqual(['expired', 'waiting']);
    expect((await told(db, cem)).at(-1)).toBe('last_call');
  });

  rule('somebody whose time starts later is offered a hold as ever', async (scene) => {
    const { db, world } = scene;
    const [holder, bea, cem] = await createUsers(db, 'Holder', 'Bea', 'Cem');
    const made = await book(db, holder, world.left, SOON);
    const early = await join(db, bea, world.left, SOON);
    const late = await join(db, cem, world.left, range('11:00', '12:00', 0));
    await advanceTo(db, at('09:45'));
    await cancel(db, holder, made.id);
    await runDueDeadlines(db);
    expect(await statusOf(db, early.id, late.id)).toEqual(['waiting', 'offered']);
    expect(await told(db, bea)).not.toContain('last_call');
  });

  rule('who still waits at the start has waited in vain, and is told', async (scene) => {
    const { db } = scene;
    const { bea, first } = await freeLate(scene);
    await advanceTo(db, at('10:00'));
    expect(await entry(db, first.id)).toMatchObject({
      status: 'lapsed',
      ended_at: new Date(at('10:00')),
    });
    expect((await told(db, bea)).at(-1)).toBe('entry_ended');
    await refused(db, 'RSEXP', bea, 'claim_slot', { entry_id: first.id });
  });

  rule('a claim at the start is too late, worker or no worker', async (scene) => {
    const { db } = scene;
    const { bea, first } = await freeLate(scene);
    await db.setClock(at('10:00'));
    await refused(db, 'RSEXP', bea, 'claim_slot', { entry_id: first.id });
  });

  rule('a claim of a time blacked out meanwhile is refused', async (scene) => {
    const { db, world } = scene;
    const { bea, first } = await freeLate(scene);
    await call(db, world.owner, 'create_blackout', {
      organization_id: world.organizationId,
      resource_id: world.leftRoom,
      starts_at: at('10:00'),
      ends_at: at('11:00'),
      reason: 'Power cut',
    });
    await refused(db, 'RSBLK', bea, 'claim_slot', { entry_id: first.id });
  });
});
