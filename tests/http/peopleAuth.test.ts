import { createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { SignJWT } from 'jose';
import { noRefreshCookie, readRefreshCookie, refreshCookie } from '../../src/auth/cookies.ts';
import { createGate } from '../../src/auth/gate.ts';
import { hashPassword, passwordMatches } from '../../src/auth/passwords.ts';
import { createTokens, hashToken } from '../../src/auth/tokens.ts';

const SECRET = 'a secret of the tests, long enough for it';
const SESSION = {
  userId: '019ac000-0000-7000-8000-000000000001',
  sessionId: '019ac000-0000-7000-8000-000000000002',
};

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
}

describe('a password', () => {
  test('is hashed by Argon2id at OWASP’s cost, each time differently', async () => {
    const [one, two] = [await hashPassword('correct horse'), await hashPassword('correct horse')];
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    expect(await passwordMatches(one, 'correct horse')).toBe(true);
    expect(await passwordMatches(one, 'correct hors')).toBe(false);
  });

  test('is the same however its accents are typed', async () => {
    const hash = await hashPassword('caf\u00e9 au lait');
    expect(await passwordMatches(hash, 'cafe\u0301 au lait')).toBe(true);
  });

  test.each([
    ['7 characters', 'sevench'],
    ['201 characters', 'x'.repeat(201)],
    ['only spaces', ' '.repeat(12)],
    ['NUL in it', 'with\0a NUL'],
  ])('with %s is refused', async (_what, password) => {
    expect(await codeOf(hashPassword(password))).toBe('RSARG');
  });

  test.each([
    ['8 characters', 'eightcha'],
    ['200 letters beyond the basic plane', '𝔞'.repeat(200)],
  ])('with %s will do', async (_what, password) => {
    expect(await passwordMatches(await hashPassword(password), password)).toBe(true);
  });

  test('of an account that does not exist never matches, and takes as long', async () => {
    const hash = await hashPassword('correct horse');
    await passwordMatches(null, 'warm up');
    const time = async (stored: string | null) => {
      const started = performance.now();
      expect(await passwordMatches(stored, 'wrong')).toBe(false);
      return performance.now() - started;
    };
    // The best of several: whatever else the machine does only makes them longer.
    const best = { known: Number.POSITIVE_INFINITY, unknown: Number.POSITIVE_INFINITY };
    for (let n = 0; n < 6; n++) {
      best.known = Math.min(best.known, await time(hash));
      best.unknown = Math.min(best.unknown, await time(null));
    }
    expect(best.unknown / best.known).toBeGreaterThan(0.5);
    expect(best.unknown / best.known).toBeLessThan(2);
    expect(await passwordMatches(null, 'a password that nobody has')).toBe(false);
  });
});

describe('the gate before the hashing', () => {
  test('lets as many through as it may, keeps some waiting and refuses the rest', async () => {
    const through = createGate(2, 3);
    let running = 0;
    let most = 0;
    const work = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return 'done';
    };
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () => through(work).catch((error: { code: string }) => error.code)),
    );
    expect(most).toBe(2);
    expect(outcomes.toSorted()).toEqual([...Array(3).fill('RSBSY'), ...Array(5).fill('done')]);
    expect(await through(work)).toBe('done');
  });
});

describe('an access token', () => {
  const tokens = createTokens(SECRET);
  const key = (token: string) => codeOf(tokens.readAccess(token));
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

  test('says who is calling for ten minutes', async () => {
    const { token, expiresAt } = await tokens.issueAccess(SESSION);
    expect(await tokens.readAccess(token)).toEqual(SESSION);
    const seconds = (expiresAt.getTime() - Date.now()) / 1000;
    expect(Math.abs(seconds - 600)).toBeLessThan(3);
  });

  test('of another key, altered, unsigned or cut is refused', async () => {
    const { token } = await tokens.issueAccess(SESSION);
    const [header, payload, signature] = token.split('.');
    const other = await createTokens(`${SECRET}!`).issueAccess(SESSION);
    const none = `${encode({ alg: 'none', typ: 'at+jwt' })}.${payload}.`;
    const flipped = `${header}.${payload}.${signature?.startsWith('A') ? 'B' : 'A'}${signature?.slice(1)}`;
    for (const bad of [other.token, none, flipped, `${header}.${payload}`, 'x', '']) {
      expect([bad, await key(bad)]).toEqual([bad, 'RSAUT']);
    }
  });

  test('signed with the secret itself instead of a key made from it is refused', async () => {
    const head = encode({ alg: 'HS256', typ: 'at+jwt' });
    const now = Math.floor(Date.now() / 1000);
    const body = encode({
      sub: SESSION.userId,
      sid: SESSION.sessionId,
      iss: 'reslot',
      aud: 'reslot-api',
      iat: now,
      exp: now + 600,
    });
    const signature = createHmac('sha256', SECRET).update(`${head}.${body}`).digest('base64url');
    expect(await key(`${head}.${body}.${signature}`)).toBe('RSAUT');
  });

  test('with the wrong type, issuer, audience, subject, algorithm or time is refused', async () => {
    const { hkdfSync } = await import('node:crypto');
    const signingKey = Buffer.from(hkdfSync('sha256', SECRET, '', 'reslot access tokens', 32));
    const now = Math.floor(Date.now() / 1000);
    const good = { sub: SESSION.userId, sid: SESSION.sessionId, iss: 'reslot', aud: 'reslot-api' };
    const sign = (claims: object, header: { alg?: string; typ?: string } = {}) =>
      new SignJWT({ ...good, iat: now, exp: now + 60, ...claims })
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...header })
        .sign(signingKey);
    expect(await tokens.readAccess(await sign({}))).toEqual(SESSION);
    const bad = [
      sign({ iss: 'somebody' }),
      sign({ aud: 'something' }),
      sign({ sub: 'not-an-id' }),
      sign({ sid: undefined }),
      sign({ exp: now - 1 }),
      sign({ exp: undefined }),
      sign({}, { typ: 'JWT' }),
      sign({}, { alg: 'HS512' }),
    ];
    for (const token of bad) expect(await key(await token)).toBe('RSAUT');
  });
});

describe('a refresh token', () => {
  const tokens = createTokens(SECRET);

  test('is random, and its successor follows from it and the server’s key alone', () => {
    const token = tokens.newRefresh();
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(tokens.newRefresh()).not.toBe(token);
    expect(tokens.successorOf(token)).toBe(createTokens(SECRET).successorOf(token));
    expect(tokens.successorOf(token)).not.toBe(createTokens(`${SECRET}!`).successorOf(token));
    expect(hashToken(token)).toHaveLength(32);
  });

  test('lies in a cookie that scripts and other sites cannot use', () => {
    const token = tokens.newRefresh();
    const cookie = refreshCookie(token, { secure: true });
    expect(cookie).toBe(
      `reslot_refresh=${token}; Path=/graphql; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure`,
    );
    expect(refreshCookie(token, { secure: false })).not.toContain('Secure');
    expect(noRefreshCookie({ secure: true })).toContain('Max-Age=0');
  });

  test('is found among other cookies, and nothing else is taken for it', () => {
    const token = tokens.newRefresh();
    expect(readRefreshCookie(`a=b; reslot_refresh=${token}; c=d`)).toBe(token);
    expect(readRefreshCookie(`x_reslot_refresh=${token}`)).toBeUndefined();
    expect(readRefreshCookie('reslot_refresh=short')).toBeUndefined();
    expect(readRefreshCookie(undefined)).toBeUndefined();
  });
});
