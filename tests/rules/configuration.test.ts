/** Changing the rules: opening hours, resources of an offering, policies. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createResource,
  createUser,
  createWorld,
  deliverMail,
  entry,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, createUsers, refused, revise, rule, type Scene, statusOf, told } from './rule.ts';

const everyDay = (opens: string, closes: string) =>
  JSON.stringify([1, 2, 3, 4, 5, 6, 7].map((weekday) => ({ weekday, opens, closes })));

const setHours = ({ db, world }: Scene, hours: string, keep = false) =>
  db.as({ role: 'reslot_user', userId: world.owner }, () =>
    db.rows('select * from app_public.set_opening_hours($1, $2, $3)', [
      world.leftRoom,
      hours,
      keep,
    ]),
  );

describe('Opening hours', () => {
  rule('are replaced as a whole, in one order', async (scene) => {
    const { db, world } = scene;
    const hours = await setHours(scene, everyDay('09:00', '18:00'));
    expect(hours).toHaveLength(7);
    expect(hours[0]).toMatchObject({ weekday: 1, opens: '09:00:00', closes: '18:00:00' });
    const alice = await createUser(db, 'Alice');
    const [starts_at, ends_at] = range('08:00', '09:00');
    for (const offering_id of [world.left, world.hall]) {
      await refused(db, 'RSTIM', alice, 'create_booking', { offering_id, starts_at, ends_at });
    }
  });

  rule('over bookings are refused with their list, unless these may stand', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const outside = await book(db, alice, world.left, range('18:00', '20:00'));
    const args = { resource_id: world.leftRoom, hours: everyDay('09:00', '19:00') };
    const details = await refused<{ bookings: { id: string }[] }>(
      db,
      'RSBLK',
      world.owner,
      'set_opening_hours',
      args,
    );
    expect(details.bookings.map(({ id }) => id)).toEqual([outside.id]);
    await setHours(scene, everyDay('09:00', '19:00'), true);
    expect((await booking(db, outside.id)).status).toBe('confirmed');
  });

  rule('that grow hand the new time on', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('18:00', '20:00'));
    const waits = await join(db, bea, world.left, range('18:00', '20:00'));
    await setHours(scene, everyDay('09:00', '19:00'), true);
    await cancel(db, alice, made.id);
    expect(await statusOf(db, waits.id)).toEqual(['waiting']);
    await setHours(scene, everyDay('09:00', '20:00'));
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('that shrink take back the offers outside, not the place in the queue', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('18:00', '20:00'));
    const waits = await join(db, bea, world.left, range('18:00', '20:00'));
    await cancel(db, alice, made.id);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
    await setHours(scene, everyDay('09:00', '19:00'));
    expect(await entry(db, waits.id)).toMatchObject({ status: 'waiting', hold_id: null });
  });

  rule('have to make sense, and to be one’s own', async (scene) => {
    const { db, world } = scene;
    const other = await createWorld(db);
    const good = everyDay('09:00', '18:00');
    for (const hours of [
      'null',
      '{}',
      '[{"weekday": 8, "opens": "09:00", "closes": "18:00"}]',
      '[{"weekday": 1, "opens": "nine", "closes": "18:00"}]',
      '[{"weekday": 1, "opens": "09:00"}]',
      '[1]',
      JSON.stringify(Array(51).fill({ weekday: 1, opens: '09:00', closes: '10:00' })),
    ]) {
      const args = { resource_id: world.leftRoom, hours };
      await refused(db, 'RSARG', world.owner, 'set_opening_hours', args);
    }
    const args = { resource_id: world.leftRoom, hours: good };
    await refused(db, 'RSNTF', other.owner, 'set_opening_hours', args);
    await refused(db, 'RSNTF', await createUser(db, 'Alice'), 'set_opening_hours', args);
  });
});

describe('The resources of an offering', () => {
  rule('change only while nobody has booked it or waits for it', async (scene) => {
    const { db, world } = scene;
    const third = await createResource(db, world.organizationId, 'Foyer');
    const set = { offering_id: world.hall, resource_ids: [world.leftRoom, third] };
    await call(db, world.owner, 'set_offering_resources', set);
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.right, range('10:00', '12:00'));
    await book(db, alice, world.hall, range('10:00', '12:00'));
    await refused(db, 'RSSTA', world.owner, 'set_offering_resources', set);
  });

  rule('are one to fifty of one’s own', async ({ db, world }) => {
    const other = await createWorld(db);
    const set = { offering_id: world.hall, resource_ids: [world.leftRoom] };
    const owner = world.owner;
    await refused(db, 'RSNTF', other.owner, 'set_offering_resources', set);
    await refused(db, 'RSNTF', owner, 'set_offering_resources', {
      ...set,
      resource_ids: [other.leftRoom],
    });
    for (const resource_ids of [[], null]) {
      await refused(db, 'RSARG', owner, 'set_offering_resources', { ...set, resource_ids });
    }
  });
});

describe('A policy', () => {
  rule('is never changed, only revised; what was booked keeps its version', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const revised = await revise(db, world, { confirm_deadline: '05:00:00', auto_cancel: 'off' });
    expect(revised).toMatchObject({ version: 2, auto_cancel: 'off', created_by: world.owner });
    for (const sql of [
      'update app_public.policy_versions set max_days_ahead = 1',
      'delete from app_public.policy_versions',
    ]) {
      expect(await db.fails(sql)).toMatchObject({ code: 'RSSTA' });
    }
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('16:00', 3)));
    const later = await book(db, alice, world.right, range('18:00', '20:00', 3));
    expect(later.confirm_by).toEqual(new Date(at('13:00', 3)));
  });

  const contradictions: [string, Record<string, unknown>][] = [
    ['a release nobody was asked about', { confirm_if_booked_before: '02:30:00' }],
    ['a reminder too late for the notice', { reminder_leads: ['02:30:00', '01:00:00'] }],
    [
      'a shortest window longer than the last call',
      { min_claim_window: '00:31:00', claim_window: '00:40:00' },
    ],
    ['a release too late to offer the room', { confirm_deadline: '00:34:00' }],
    ['a window under its own minimum', { claim_window: '00:04:00' }],
    ['an urgency too late to claim', { urgent_before: '00:34:00' }],
    ['half a pair of quiet hours', { quiet_from: '22:00' }],
    ['a shortest time longer than the longest', { min_duration: '25:00:00' }],
    ['a negative duration', { buffer_before: '-00:10:00' }],
    ['no duration at all', { claim_window: '00:00:00' }],
    ['reminders that do not descend', { reminder_leads: ['24:00:00', '24:00:00'] }],
    ['no reminder', { reminder_leads: [] }],
    ['a limit of nothing', { max_bookings_per_day: 0 }],
    ['a share of more than all', { max_hold_share: 1.5 }],
    ['a value of the wrong kind', { claim_window: 'soon' }],
    ['a switch that does not exist', { auto_cancel: 'maybe' }],
    ['nothing where something has to be', { confirm_deadline: null }],
    ['a rule that does not exist', { colour: 'red' }],
    ['what is not a rule', { version: 7 }],
  ];
  test.each(contradictions)('refuses %s', (_, changes) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      await refused(db, 'RSARG', world.owner, 'revise_policy', {
        policy_id: world.policyId,
        changes: JSON.stringify(changes),
      });
    }),
  );

  test.each(['[]', '"x"', 'null', '7'])('refuses changes that are %s', (changes) =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const args = { policy_id: world.policyId, changes };
      await refused(db, 'RSARG', world.owner, 'revise_policy', args);
    }),
  );

  rule('is the business of its managers', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const other = await createWorld(db);
    const args = { policy_id: world.policyId };
    for (const user of [alice, other.owner]) {
      await refused(db, 'RSNTF', user, 'revise_policy', { ...args, changes: '{}' });
      await refused(db, 'RSNTF', user, 'apply_policy', args);
    }
  });

  rule('counts days as 24 hours, whatever the clocks do', async ({ db, world }) => {
    const revised = await revise(db, world, { confirm_if_booked_before: '2 days' });
    const hours = await db.value(
      'select confirm_if_booked_before::text from app_public.policy_versions where id = $1',
      [revised.id],
    );
    expect(hours).toBe('48:00:00');
  });
});

describe('Applying a policy', () => {
  const apply = ({ db, world }: Scene) =>
    call<{ apply_policy: number }>(db, world.owner, 'apply_policy', { policy_id: world.policyId });

  rule('moves live bookings to the newest version, and says how many', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const ended = await book(db, alice, world.right, range('18:00', '20:00', 3));
    await cancel(db, alice, ended.id);
    await revise(db, world, { confirm_deadline: '05:00:00' });
    const revised = await revise(db, world, { confirm_deadline: '01:00:00' });
    expect(await apply(scene)).toEqual({ apply_policy: 1 });
    expect(await apply(scene)).toEqual({ apply_policy: 0 });
    expect(await booking(db, made.id)).toMatchObject({
      policy_version_id: revised.id,
      confirm_by: new Date(at('17:00', 3)),
    });
    await advanceTo(db, at('17:00', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
  });

  rule('never moves a deadline earlier that somebody was told', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('18:01', 2));
    await revise(db, world, { confirm_deadline: '05:00:00' });
    await apply(scene);
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('16:00', 3)));
    await revise(db, world, { confirm_deadline: '01:00:00' });
    await apply(scene);
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('17:00', 3)));
  });

  rule('not even one whose mail is on its way', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await deliverMail(db);
    await db.setClock(at('18:00', 2));
    await runDueDeadlines(db);
    const [mail] = await db.rows(
      `select model -> 'booking' ->> 'confirmDeadlineAt' as stated from app_private.lease_deliveries(10)`,
    );
    expect(new Date(mail?.stated)).toEqual(new Date(at('16:00', 3)));
    await revise(db, world, { confirm_deadline: '05:00:00' });
    await apply(scene);
    expect((await booking(db, made.id)).confirm_by).toEqual(new Date(at('16:00', 3)));
  });

  rule('switches a dry run to earnest', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await revise(db, world, { auto_cancel: 'dry_run' });
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('16:30', 3));
    expect((await booking(db, made.id)).would_auto_cancel_at).not.toBeNull();
    await revise(db, world, { auto_cancel: 'on' });
    await apply(scene);
    // The reminder had said that silence costs nothing, so another one goes out, with the deadline.
    await advanceTo(db, at('17:29', 3));
    expect((await booking(db, made.id)).status).toBe('confirmed');
    const asked = (await told(db, alice)).filter((kind) => kind === 'booking_reminder');
    expect(asked.length).toBeGreaterThan(1);
    await advanceTo(db, at('17:31', 3));
    expect((await booking(db, made.id)).status).toBe('auto_cancelled');
  });

  rule('frees what a smaller buffer no longer needs, for who waits', async (scene) => {
    const { db, world } = scene;
    await revise(db, world, { buffer_after: '01:00:00' });
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, alice, world.left, range('10:00', '12:00'));
    await revise(db, world, { buffer_after: '00:00:00' });
    const waits = await join(db, bea, world.left, range('12:00', '13:00'));
    await apply(scene);
    expect(await statusOf(db, waits.id)).toEqual(['offered']);
  });

  rule('does not push a larger buffer into a neighbour', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const first = await book(db, alice, world.left, range('10:00', '12:00'));
    await book(db, bea, world.left, range('12:00', '13:00'));
    const alone = await book(db, bea, world.right, range('12:00', '13:00'));
    await revise(db, world, { buffer_after: '00:30:00' });
    await apply(scene);
    const room = (id: string) =>
      db.value('select upper(room) from app_public.bookings where id = $1', [id]);
    expect(await room(first.id)).toEqual(new Date(at('12:00', 1)));
    expect(await room(alone.id)).toEqual(new Date(at('13:30', 1)));
  });

  rule('gives a request no less time than it had', async (scene) => {
    const { db, world } = scene;
    await revise(db, world, { requires_approval: true });
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await revise(db, world, { request_ttl: '01:00:00' });
    await apply(scene);
    expect((await booking(db, made.id)).request_expires_at).toEqual(new Date(at('08:00', 1)));
    await revise(db, world, { request_ttl: '30:00:00' });
    await apply(scene);
    expect((await booking(db, made.id)).request_expires_at).toEqual(new Date(at('14:00', 1)));
  });
});
