/** Rows of tables, past everything that guards them. */
import type { TestDatabase } from '../../support/database.ts';

/** The newest row that fits. */
export const one = (db: TestDatabase, table: string, where: string): Promise<string> =>
  db.value(`select id from app_public.${table} where ${where} order by id desc limit 1`);

export async function fill(
  db: TestDatabase,
  table: string,
  id: string | undefined,
  values: Record<string, unknown>,
): Promise<void> {
  const names = Object.keys(values);
  await db.query(
    `update app_public.${table} set ${names.map((name, n) => `${name} = $${n + 2}`).join(', ')} where id = $1`,
    [id, ...Object.values(values)],
  );
}
