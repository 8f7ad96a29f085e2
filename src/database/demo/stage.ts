/** One transaction in which the demo's story happens: who acts, and when. */
import type { ClientBase, QueryResultRow } from 'pg';
import { type Name, userId } from './people.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

/** A mail to this address comes back, as mails to mistyped addresses do. */
export const MISTYPED_ADDRESS = 'walter@exmaple.invalid';

export class Stage {
  /** When the story ends: the minute in which it is loaded. */
  readonly now: Date;
  readonly #client: ClientBase;
  readonly #clockBefore: Date | null;

  private constructor(client: ClientBase, now: Date, clockBefore: Date | null) {
    this.#client = client;
    this.#clockBefore = clockBefore;
    this.now = now;
  }

  /** To the minute, as people say times. */
  static async open(client: ClientBase): Promise<Stage> {
    const { rows } = await client.query<{ minute: Date; simulated: Date | null }>(
      `select date_trunc('minute', n.at) as minute, c.now_at as simulated
       from app_private.clock() as n (at) left join app_private.simulated_clock c on true`,
    );
    if (!rows[0]) throw new Error('The database did not tell the time.');
    return new Stage(client, rows[0].minute, rows[0].simulated);
  }

  daysAgo(days: number): Date {
    return new Date(this.now.getTime() - days * DAY);
  }

  inMinutes(minutes: number): Date {
    return new Date(this.now.getTime() + minutes * MINUTE);
  }

  /** A wall-clock time so many days from today, where the venue is. */
  local(timeZone: string, days: number, time: string): string {
    const today = new Intl.DateTimeFormat('en-CA', { timeZone, dateStyle: 'short' });
    const day = new Date(`${today.format(this.now)}T00:00:00Z`);
    day.setUTCDate(day.getUTCDate() + days);
    return `${day.toISOString().slice(0, 10)} ${time}`;
  }

  async query<T extends QueryResultRow>(sql: string, values: readonly unknown[]): Promise<T[]> {
    return (await this.#client.query<T>(sql, [...values])).rows;
  }

  /** Calls a function of the API as somebody and returns the id of what it made or changed. */
  async call(who: Name, name: string, args: Record<string, unknown>): Promise<string> {
    const list = Object.keys(args).map((key, index) => `${key} => $${index + 1}`);
    await this.actAs(who);
    const [row] = await this.query<{ id: string }>(
      `select id from app_public.${name}(${list.join(', ')}) limit 1`,
      Object.values(args),
    );
    await this.actAs(null);
    if (!row) throw new Error(`The demo's call of ${name} returned nothing.`);
    return row.id;
  }

  async actAs(who: Name | null): Promise<void> {
    await this.query(
      `select set_config('reslot.user_id', $1, true), set_config('reslot.via', $2, true)`,
      [who ? userId(who) : '', who ? 'graphql' : 'job'],
    );
  }

  /** Sets the clock without anything happening in between. */
  async moveTo(at: Date): Promise<void> {
    await this.query('select app_private.set_clock($1)', [at]);
  }

  /** Lets time pass as it would with a worker and a mail server that are always up. */
  async liveUntil(until: Date): Promise<void> {
    for (;;) {
      await this.#deliver();
      const [next] = await this.query<{ subject_id: string; due_at: Date }>(
        `select d.subject_id, d.due_at from app_private.deadlines d
         where d.due_at <= $1 order by d.due_at, d.subject_id limit 1`,
        [until],
      );
      if (!next) break;
      await this.moveTo(next.due_at);
      await this.query('select app_private.run_deadline($1)', [next.subject_id]);
    }
    await this.moveTo(until);
  }

  /** The clock is again what it was, and mails are really sent. */
  async backToReality(): Promise<void> {
    await this.query('select app_private.set_clock($1)', [this.#clockBefore]);
  }

  async #deliver(): Promise<void> {
    for (;;) {
      const leased = await this.query<{ delivery_id: string; attempt: number; address: string }>(
        'select delivery_id, attempt, address from app_private.lease_deliveries(100)',
        [],
      );
      if (leased.length === 0) return;
      for (const { delivery_id: id, attempt, address } of leased) {
        if (address === MISTYPED_ADDRESS) {
          await this.query(
            `select app_private.mark_delivery_failed($1, $2, '550 5.1.2 there is no such domain', true)`,
            [id, attempt],
          );
        } else {
          await this.query('select app_private.mark_delivery_sent($1, $2)', [id, attempt]);
        }
        await this.query('select app_private.follow_up_delivery($1)', [id]);
      }
    }
  }
}
