import type { Server } from 'node:http';
import type { Express } from 'express';
import type { Pool } from 'pg';
import type { Config } from './config.ts';

/** What every part of the server is given. */
export interface AppContext {
  /** The public address is known by now, without a slash at the end. */
  config: Config & { publicUrl: string };
  /** The login `reslot_app`: it has no rights until a transaction sets the role of the caller. */
  pool: Pool;
  /** The same login and database, for a connection that listens: never through a pooler. */
  listenUrl: string;
  /** Call after a commit: what the change owes (mails, jobs, events) is sent on its way. */
  requestDispatch(): void;
}

/**
 * Adds a part to the server (the API, the link pages, the development inbox). What it returns is
 * called when the server stops, the part added last first.
 */
export type Mount = (app: Express, server: Server, context: AppContext) => Promise<Unmount>;
export type Unmount = () => Promise<void>;
