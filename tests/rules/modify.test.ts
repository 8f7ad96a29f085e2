/** Changing a booking. */
import { describe, expect } from '@jest/globals';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  entry,
  join,
  range,
} from '../support/factories.ts';
import {
  cancel,
  confirm,
  createUsers,
  deadlineOf,
  refused,
  rule,
  type Scene,
  statusOf,
  told,
} from './rule.ts';

const move = ({ db }: Scene, user: string, id: string, [starts_at, ends_at]: [string, string]) =>
  call(db, user, 'modify_booking', { booking_id: id, starts_at, ends_at });

describe('Moving a booking', () => {
  rule('clears the confirmation and arms the reminders anew', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await advanceTo(db, at('19:00', 2));
    await confirm(db, alice, made.id);
    const moved = await move(scene, alice, made.id, range('18:00', '20:00', 5));
    expect(moved).toMatchObject({
      attendance_confirmed_at: null,
      attendance_confirmed_how: null,
      reminder_sent_at: null,
      reminders_done: 0,
      confirm_by: new Date(at('16:00', 5)),
      sequence: 1,
    });
    expect(await deadlineOf(db, made.id)).toEqual({
      action: 'remind',
      due_at: new Date(at('18:00', 4)),
    });
    await advanceTo(db, at('18:01', 4));
    expect((await told(db, alice)).filter((kind) => kind === 'booking_reminder')).toHaveLength(2);
  });

  rule('close to its new start is the confirmation', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    const moved = await move(scene, alice, made.id, range('18:00', '20:00', 0));
    expect(moved).toMatchObject({ attendance_confirmed_how: 'booking', confirm_by: null });
  });

  rule('keeps the word of a manager that it needs no confirmation', async (scene) => {
    const { db, world } = scene;
    const [starts_at, ends_at] = range('18:00', '20:00', 3);
    const made = await call<{ id: string }>(db, world.manager, 'create_booking_for', {
      offering_id: world.left,
      starts_at,
      ends_at,
      name: 'No mail',
      needs_confirmation: false,
    });
    const moved = await move(scene, world.manager, made.id, range('18:00', '20:00', 5));
    expect(moved).toMatchObject({ attendance_confirmed_how: 'not_needed', confirm_by: null });
  });

  rule('hands the old time on, and only what is free of it', async (scene) => {
    const { db, world } = scene;
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const early = await join(db, bea, world.left, range('10:00', '11:00'));
    const late = await join(db, cem, world.left, range('11:00', '12:00'));
    await move(scene, alice, made.id, range('11:00', '13:00'));
    expect(await statusOf(db, early.id, late.id)).toEqual(['offered', 'waiting']);
  });

  rule('may overlap itself, but nobody else; refused, it stays where it was', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await book(db, bea, world.left, range('13:00', '14:00'));
    await move(scene, alice, made.id, range('10:30', '12:30'));
    const [starts_at, ends_at] = range('12:00', '14:00');
    const details = await refused<{ mayWait: boolean; alternatives: unknown[] }>(
      db,
      'RSFUL',
      alice,
      'modify_booking',
      { booking_id: made.id, starts_at, ends_at },
    );
    // Nobody waits for a time in which they have the place.
    expect(details).toMatchObject({ mayWait: false });
    expect(await booking(db, made.id)).toMatchObject({
      starts_at: new Date(at('10:30', 1)),
      status: 'confirmed',
    });
  });

  rule(
    'obeys the limits of its policy',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 1));
      await book(db, alice, world.right, range('18:00', '20:00', 2));
      for (const [code, [starts_at, ends_at]] of [
        ['RSTIM', range('06:00', '07:00', 0)],
        ['RSTIM', range('08:30', '09:30', 0)],
        ['RSTIM', range('10:00', '15:00', 1)],
        ['RSTIM', range('10:00', '11:00', 12)],
        ['RSTIM', [at('12:00', 1), at('11:00', 1)]],
        ['RSLIM', range('10:00', '11:00', 2)],
      ] as const) {
        await refused(db, code, alice, 'modify_booking', {
          booking_id: made.id,
          starts_at,
          ends_at,
        });
      }
      await move(scene, alice, made.id, range('10:00', '11:00', 1));
    },
    {
      max_bookings_per_day: 1,
      booking_cutoff: '1 hour',
      max_duration: '4 hours',
      max_days_ahead: 10,
    },
  );

  rule('keeps the rules it was made under', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await call(db, world.owner, 'revise_policy', {
      policy_id: world.policyId,
      changes: JSON.stringify({ confirm_deadline: '05:00:00' }),
    });
    const moved = await move(scene, alice, made.id, range('18:00', '20:00', 5));
    expect(moved).toMatchObject({ confirm_by: new Date(at('16:00', 5)) });
  });

  rule('ends what its customer still waits for at that time', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    await book(db, bea, world.left, range('12:00', '14:00'));
    const made = await book(db, alice, world.left, range('10:00', '11:00'));
    const waiting = await join(db, alice, world.left, range('13:00', '15:00'));
    await move(scene, alice, made.id, range('14:00', '15:00'));
    expect(await entry(db, waiting.id)).toMatchObject({ status: 'closed' });
  });

  rule('tells the customer what it was before, once', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await move(scene, alice, made.id, range('14:00', '16:00'));
    expect(await told(db, alice)).toEqual(['booking_received', 'booking_modified']);
    const data = await db.value<{ previous: { startsAt: string } }>(
      `select data from app_public.notifications where kind = 'booking_modified'`,
    );
    expect(new Date(data.previous.startsAt)).toEqual(new Date(at('10:00', 1)));
  });

  rule('to where it is changes nothing and tells nobody', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const moved = await move(scene, alice, made.id, range('10:00', '12:00'));
    expect(moved).toMatchObject({ sequence: 0 });
    expect(await told(db, alice)).toEqual(['booking_received']);
  });
});

