/** A database of its own for measuring: PostgreSQL as `npm start` runs it, safe against a crash. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startCluster } from '../src/database/embedded.ts';
import { prepareDatabase } from '../src/database/migrate.ts';
import { urlFor, urlWithRole } from '../src/database/pools.ts';
import { derivePasswords } from '../src/database/roles.ts';

export const SECRET_KEY = 'a secret for benchmarks alone, known to everybody';

export interface Ground {
  directory: string;
  url(role: 'admin' | 'owner' | 'app' | 'worker'): string;
  offerings: string[];
  users: string[];
  /** As the owner, for preparing and for looking. */
  owner: pg.Client;
  /** As the server's administrator, for filling without triggers. */
  admin: pg.Client;
  broken(): Promise<number>;
  stop(): Promise<void>;
}

export const ROOMS = 200;
export const USERS = 2_000;

export async function openGround(): Promise<Ground> {
  const directory = await mkdtemp(join(tmpdir(), 'reslot-bench-'));
  const cluster = await startCluster({ directory, settings: { max_connections: '150' } });
  const passwords = derivePasswords(SECRET_KEY);
  const admin = cluster.url('reslot');
  const maker = new pg.Client({ connectionString: cluster.url() });
  await maker.connect();
  await maker.query('create database reslot template template0');
  await maker.end();
  await prepareDatabase({ adminUrl: admin, passwords, current: true });
  const owner = new pg.Client({ connectionString: urlWithRole(admin, 'reslot_owner') });
  await owner.connect();
  const administrator = new pg.Client({ connectionString: admin });
  await administrator.connect();
  const { offerings, users } = await fill(owner);
  return {
    directory,
    offerings,
    users,
    owner,
    admin: administrator,
    broken: async () =>
      (await owner.query('select from app_private.check_invariants()')).rowCount ?? 0,
    url: (role) => {
      if (role === 'admin') return admin;
      if (role === 'owner') return urlWithRole(admin, 'reslot_owner');
      return urlFor(admin, `reslot_${role}`, passwords[role]);
    },
    stop: async () => {
      await Promise.all([owner.end(), administrator.end()]);
      await cluster.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Rooms that are always open and share nothing, and people who have booked before. */
async function fill(owner: pg.Client): Promise<Pick<Ground, 'offerings' | 'users'>> {
  await owner.query(`
    with organization as (
      insert into app_public.organizations (slug, name, front_end_url)
      values ('bench', 'Bench', 'https://bench.example') returning id
    ), policy as (
      insert into app_public.policies (organization_id, name, is_default)
      select id, 'Standard', true from organization returning id, organization_id
    ), version as (
      insert into app_public.policy_versions (
        policy_id, organization_id, version, max_bookings_per_day, max_entries_per_day, max_mails_per_day)
      select id, organization_id, 1, 1000, 1000, 1000 from policy
    ), people as (
      insert into app_public.users (email, name, email_verified_at)
      select 'person' || n || '@bench.example', 'Person ' || n, now() from generate_series(1, ${USERS}) n
      returning id, email, name
    ), customers as (
      insert into app_public.customers (organization_id, user_id, name, email)
      select o.id, p.id, p.name, p.email from organization o, people p
    ), rooms as (
      insert into app_public.resources (organization_id, name, time_zone)
      select id, 'Room ' || n, 'Europe/Berlin' from organization, generate_series(1, ${ROOMS}) n
      returning id, organization_id, name
    ), hours as (
      insert into app_public.opening_hours (organization_id, resource_id, weekday, opens, closes)
      select organization_id, id, d, '00:00', '24:00' from rooms, generate_series(1, 7) d
    ), offerings as (
      insert into app_public.offerings (organization_id, policy_id, kind, name)
      select r.organization_id, p.id, 'venue', r.name from rooms r, policy p
      returning id, organization_id, name
    )
    insert into app_public.offering_resources (offering_id, resource_id, organization_id)
    select f.id, r.id, f.organization_id from offerings f join rooms r using (name)`);
  // Everybody is signed in, in a session that bears their own id.
  await owner.query(`
    insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
    select id, id, sha256(uuid_send(id)), now() + interval '1 day' from app_public.users`);
  await owner.query('analyze');
  return {
    offerings: await ids(owner, 'offerings'),
    users: await ids(owner, 'users'),
  };
}

async function ids(owner: pg.Client, table: string): Promise<string[]> {
  const { rows } = await owner.query<{ id: string }>(
    `select id from app_public.${table} order by id`,
  );
  return rows.map(({ id }) => id);
}
