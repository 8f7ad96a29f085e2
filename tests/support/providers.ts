/** Makes services: what one provider does, who is a resource and a member. */
import type { TestDatabase } from './database.ts';
import {
  type BookingRow,
  book,
  createProvider,
  createResource,
  createUser,
  insert,
  type World,
} from './factories.ts';

export interface Service {
  offering: string;
  /** The resource that serves it, and the user who is that resource. */
  provider: string;
  user: string;
}

/** A haircut by somebody of this name, who is there around the clock. */
export async function createService(
  db: TestDatabase,
  world: World,
  name: string,
  values: Record<string, unknown> = {},
): Promise<Service> {
  const { organizationId, policyId } = world;
  const provider = await createResource(db, organizationId, name);
  const user = await createUser(db, name);
  await createProvider(db, organizationId, user, provider);
  const offering = await insert(db, 'app_public.offerings', {
    organization_id: organizationId,
    policy_id: policyId,
    kind: 'service',
    name: `Haircut by ${name}`,
    category: 'Haircuts',
    price: 40,
    ...values,
  });
  await useResource(db, world, offering, provider);
  return { offering, provider, user };
}

export async function useResource(
  db: TestDatabase,
  { organizationId }: World,
  offering: string,
  resource: string,
  inPool = false,
): Promise<void> {
  await db.query(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id, in_pool)
     values ($1, $2, $3, $4)`,
    [offering, resource, organizationId, inPool],
  );
}

export async function bookService(
  db: TestDatabase,
  userId: string,
  { offering, provider }: Pick<Service, 'offering' | 'provider'>,
  time: [string, string],
): Promise<ServiceBooking> {
  const { id } = await book(db, userId, offering, time);
  return db.one(
    `update app_public.bookings set provider_id = coalesce(provider_id, $2) where id = $1 returning *`,
    [id, provider],
  );
}

export type ServiceBooking = BookingRow &
  Record<string, unknown> & {
    answered_at: Date | null;
    delivered_at: Date | null;
    delivery_answer_by: Date | null;
    delivery_confirmed_at: Date | null;
    awaits_delivery_since: Date | null;
  };
