/**
 * Makes the roles and extensions that the migrations stand on. Roles belong to the whole server and
 * not to one database, so this runs at every start, is safe to repeat, and puts up with another
 * process doing the same at the same moment.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { ClientBase } from 'pg';

export interface LoginPasswords {
  app: string;
  worker: string;
}

const CONCURRENT_UPDATE = 'XX000';

export function derivePassword(secretKey: string, role: string): string {
  return createHmac('sha256', secretKey).update(`database password of ${role}`).digest('base64url');
}

export function derivePasswords(secretKey: string): LoginPasswords {
  return {
    app: derivePassword(secretKey, 'reslot_app'),
    worker: derivePassword(secretKey, 'reslot_worker'),
  };
}

/**
 * The form in which PostgreSQL stores a password. Sending it instead of the password keeps the
 * password out of the server's log. The salt is derived as well, so that repeating changes nothing.
 */
export function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = createHmac('sha256', password).update('salt').digest().subarray(0, 16);
  const salted = pbkdf2Sync(password.normalize('NFKC'), salt, iterations, 32, 'sha256');
  const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
  const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest('base64');
  const serverKey = hmac(salted, 'Server Key').toString('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}

/** `passwords` left out means that the logins are somebody else's business. */
export async function createRoles(
  client: ClientBase,
  passwords: Partial<LoginPasswords>,
): Promise<void> {
  await client.query(ROLES);
  const statements = [...ATTRIBUTES, ...passwordStatements(passwords), MEMBERSHIPS];
  for (const statement of [...statements, ...DATABASE_RIGHTS]) {
    await retryConcurrentUpdate(() => client.query(statement));
  }
}

const ROLES = `
do $$
declare
  v_role text;
begin
  foreach v_role in array array['reslot_owner', 'reslot_app', 'reslot_worker',
                                'reslot_anonymous', 'reslot_user', 'reslot_admin'] loop
    begin
      if not exists (select from pg_roles where rolname = v_role) then
        execute format('create role %I', v_role);
      end if;
    exception when duplicate_object or unique_violation then
      null; -- another database of this server is being prepared at the same moment
    end;
  end loop;
end $$`;

const SEARCH_PATH = 'app_public, app_private, public';

const ATTRIBUTES = [
  'alter role reslot_owner nologin noinherit',
  'alter role reslot_anonymous nologin',
  'alter role reslot_user nologin',
  'alter role reslot_admin nologin',
  'alter role reslot_app login noinherit',
  'alter role reslot_worker login noinherit',
  `alter role reslot_app set search_path = ${SEARCH_PATH}`,
  `alter role reslot_worker set search_path = ${SEARCH_PATH}`,
  // The planner may not look at the figures of tables under row-level security, guesses high, and would have short
  // queries compiled, which takes longer than to run them.
  'alter role reslot_app set jit = off',
  'alter role reslot_worker set jit = off',
  // What is read here is in memory or on a solid-state disk. With the usual 4, made for turning disks, small tables
  // are read whole for one row: a quarter of the time of a booking.
  'alter role reslot_app set random_page_cost = 1.1',
  'alter role reslot_worker set random_page_cost = 1.1',
  // A request that waits for a lock longer than this is better told to try again.
  "alter role reslot_app set lock_timeout = '3s'",
  "alter role reslot_app set statement_timeout = '10s'",
  "alter role reslot_app set idle_in_transaction_session_timeout = '30s'",
  "alter role reslot_worker set lock_timeout = '10s'",
  "alter role reslot_worker set statement_timeout = '5min'",
  "alter role reslot_worker set idle_in_transaction_session_timeout = '60s'",
];

function passwordStatements(passwords: Partial<LoginPasswords>): string[] {
  const statements: string[] = [];
  // A verifier consists of letters, digits and +/=:$- only, so quoting it is safe.
  if (passwords.app) {
    statements.push(`alter role reslot_app password '${scramVerifier(passwords.app)}'`);
  }
  if (passwords.worker) {
    statements.push(`alter role reslot_worker password '${scramVerifier(passwords.worker)}'`);
  }
  return statements;
}

/**
 * The server switches to the role of the caller in each transaction and has no rights of theirs by
 * itself. The owner may give a function to the worker, and nothing else in its name.
 */
const MEMBERSHIPS = `
grant reslot_anonymous, reslot_user, reslot_admin to reslot_app with inherit false, set true;
grant reslot_worker to reslot_owner with inherit false, set true;
do $$
begin
  if not (select rolsuper from pg_roles where rolname = current_user) then
    execute format('grant reslot_owner, reslot_worker to %I with inherit true, set true', current_user);
  end if;
end $$`;

const DATABASE_RIGHTS = [
  `do $$
  begin
    execute format('grant create, connect, temporary on database %I to reslot_owner', current_database());
    execute format('grant connect on database %I to reslot_app, reslot_worker', current_database());
    execute format('revoke temporary on database %I from public', current_database());
  end $$`,
  'revoke create on schema public from public',
  `grant usage on schema public
     to reslot_owner, reslot_app, reslot_worker, reslot_anonymous, reslot_user, reslot_admin`,
  'create extension if not exists btree_gist with schema public',
  'create extension if not exists pgcrypto with schema public',
];

/** Two sessions that alter one catalogue row: the later is told so, and may simply do it again. */
async function retryConcurrentUpdate(action: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await action();
      return;
    } catch (error) {
      const { code, message } = error as { code?: string; message: string };
      const concurrent = code === CONCURRENT_UPDATE && message.includes('concurrently updated');
      if (!concurrent || attempt === 10) throw error;
    }
  }
}
