/**
 * The other side of the comparison: a database of its own, in which every sequence of commands is one transaction that
 * is rolled back. A command and the comparison after it are one round trip each (helpers.sql).
 */
import { readFile } from 'node:fs/promises';
import type { PoolClient } from 'pg';
import { type ClonedDatabase, cloneDatabase, testDatabase } from '../support/database.ts';
import { createUser, createWorld, insert } from '../support/factories.ts';
import type { Actor, Command } from './reference/commands.ts';
import { OFFSETS, type Policy, SECOND, type ServiceRules, type State } from './reference/state.ts';
import {
  MIDNIGHT,
  type ModelWorld,
  rescheduleStatement,
  type Subjects,
  statementFor,
  timeStatement,
} from './statements.ts';
import { addToursAndServices } from './world.ts';

const NAMES = ['0', '1', '2', '3'];

export interface DatabaseState {
  bookings: Record<string, unknown>[];
  slots: Record<string, unknown>[];
  entries: Record<string, unknown>[];
  messages: string[];
  freeings: number;
  now: number;
  broken: unknown[];
  payments: Record<string, unknown>[];
}

export interface ModelDatabase {
  clone: ClonedDatabase;
  world: ModelWorld;
  users: string[];
  /** Runs a sequence under a policy and rolls it back. */
  play<T>(policy: Policy, action: (session: Session) => Promise<T>): Promise<T>;
  /** Replaces a part of a function's text, which has to be there; what comes back puts it back. */
  alter(routine: string, text: string, instead: string): Promise<() => Promise<void>>;
  drop(): Promise<void>;
}

export interface Session {
  /** Returns `ok` or the code of the refusal. */
  run(command: Command, mail: State['mail']): Promise<string>;
  state(): Promise<DatabaseState>;
}

export async function openModelDatabase(): Promise<ModelDatabase> {
  const clone = await cloneDatabase();
  const pool = clone.pool('owner', 1);
  const client = await pool.connect();
  const db = testDatabase(client);
  await client.query(await readFile(new URL('helpers.sql', import.meta.url), 'utf8'));
  const world = await addToursAndServices(db, await createWorld(db));
  const users: string[] = [];
  for (const [n, name] of NAMES.entries()) {
    const values = OFFSETS[n] === 0 ? {} : { time_zone: 'Asia/Tokyo' };
    users.push(await createUser(db, name, values));
  }
  const { owner, manager, providers } = world;
  const people = Object.entries({ ...users, owner, manager, ...providers }).entries();
  for (const [n, [name, id]] of people) {
    await client.query('insert into model.people values ($1, $2, $3)', [n, name, id]);
  }
  let played = 0;
  return {
    clone,
    world,
    users,
    play: async (policy, action) => {
      await client.query('begin');
      try {
        await insert(db, 'app_public.policy_versions', policyRow(world, policy));
        return await action(openSession(client, world, users));
      } finally {
        await client.query('rollback');
        // What was rolled back stays in the tables until then.
        if (++played % 200 === 0) await client.query('vacuum');
      }
    },
    alter: async (routine, text, instead) => {
      const source = await db.value<string>('select pg_get_functiondef($1::regprocedure)', [
        routine,
      ]);
      if (!source.includes(text)) throw new Error(`${routine} does not say: ${text}`);
      await db.query(source.replace(text, instead));
      return async () => {
        await db.query(source);
      };
    },
    drop: async () => {
      client.release();
      await clone.drop();
    },
  };
}

function policyRow(world: ModelWorld, p: Policy): Record<string, unknown> {
  const time = (us: number | undefined) =>
    us === undefined ? null : new Date(MIDNIGHT + us / 1000).toISOString().slice(11, 19);
  return {
    organization_id: world.organizationId,
    policy_id: world.policyId,
    version: 2,
    auto_cancel: p.autoCancel,
    requires_approval: p.requiresApproval,
    request_ttl: seconds(p.requestTtl),
    reminder_leads: p.leads.map(seconds),
    confirm_if_booked_before: seconds(p.confirmIfBookedBefore),
    confirm_deadline: seconds(p.confirmDeadline),
    min_notice: seconds(p.minNotice),
    claim_window: seconds(p.claimWindow),
    min_claim_window: seconds(p.minClaimWindow),
    last_call: seconds(p.lastCall),
    urgent_before: seconds(p.urgentBefore),
    quiet_from: time(p.quiet?.[0]),
    quiet_until: time(p.quiet?.[1]),
    buffer_before: seconds(p.buffer),
    buffer_after: seconds(p.buffer),
    booking_cutoff: seconds(p.cutoff),
    max_bookings_per_day: p.perDay,
    max_entries_per_day: p.perDay,
    max_mails_per_day: 1000,
    max_party: p.maxParty,
    infants_take_places: p.infantsTakePlaces,
    minimum_cutoff: seconds(p.minimumCutoff),
    under_minimum: p.underMinimum,
    full_refund_until: seconds(p.fullRefundUntil),
    half_refund_until: seconds(p.halfRefundUntil),
    child_rate: p.prices.child / 1000,
    infant_rate: p.prices.infant / 1000,
    group_discount: p.prices.groupDiscount / 1000,
    group_from: p.prices.groupFrom,
    tax_rate: p.prices.tax / 1000,
    tax_included: p.prices.taxIncluded,
    rounding: p.prices.rounding / 100,
    ...serviceColumns(p.services),
  };
}

