/** What the tests of rules share: a fresh world for each, and short words for what happens in it. */
import { expect, test } from '@jest/globals';
import { renderMail } from '../../src/mail/render.ts';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  call,
  createUser,
  createWorld,
  join,
  range,
  refusal,
  type World,
} from '../support/factories.ts';

export type Scene = { db: TestDatabase; world: World };

/** A test in a world of its own that is rolled back; `policy` differs from the defaults as given. */
export function rule(
  sentence: string,
  body: (scene: Scene) => Promise<void>,
  policy: Record<string, unknown> = {},
): void {
  test(sentence, () =>
    inTransaction(async (db) => {
      await body({ db, world: await createWorld(db, policy) });
    }),
  );
}

export async function createUsers<const N extends readonly string[]>(
  db: TestDatabase,
  ...names: N
): Promise<{ [K in keyof N]: string }> {
  const ids: string[] = [];
  for (const name of names) ids.push(await createUser(db, name));
  return ids as { [K in keyof N]: string };
}

/** Expects a call to be refused with a code; out comes the details the client gets. */
export async function refused<T = unknown>(
  db: TestDatabase,
  code: string,
  userId: string,
  name: string,
  args: Record<string, unknown>,
): Promise<T> {
  const failure = await refusal(db, userId, name, args);
  expect({ code: failure.code, message: failure.message }).toMatchObject({ code });
  return (failure.detail === undefined ? undefined : JSON.parse(failure.detail)) as T;
}

export const cancel = (db: TestDatabase, userId: string, bookingId: string) =>
  call(db, userId, 'cancel_booking', { booking_id: bookingId });

export const claim = (db: TestDatabase, userId: string, entryId: string) =>
  call(db, userId, 'claim_slot', { entry_id: entryId });

export const decline = (db: TestDatabase, userId: string, entryId: string) =>
  call(db, userId, 'decline_slot', { entry_id: entryId });

export const leave = (db: TestDatabase, userId: string, entryId: string) =>
  call(db, userId, 'leave_waitlist', { entry_id: entryId });

export const confirm = (db: TestDatabase, userId: string, bookingId: string) =>
  call(db, userId, 'confirm_booking', { booking_id: bookingId });

/** Somebody books for ten o'clock of that day, and does not come. */
export async function miss(
  db: TestDatabase,
  world: World,
  userId: string,
  day: number,
): Promise<string> {
  await db.setClock(at('08:00', day));
  const { id } = await book(db, userId, world.left, range('10:00', '11:00', day));
  await advanceTo(db, at('10:30', day));
  await call(db, world.manager, 'mark_no_show', { booking_id: id });
  return id;
}

/** The text of the mail of a kind that a person was sent last. */
export async function mailTo(db: TestDatabase, userId: string, kind: string, locale = 'en') {
  const model = await db.value<Record<string, unknown>>(
    `select m.model from app_public.deliveries d
     join app_public.notifications n on n.id = d.notification_id
     left join app_public.customers c on c.id = n.customer_id
     cross join lateral app_private.mail_model(d) m
     where n.kind = $2 and coalesce(n.user_id, c.user_id) = $1 order by d.id desc limit 1`,
    [userId, kind],
  );
  const origin = { publicUrl: 'https://reslot.example', organizerEmail: 'b@reslot.example' };
  return renderMail({ kind: kind as 'booking_received', locale, model, ...origin });
}

/** What a user was told, oldest first; as a customer or as a manager. */
export async function told(db: TestDatabase, userId: string): Promise<string[]> {
  const rows = await db.rows<{ kind: string }>(
    `select n.kind from app_public.notifications n
     left join app_public.customers c on c.id = n.customer_id
     where coalesce(n.user_id, c.user_id) = $1 order by n.id`,
    [userId],
  );
  return rows.map(({ kind }) => kind);
}

export async function statusOf(db: TestDatabase, ...ids: string[]): Promise<string[]> {
  const rows = await db.rows<{ id: string; status: string }>(
    `select id, status::text from app_public.bookings where id = any ($1)
     union all select id, status::text from app_public.waitlist_entries where id = any ($1)`,
    [ids],
  );
  return ids.map((id) => rows.find((row) => row.id === id)?.status ?? 'missing');
}

export async function deadlineOf(
  db: TestDatabase,
  subjectId: string,
): Promise<{ action: string; due_at: Date } | undefined> {
  const [row] = await db.rows<{ action: string; due_at: Date }>(
    'select action::text, due_at from app_private.deadlines where subject_id = $1',
    [subjectId],
  );
  return row;
}

/** Lets time do its work until a moment while no mail leaves the house. */
export async function advanceWithoutMail(db: TestDatabase, until: string): Promise<void> {
  for (let steps = 0; ; steps++) {
    if (steps > 500) throw new Error('Deadlines do not come to an end');
    const [due] = await db.rows<{ subject_id: string; due_at: Date }>(
      'select subject_id, due_at from app_private.deadlines where due_at <= $1 order by due_at, subject_id limit 1',
      [until],
    );
    if (!due) break;
    await db.query(
      'select app_private.set_clock(greatest($1::timestamptz, (select app_private.clock())))',
      [due.due_at],
    );
    await db.query('select app_private.run_deadline($1)', [due.subject_id]);
  }
  await db.setClock(until);
}

/** A new version of the world's policy. */
export const revise = (db: TestDatabase, world: World, changes: Record<string, unknown>) =>
  call(db, world.owner, 'revise_policy', {
    policy_id: world.policyId,
    changes: JSON.stringify(changes),
  });

/** The one value of an expression, as the owner. */
export const value = <T>(db: TestDatabase, expression: string, params: unknown[] = []) =>
  db.value<T>(`select ${expression}`, params);

/** A policy version that exists only in the question. */
export const versionWith = (columns: Record<string, string>) =>
  `(select jsonb_populate_record(null::app_public.policy_versions, to_jsonb(v) || '${JSON.stringify(columns)}')
    from app_public.policy_versions v order by created_at desc limit 1)`;

/** Bea is offered a time of the left room, and others wait behind her. */
export async function offerTo(scene: Scene, time = range('10:00', '12:00'), others = 0) {
  const { db, world } = scene;
  const holder = await createUser(db, 'Holder');
  const bea = await createUser(db, 'Bea');
  const made = await book(db, holder, world.left, time);
  const waiting = await join(db, bea, world.left, time);
  for (let n = 0; n < others; n++) await join(db, await createUser(db, 'Next'), world.left, time);
  await cancel(db, holder, made.id);
  return { bea, waiting, holder };
}
