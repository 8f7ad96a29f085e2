/**
 * Two kinds of token. The access token is a JWT of ten minutes, sent with each request. The refresh
 * token is opaque, stored as a hash only, used once and replaced by a keyed hash of itself: asked
 * twice at once, the server gives the same successor, and a session never splits into two.
 */
import { createHash, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import { Refusal } from './refusal.ts';

export interface Session {
  userId: string;
  sessionId: string;
}

export interface AccessToken {
  token: string;
  expiresAt: Date;
}

export interface Tokens {
  issueAccess(session: Session): Promise<AccessToken>;
  /** Throws RSAUT for a token that is not ours, altered or expired. */
  readAccess(token: string): Promise<Session>;
  newRefresh(): string;
  successorOf(refreshToken: string): string;
}

const ISSUER = 'reslot';
const AUDIENCE = 'reslot-api';
const ALGORITHM = 'HS256';
const TYPE = 'at+jwt';
const ACCESS_SECONDS = 600;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** What the database keeps of a refresh token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

export function createTokens(secretKey: string): Tokens {
  const keyFor = (purpose: string) => Buffer.from(hkdfSync('sha256', secretKey, '', purpose, 32));
  const accessKey = keyFor('reslot access tokens');
  const refreshKey = keyFor('reslot refresh tokens');
  return {
    issueAccess: (session) => issueAccess(accessKey, session),
    readAccess: (token) => readAccess(accessKey, token),
    newRefresh: () => randomBytes(32).toString('base64url'),
    successorOf: (token) => createHmac('sha256', refreshKey).update(token).digest('base64url'),
  };
}

async function issueAccess(key: Uint8Array, session: Session): Promise<AccessToken> {
  const issuedAt = Math.floor(Date.now() / 1000);
  const expiresAt = issuedAt + ACCESS_SECONDS;
  const token = await new SignJWT({ sid: session.sessionId })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .setSubject(session.userId)
    .setIssuer(ISSUER)
    .setAudience(AUDIENCE)
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(key);
  return { token, expiresAt: new Date(expiresAt * 1000) };
}

async function readAccess(key: Uint8Array, token: string): Promise<Session> {
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: AUDIENCE,
      typ: TYPE,
      requiredClaims: ['sub', 'sid', 'iat', 'exp'],
    });
    const { sub, sid } = payload;
    if (sub && UUID.test(sub) && typeof sid === 'string' && UUID.test(sid)) {
      return { userId: sub, sessionId: sid };
    }
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
  }
  throw new Refusal('RSAUT', 'Your sign-in has expired. Please refresh it or sign in again.');
}
