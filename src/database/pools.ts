import pg from 'pg';
import { log } from '../log.ts';

export interface PoolOptions {
  /** Shown in pg_stat_activity. */
  name: string;
  max?: number;
}

export function createPool(connectionString: string, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    max: options.max ?? 10,
    application_name: options.name,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
  // An idle connection that the server closes is replaced at the next use; unheard, this event
  // would end the process.
  const lost = (error: Error) => {
    // A pool that ends waits for nothing, so the database may be the first to close a connection.
    if (!pool.ending) log.warn('database connection lost', { pool: options.name, error });
  };
  pool.on('error', lost);
  pool.on('connect', (client) => {
    client.on('error', lost);
  });
  return pool;
}

/** The same server and database, reached as a login of ours. */
export function urlFor(adminUrl: string, user: string, password: string): string {
  const url = new URL(adminUrl);
  if (url.hostname === '') {
    // A socket's address has no place for a user before the host, so they go behind it.
    url.searchParams.set('user', user);
    url.searchParams.set('password', password);
  } else {
    url.username = user;
    url.password = encodeURIComponent(password);
    url.searchParams.delete('user');
    url.searchParams.delete('password');
  }
  return url.toString();
}

/** The same login, acting as another role from the first statement on. */
export function urlWithRole(connectionString: string, role: string): string {
  return urlWithSettings(connectionString, { role });
}

/** Settings for the whole session. A pooler in transaction mode would lose them. */
export function urlWithSettings(
  connectionString: string,
  settings: Record<string, string>,
): string {
  const url = new URL(connectionString);
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const before = url.searchParams.get('options');
  url.searchParams.set('options', [...(before ? [before] : []), ...options].join(' '));
  return url.toString();
}
