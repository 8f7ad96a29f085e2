/**
 * Demo data: enough to try everything within minutes of the first start. Bookings and queues are made by the
 * functions that users call, on a simulated clock, so that they have the history they seem to have.
 */
import type { ClientBase, Pool } from 'pg';
import { hashPassword } from '../auth/passwords.ts';
import { createPeople, DEMO_PASSWORD, EMAIL, PEOPLE } from './demo/people.ts';
import { createPlaces } from './demo/places.ts';
import { createServices } from './demo/services.ts';
import { Stage } from './demo/stage.ts';
import { tellStory } from './demo/story.ts';
import { createTours, scheduleTours } from './demo/tours.ts';

const LOAD_LOCK = 'reslot:demo';

const IS_EMPTY = `
  select not exists (select from app_public.users) and not exists (select from app_public.offerings)
     and (select count(*) from app_public.organizations) = 1 as empty`;

/** Fills an empty database, and any other it leaves alone. Returns lines for the person who started it. */
export async function loadDemo(pool: Pool): Promise<[name: string, place: string][]> {
  const passwordHash = await hashPassword(DEMO_PASSWORD);
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('set local role reslot_owner');
    await client.query('set local search_path = app_public, app_private, public');
    await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [LOAD_LOCK]);
    if (await isEmpty(client)) await fillWithDemo(client, passwordHash);
    const accounts = await listAccounts(client);
    await client.query('commit');
    return accounts;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

async function isEmpty(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ empty: boolean }>(IS_EMPTY);
  return rows[0]?.empty ?? false;
}

/** Makes everything within the transaction that is open, at the time that the database says it is. */
export async function fillWithDemo(client: ClientBase, passwordHash: string): Promise<void> {
  const stage = await Stage.open(client);
  await createPeople(stage, passwordHash);
  const riverside = await createPlaces(stage);
  await createTours(stage, riverside);
  await createServices(stage, riverside);
  await tellStory(stage);
  await scheduleTours(stage);
}

async function listAccounts(client: ClientBase): Promise<[string, string][]> {
  const { rowCount } = await client.query(
    'select from app_public.users u where u.email = any ($1)',
    [Object.keys(PEOPLE).map((name) => EMAIL(name))],
  );
  if (rowCount !== Object.keys(PEOPLE).length) return [];
  return [
    ['Accounts', `password ${DEMO_PASSWORD}`],
    ...Object.entries(PEOPLE).map(([name, { is }]): [string, string] => [
      '',
      `${EMAIL(name).padEnd(20)} ${is}`,
    ]),
  ];
}
