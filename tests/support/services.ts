/** Makes services: what one of several providers does. */
import type { TestDatabase } from './database.ts';
import {
  type BookingRow,
  call,
  createResource,
  type EntryRow,
  insert,
  type World,
} from './factories.ts';

export interface Service {
  offering: string;
  /** Resources, in the order in which they were made. */
  providers: string[];
}

interface Plan {
  name?: string;
  /** Names of new providers, or resources that there are. */
  providers?: readonly string[];
  pool?: readonly string[];
  /** Resources that every booking takes. */
  fixed?: readonly string[];
  hours?: [opens: string, closes: string];
  values?: Record<string, unknown>;
}

/** A massage by one of two, around the clock unless the hours say otherwise. */
export async function createService(
  db: TestDatabase,
  world: Pick<World, 'organizationId' | 'policyId'>,
  plan: Plan = {},
): Promise<Service> {
  const { organizationId, policyId } = world;
  const providers = [...(plan.pool ?? [])];
  for (const name of plan.pool ? [] : (plan.providers ?? ['Pia', 'Quinn'])) {
    providers.push(await createResource(db, organizationId, name, 'UTC', plan.hours));
  }
  const offering = await insert(db, 'app_public.offerings', {
    organization_id: organizationId,
    policy_id: policyId,
    kind: 'service',
    name: plan.name ?? 'Massage',
    price: 60,
    ...plan.values,
  });
  const uses = [
    ...(plan.fixed ?? []).map((id) => [id, false] as const),
    ...providers.map((id) => [id, true] as const),
  ];
  for (const [id, inPool] of uses) {
    await db.query(
      `insert into app_public.offering_resources (offering_id, resource_id, organization_id, in_pool)
       values ($1, $2, $3, $4)`,
      [offering, id, organizationId, inPool],
    );
  }
  return { offering, providers };
}

export type ServiceBooking = BookingRow & { provider_id: string } & Record<string, unknown>;

type Times = readonly [startsAt: string, endsAt: string];

/** Books with whoever is free, or with somebody. */
export const bookWith = (
  db: TestDatabase,
  userId: string,
  { offering }: Pick<Service, 'offering'>,
  [starts_at, ends_at]: Times,
  provider?: string,
): Promise<ServiceBooking> =>
  call(db, userId, 'create_booking', {
    ...{ offering_id: offering, starts_at, ends_at },
    ...(provider ? { provider_id: provider } : {}),
  });

export const waitWith = (
  db: TestDatabase,
  userId: string,
  { offering }: Pick<Service, 'offering'>,
  [starts_at, ends_at]: Times,
  provider?: string,
): Promise<EntryRow & Record<string, unknown>> =>
  call(db, userId, 'join_waitlist', {
    ...{ offering_id: offering, starts_at, ends_at },
    ...(provider ? { provider_id: provider } : {}),
  });

/** The resources that a booking has now. */
export async function occupied(db: TestDatabase, bookingId: string): Promise<string[]> {
  const rows = await db.rows<{ resource_id: string }>(
    'select resource_id from app_private.occupancies where booking_id = $1 order by resource_id',
    [bookingId],
  );
  return rows.map(({ resource_id }) => resource_id);
}
