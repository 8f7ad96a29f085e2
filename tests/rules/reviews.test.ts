/** What customers say of what they had. */
import { expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import { advanceTo, at, call, createUser, range } from '../support/factories.ts';
import { bookService, createService, type Service } from '../support/providers.ts';
import { cancel, createUsers, refused, rule, type Scene, value } from './rule.ts';

type Review = Record<string, unknown> & { id: string };

/** Completed, an hour at a time, one after the other. */
async function had(db: TestDatabase, service: Service, ...userIds: string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const [n, userId] of userIds.entries()) {
    const time = range(`${10 + n}:00`, `${11 + n}:00`, 0);
    ids.push((await bookService(db, userId, service, time)).id);
  }
  await advanceTo(db, at('20:00'));
  return ids;
}

const review = (
  db: TestDatabase,
  userId: string,
  booking_id: string,
  rating: number,
  words?: string,
) =>
  call<Review>(db, userId, 'review_booking', { booking_id, rating, ...(words ? { words } : {}) });

async function reviewed(scene: Scene) {
  const { db, world } = scene;
  const anna = await createService(db, world, 'Anna');
  const [carl] = await createUsers(db, 'Carl');
  const [id = ''] = await had(db, anna, carl);
  const written = await review(db, carl, id, 4, ' Carl is glad. ');
  return { anna, carl, id, written };
}

rule('the customer reviews what is completed, once', async (scene) => {
  const { db } = scene;
  const { anna, carl, id, written } = await reviewed(scene);
  expect(written).toMatchObject({
    ...{ offering_id: anna.offering, provider_id: anna.provider },
    ...{ rating: 4, words: 'Carl is glad.', created_at: new Date(at('20:00')), reply: null },
  });
  // The same again is the same; another is one too many.
  expect((await review(db, carl, id, 4, 'Carl is glad.')).id).toBe(written.id);
  const other = { booking_id: id, rating: 5 };
  await refused(db, 'RSDUP', carl, 'review_booking', other);
  await refused(db, 'RSNTF', anna.user, 'review_booking', other);
  expect(await value(db, 'count(*) from app_public.reviews')).toBe(1);
});

rule('nothing is reviewed before it is completed, nor what was not', async ({ db, world }) => {
  const anna = await createService(db, world, 'Anna');
  const carl = await createUser(db, 'Carl');
  const made = await bookService(db, carl, anna, range('10:00', '11:00', 0));
  const args = { booking_id: made.id, rating: 5 };
  await refused(db, 'RSSTA', carl, 'review_booking', args);
  await db.setClock(at('10:30'));
  await call(db, anna.user, 'deliver_booking', { booking_id: made.id });
  await refused(db, 'RSSTA', carl, 'review_booking', args);
  await call(db, carl, 'confirm_delivery', { booking_id: made.id });
  expect(await review(db, carl, made.id, 5)).toMatchObject({ rating: 5, words: null });
  const called = await bookService(db, carl, anna, range('14:00', '15:00', 0));
  await cancel(db, carl, called.id);
  await refused(db, 'RSSTA', carl, 'review_booking', { ...args, booking_id: called.id });
});

rule('a rating is from 1 to 5, and words of at most 2,000 characters', async ({ db, world }) => {
  const anna = await createService(db, world, 'Anna');
  const carl = await createUser(db, 'Carl');
  const [booking_id] = await had(db, anna, carl);
  for (const rating of [0, 6, -1, null]) {
    await refused(db, 'RSARG', carl, 'review_booking', { booking_id, rating });
  }
  const words = 'x'.repeat(2001);
  await refused(db, 'RSARG', carl, 'review_booking', { booking_id, rating: 1, words });
});

rule('the provider answers once, or a manager for them, and nobody else', async (scene) => {
  const { db, world } = scene;
  const { anna, carl, written } = await reviewed(scene);
  const bert = await createService(db, world, 'Bert');
  const args = { review_id: written.id, reply: 'Thank you, Carl.' };
  await refused(db, 'RSNTF', carl, 'reply_to_review', args);
  await refused(db, 'RSNTF', bert.user, 'reply_to_review', args);
  await refused(db, 'RSARG', anna.user, 'reply_to_review', { ...args, reply: '  ' });
  expect(await call(db, anna.user, 'reply_to_review', args)).toMatchObject({
    reply: 'Thank you, Carl.',
    replied_at: new Date(at('20:00')),
  });
  expect(await call(db, world.manager, 'reply_to_review', args)).toMatchObject({ id: written.id });
  await refused(db, 'RSDUP', world.manager, 'reply_to_review', { ...args, reply: 'Another' });
});

rule('what a service is worth is the average of its reviews', async ({ db, world }) => {
  const [anna, bert] = [
    await createService(db, world, 'Anna'),
    await createService(db, world, 'Bert'),
  ];
  const users = await createUsers(db, 'Carl', 'Dora', 'Emil');
  const bookings = await had(db, anna, ...users);
  for (const [n, rating] of [5, 4, 4].entries()) {
    await review(db, users[n] as string, bookings[n] as string, rating);
  }
  const averages = await db.as({ role: 'reslot_anonymous' }, () =>
    db.rows(
      `select app_public.offerings_average_rating(f) as offering, (
         select app_public.resources_average_rating(r) from app_public.resources r where r.id = any ($2)
         and 'Haircut by ' || r.name = f.name) as provider
       from app_public.offerings f where f.id = any ($1) order by f.name`,
      [
        [anna.offering, bert.offering],
        [anna.provider, bert.provider],
      ],
    ),
  );
  expect(averages).toEqual([
    { offering: '4.33', provider: '4.33' },
    { offering: null, provider: null },
  ]);
});

rule('everybody reads it, and learns nothing of who wrote it', async (scene) => {
  const { db } = scene;
  const { carl, id } = await reviewed(scene);
  const customer = await value<string>(db, 'customer_id from app_public.bookings where id = $1', [
    id,
  ]);
  const rows = await db.as({ role: 'reslot_anonymous' }, () =>
    db.rows('select to_jsonb(v) as row from app_public.reviews v'),
  );
  expect(rows).toHaveLength(1);
  for (const secret of [id, customer, carl]) expect(JSON.stringify(rows)).not.toContain(secret);
});

rule(
  'erasing a person takes the words, also those of the answer, and leaves the rating',
  async (scene) => {
    const { db } = scene;
    const { anna, carl, written } = await reviewed(scene);
    await call(db, anna.user, 'reply_to_review', { review_id: written.id, reply: 'Dear Carl!' });
    const exported = await db.as({ role: 'reslot_user', userId: carl }, () =>
      db.value<{ reviews: unknown[] }>('select app_public.export_my_data()'),
    );
    expect(exported.reviews).toMatchObject([{ id: written.id, words: 'Carl is glad.' }]);
    await call(db, carl, 'erase_me', {});
    const row = await db.one('select * from app_public.reviews where id = $1', [written.id]);
    expect(row).toMatchObject({ rating: 4, words: null, reply: null });
    // Nor does anybody answer them any more.
    await refused(db, 'RSNTF', anna.user, 'reply_to_review', {
      ...{ review_id: written.id, reply: 'Dear Carl!' },
    });
    expect(
      await value(db, `count(*) from app_public.audit_log a where a::text ~ 'glad|Dear Carl'`),
    ).toBe(0);
  },
);
