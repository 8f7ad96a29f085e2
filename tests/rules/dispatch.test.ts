/** Dispatch: what is due becomes jobs, and what was lost is found again. */
import { describe, expect } from '@jest/globals';
import type { TestDatabase } from '../support/database.ts';
import {
  at,
  book,
  call,
  createUser,
  createWorld,
  deliverMail,
  join,
  range,
  runDueDeadlines,
} from '../support/factories.ts';
import { cancel, rule } from './rule.ts';

const dispatch = (db: TestDatabase, recover = false) =>
  db.as({ role: 'reslot_worker' }, () =>
    db.value<number>('select app_private.dispatch($1)', [recover]),
  );

const jobs = (db: TestDatabase, task: string) =>
  db.as({ role: 'reslot_worker' }, () =>
    db.rows<{ key: string; run_at: Date; payload: { subjectId?: string } }>(
      `select j.key, j.run_at, p.payload from graphile_worker.jobs j
       join graphile_worker._private_jobs p on p.id = j.id
       where j.task_identifier = $1 order by j.key`,
      [task],
    ),
  );

const marked = (db: TestDatabase) =>
  db.value<number>('select count(*) from app_private.deadlines where queued_at is not null');

const emptyQueue = (db: TestDatabase) =>
  db.as({ role: 'reslot_worker' }, () => db.query('delete from graphile_worker._private_jobs'));

describe('Dispatch', () => {
  rule('queues what is due, once, under the key of its subject', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await dispatch(db);
    expect(await jobs(db, 'deadlines__carry_out')).toEqual([]);
    await db.setClock(at('18:00', 2));
    await dispatch(db);
    await dispatch(db);
    const queued = await jobs(db, 'deadlines__carry_out');
    expect(queued).toMatchObject([{ key: `deadline:${made.id}`, payload: { subjectId: made.id } }]);
    expect(await marked(db)).toBe(1);
  });

  rule('queues a little ahead, to run at the deadline', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('17:59:58.9', 2));
    await dispatch(db);
    expect(await jobs(db, 'deadlines__carry_out')).toEqual([]);
    await db.setClock(at('17:59:59.2', 2));
    await dispatch(db);
    expect(await jobs(db, 'deadlines__carry_out')).toHaveLength(1);
  });

  rule('is bounded, the longest overdue first', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    for (const hour of [14, 10, 12]) {
      await book(db, alice, world.left, range(`${hour}:00`, `${hour + 1}:00`, 3));
    }
    await db.setClock(at('20:00', 2));
    const queue = () => db.value(`select app_private.queue_due_deadlines(1, '1 second')`);
    expect([await queue(), await queue()]).toEqual([1, 1]);
    const left = await db.value(
      `select b.starts_at from app_private.deadlines d join app_public.bookings b on b.id = d.subject_id
       where d.queued_at is null`,
    );
    expect(left).toEqual(new Date(at('14:00', 3)));
    expect([await queue(), await queue()]).toEqual([1, 0]);
  });

  rule('queues a few send jobs, not one a mail', async ({ db, world }) => {
    expect(await dispatch(db)).toBe(0);
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '11:00', 3));
    await book(db, alice, world.left, range('11:00', '12:00', 3));
    await dispatch(db);
    expect((await jobs(db, 'deliveries__send')).map(({ key }) => key)).toEqual(['send:1']);
    await db.query(
      `insert into app_public.notifications (organization_id, customer_id, kind)
       select organization_id, id, 'links_again' from app_public.customers, generate_series(1, 150)`,
    );
    await db.query(
      `insert into app_public.deliveries (organization_id, notification_id, subject_id, address)
       select organization_id, id, customer_id, 'a@example.com' from app_public.notifications
       where kind = 'links_again'`,
    );
    await dispatch(db);
    expect((await jobs(db, 'deliveries__send')).map(({ key }) => key)).toEqual([
      'send:1',
      'send:2',
    ]);
  });

  rule('queues a send job for what a dead worker left to follow up', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '11:00', 3));
    await deliverMail(db);
    await db.setClock(at('10:00', 2));
    await runDueDeadlines(db);
    await db.query(
      `select app_private.mark_delivery_sent(delivery_id, attempt) from app_private.lease_deliveries(1)`,
    );
    await dispatch(db);
    expect(await jobs(db, 'deliveries__send')).toHaveLength(1);
    expect(await db.rows('select * from app_private.deliveries_to_follow_up(10)')).toHaveLength(1);
  });

  rule('publishes new notifications once', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('10:00', '11:00', 3));
    const publish = () => db.value('select app_private.publish_notifications(100)');
    expect([await publish(), await publish()]).toEqual([1, 0]);
  });

  rule('may be called by servers, workers and admins, by nobody else', async ({ db }) => {
    for (const role of ['reslot_user', 'reslot_anonymous'] as const) {
      await db.as({ role }, async () => {
        expect(await db.fails('select app_private.dispatch()')).toMatchObject({ code: '42501' });
      });
    }
    await db.as({ role: 'reslot_admin' }, () => db.query('select app_private.dispatch()'));
  });
});

