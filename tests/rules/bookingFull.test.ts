/** Taken room: what the refusal carries, and when an offering is free. */
import { describe, expect } from '@jest/globals';
import { at, book, call, createUser, join, range } from '../support/factories.ts';
import { cancel, createUsers, refused, rule, type Scene } from './rule.ts';

interface Full {
  alternatives: { startsAt: string; endsAt: string }[];
  mayWait: boolean;
}

async function askFor({ db, world }: Scene, from: string, to: string, days = 1): Promise<Full> {
  const someone = await createUser(db, 'Someone');
  const [starts_at, ends_at] = range(from, to, days);
  return refused<Full>(db, 'RSFUL', someone, 'create_booking', {
    offering_id: world.left,
    starts_at,
    ends_at,
  });
}

const starts = ({ alternatives }: Full) =>
  alternatives.map(({ startsAt }) => new Date(startsAt).toISOString());

describe('The refusal of taken room', () => {
  rule('carries the nearest free times of the same length, nearest first', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '14:00'));
    const full = await askFor(scene, '11:00', '13:00');
    expect(starts(full)).toEqual([at('08:00', 1), at('14:00', 1), at('06:00', 1)]);
    expect(full.alternatives.map(({ endsAt }) => new Date(endsAt).toISOString())).toEqual([
      at('10:00', 1),
      at('16:00', 1),
      at('08:00', 1),
    ]);
  });

  rule('offers no more than three', async (scene) => {
    const { db, world } = scene;
    for (const [from, to] of [
      ['10:00', '11:00'],
      ['12:00', '13:00'],
      ['14:00', '15:00'],
      ['16:00', '17:00'],
    ] as const) {
      await book(db, await createUser(db, 'Busy'), world.left, range(from, to));
    }
    const full = await askFor(scene, '12:00', '13:00');
    expect(starts(full)).toEqual([at('11:00', 1), at('13:00', 1), at('09:00', 1)]);
  });

  rule(
    'offers only what would be accepted: buffers, cutoff and days ahead respected',
    async (scene) => {
      const { db, world } = scene;
      const [alice, ...others] = await createUsers(db, 'Alice', 'Bea', 'Cem', 'Dan', 'Eve', 'Fay');
      await book(db, alice, world.left, range('10:00', '14:00', 0));
      await book(db, alice, world.left, range('06:00', '12:00', 2));
      const early = starts(await askFor(scene, '11:00', '12:00', 0));
      const late = starts(await askFor(scene, '07:00', '07:30', 2));
      const all = [...early.map((s) => [s, 60] as const), ...late.map((s) => [s, 30] as const)];
      expect(all.length).toBeGreaterThan(2);
      for (const [index, [startsAt, minutes]] of all.entries()) {
        const booker = others[index % others.length] as string;
        const ends_at = new Date(new Date(startsAt).getTime() + minutes * 60_000).toISOString();
        const made = await book(db, booker, world.left, [startsAt, ends_at]);
        await cancel(db, booker, made.id);
      }
    },
    { buffer_before: '15 minutes', buffer_after: '30 minutes', max_days_ahead: 2 },
  );

  rule('offers nothing that has begun by the time one reads it', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('08:30', '14:00', 0));
    const [first] = starts(await askFor(scene, '08:35', '08:50', 0));
    expect(first && first > at('08:00')).toBe(true);
    expect(first && first < at('08:30')).toBe(true);
  });

  rule('says that there is nothing where nothing is free for three days', async (scene) => {
    const { db, world } = scene;
    await call(db, world.owner, 'create_blackout', {
      organization_id: world.organizationId,
      resource_id: world.leftRoom,
      starts_at: at('12:00', 1),
      ends_at: at('12:00', 20),
      reason: 'Works',
    });
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('08:10', '12:00', 0));
    await book(db, alice, world.left, ['2030-06-03T12:00:00Z', '2030-06-04T12:00:00Z']);
    const full = await askFor(scene, '10:00', '12:00', 1);
    expect(full.alternatives).toEqual([]);
  });

  rule('says whether one may wait', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    expect((await askFor(scene, '10:00', '12:00')).mayWait).toBe(true);
  });

  rule(
    'says so where there is no waiting list',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('10:00', '12:00'));
      expect((await askFor(scene, '10:00', '12:00')).mayWait).toBe(false);
    },
    { waitlist_enabled: false },
  );

  rule('says no to who has the place already', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    const [starts_at, ends_at] = range('11:00', '13:00');
    const wish = { offering_id: world.left, starts_at, ends_at };
    const full = await refused<Full>(db, 'RSFUL', alice, 'create_booking', wish);
    expect(full.mayWait).toBe(false);
  });

  rule('holds for room that is held for somebody, too', async (scene) => {
    const { db, world } = scene;
    const [alice, bea] = await createUsers(db, 'Alice', 'Bea');
    const made = await book(db, alice, world.left, range('10:00', '12:00'));
    await join(db, bea, world.left, range('10:00', '12:00'));
    await cancel(db, alice, made.id);
    await askFor(scene, '10:00', '12:00');
  });
});

