/** The API on a database of its own, and somebody who calls it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../src/config.ts';
import { graphqlMount } from '../../src/graphql/index.ts';
import { openServer } from '../../src/server.ts';
import { cloneDatabase } from '../support/database.ts';

const PLENTY = 100_000;

export async function servePeople() {
  const database = await cloneDatabase();
  const directory = mkdtempSync(join(tmpdir(), 'reslot-people-'));
  const server = await openServer(
    parseConfig({
      NODE_ENV: 'test',
      PORT: '0',
      DATA_DIR: directory,
      PUBLIC_URL: 'https://reslot.example.org',
      LOG_LEVEL: 'error',
    }),
  );
  const rates = { user: PLENTY, address: PLENTY };
  await server.serve(database.url('app'), [graphqlMount({ rates })]);
  return {
    database,
    url: `${server.url}/graphql`,
    stop: async () => {
      await server.stop();
      await database.drop();
      rmSync(directory, { recursive: true });
    },
  };
}

type PeopleServer = Awaited<ReturnType<typeof servePeople>>;

export interface Answer {
  /** The fields of the answer of the one mutation or query, or null. */
  data: Record<string, unknown> | null;
  code: string | undefined;
  message: string | undefined;
  details: Record<string, unknown> | undefined;
  /** The Set-Cookie header. */
  cookie: string | null;
}

export interface Headers {
  token?: unknown;
  cookie?: string;
}

interface Body {
  data?: Record<string, Record<string, unknown> | null> | null;
  errors?: { message: string; extensions: { code: string; details?: Record<string, unknown> } }[];
}

export async function ask(
  server: PeopleServer,
  query: string,
  variables: Record<string, unknown> = {},
  { token, cookie }: Headers = {},
): Promise<Answer> {
  const response = await fetch(server.url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(cookie !== undefined && { cookie }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const body = (await response.json()) as Body;
  const error = body.errors?.[0];
  return {
    data: Object.values(body.data ?? {})[0] ?? null,
    code: error?.extensions.code,
    message: error?.message,
    details: error?.extensions.details,
    cookie: response.headers.get('set-cookie'),
  };
}

const SESSION = 'userId accessToken accessTokenExpiresAt refreshToken';

/** Calls one of the mutations about accounts. */
export function mutate(
  server: PeopleServer,
  name: string,
  input?: Record<string, unknown>,
  headers?: Headers,
): Promise<Answer> {
  const fields = /^(signIn|signInWithMagicLink|refreshSession)$/.test(name) ? SESSION : 'accepted';
  if (!input) return ask(server, `mutation { ${name} { ${fields} } }`, {}, headers);
  const type = /^(requestMagicLink|requestPasswordReset|sendLinksAgain)$/.test(name)
    ? 'AddressInput'
    : `${name[0]?.toUpperCase()}${name.slice(1)}Input`;
  const query = `mutation ($input: ${type}!) { ${name}(input: $input) { ${fields} } }`;
  return ask(server, query, { input }, headers);
}