describe('What was lost', () => {
  rule('a queue that was emptied: marked deadlines are queued again', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await dispatch(db);
    await emptyQueue(db);
    await db.setClock(at('18:00:04', 2));
    await dispatch(db, true);
    expect(await jobs(db, 'deadlines__carry_out')).toEqual([]);
    await db.setClock(at('18:00:06', 2));
    await dispatch(db, true);
    expect(await jobs(db, 'deadlines__carry_out')).toHaveLength(1);
  });

  rule('a job that has used up its tries: the deadline is queued again', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await dispatch(db);
    await db.as({ role: 'reslot_worker' }, () =>
      db.query(
        `update graphile_worker._private_jobs set attempts = max_attempts where key like 'deadline:%'`,
      ),
    );
    await db.setClock(at('18:00:06', 2));
    expect(await db.value('select app_private.recover_lost_work()')).toBe(1);
    await dispatch(db);
    const live = await db.value(
      `select count(*) from app_private.live_jobs(
         array(select 'deadline:' || subject_id from app_private.deadlines))`,
    );
    expect(live).toBe(1);
  });

  rule('a job that still waits keeps its mark', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await dispatch(db);
    await db.setClock(at('18:30', 2));
    expect(await db.value('select app_private.recover_lost_work()')).toBe(0);
    expect(await marked(db)).toBe(1);
  });

  rule('a job that failed and rests for hours: the deadline is queued again', async (scene) => {
    const { db, world } = scene;
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.setClock(at('18:00', 2));
    await dispatch(db);
    const rest = (hours: number, attempts: number) =>
      db.as({ role: 'reslot_worker' }, () =>
        db.query(
          `update graphile_worker._private_jobs
           set attempts = $2, run_at = clock_timestamp() + $1 * interval '1 second'
           where key like 'deadline:%'`,
          [hours * 3600, attempts],
        ),
      );
    await db.setClock(at('18:00:06', 2));
    await rest(20 / 3600, 3);
    expect(await db.value('select app_private.recover_lost_work()')).toBe(0);
    await rest(6, 10);
    await dispatch(db, true);
    expect(await jobs(db, 'deadlines__carry_out')).toHaveLength(1);
    const [again] = await db.as({ role: 'reslot_worker' }, () =>
      db.rows(
        `select attempts, run_at <= clock_timestamp() as due from graphile_worker.jobs
         where key like 'deadline:%'`,
      ),
    );
    expect(again).toEqual({ attempts: 0, due: true });
  });

  rule('nothing waits for the time that a wrong clock showed', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await deliverMail(db);
    await db.setClock(at('18:00', 2));
    await book(db, alice, world.right, range('18:00', '20:00', 5));
    await db.query(`select * from app_private.lease_deliveries(1)`);
    await book(db, alice, world.right, range('18:00', '20:00', 6));
    await dispatch(db);
    await emptyQueue(db);
    // The clock was more than two days ahead, and is set right.
    await db.setClock(at('08:00'));
    await dispatch(db, true);
    expect(await marked(db)).toBe(0);
    expect(await jobs(db, 'deliveries__send')).toHaveLength(1);
    expect((await deliverMail(db)).map(({ kind }) => kind)).toEqual([
      'booking_received',
      'booking_received',
    ]);
  });

  rule('the lease of a dead worker: the mail is queued again', async ({ db, world }) => {
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    await db.query('select * from app_private.lease_deliveries(10)');
    await emptyQueue(db);
    await db.setClock(at('08:00:14'));
    await dispatch(db, true);
    expect(await jobs(db, 'deliveries__send')).toEqual([]);
    await db.setClock(at('08:00:16'));
    await dispatch(db, true);
    expect(await jobs(db, 'deliveries__send')).toHaveLength(1);
  });
});

describe('A change made by a person', () => {
  rule('queues and notifies nothing by itself', async ({ db, world }) => {
    const [alice, bea] = [await createUser(db, 'Alice'), await createUser(db, 'Bea')];
    const made = await book(db, alice, world.left, range('18:00', '20:00', 3));
    await join(db, bea, world.left, range('18:00', '20:00', 3));
    await cancel(db, alice, made.id);
    const count = await db.as({ role: 'reslot_worker' }, () =>
      db.value('select count(*) from graphile_worker.jobs'),
    );
    expect(count).toBe(0);
    const unpublished = await db.value(
      'select count(*) from app_public.notifications where published_at is not null',
    );
    expect(unpublished).toBe(0);
  });

  rule('in one organisation leaves another’s deadlines alone', async ({ db, world }) => {
    const other = await createWorld(db);
    const alice = await createUser(db, 'Alice');
    await book(db, alice, world.left, range('18:00', '20:00', 3));
    const theirs = await book(db, alice, other.left, range('18:00', '20:00', 3));
    await call(db, alice, 'cancel_booking', { booking_id: theirs.id });
    expect(await db.value('select count(*) from app_private.deadlines')).toBe(1);
  });
});
