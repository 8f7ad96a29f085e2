/** What a link says when things no longer stand as its mail said. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Action } from '../../src/http/links/model.ts';
import type { TestDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import {
  ask,
  BOOKED,
  CLICK,
  createLinkWorld,
  type LinkServer,
  type LinkWorld,
  lastCall,
  nonceIn,
  plain,
  post,
  press,
  released,
  type Scene,
  serveLinks,
  setScene,
  type Turn,
  tableHashes,
} from './linkSupport.ts';

let links: LinkWorld;
let server: LinkServer;

beforeAll(async () => {
  links = await createLinkWorld();
  server = await serveLinks(links.database);
});

afterAll(async () => {
  await server?.stop();
  await links?.drop();
});

const manager = (db: TestDatabase, { world }: Scene, name: string, args: Record<string, unknown>) =>
  factory.call(db, world.manager, name, args);

const cancelledByManager: Turn = (db, scene) =>
  manager(db, scene, 'cancel_booking', { booking_id: scene.bookingId, reason: 'Burst pipe' });

const closed: Turn = (db, { entryId }) =>
  db.query(`select app_private.end_offer($1, 'closed', 'The waiting list was closed.')`, [entryId]);

const takenInLastCall: Turn = async (db, scene) => {
  await lastCall(db, scene);
  const other = await factory.createUser(db, 'Quick');
  await factory.book(db, other, scene.world.left, BOOKED);
};

const notOffered: Turn = async (db, { entryId }) => {
  await db.query(
    `update app_public.waitlist_entries set stuck_at = app_private.clock() where id = $1`,
    [entryId],
  );
  await db.query(`select app_private.end_offer($1, 'waiting', 'test')`, [entryId]);
};

const deed =
  (name: string): Turn =>
  (db, { entryId }) =>
    db.query(`select app_private.${name}($1)`, [entryId]);

const confirmedAndOver: Turn = async (db, scene) => {
  await factory.call(db, scene.userId, 'confirm_booking', { booking_id: scene.bookingId });
  await factory.advanceTo(db, factory.at('21:00', 3));
};

const answer =
  (name: 'approve_booking' | 'reject_booking'): Turn =>
  (db, scene) =>
    manager(db, scene, name, { booking_id: scene.bookingId });

const completed: Turn = (db, scene) =>
  manager(db, scene, 'complete_booking', { booking_id: scene.bookingId });

const withdrawn: Turn = (db, scene) =>
  factory.call(db, scene.userId, 'cancel_booking', { booking_id: scene.bookingId });

type Standing = {
  name: string;
  action: Action;
  turn: Turn;
  status: number;
  heading: string;
  says: string;
};

const standing = (
  name: string,
  action: Action,
  turn: Turn,
  [status, heading, says = '']: [number, string, string?],
): Standing => ({ name, action, turn, status, heading, says });

const STANDINGS = [
  standing('cancelled by a manager', 'confirm', cancelledByManager, [
    409,
    'This booking was cancelled',
    'Reason: Burst pipe',
  ]),
  standing('released', 'confirm', released, [410, 'This booking was released', 'book again']),
  standing('released', 'cancel', released, [410, 'This booking was released']),
  standing('completed already', 'confirm_delivery', completed, [410, 'This booking is over']),
  standing('over', 'cancel', confirmedAndOver, [410, 'This booking is over']),
  standing('declined', 'approve', answer('reject_booking'), [409, 'This request was declined']),
  standing('approved', 'reject', answer('approve_booking'), [409, 'This request was approved']),
  standing('approved', 'approve', answer('approve_booking'), [200, 'The request is approved']),
  standing('withdrawn', 'approve', withdrawn, [409, 'This booking was cancelled']),
  standing('declined', 'claim', deed('decline'), [
    409,
    'You have let this place go',
    'join the waiting list again',
  ]),
  standing('left', 'claim', deed('leave'), [409, 'You have left the waiting list']),
  standing('claimed', 'decline', deed('claim'), [409, 'You have claimed this place']),
  standing('claimed', 'leave', deed('claim'), [409, 'You have claimed this place']),
  standing('ended by the organiser', 'claim', closed, [409, 'You are no longer waiting for this']),
  standing('not on offer', 'claim', notOffered, [
    409,
    'It is not your turn yet',
    'keep your place',
  ]),
  standing('not on offer', 'decline', notOffered, [409, 'It is not your turn yet']),
  standing('free in the last call', 'claim', lastCall, [
    200,
    'A place is free for you',
    'first to claim',
  ]),
  standing('taken in the last call', 'claim', takenInLastCall, [
    409,
    'Somebody was faster',
    'stay on the waiting list',
  ]),
];

describe('When things stand otherwise', () => {
  test.each(STANDINGS)(
    '$name: the link to $action says so',
    async ({ action, turn, status, heading, says }) => {
      const scene = await setScene(links, action);
      const nonce = nonceIn(await ask(server, scene.token));
      await links.change((db) => turn(db, scene));
      const before = await tableHashes(links);
      const page = await ask(server, scene.token);
      expect(page).toMatchObject({ status, heading });
      expect(plain(page.text)).toContain(says);
      if (status !== 200) {
        expect(await post(server, scene.token, { nonce, seen: CLICK })).toMatchObject({
          status,
          heading,
        });
        expect(await tableHashes(links)).toEqual(before);
      }
    },
  );

  test('a place claimed in the last call is booked for the first, and told to the second', async () => {
    const scene = await setScene(links, 'claim');
    await links.change((db) => lastCall(db, scene));
    const nonce = nonceIn(await ask(server, scene.token));
    expect(await press(server, scene.token)).toMatchObject({ heading: 'The place is yours' });
    expect(nonce).not.toBe('');
    expect((await ask(server, scene.token)).text).toMatch(/RS-\d{8}-/);
  });

  test('a claimed place that needs a manager’s yes says that it is waiting', async () => {
    const scene = await setScene(links, 'claim');
    await links.change((db) =>
      db.query(
        `insert into app_public.policy_versions (organization_id, policy_id, version, requires_approval)
         values ($1, $2, 2, true)`,
        [scene.world.organizationId, scene.world.policyId],
      ),
    );
    await links.change((db) =>
      db.query(
        `update app_public.waitlist_entries e set policy_version_id = v.id
         from app_public.policy_versions v where v.policy_id = $2 and v.version = 2 and e.id = $1`,
        [scene.entryId, scene.world.policyId],
      ),
    );
    expect(plain((await ask(server, scene.token)).text)).toContain('still has to approve');
    const reply = await press(server, scene.token);
    expect(plain(reply.text)).toContain('still has to approve');
  });

  test('somebody who was erased leaves links behind that do not work', async () => {
    const scene = await setScene(links, 'unsubscribe');
    await links.change((db) =>
      db.query(
        'update app_public.customers set erased_at = app_private.clock(), name = null where id = $1',
        [scene.customerId],
      ),
    );
    expect((await ask(server, scene.token)).status).toBe(404);
    expect((await press(server, scene.token)).status).toBe(404);
  });
});
