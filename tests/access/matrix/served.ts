/** The scene behind the real server, and everybody who calls it, with their credentials. */
import { hkdfSync, randomUUID } from 'node:crypto';
import { buildClientSchema, type GraphQLSchema, getIntrospectionQuery } from 'graphql';
import { SignJWT } from 'jose';
import {
  type Answer,
  createGraphqlWorld,
  type GraphqlWorld,
  type GraphqlWorldOptions,
} from '../../http/graphqlWorld.ts';
import { at } from '../../support/factories.ts';
import type { Dead, Live } from './callers.ts';
import { createScene, type Scene } from './scene.ts';

export interface Served {
  world: GraphqlWorld;
  scene: Scene;
  /** As the server tells it. */
  schema: GraphQLSchema;
  ask(caller: Live | Dead, query: string, variables?: object): Promise<Answer>;
  /** The credentials of a caller, as the value of the header. */
  authorization(caller: Live | Dead): string | undefined;
  stop(): Promise<void>;
}

export async function serveScene(options: GraphqlWorldOptions = {}): Promise<Served> {
  const world = await createGraphqlWorld(options);
  const scene = await world.change((db) => createScene(db, world));
  const credentials = new Map<Live | Dead, string>();
  for (const [name, userId] of Object.entries(scene.users)) {
    credentials.set(name as Live | Dead, await world.tokenFor(userId));
  }
  credentials.set('expired', await expiredToken(world, scene.users.customer));
  credentials.set('link', await linkToken(world, scene));
  const authorization = (caller: Live | Dead) => {
    const token = credentials.get(caller);
    if (!token && caller !== 'anonymous') throw new Error(`There is no token for ${caller}.`);
    return token && `Bearer ${token}`;
  };
  const ask: Served['ask'] = (caller, query, variables = {}) => {
    const header = authorization(caller);
    return post(
      world,
      JSON.stringify({ query, variables }),
      header ? { authorization: header } : {},
    );
  };
  const introspected = await ask('anonymous', getIntrospectionQuery());
  return {
    world,
    scene,
    schema: buildClientSchema(introspected.data as never),
    ask,
    authorization,
    stop: () => world.stop(),
  };
}

/** On a machine that has much to do the server may say that it is busy, and to try again. */
export async function post(world: GraphqlWorld, body: string, headers: Record<string, string>) {
  for (let attempt = 1; ; attempt++) {
    const answer = await world.post(body, headers);
    if (answer.code !== 'RSBSY' || attempt === 10) return answer;
  }
}

/** Signed as the server signs, for a session that lives; only its time is over. */
async function expiredToken({ config, tokenFor }: GraphqlWorld, userId: string): Promise<string> {
  const good = JSON.parse(
    Buffer.from((await tokenFor(userId)).split('.')[1] ?? '', 'base64url').toString(),
  );
  const past = Math.floor(Date.now() / 1000) - 60;
  const key = hkdfSync('sha256', config.secretKey, '', 'reslot access tokens', 32);
  return new SignJWT({ ...good, iat: past - 600, exp: past })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
    .sign(new Uint8Array(key));
}

/** What a mail carries, for the customer's booking. */
function linkToken({ change }: GraphqlWorld, { rows, organizationId }: Scene): Promise<string> {
  return change((db) =>
    db.value(`select app_private.issue_link('cancel', $1, $2, null, $3, null, null, $4)`, [
      organizationId,
      rows.customers?.[0]?.[0],
      rows.bookings?.[0]?.[0],
      at('10:00', 1),
    ]),
  );
}

/** What the client is told, without what differs by chance. */
export function told(answer: Answer, alias?: string) {
  const errors = answer.errors
    .filter(({ path }) => alias === undefined || path === undefined || path[0] === alias)
    .map(({ message, path, extensions }) => ({
      code: extensions?.code,
      message,
      path: path?.slice(1),
      details: extensions?.details,
    }));
  return { status: answer.status, data: alias ? answer.data?.[alias] : answer.data, errors };
}

export const nodeIdOf = (type: string, key: readonly string[]): string =>
  Buffer.from(JSON.stringify([type, ...key])).toString('base64');

/** An identifier like any other that leads nowhere. */
export const nowhere = (): string => randomUUID();

/** The dead are told the same about everything: that their credentials are over. */
export function isTurnedAway({ status, errors, data }: Answer): boolean {
  return (
    status === 401 &&
    data === undefined &&
    errors.length === 1 &&
    errors[0]?.extensions.code === 'RSAUT'
  );
}