describe('Availability', () => {
  const availability = ({ db }: Scene, offeringId: string, from: string, to: string) =>
    db.as({ role: 'reslot_anonymous' }, () =>
      db.rows<{ starts_at: Date; ends_at: Date }>(
        'select * from app_public.availability($1, $2, $3)',
        [offeringId, from, to],
      ),
    );
  const asText = (rows: { starts_at: Date; ends_at: Date }[]) =>
    rows.map((row) => [row.starts_at.toISOString(), row.ends_at.toISOString()]);

  rule('is what is open and not taken; a hall is free where all its rooms are', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '12:00'));
    await book(db, alice, world.right, range('11:00', '13:00'));
    const day = [at('09:00', 1), at('15:00', 1)] as const;
    expect(asText(await availability(scene, world.left, ...day))).toEqual([
      [at('09:00', 1), at('10:00', 1)],
      [at('12:00', 1), at('15:00', 1)],
    ]);
    expect(asText(await availability(scene, world.hall, ...day))).toEqual([
      [at('09:00', 1), at('10:00', 1)],
      [at('13:00', 1), at('15:00', 1)],
    ]);
  });

  rule('leaves out blackouts, and gaps too short to book', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await call(db, world.owner, 'create_blackout', {
      organization_id: world.organizationId,
      offering_id: world.left,
      starts_at: at('11:00', 1),
      ends_at: at('12:00', 1),
      reason: 'Works',
    });
    await book(db, alice, world.left, range('12:10', '13:00'));
    const free = await availability(scene, world.left, at('10:00', 1), at('14:00', 1));
    expect(asText(free)).toEqual([
      [at('10:00', 1), at('11:00', 1)],
      [at('13:00', 1), at('14:00', 1)],
    ]);
  });

  rule(
    'begins after the cutoff, ends with the days ahead, and leaves room for buffers',
    async (scene) => {
      const { db, world } = scene;
      const alice = await createUser(db, 'Alice');
      await book(db, alice, world.left, range('12:00', '13:00'));
      const free = await availability(scene, world.left, at('00:00'), at('00:00', 10));
      expect(asText(free)).toEqual([
        [at('10:00'), at('11:30', 1)],
        [at('13:30', 1), at('08:00', 2)],
      ]);
      for (const [startsAt, endsAt] of asText(free)) {
        expect(new Date(endsAt as string) > new Date(startsAt as string)).toBe(true);
      }
      await book(db, alice, world.left, range('10:30', '11:30'));
      await book(db, alice, world.left, range('13:30', '14:00'));
    },
    {
      booking_cutoff: '2 hours',
      max_days_ahead: 2,
      buffer_before: '10 minutes',
      buffer_after: '20 minutes',
    },
  );

  rule('refuses a range that is inverted, infinite, absurd, or too long', async ({ db, world }) => {
    for (const [from, to] of [
      [at('12:00', 1), at('12:00', 1)],
      [at('12:00', 2), at('12:00', 1)],
      [at('12:00', 1), 'infinity'],
      ['4713-01-01 00:00:00Z BC', '294276-12-31T00:00:00Z'],
      [at('12:00', 1), at('13:00', 93)],
      [null, at('12:00', 1)],
    ]) {
      const failure = await db.fails('select * from app_public.availability($1, $2, $3)', [
        world.left,
        from,
        to,
      ]);
      expect(failure).toMatchObject({ code: 'RSARG' });
    }
  });
});