describe('Changing the purpose', () => {
  rule('leaves the confirmation as it is', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await confirm(db, alice, made.id);
    const changed = await call(db, alice, 'modify_booking', {
      booking_id: made.id,
      purpose: ' Choir ',
    });
    expect(changed).toMatchObject({
      purpose: 'Choir',
      attendance_confirmed_how: 'account',
      sequence: 0,
    });
    const removed = await call(db, alice, 'modify_booking', { booking_id: made.id, purpose: '' });
    expect(removed).toMatchObject({ purpose: null });
  });
});

describe('A change is refused', () => {
  rule('to strangers, as if there were no such booking', async ({ db, world }) => {
    const [alice, eve] = await createUsers(db, 'Alice', 'Eve');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await refused(db, 'RSNTF', eve, 'modify_booking', { booking_id: made.id, purpose: 'Mine' });
    await refused(db, 'RSNTF', eve, 'modify_booking', { booking_id: eve, purpose: 'Mine' });
  });

  rule('once it has begun or ended', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const begun = await book(db, alice, world.left, range('09:00', '12:00', 0));
    const ended = await book(db, alice, world.right, range('09:00', '12:00', 1));
    await cancel(db, alice, ended.id);
    await refused(db, 'RSSTA', alice, 'modify_booking', { booking_id: ended.id, purpose: 'x' });
    await db.setClock(at('09:00'));
    await refused(db, 'RSTIM', alice, 'modify_booking', { booking_id: begun.id, purpose: 'x' });
    await advanceTo(db, at('09:30'));
    await refused(db, 'RSSTA', alice, 'modify_booking', { booking_id: begun.id, purpose: 'x' });
  });

  rule('for a hold, which is no booking yet', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    const waiting = await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    const { hold_id } = await entry(db, waiting.id);
    for (const name of ['modify_booking', 'cancel_booking', 'confirm_booking']) {
      await refused(db, 'RSNTF', bea, name, { booking_id: hold_id });
    }
    const byManagers = ['cancel', 'reject', 'keep'].map((verb) => `${verb}_booking`);
    for (const name of [...byManagers, 'override_auto_cancel', 'mark_no_show']) {
      await refused(db, 'RSNTF', world.manager, name, { booking_id: hold_id, reason: 'No' });
    }
  });
});

describe('Where a manager has to agree', () => {
  const policy = { requires_approval: true };

  rule(
    'a customer who moves a booking asks again; a manager who moves it has agreed',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
      await call(db, world.manager, 'approve_booking', { booking_id: made.id });
      const moved = await move(scene, alice, made.id, range('18:00', '20:00', 4));
      expect(moved).toMatchObject({ status: 'pending', confirm_by: null });
      expect((await told(db, world.manager)).at(-1)).toBe('booking_requested');
      const agreed = await move(scene, world.manager, made.id, range('18:00', '20:00', 5));
      expect(agreed).toMatchObject({ status: 'confirmed', confirm_by: new Date(at('16:00', 5)) });
    },
    policy,
  );
});
