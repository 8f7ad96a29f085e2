/** The API on a world of its own, and people who call it. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { createTokens, hashToken } from '../../src/auth/tokens.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import { graphqlMount } from '../../src/graphql/index.ts';
import { openServer } from '../../src/server.ts';
import {
  type ClonedDatabase,
  cloneDatabase,
  type TestDatabase,
  testDatabase,
} from '../support/database.ts';
import { createUser, createWorld, type World } from '../support/factories.ts';

export interface GraphqlError {
  message: string;
  path?: (string | number)[];
  extensions: { code: string; details?: Record<string, unknown> };
}

export interface Answer {
  status: number;
  headers: Headers;
  data: Record<string, unknown> | null | undefined;
  errors: GraphqlError[];
  /** The code of the first error. */
  code: string | undefined;
}

export interface GraphqlWorld extends World {
  config: Config;
  database: ClonedDatabase;
  url: string;
  customer: string;
  stranger: string;
  admin: string;
  /** Works in the database as its owner, in one transaction that is kept. */
  change<T>(action: (db: TestDatabase) => Promise<T>): Promise<T>;
  tokenFor(userId: string): Promise<string>;
  /** Sends a request as a user, or as nobody. */
  ask(query: string, variables?: object, userId?: string): Promise<Answer>;
  post(body: string, headers?: Record<string, string>): Promise<Answer>;
  stop(): Promise<void>;
}

export interface GraphqlWorldOptions {
  /** Settings as in the environment. */
  environment?: Record<string, string>;
  /** Done to the database before the server looks at it, as its owner. */
  prepare?(db: TestDatabase): Promise<void>;
}

export async function createGraphqlWorld(options: GraphqlWorldOptions = {}): Promise<GraphqlWorld> {
  const directory = mkdtempSync(join(tmpdir(), 'reslot-graphql-'));
  const database = await cloneDatabase();
  const owner = database.pool('owner', 2);
  const change = changesBy(owner);
  if (options.prepare) await change(options.prepare);
  const config = parseConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATA_DIR: directory,
    SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY,
    DATABASE_POOL_SIZE: '6',
    ...options.environment,
  });
  const server = await openServer(config);
  // Some tests ask more often than people do.
  const rates = { address: 1_000_000, user: 1_000_000 };
  await server.serve(database.url('app'), [graphqlMount({ rates })]);
  const world = await change(async (db) => {
    const made = await createWorld(db);
    await db.setClock(null);
    const admin = await createUser(db, 'Ada', { is_admin: true });
    return {
      ...made,
      admin,
      customer: await createUser(db, 'Carl'),
      stranger: await createUser(db, 'Stan'),
    };
  });
  const tokens = new Map<string, Promise<string>>();
  const signIn = async (userId: string): Promise<string> => {
    const sessionId = randomUUID();
    await change((db) =>
      db.query(
        `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
         values ($1, $2, $3, app_private.clock() + interval '1 hour')`,
        [sessionId, userId, hashToken(sessionId)],
      ),
    );
    return (await createTokens(config.secretKey).issueAccess({ userId, sessionId })).token;
  };
  const tokenFor = (userId: string): Promise<string> => {
    const token = tokens.get(userId) ?? signIn(userId);
    tokens.set(userId, token);
    return token;
  };
  const url = `${server.url}/graphql`;
  const post: GraphqlWorld['post'] = async (body, headers = {}) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    return readAnswer(response);
  };
  return {
    ...world,
    config,
    database,
    url,
    change,
    tokenFor,
    post,
    ask: async (query, variables = {}, userId) =>
      post(
        JSON.stringify({ query, variables }),
        userId ? { authorization: `Bearer ${await tokenFor(userId)}` } : {},
      ),
    stop: async () => {
      await server.stop();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function changesBy(pool: pg.Pool): GraphqlWorld['change'] {
  return async (action) => {
    const client = await pool.connect();
    try {
      await client.query('begin');
      const result = await action(testDatabase(client));
      await client.query('commit');
      return result;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  };
}

export async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const body = (text.startsWith('{') ? JSON.parse(text) : {}) as Partial<Answer>;
  const errors = body.errors ?? [];
  return {
    status: response.status,
    headers: response.headers,
    data: body.data,
    errors,
    code: errors[0]?.extensions?.code,
  };
}
