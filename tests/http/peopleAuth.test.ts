import { describe, expect, test } from '@jest/globals';
import { verify } from '@node-rs/argon2';
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

  test('of an account that does not exist never matches, after the same work', async () => {
    const hash = await hashPassword('correct horse');
    // What is compared with what; the comparison itself is the real one.
    const compared: [hash: string, password: string][] = [];
    const compare = (stored: string, password: string) => {
      compared.push([stored, password]);
      return verify(stored, password);
    };
    for (const stored of [hash, null]) {
      expect(await passwordMatches(stored, 'wrong', compare)).toBe(false);
    }
    const [known, unknown, ...more] = compared;
    expect(more).toEqual([]);
    expect(unknown?.[1]).toBe(known?.[1]);
    // Algorithm and cost; the salt and the hash differ.
    const cost = (stored: string | undefined) => stored?.split('$').slice(0, 4);
    expect(cost(unknown?.[0])).toEqual(cost(known?.[0]));
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

  test('says who is calling for ten minutes', async () => {
    const { token, expiresAt } = await tokens.issueAccess(SESSION);
    expect(await tokens.readAccess(token)).toEqual(SESSION);
    const seconds = (expiresAt.getTime() - Date.now()) / 1000;
    expect(Math.abs(seconds - 600)).toBeLessThan(3);
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
