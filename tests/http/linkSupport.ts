/** Links of every kind in a database of their own, behind a server that has nothing but their pages. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import type { PoolClient } from 'pg';
import type { Limits } from '../../src/http/links/limits.ts';
import { type Action, answerOf } from '../../src/http/links/model.ts';
import { mountLinks } from '../../src/http/links.ts';
import {
  type ClonedDatabase,
  cloneDatabase,
  tableHashes as hashesOf,
  type TestDatabase,
  testDatabase,
} from '../support/database.ts';
import * as factory from '../support/factories.ts';
import { setPrice } from '../support/payments.ts';
import { bookSeries } from '../support/series.ts';

export const DWELL_MS = 30;

const PLENTY: Partial<Limits> = {
  minDwellMs: DWELL_MS,
  requestsPerMinute: 100_000,
  unknownPerTenMinutes: 100_000,
};

export type LinkServer = {
  url: string;
  commits: () => number;
  stop(): Promise<void>;
};

export async function serveLinks(
  database: ClonedDatabase,
  limits: Partial<Limits> = {},
  afterCommit: () => void = () => undefined,
): Promise<LinkServer> {
  const app = express();
  const state = { commits: 0 };
  mountLinks({
    app,
    appPool: database.pool('app', 5),
    config: { secretKey: 'a secret of the tests, long enough for it' },
    afterCommit: () => {
      state.commits += 1;
      afterCommit();
    },
    limits: { ...PLENTY, ...limits },
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    commits: () => state.commits,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export type LinkWorld = {
  database: ClonedDatabase;
  /** Changes the database as its owner, and commits. */
  change<T>(action: (db: TestDatabase) => Promise<T>): Promise<T>;
  drop(): Promise<void>;
};

