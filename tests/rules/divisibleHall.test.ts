/** A hall of two rooms: whole, left and right, in all directions. */
import { describe, expect } from '@jest/globals';
import { advanceTo, at, book, join, range } from '../support/factories.ts';
import { cancel, claim, createUsers, decline, leave, rule, statusOf } from './rule.ts';

describe('A divisible hall', () => {
  const time = range('10:00', '12:00');

  rule('in whole blocks both halves, a half blocks the whole', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const [starts_at, ends_at] = time;
    const whole = await book(db, alice, world.hall, time);
    for (const half of [world.left, world.right]) {
      const waiting = await join(db, bea, half, time);
      await leave(db, bea, waiting.id);
    }
    await cancel(db, alice, whole.id);
    await book(db, alice, world.right, time);
    await book(db, bea, world.left, time);
    const failure = await db.as({ role: 'reslot_user', userId: bea }, () =>
      db.fails('select app_public.create_booking($1, $2, $3)', [world.hall, starts_at, ends_at]),
    );
    expect(failure.code).toBe('RSFUL');
  });

  rule('freed in whole goes to the waiting halves', async ({ db, world }) => {
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const whole = await book(db, alice, world.hall, time);
    const left = await join(db, bea, world.left, time);
    const right = await join(db, cem, world.right, time);
    await cancel(db, alice, whole.id);
    expect(await statusOf(db, left.id, right.id)).toEqual(['offered', 'offered']);
  });

  rule('freed in whole goes to who waits for the whole, when they came first', async (scene) => {
    const { db, world } = scene;
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const booked = await book(db, alice, world.hall, time);
    const whole = await join(db, bea, world.hall, time);
    const right = await join(db, cem, world.right, time);
    await cancel(db, alice, booked.id);
    expect(await statusOf(db, whole.id, right.id)).toEqual(['offered', 'waiting']);
    await decline(db, bea, whole.id);
    expect(await statusOf(db, right.id)).toEqual(['offered']);
  });

  rule('freed by halves goes to who waits for the whole only when both are free', async (scene) => {
    const { db, world } = scene;
    const [alice, bea, cem] = await createUsers(db, 'Alice', 'Bea', 'Cem');
    const left = await book(db, alice, world.left, time);
    const right = await book(db, bea, world.right, time);
    const whole = await join(db, cem, world.hall, time);
    await cancel(db, alice, left.id);
    expect(await statusOf(db, whole.id)).toEqual(['waiting']);
    await cancel(db, bea, right.id);
    expect(await statusOf(db, whole.id)).toEqual(['offered']);
  });

  rule(
    'a half that is freed goes to a later wait for it, not to the whole that cannot',
    async (scene) => {
      const { db, world } = scene;
      const [alice, bea, cem, dan] = await createUsers(db, 'Alice', 'Bea', 'Cem', 'Dan');
      const left = await book(db, alice, world.left, time);
      await book(db, bea, world.right, time);
      const whole = await join(db, cem, world.hall, time);
      const half = await join(db, dan, world.left, time);
      await cancel(db, alice, left.id);
      expect(await statusOf(db, whole.id, half.id)).toEqual(['waiting', 'offered']);
    },
  );

  rule('an offer of the whole that expires serves the halves', async ({ db, world }) => {
    const [alice, bea, cem, dan] = await createUsers(db, 'Alice', 'Bea', 'Cem', 'Dan');
    const booked = await book(db, alice, world.hall, time);
    const whole = await join(db, bea, world.hall, time);
    const left = await join(db, cem, world.left, time);
    const right = await join(db, dan, world.right, time);
    await cancel(db, alice, booked.id);
    await advanceTo(db, at('08:16'));
    expect(await statusOf(db, whole.id, left.id, right.id)).toEqual([
      'expired',
      'offered',
      'offered',
    ]);
  });

  rule('one person has no offer of a half beside one of the whole', async ({ db, world }) => {
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const early = await book(db, alice, world.hall, time);
    const late = await book(db, alice, world.left, range('14:00', '16:00'));
    const whole = await join(db, bea, world.hall, time);
    const half = await join(db, bea, world.left, range('14:00', '16:00'));
    await cancel(db, alice, early.id);
    await cancel(db, alice, late.id);
    expect(await statusOf(db, whole.id, half.id)).toEqual(['offered', 'waiting']);
    await claim(db, bea, whole.id);
    expect(await statusOf(db, whole.id, half.id)).toEqual(['claimed', 'offered']);
  });
});
