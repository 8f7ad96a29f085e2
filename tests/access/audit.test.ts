/** The audit log: every change, who made it and why, and no personal data. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import { book, call, createUser, createWorld, range } from '../support/factories.ts';

interface AuditRow extends Record<string, unknown> {
  actor_user_id: string | null;
  actor_role: string;
  via: string;
  ip: string | null;
  user_agent: string | null;
  operation: string;
  old_values: Record<string, unknown> | null;
  new_values: Record<string, unknown> | null;
  reason: string | null;
}

const history = (db: TestDatabase, recordId: string) =>
  db.rows<AuditRow>('select * from app_public.audit_log where record_id = $1 order by id', [
    recordId,
  ]);

test('every exposed table that people change is audited, inserts, updates and deletes', () =>
  inTransaction(async (db) => {
    const rows = await db.rows<{ name: string }>(
      `select c.relname as name from pg_class c
       where c.relnamespace = 'app_public'::regnamespace and c.relkind = 'r'
         and (select bit_or(t.tgtype & 28) from pg_trigger t
              where t.tgrelid = c.oid and t.tgfoid = 'app_private.audit_change'::regproc)
             is distinct from 28
       order by 1`,
    );
    // What is said and sent are records themselves, and the log is the log.
    expect(rows.map(({ name }) => name)).toEqual([
      ...['audit_log', 'automation_events', 'booking_modifications', 'deliveries', 'notifications'],
    ]);
  }));

test('a change is told with who made it, from where, by which way and why', () =>
  inTransaction(async (db) => {
    const world = await createWorld(db);
    const ann = await createUser(db, 'Ann');
    const { id } = await book(db, ann, world.left, range('10:00', '11:00'));
    await db.query(`select set_config('reslot.ip', '2001:db8::7', true),
                           set_config('reslot.user_agent', 'Browser/1', true)`);
    await call(db, world.manager, 'cancel_booking', { booking_id: id, reason: 'Burst pipe' });
    const [made, cancelled] = await history(db, id);
    expect(made).toMatchObject({ actor_user_id: ann, operation: 'insert', old_values: null });
    expect(cancelled).toMatchObject({
      actor_user_id: world.manager,
      actor_role: 'reslot_user',
      via: 'graphql',
      ip: '2001:db8::7',
      user_agent: 'Browser/1',
      operation: 'update',
      old_values: { status: 'confirmed' },
      new_values: { status: 'cancelled' },
      reason: 'Burst pipe',
    });
  }));

test('only what changed is told, and an update that changes nothing is no change', () =>
  inTransaction(async (db) => {
    const { left } = await createWorld(db);
    await db.query(`update app_public.offerings set name = 'A', address = 'B' where id = $1`, [
      left,
    ]);
    await db.query(`update app_public.offerings set name = 'A' where id = $1`, [left]);
    const [, changed, ...more] = (await history(db, left)).filter(
      (row) => row.table_name === 'offerings',
    );
    expect(changed?.old_values).toEqual({ name: 'Left half' });
    expect(changed?.new_values).toEqual({ name: 'A', address: 'B' });
    expect(more).toEqual([]);
  }));

test('no name, address, phone number or free word of a person is in the log', () =>
  inTransaction(async (db) => {
    const world = await createWorld(db);
    const secret = 'Zaphod';
    const ann = await createUser(db, secret, { phone: `+49 ${secret}` });
    await call(db, ann, 'create_booking', {
      offering_id: world.left,
      starts_at: range('10:00', '11:00')[0],
      ends_at: range('10:00', '11:00')[1],
      purpose: `${secret}s birthday`,
    });
    await call(db, ann, 'join_waitlist', {
      offering_id: world.left,
      starts_at: range('10:00', '10:30')[0],
      ends_at: range('10:00', '10:30')[1],
      note: secret,
    }).catch(() => undefined);
    await call(db, ann, 'update_profile', { name: `${secret} B.` });
    const found = await db.rows(
      `select table_name, old_values, new_values from app_public.audit_log a
       where a::text ilike '%' || $1 || '%'`,
      [secret],
    );
    expect(found).toEqual([]);
    const changed = await db.rows(
      `select new_values from app_public.audit_log
       where table_name = 'users' and operation = 'update' and record_id = $1`,
      [ann],
    );
    expect(changed).toContainEqual({ new_values: { name: '[personal]' } });
  }));

describe('from where somebody else acted', () => {
  test('is for managers of the organisation and admins', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      const ann = await createUser(db, 'Ann');
      const { id } = await book(db, ann, world.left, range('10:00', '11:00'));
      await db.query(`select set_config('reslot.ip', '192.0.2.1', true)`);
      await call(db, world.manager, 'cancel_booking', { booking_id: id, reason: 'Burst pipe' });
      const addresses = (role: 'reslot_user' | 'reslot_admin', userId: string) =>
        db.as({ role, userId }, () =>
          db.value(
            `select app_private.audit_address(a.id) from app_public.audit_log a
             where a.record_id = $1 and a.reason = 'Burst pipe'`,
            [id],
          ),
        );
      expect(await addresses('reslot_user', ann)).toBeNull();
      expect(await addresses('reslot_user', world.owner)).toBe('192.0.2.1');
      expect(await addresses('reslot_admin', ann)).toBe('192.0.2.1');
    }));

  test('can be read past that by admins alone', () =>
    inTransaction(async (db) => {
      const world = await createWorld(db);
      for (const columns of ['ip', 'user_agent', 'a']) {
        const read = `select ${columns} from app_public.audit_log a`;
        for (const userId of [world.owner, world.manager]) {
          await db.as({ role: 'reslot_user', userId }, async () => {
            expect((await db.fails(read)).code).toBe('42501');
          });
        }
        await db.as({ role: 'reslot_admin', userId: world.owner }, () => db.rows(read));
      }
    }));
});