export async function createLinkWorld(): Promise<LinkWorld> {
  const database = await cloneDatabase();
  const pool = database.pool('owner', 2);
  const within = async <T>(client: PoolClient, action: (db: TestDatabase) => Promise<T>) => {
    await client.query('begin');
    try {
      const result = await action(testDatabase(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    }
  };
  return {
    database,
    change: async (action) => {
      const client = await pool.connect();
      try {
        return await within(client, action);
      } finally {
        client.release();
      }
    },
    drop: () => database.drop(),
  };
}

/** A link that is ready, and what it is about. */
export type Scene = {
  action: Action;
  token: string;
  world: factory.World;
  bookingId: string | null;
  entryId: string | null;
  customerId: string;
  userId: string;
};

/** Booked for this time on Thursday, while it is Monday, 08:00 UTC. */
export const BOOKED = factory.range('18:00', '20:00', 3);

type SceneOptions = {
  policy?: Record<string, unknown>;
  organization?: Record<string, unknown>;
  locale?: string;
  expiresAt?: string;
};

export async function setScene(
  { change }: LinkWorld,
  action: Action,
  options: SceneOptions = {},
): Promise<Scene> {
  return change(async (db) => {
    const approval = answerOf(action) !== undefined;
    const world = await factory.createWorld(db, {
      requires_approval: approval,
      ...(action === 'pay' ? { payment: 'on_booking', payment_provider: 'stripe' } : {}),
      ...options.policy,
    });
    await describeOrganization(db, world, options.organization);
    const locale = options.locale ?? 'en-GB';
    await db.query('update app_public.users set locale = $2 where id = $1', [
      world.manager,
      locale,
    ]);
    const userId = await factory.createUser(db, 'Alice', { locale });
    if (action === 'pay') await setPrice(db, world, 80);
    const bookingId = await bookFor(db, action, userId, world.left);
    const base = { action, world, userId, bookingId, entryId: null };
    // Of a place that is offered, the booking is the one that was cancelled.
    if (action === 'claim' || action === 'decline' || action === 'leave') {
      return offer(db, { ...base, options });
    }
    if (action === 'confirm_delivery') {
      await db.setClock(factory.at('19:00', 3));
      await factory.call(db, world.manager, 'deliver_booking', { booking_id: bookingId });
    }
    const customerId = await customerOf(db, bookingId);
    const token = await issue(db, { ...base, customerId }, options.expiresAt);
    return { ...base, customerId, token };
  });
}

/** The link of a series is to the first of its two bookings. */
async function bookFor(db: TestDatabase, action: Action, userId: string, offeringId: string) {
  if (!action.endsWith('_series')) {
    return (await factory.book(db, userId, offeringId, BOOKED)).id;
  }
  const [first] = await bookSeries(db, userId, offeringId, {
    ...{ rrule: 'FREQ=WEEKLY;COUNT=2', first_date: '2030-06-06', local_start: '18:00' },
  });
  return first?.id ?? '';
}

async function describeOrganization(
  db: TestDatabase,
  { organizationId }: factory.World,
  values: Record<string, unknown> = {},
): Promise<void> {
  for (const [name, value] of Object.entries(values)) {
    await db.query(`update app_public.organizations set ${name} = $2 where id = $1`, [
      organizationId,
      value,
    ]);
  }
}

/** Somebody waits, and the booking is cancelled: the place is held for who waited. */
async function offer(
  db: TestDatabase,
  scene: Omit<Scene, 'token' | 'customerId'> & { options: SceneOptions },
): Promise<Scene> {
  const { options, ...base } = scene;
  const userId = await factory.createUser(db, 'Bea', { locale: options.locale ?? 'en-GB' });
  const entry = await factory.join(db, userId, scene.world.left, BOOKED);
  await factory.call(db, scene.userId, 'cancel_booking', { booking_id: scene.bookingId });
  await factory.deliverMail(db);
  const offered = { ...base, userId, entryId: entry.id, customerId: entry.customer_id };
  return { ...offered, token: await issue(db, offered, options.expiresAt) };
}

async function customerOf(db: TestDatabase, bookingId: string): Promise<string> {
  return db.value('select customer_id from app_public.bookings where id = $1', [bookingId]);
}

/** The same as the mail does when it is sent. */
export async function issue(
  db: TestDatabase,
  scene: Omit<Scene, 'token'>,
  expiresAt?: string,
): Promise<string> {
  const { action } = scene;
  const forBooking = [
    ...['confirm', 'cancel', 'approve', 'reject', 'confirm_delivery', 'cancel_series', 'pay'],
    ...['approve_series', 'reject_series'],
  ].includes(action);
  const forEntry = ['claim', 'decline', 'leave'].includes(action);
  const forManager = answerOf(action) !== undefined;
  const forAccount = ['verify', 'reset', 'magic'].includes(action);
  const userId = forManager ? scene.world.manager : forAccount ? scene.userId : null;
  return db.value('select app_private.issue_link($1, $2, $3, $4, $5, $6, null, $7)', [
    action,
    scene.world.organizationId,
    userId ? null : scene.customerId,
    userId,
    forBooking ? scene.bookingId : null,
    forEntry ? scene.entryId : null,
    expiresAt ?? BOOKED[1],
  ]);
}

/** What happens between the mail and the visit. */
export type Turn = (db: TestDatabase, scene: Scene) => Promise<unknown>;

export const released: Turn = (db) => factory.advanceTo(db, factory.at('16:01', 3));

/** The offer goes back, and somebody else takes the room before the last call. */
export const lastCall: Turn = async (db, { entryId }) => {
  await db.query(
    `update app_public.waitlist_entries set stuck_at = app_private.clock() where id = $1`,
    [entryId],
  );
  await db.query(`select app_private.end_offer($1, 'waiting', 'test')`, [entryId]);
  await db.query('update app_public.waitlist_entries set stuck_at = null where id = $1', [entryId]);
  await db.setClock(factory.at('17:45', 3));
};

export type Reply = { status: number; headers: Headers; text: string; heading: string };

export async function ask(
  server: LinkServer,
  token: string,
  init: RequestInit = {},
): Promise<Reply> {
  const response = await fetch(`${server.url}/l/${token}`, { redirect: 'manual', ...init });
  const text = await response.text();
  const heading = plain(/<h1>(.*?)<\/h1>/s.exec(text)?.[1] ?? '');
  return { status: response.status, headers: response.headers, text, heading };
}

/** What a person would read. */
export function plain(html: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return html
    .replace(/<[^>]*>/g, ' ')
    .replace(/&([#\w]+);/g, (entity, name) => entities[name] ?? entity)
    .replace(/\s+/g, ' ')
    .trim();
}

export function nonceIn({ text }: Reply): string {
  return /name="nonce" value="([^"]+)"/.exec(text)?.[1] ?? '';
}

/** What the page's script tells of a real click. */
export const CLICK = JSON.stringify({
  trusted: true,
  visible: true,
  visibleMs: 900,
  pointer: 'touch',
});

export function post(
  server: LinkServer,
  token: string,
  fields: Record<string, string>,
): Promise<Reply> {
  return ask(server, token, { method: 'POST', body: new URLSearchParams(fields) });
}

/** Opens the page, waits as long as one has to, and presses the button. */
export async function press(
  server: LinkServer,
  token: string,
  fields: Record<string, string> = {},
): Promise<Reply> {
  const page = await ask(server, token);
  await sleep(DWELL_MS + 10);
  return post(server, token, { nonce: nonceIn(page), seen: CLICK, ...fields });
}

/** One hash for every table there is. */
export function tableHashes({ change }: LinkWorld): Promise<Record<string, string>> {
  return change((db) => hashesOf(db));
}

export async function usedToken(
  { change }: LinkWorld,
  token: string,
): Promise<{ used_at: Date | null; evidence: Record<string, unknown> | null }> {
  return change((db) =>
    db.one(
      'select used_at, evidence from app_private.link_tokens where token_hash = app_private.hash_token($1)',
      [token],
    ),
  );
}