function serviceColumns(rules: ServiceRules): Record<string, unknown> {
  return {
    requires_delivery: rules.requiresDelivery,
    complete_delivered_after: seconds(rules.completeDeliveredAfter),
    provider_reminder_lead: rules.providerLead === null ? null : seconds(rules.providerLead),
    expiry: rules.expiry,
    expiry_grace: seconds(rules.grace),
    expiry_grace_by_category:
      rules.graceOfLessons === null ? {} : { lessons: seconds(rules.graceOfLessons) },
    expiry_skips_weekends: rules.skipsWeekends,
    expiry_skips_holidays: rules.skipsHolidays,
    payment: rules.payment,
    deposit_rate: rules.depositRate / 1000,
    payment_due: seconds(rules.paymentDue),
  };
}

function seconds(us: number): string {
  return `${us / SECOND} seconds`;
}

function openSession(client: PoolClient, world: ModelWorld, users: string[]): Session {
  const blackouts: string[] = [];
  const idAt = async (table: string, position: number): Promise<string> => {
    const sql = `select id from app_public.${table} order by id offset ${position} limit 1`;
    const { rows } = await client.query<{ id: string }>(sql);
    return rows[0]?.id ?? 'nothing';
  };
  /** In the order of the bookings they are for. */
  const paymentAt = async (position: number): Promise<string> => {
    const sql = `select id from app_public.payments order by booking_id, id offset ${position} limit 1`;
    const { rows } = await client.query<{ id: string }>(sql);
    return rows[0]?.id ?? 'nothing';
  };
  const subjectsOf = async (command: Command): Promise<Subjects> => {
    const slot =
      'slot' in command && command.slot !== undefined ? await idAt('slots', command.slot) : '';
    if ('booking' in command) return [await idAt('bookings', command.booking), slot];
    if ('payment' in command) return [await paymentAt(command.payment), ''];
    if ('entry' in command) return [await idAt('waitlist_entries', command.entry), slot];
    return [slot, ''];
  };
  const act = async (by: Actor, statement: string): Promise<string> => {
    const user =
      typeof by === 'number' ? users[by] : by === 'manager' ? world.manager : world.providers[by];
    const sql = 'select model.act($1, $2) as outcome';
    const { rows } = await client.query<{ outcome: string }>(sql, [user, statement]);
    return rows[0]?.outcome ?? 'nothing';
  };
  return {
    run: async (command, mail) => {
      if (command.do === 'mail') return 'ok';
      if (command.do === 'nap' || command.do === 'tick') {
        await client.query(timeStatement(command, mail));
        return 'ok';
      }
      if (command.do === 'bounce') {
        await client.query('select model.bounce($1)', [await idAt('bookings', command.booking)]);
        return 'ok';
      }
      if (command.do === 'lift') {
        return act(command.by, `select app_public.lift_blackout('${blackouts[command.blackout]}')`);
      }
      if (command.do === 'reschedule') {
        return act(command.by, rescheduleStatement(command, world));
      }
      const outcome = await act(
        command.by,
        statementFor(command, await subjectsOf(command), world),
      );
      if (command.do === 'blackout' && outcome === 'ok') {
        blackouts.push(await newestBlackout(client));
      }
      return outcome;
    },
    state: async () => {
      const { rows } = await client.query<{ state: DatabaseState }>(
        'select model.state() as state',
      );
      if (!rows[0]) throw new Error('The database has no state.');
      return rows[0].state;
    },
  };
}

async function newestBlackout(client: PoolClient): Promise<string> {
  const sql = 'select id from app_public.blackouts order by id desc limit 1';
  const { rows } = await client.query<{ id: string }>(sql);
  return rows[0]?.id ?? 'nothing';
}
