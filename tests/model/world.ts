/** The tours and services of the model's world, beside its halls; their slots are made by the sequences themselves. */
import type { TestDatabase } from '../support/database.ts';
import {
  createProvider,
  createResource,
  createUser,
  insert,
  type World,
} from '../support/factories.ts';
import { createService } from '../support/services.ts';
import { createSchedule } from '../support/tours.ts';
import {
  DURATIONS,
  HOUR,
  OFFERING_PRICES,
  type Offering,
  OTTOS_HOURS,
  PROVIDERS,
  type Provider,
  rooms,
  SCHEDULES,
  type Schedule,
  SECOND,
  SERVICES,
  type Service,
  TOURS,
  type Tour,
  VENUES,
  WAY,
} from './reference/state.ts';
import type { ModelWorld } from './statements.ts';

const NAMES: Record<Tour, string> = { walk: 'Walk', ride: 'Ride', talk: 'Talk' };

export async function addToursAndServices(db: TestDatabase, world: World): Promise<ModelWorld> {
  const guide = await createResource(db, world.organizationId, 'Guide');
  const square = await createResource(db, world.organizationId, 'Square');
  await db.query('update app_public.resources set shared = true where id = $1', [square]);
  const resources = [world.leftRoom, world.rightRoom, guide, square];
  const { hall, left, right } = world;
  const providers = await addProviders(db, world, resources);
  const offerings: Record<Offering, string> = {
    ...{ hall, left, right, walk: '', ride: '', talk: '', lesson: '', repair: '' },
  };
  for (const service of SERVICES)
    offerings[service] = await addService(db, world, service, resources);
  for (const tour of TOURS) offerings[tour] = await createTour(db, world, tour, resources);
  for (const venue of VENUES) {
    const price = OFFERING_PRICES[venue] / 100;
    await db.query('update app_public.offerings set price = $2 where id = $1', [
      offerings[venue],
      price,
    ]);
  }
  const schedules: string[] = [];
  for (const schedule of SCHEDULES) {
    schedules.push(await addSchedule(db, world, offerings[schedule.tour], schedule));
  }
  return { ...world, offerings, resources, schedules, providers };
}

/** Paul and Nora have accounts, Otto has none. */
async function addProviders(
  db: TestDatabase,
  { organizationId }: World,
  resources: string[],
): Promise<Record<Provider, string>> {
  const users = { paul: await createUser(db, 'paul'), nora: await createUser(db, 'nora') };
  for (const name of ['Paul', 'Nora']) {
    resources.push(await createResource(db, organizationId, name));
  }
  const { opens, closes } = OTTOS_HOURS;
  const hours: [string, string] = [`${opens / HOUR}:00`, `${closes / HOUR}:00`];
  resources.push(await createResource(db, organizationId, 'Otto', 'UTC', hours));
  await createProvider(db, organizationId, users.paul, resources[PROVIDERS.paul] ?? '');
  await createProvider(db, organizationId, users.nora, resources[PROVIDERS.nora] ?? '');
  return users;
}

async function addService(
  db: TestDatabase,
  world: World,
  service: Service,
  resources: string[],
): Promise<string> {
  const { offering } = await createService(db, world, {
    name: service,
    pool: rooms(service).map((provider) => resources[provider] ?? ''),
    values: {
      category: `${service}s`,
      duration: `${DURATIONS[service] / SECOND} seconds`,
      price: OFFERING_PRICES[service] / 100,
      at_customer: service === 'repair',
      travel_time: service === 'repair' ? `${WAY / SECOND} seconds` : '0',
    },
  });
  return offering;
}

async function createTour(
  db: TestDatabase,
  { organizationId, policyId }: World,
  tour: Tour,
  resources: string[],
): Promise<string> {
  const id = await insert(db, 'app_public.offerings', {
    organization_id: organizationId,
    policy_id: policyId,
    kind: 'tour',
    allocation: 'capacity',
    name: NAMES[tour],
    price: OFFERING_PRICES[tour] / 100,
  });
  for (const room of rooms(tour)) {
    await db.query('insert into app_public.offering_resources values ($1, $2, $3)', [
      id,
      resources[room],
      organizationId,
    ]);
  }
  return id;
}

function addSchedule(
  db: TestDatabase,
  world: World,
  offering: string,
  { start, length, capacity, minSize, price }: Schedule,
): Promise<string> {
  return createSchedule(db, world, offering, {
    local_start: `${Math.floor(start / HOUR)}:${((start % HOUR) * 60) / HOUR}`,
    duration: `${length / SECOND} seconds`,
    capacity,
    min_size: minSize,
    price: price === null ? null : price / 100,
  });
}
