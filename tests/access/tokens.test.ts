/** Access tokens that somebody made up: each is turned away, by the server as it runs. */
import { createHmac, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exportJWK, SignJWT } from 'jose';
import { createTokens } from '../../src/auth/tokens.ts';
import { createGraphqlWorld, type GraphqlWorld } from '../http/graphqlWorld.ts';
import { isTurnedAway } from './matrix/served.ts';

let world: GraphqlWorld;
/** The admin’s own, which is good, in its parts. */
let good: { token: string; claims: Record<string, unknown>; parts: [string, string, string] };

beforeAll(async () => {
  world = await createGraphqlWorld();
  const token = await world.tokenFor(world.admin);
  const [head = '', body = '', signature = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
  good = { token, claims, parts: [head, body, signature] };
});
afterAll(() => world?.stop());

const QUERY = JSON.stringify({ query: '{ viewer { id isAdmin } users { totalCount } }' });
const bear = (token: string) => world.post(QUERY, { authorization: `Bearer ${token}` });
const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** The key that the server signs with. */
const serverKey = () =>
  new Uint8Array(hkdfSync('sha256', world.config.secretKey, '', 'reslot access tokens', 32));

const sign = (
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: Parameters<SignJWT['sign']>[0] = serverKey(),
) =>
  new SignJWT({ ...good.claims, ...claims })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...header })
    .sign(key);

const hmac = (head: object, body: string, key: string | Uint8Array, hash = 'sha256') => {
  const signed = `${encode(head)}.${body}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest('base64url')}`;
};

const seconds = () => Math.floor(Date.now() / 1000);
const HEAD = { alg: 'HS256', typ: 'at+jwt' };

/** With a key of one’s own, and the key sent along. */
async function withOwnKey(kind: 'rsa' | 'ec' | 'ed25519', alg: string): Promise<string> {
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : kind === 'ec'
        ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
        : generateKeyPairSync('ed25519');
  return sign({}, { alg, jwk: await exportJWK(publicKey) }, privateKey);
}

const FORGED: [string, () => string | Promise<string>][] = [
  ['without a signature', () => `${good.parts[0]}.${good.parts[1]}.`],
  ...['none', 'None', 'NONE', 'nOnE', ''].flatMap((alg): typeof FORGED => [
    [`of the algorithm "${alg}", unsigned`, () => `${encode({ ...HEAD, alg })}.${good.parts[1]}.`],
    [
      `of the algorithm "${alg}", with the signature left`,
      () => `${encode({ ...HEAD, alg })}.${good.parts[1]}.${good.parts[2]}`,
    ],
  ]),
  ['without an algorithm', () => hmac({ typ: 'at+jwt' }, good.parts[1], serverKey())],
  [
    'signed by HS384 with the right key',
    () => hmac({ ...HEAD, alg: 'HS384' }, good.parts[1], serverKey(), 'sha384'),
  ],
  [
    'signed by HS512 with the right key',
    () => hmac({ ...HEAD, alg: 'HS512' }, good.parts[1], serverKey(), 'sha512'),
  ],
  ['signed by RS256 with a key of its own', () => withOwnKey('rsa', 'RS256')],
  ['signed by PS256 with a key of its own', () => withOwnKey('rsa', 'PS256')],
  ['signed by ES256 with a key of its own', () => withOwnKey('ec', 'ES256')],
  ['signed by EdDSA with a key of its own', () => withOwnKey('ed25519', 'EdDSA')],
  [
    'that claims RS256 and is signed by HS256',
    () => hmac({ ...HEAD, alg: 'RS256' }, good.parts[1], serverKey()),
  ],
  ['signed with the secret itself', () => hmac(HEAD, good.parts[1], world.config.secretKey)],
  ['signed with nothing', () => hmac(HEAD, good.parts[1], '')],
  [
    'signed with another server’s key',
    async () =>
      (
        await createTokens('another secret, just as long as ours').issueAccess({
          userId: world.admin,
          sessionId: String(good.claims.sid),
        })
      ).token,
  ],
  [
    'with one bit of its signature flipped',
    () => {
      const bytes = Buffer.from(good.parts[2], 'base64url');
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return `${good.parts[0]}.${good.parts[1]}.${bytes.toString('base64url')}`;
    },
  ],
  [
    'with other claims under the old signature',
    () => `${good.parts[0]}.${encode({ ...good.claims, sub: world.customer })}.${good.parts[2]}`,
  ],
  ['of another issuer', () => sign({ iss: 'somebody' })],
  ['of no issuer', () => sign({ iss: undefined })],
  ['for another audience', () => sign({ aud: 'reslot-web' })],
  ['for no audience', () => sign({ aud: undefined })],
  ['of another type', () => sign({}, { typ: 'JWT' })],
  ['of no type', () => sign({}, { typ: undefined })],
  ['that has expired', () => sign({ iat: seconds() - 700, exp: seconds() - 1 })],
  ['that never expires', () => sign({ exp: undefined })],
  ['that does not say when it was issued', () => sign({ iat: undefined })],
  ['that is not valid yet', () => sign({ nbf: seconds() + 60 })],
  ['of nobody', () => sign({ sub: undefined })],
  ['of somebody who does not exist', () => sign({ sub: '0197a000-0000-7000-8000-00000000dead' })],
  ['of a user that is no identifier', () => sign({ sub: `${world.admin}' or true --` })],
  ['of no session', () => sign({ sid: undefined })],
  ['of somebody else’s session', () => sign({ sub: world.stranger })],
  [
    'that demands what the server does not know',
    () =>
      sign({}, { crit: ['urn:x'], 'urn:x': true }).catch(() =>
        hmac({ ...HEAD, crit: ['urn:x'], 'urn:x': true }, good.parts[1], serverKey()),
      ),
  ],
];

test('the token that all of these are made from is good', async () => {
  const { data, errors } = await bear(good.token);
  expect(errors).toEqual([]);
  expect(data?.viewer).toEqual({ id: world.admin, isAdmin: true });
  expect(isTurnedAway(await bear(await sign({})))).toBe(false);
});

describe('turned away is a token', () => {
  test.each(FORGED)('%s', async (_what, forge) => {
    const token = await forge();
    expect({ token, turnedAway: isTurnedAway(await bear(token)) }).toEqual({
      token,
      turnedAway: true,
    });
  });
});

test('what a token claims beside who it is does not make its bearer anything', async () => {
  await world.tokenFor(world.customer);
  const own = (await world.tokenFor(world.customer)).split('.')[1] ?? '';
  const claims = JSON.parse(Buffer.from(own, 'base64url').toString());
  const more = { role: 'reslot_admin', is_admin: true, scope: 'admin' };
  const { data } = await bear(await sign({ ...claims, ...more }));
  expect(data).toEqual({
    viewer: { id: world.customer, isAdmin: false },
    users: { totalCount: 1 },
  });
});

describe('a header is not read as a token', () => {
  test.each([
    ['of another scheme', (token: string) => `Basic ${token}`],
    ['without a scheme', (token: string) => token],
    ['with two tokens', (token: string) => `Bearer ${token}, Bearer ${token}`],
    ['with more after the token', (token: string) => `Bearer ${token} x`],
    ['with an empty token', () => 'Bearer '],
  ])('%s', async (_what, header) => {
    const answer = await world.post(QUERY, { authorization: header(good.token) });
    expect(isTurnedAway(answer)).toBe(true);
  });
});
