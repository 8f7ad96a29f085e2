/**
 * Hears what the database publishes, on one connection of its own, and hands it to subscriptions.
 *
 * Nothing is kept for who was not listening. So when the connection is lost, every subscription is
 * ended, which tells its client that something may have been missed: it subscribes again and reads
 * what it shows anew. The next subscription opens a new connection.
 */
import pg from 'pg';
import { log } from '../log.ts';

/** What one slow client may leave unread before its subscription is ended. */
const LARGEST_BACKLOG = 1_000;

interface Subscription {
  push(payload: string): void;
  end(): void;
}

type Topics = Record<string, string>;

export class NotificationListener {
  readonly #databaseUrl: string;
  readonly #topics = new Map<string, Set<Subscription>>();
  #client: Promise<pg.Client> | null = null;
  /** One statement after the other. */
  #queue: Promise<unknown> = Promise.resolve();
  #released = false;

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  async subscribe(topic: keyof Topics & string): Promise<AsyncIterableIterator<string>> {
    if (this.#released) throw new Error('The listener is closed.');
    const subscription = createSubscription(() => void this.#remove(topic, subscription));
    const existing = this.#topics.get(topic);
    if (existing) existing.add(subscription);
    else this.#topics.set(topic, new Set([subscription]));
    try {
      const client = await this.#connected();
      // Repeating it is harmless, and only now is it certain that nothing more is missed.
      await this.#run(client, `listen ${client.escapeIdentifier(topic)}`);
    } catch (error) {
      subscription.end();
      throw error;
    }
    return subscription.iterator;
  }

  async release(): Promise<void> {
    this.#released = true;
    this.#endAll();
    const client = await this.#client?.catch(() => null);
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #remove(topic: string, subscription: Subscription): Promise<void> {
    const subscriptions = this.#topics.get(topic);
    subscriptions?.delete(subscription);
    if (!subscriptions || subscriptions.size > 0) return;
    this.#topics.delete(topic);
    const client = await this.#client?.catch(() => null);
    // Somebody may have come back meanwhile; both statements go in order over one connection.
    if (!client || this.#topics.has(topic)) return;
    await this.#run(client, `unlisten ${client.escapeIdentifier(topic)}`).catch(() => undefined);
  }

  #run(client: pg.Client, statement: string): Promise<unknown> {
    const done = this.#queue.then(() => client.query(statement));
    this.#queue = done.catch(() => undefined);
    return done;
  }

  #connected(): Promise<pg.Client> {
    this.#client ??= this.#connect();
    return this.#client;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({
      connectionString: this.#databaseUrl,
      application_name: 'reslot-server-listener',
      keepAlive: true,
    });
    let gone = false;
    const lost = (error?: Error) => {
      if (gone || this.#released) return;
      gone = true;
      this.#client = null;
      log.warn('the connection that listens was lost; subscriptions end', { error });
      this.#endAll();
    };
    client.on('error', lost);
    client.on('end', () => lost());
    client.on('notification', ({ channel, payload }) => {
      for (const subscription of this.#topics.get(channel) ?? []) subscription.push(payload ?? '');
    });
    try {
      await client.connect();
      return client;
    } catch (error) {
      this.#client = null;
      throw error;
    }
  }

  #endAll(): void {
    for (const subscriptions of [...this.#topics.values()]) {
      for (const subscription of [...subscriptions]) subscription.end();
    }
  }
}

function createSubscription(
  onEnd: () => void,
): Subscription & { iterator: AsyncIterableIterator<string> } {
  const backlog: string[] = [];
  const waiting: ((result: IteratorResult<string>) => void)[] = [];
  let ended = false;
  const done: IteratorResult<string> = { done: true, value: undefined };

  const end = () => {
    if (ended) return;
    ended = true;
    for (const resolve of waiting.splice(0)) resolve(done);
    onEnd();
  };
  const push = (payload: string) => {
    if (ended) return;
    const resolve = waiting.shift();
    if (resolve) resolve({ done: false, value: payload });
    else if (backlog.push(payload) > LARGEST_BACKLOG) end();
  };
  const iterator: AsyncIterableIterator<string> = {
    [Symbol.asyncIterator]: () => iterator,
    next: async () => {
      const value = backlog.shift();
      if (value !== undefined) return { done: false, value };
      if (ended) return done;
      return new Promise((resolve) => waiting.push(resolve));
    },
    return: async () => {
      end();
      return done;
    },
    throw: async () => {
      end();
      return done;
    },
  };
  return { push, end, iterator };
}
