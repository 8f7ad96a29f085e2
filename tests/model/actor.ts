/** Somebody on a connection of the server's login, who remembers what they were told. */
import type pg from 'pg';

export type Act = 'book' | 'join' | 'cancel' | 'move' | 'confirm' | 'claim' | 'decline' | 'leave';

/** What to do, and with which of one's own; and for what takes room, the arguments. */
export interface Wish {
  do: Act;
  n: number;
  what: string;
}

/** What is told of a booking or an entry by the function that changed it. */
export interface Answer {
  id: string;
  status: string;
  starts_at: Date;
  customer_id: string;
  attendance_confirmed_at?: Date | null;
  /** Who waits for a day is about another time once a slot is offered. */
  day?: Date | null;
  places?: number;
  provider_id?: string | null;
}

export class Actor {
  /** The last answer about each booking and entry. */
  readonly told = new Map<string, Answer>();
  readonly refusals: string[] = [];
  readonly #bookings: string[] = [];
  readonly #entries: string[] = [];
  readonly #pool: pg.Pool;
  readonly #user: string;

  constructor(pool: pg.Pool, user: string) {
    this.#pool = pool;
    this.#user = user;
  }

  async wishAll(wishes: readonly Wish[]): Promise<void> {
    for (const wish of wishes) await this.wish(wish);
  }

  async wish(wish: Wish): Promise<void> {
    const booking = this.#bookings[wish.n % Math.max(1, this.#bookings.length)];
    const entry =
      (wish.do === 'claim' || wish.do === 'decline' ? await this.#offered() : undefined) ??
      this.#entries[wish.n % Math.max(1, this.#entries.length)];
    if (wish.do === 'book') {
      await this.#get(this.#bookings, `create_booking(${wish.what})`);
    } else if (wish.do === 'join') {
      await this.#get(this.#entries, `join_waitlist(${wish.what})`);
    } else if (booking && wish.do === 'cancel') {
      await this.#get(this.#bookings, `cancel_booking('${booking}')`);
    } else if (booking && wish.do === 'confirm') {
      await this.#get(this.#bookings, `confirm_booking('${booking}')`);
    } else if (booking && wish.do === 'move') {
      await this.#get(this.#bookings, `modify_booking('${booking}', ${wish.what})`);
    } else if (entry && wish.do === 'claim') {
      const claimed = await this.#get(this.#bookings, `claim_slot('${entry}')`);
      const before = this.told.get(entry);
      if (claimed && before) this.told.set(entry, { ...before, status: 'claimed' });
    } else if (entry && wish.do === 'decline') {
      await this.#get(this.#entries, `decline_slot('${entry}')`);
    } else if (entry && wish.do === 'leave') {
      await this.#get(this.#entries, `leave_waitlist('${entry}')`);
    }
  }

  async #get(list: string[], call: string): Promise<Answer | null> {
    const answer = await this.#call(call);
    if (!answer) return null;
    if (!this.told.has(answer.id)) list.push(answer.id);
    this.told.set(answer.id, answer);
    return answer;
  }

  /** Where there is an offer now; it may be gone when it is claimed. */
  async #offered(): Promise<string | undefined> {
    const offer = await this.#call(
      `waitlist_entries where status = 'offered' and ended_at is null`,
    );
    return offer && this.told.has(offer.id) ? offer.id : undefined;
  }

  async #call(call: string): Promise<Answer | null> {
    const client = await this.#pool.connect();
    try {
      await client.query('begin');
      await client.query(
        `select set_config('role', 'reslot_user', true), set_config('reslot.via', 'graphql', true),
           set_config('reslot.user_id', $1, true)`,
        [this.#user],
      );
      const { rows } = await client.query<Answer>(`select * from app_public.${call} limit 1`);
      await client.query('commit');
      return rows[0] ?? null;
    } catch (error) {
      await client.query('rollback');
      this.refusals.push((error as { code?: string }).code ?? String(error));
      return null;
    } finally {
      client.release();
    }
  }
}
