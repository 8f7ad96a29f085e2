/** Whether what is done now reads what is over. */
import type { TestDatabase } from './database.ts';

export const GROWING = [
  'bookings',
  'waitlist_entries',
  'notifications',
  'deliveries',
  'audit_log',
  'blackouts',
  'slots',
];

/** How many rows of the growing tables were read meanwhile, where it was a good part of the history. */
export async function readMuch(
  db: TestDatabase,
  action: () => Promise<unknown>,
): Promise<string[]> {
  const count = () =>
    db.rows<{ name: string; read: number }>(
      `select relname as name, seq_tup_read + coalesce(idx_tup_fetch, 0) as read
       from pg_stat_xact_user_tables where schemaname = 'app_public' and relname = any ($1)`,
      [GROWING],
    );
  const before = new Map((await count()).map(({ name, read }) => [name, read]));
  await action();
  return (await count())
    .map(({ name, read }) => ({ name, read: read - (before.get(name) ?? 0) }))
    .filter(({ read }) => read > 1000)
    .map(({ name, read }) => `${read} rows of ${name}`);
}
