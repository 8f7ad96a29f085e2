/** A server process, and people who book through it. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTokens, hashToken } from '../../src/auth/tokens.ts';
import { freePort } from '../../src/database/embedded.ts';
import * as factory from '../support/factories.ts';
import { type ProductProcess, startProduct } from './processes.ts';
import { type FaultWorld, HOUR } from './world.ts';

export interface Api {
  url: string;
  process: ProductProcess;
  /** Starts another process on the same port. */
  restart(environment?: Record<string, string>): Promise<void>;
  signIn(): Promise<string>;
  /** Sends the mutation once. Never throws: no answer at all is one of the outcomes. */
  book(token: string, hour: number, key: string | null): Promise<Outcome>;
  stop(): Promise<void>;
}

export interface Outcome {
  id?: string;
  /** The code of the error, or `no answer`. */
  refusal?: string;
  /** All that came back. */
  text: string;
}

const BOOK = `mutation ($input: CreateBookingInput!) {
  createBooking(input: $input) { result { id } }
}`;

export async function startApi(
  world: FaultWorld,
  environment: Record<string, string> = {},
): Promise<Api> {
  const port = String(await freePort());
  const start = (more: Record<string, string>) =>
    startProduct('server', {
      DATABASE_URL: world.database.url('admin'),
      PORT: port,
      TRUST_PROXY: '1',
      ...more,
    });
  const firstHour = Math.ceil(Date.now() / HOUR) * HOUR + 200 * HOUR;
  const url = `http://127.0.0.1:${port}`;
  const api: Api = {
    url,
    process: await start(environment),
    restart: async (more = {}) => {
      await api.process.end('SIGKILL');
      api.process = await start(more);
    },
    signIn: () => signIn(world),
    book: async (token, hour, key) => {
      const startsAt = new Date(firstHour + (hour * HOUR) / 2);
      const input = {
        offeringId: world.offeringId,
        startsAt: startsAt.toISOString(),
        endsAt: new Date(startsAt.getTime() + HOUR / 2).toISOString(),
        ...(key ? { idempotencyKey: key } : {}),
      };
      return post(`${url}/graphql`, token, { query: BOOK, variables: { input } });
    },
    stop: () => api.process.end('SIGKILL'),
  };
  return api;
}

async function signIn(world: FaultWorld): Promise<string> {
  const email = `${factory.unique('u')}@example.com`;
  const [user] = await world.query<{ id: string }>(
    `insert into app_public.users (email, name, email_verified_at)
     values ($1, 'Uma', app_private.clock()) returning id`,
    [email],
  );
  const sessionId = randomUUID();
  const userId = user?.id ?? '';
  await world.query(
    `insert into app_private.refresh_tokens (family_id, user_id, token_hash, expires_at)
     values ($1, $2, $3, app_private.clock() + interval '1 hour')`,
    [sessionId, userId, hashToken(sessionId)],
  );
  const tokens = createTokens(process.env.RESLOT_TEST_SECRET_KEY ?? '');
  return (await tokens.issueAccess({ userId, sessionId })).token;
}

interface Body {
  data?: { createBooking?: { result?: { id: string } } | null } | null;
  errors?: { message: string; extensions?: { code?: string } }[];
}

async function post(url: string, token: string, body: object): Promise<Outcome> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${token}`,
        // Everybody has an address of their own, as far as limits are concerned.
        'x-forwarded-for': `10.1.${random(250)}.${random(250)}`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    const { data, errors } = JSON.parse(text) as Body;
    const id = data?.createBooking?.result?.id;
    return id ? { id, text } : { refusal: errors?.[0]?.extensions?.code ?? 'no code', text };
  } catch (error) {
    return { refusal: 'no answer', text: String(error) };
  }
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

export interface Load {
  /** What was acknowledged: the key and the booking. */
  acknowledged: Map<string, string>;
  refusals: Map<string, string>;
  /** Moments of acknowledgement. */
  times: number[];
  stop(): Promise<void>;
}

/** Slow enough for the limit of requests that one person may send. */
const PAUSE_MS = 120;
/** Whoever has not been answered when the load ends is not left in the dark, but not waited for for ever either. */
const TRIES_AFTER_STOP = 20;

/** People who book one hour after another, each until it is acknowledged, with the same key. */
export async function startLoad(api: Api, people: number): Promise<Load> {
  const tokens = await Promise.all(Array.from({ length: people }, () => api.signIn()));
  const state = { stopped: false, next: 0 };
  const load: Load = {
    acknowledged: new Map(),
    refusals: new Map(),
    times: [],
    stop: async () => {
      state.stopped = true;
      await Promise.all(ends);
    },
  };
  const bookOn = async (token: string) => {
    while (!state.stopped) {
      const hour = state.next++;
      const key = `key ${hour}`;
      for (let left = TRIES_AFTER_STOP; left > 0; left -= state.stopped ? 1 : 0) {
        const { id, refusal, text } = await api.book(token, hour, key);
        if (id) {
          load.acknowledged.set(key, id);
          load.times.push(Date.now());
          await sleep(PAUSE_MS);
          break;
        }
        load.refusals.set(refusal ?? '', text);
        await sleep(PAUSE_MS);
      }
    }
  };
  const ends = tokens.map(bookOn);
  return load;
}
