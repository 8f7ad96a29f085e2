/** A small organisation to live in, and the mails people get there. */
import { inTransaction, type TestDatabase } from '../support/database.ts';

export interface World {
  db: TestDatabase;
  organizationId: string;
  offeringId: string;
}

export const HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`;

export async function createWorld(db: TestDatabase, slug = 'hall'): Promise<World> {
  const organizationId = await db.value<string>(
    'insert into organizations (slug, name) values ($1, $1) returning id',
    [slug],
  );
  const policyId = await db.value<string>(
    `insert into policies (organization_id, name, is_default) values ($1, 'p', true) returning id`,
    [organizationId],
  );
  await db.query(
    'insert into policy_versions (policy_id, organization_id, version) values ($1, $2, 1)',
    [policyId, organizationId],
  );
  const offeringId = await db.value<string>(
    `insert into offerings (organization_id, policy_id, kind, name) values ($1, $2, 'venue', 'Hall')
     returning id`,
    [organizationId, policyId],
  );
  const resourceId = await db.value<string>(
    `insert into resources (organization_id, name, time_zone) values ($1, 'Hall', 'UTC') returning id`,
    [organizationId],
  );
  await db.query('insert into offering_resources values ($1, $2, $3)', [
    offeringId,
    resourceId,
    organizationId,
  ]);
  await db.query(
    `insert into opening_hours (organization_id, resource_id, weekday, opens, closes)
     select $1, $2, n, '00:00', '24:00' from generate_series(1, 7) n`,
    [organizationId, resourceId],
  );
  return { db, organizationId, offeringId };
}

/** A transaction that is rolled back, in which tables are found without their schema. */
export function scene<T>(action: (db: TestDatabase) => Promise<T>): Promise<T> {
  return inTransaction(async (db) => {
    await db.query('set local search_path = app_public, app_private, public');
    return action(db);
  });
}

/** An account with a proven address. */
export async function createUser(db: TestDatabase, email: string): Promise<string> {
  const id = await db.value<string>(
    'insert into users (email, name, email_verified_at) values ($1, $1, app_private.clock()) returning id',
    [email],
  );
  await db.query('insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)', [
    id,
    HASH,
  ]);
  return id;
}

export async function createGuest({ db, organizationId }: World, email: string, name = 'Guest') {
  return db.value<string>(
    'insert into customers (organization_id, name, email) values ($1, $2, $3) returning id',
    [organizationId, name, email],
  );
}

export async function addMember(
  { db, organizationId }: World,
  userId: string,
  role: 'owner' | 'manager' | 'provider',
): Promise<string> {
  return db.value<string>(
    'insert into memberships (organization_id, user_id, role) values ($1, $2, $3) returning id',
    [organizationId, userId, role],
  );
}

const HOUR_MS = 3_600_000;
const thisHour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;

/** Start and end of an hour that begins about so many hours from now. */
function hourIn(hours: number): [string, string] {
  const start = thisHour + hours * HOUR_MS;
  return [new Date(start).toISOString(), new Date(start + HOUR_MS).toISOString()];
}

export async function book({ db, offeringId }: World, userId: string, inHours = 72) {
  return db.as({ role: 'reslot_user', userId }, () =>
    db.value<string>(`select id from create_booking($1, $2, $3, purpose => 'My wedding')`, [
      offeringId,
      ...hourIn(inHours),
    ]),
  );
}

export async function bookForGuest({ db, offeringId }: World, email: string, inHours = 72) {
  return db.as({ role: 'reslot_admin' }, () =>
    db.value<string>(
      `select id from create_booking_for($1, $2, $3, name => 'Guest', email => $4)`,
      [offeringId, ...hourIn(inHours), email],
    ),
  );
}

/** Waits for an hour that is taken. */
export async function wait({ db, offeringId }: World, userId: string, inHours = 72) {
  return db.as({ role: 'reslot_user', userId }, () =>
    db.value<string>(`select id from join_waitlist($1, $2, $3, note => 'Please')`, [
      offeringId,
      ...hourIn(inHours),
    ]),
  );
}

/** The kinds of mail owed to an address that are on their way, oldest first. */
export async function mailsTo(db: TestDatabase, address: string): Promise<string[]> {
  const rows = await db.rows<{ kind: string }>(
    `select n.kind from deliveries d join notifications n on n.id = d.notification_id
     where app_private.normalise_email(d.address) = $1 and d.status = 'queued' order by d.id`,
    [address],
  );
  return rows.map(({ kind }) => kind);
}

interface Leased {
  delivery_id: string;
  attempt: number;
  address: string;
  kind: string;
  model: { tokens: Record<string, string> };
}

/** Sends all that is owed, and gives the link tokens of the last mail of each kind to an address. */
export async function openMails(db: TestDatabase, address: string) {
  const tokens: Record<string, Record<string, string>> = {};
  for (;;) {
    // One mail of a subject at a time: the next is given out when the one before is sent.
    const leased = await db.rows<Leased>('select * from app_private.lease_deliveries(50)');
    if (leased.length === 0) return tokens;
    for (const mail of leased) {
      if (mail.address.toLowerCase() === address) tokens[mail.kind] = mail.model.tokens;
      await db.query('select app_private.mark_delivery_sent($1, $2)', [
        mail.delivery_id,
        mail.attempt,
      ]);
    }
  }
}

/** The link tokens of the last mail of a kind to an address. */
export async function openMail(db: TestDatabase, address: string, kind: string) {
  const tokens = (await openMails(db, address))[kind];
  if (!tokens) throw new Error(`There is no mail ${kind} to ${address}.`);
  return tokens;
}
