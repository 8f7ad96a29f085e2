/** What a deed is, and what deeds of several groups are made of. */
import type { TestDatabase } from '../../../support/database.ts';
import { book, createOffering, createResource, range } from '../../../support/factories.ts';
import { CONCERNED, MANAGERS, may, type Rule } from '../callers.ts';
import type { Scene } from '../scene.ts';

export interface Deed {
  rule: Rule;
  /** Makes what it is done to, anew for each time, and says the input. */
  input(db: TestDatabase, scene: Scene, userId: string | undefined): Promise<object>;
  /** It ends sessions or accounts: those of a twin, who has the same standing. */
  byTwin?: true;
  /** Everybody may, who knows the secret; without it the answer is this code. */
  secret?: string;
  /** Everybody may, and the answer is the same where there is nobody. */
  discreet?: true;
  /** It is a count of what was done: none is nothing. */
  counts?: true;
}

let day = 20;

/** A day that nobody has, or a number that was never a setting. */
export function freshDay(): number {
  day += 1;
  return day;
}

/** An hour that nobody has. */
export function freshHour(): [string, string] {
  return range('10:00', '11:00', freshDay());
}

/** A place that nobody has booked yet. */
export async function freshPlace(
  db: TestDatabase,
  { organizationId, policyId }: Scene,
): Promise<string> {
  const room = await createResource(db, organizationId, 'Fresh room');
  return createOffering(db, { organizationId, policyId, name: 'Fresh', resourceIds: [room] });
}

export const booked = async (db: TestDatabase, { users, left }: Scene) =>
  (await book(db, users.customer, left, freshHour())).id;

export const CUSTOMER = may('customer', 'RSNTF');
export const CUSTOMER_OR_MANAGER = may(CONCERNED, 'RSNTF');
export const MANAGER = may(MANAGERS, 'RSNTF');
export const HEAD = may('head admin', 'RSNTF');
export const ADMIN = may('admin', 'RSNTF');
