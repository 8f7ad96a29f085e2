import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hashPassword } from '../../src/auth/passwords.ts';
import { createWorld, openMails } from '../rules/peopleWorld.ts';
import { testDatabase } from '../support/database.ts';
import { ask, type Headers, mutate as mutateOn, servePeople } from './peopleServer.ts';

const PASSWORD = 'correct horse';

let server: Awaited<ReturnType<typeof servePeople>>;
let counter = 0;
let email: string;

beforeAll(async () => {
  server = await servePeople();
  await asOwner((db) => createWorld(db));
});
afterAll(() => server.stop());
beforeEach(() => {
  counter += 1;
  email = `anna${counter}@example.org`;
});

const mutate = (name: string, input?: Record<string, unknown>, headers?: Headers) =>
  mutateOn(server, name, input, headers);

async function asOwner<T>(action: (db: ReturnType<typeof testDatabase>) => Promise<T>): Promise<T> {
  const pool = server.database.pool('owner', 1);
  const client = await pool.connect();
  try {
    await client.query('set search_path = app_public, app_private, public');
    return await action(testDatabase(client));
  } finally {
    client.release();
    await pool.end();
  }
}

const mailsTo = (address: string) => asOwner((db) => openMails(db, address));

async function signUp(): Promise<void> {
  await mutate('signUp', { email, password: PASSWORD, name: 'Anna' });
  const mails = await mailsTo(email);
  await mutate('verifyEmail', { token: mails.account_verify?.verify });
}

async function signIn() {
  const answer = await mutate('signIn', { email, password: PASSWORD });
  if (!answer.data) throw new Error(answer.message);
  return { token: answer.data.accessToken, cookie: cookieOf(answer.cookie) };
}

function cookieOf(header: string | null): string {
  const cookie = header?.split(';')[0];
  if (!cookie) throw new Error('There is no cookie.');
  return cookie;
}

const viewer = (headers: Headers) => ask(server, '{ viewer { email } }', {}, headers);

describe('signing up and in', () => {
  test('takes an address, its proof, and a password', async () => {
    const early = await mutate('signIn', { email, password: PASSWORD });
    expect(early.code).toBe('RSCRD');
    expect(await mutate('signUp', { email, password: PASSWORD })).toMatchObject({
      data: { accepted: true },
    });
    expect((await mutate('signIn', { email, password: PASSWORD })).code).toBe('RSCRD');
    const mails = await mailsTo(email);
    expect(await mutate('verifyEmail', { token: mails.account_verify?.verify })).toMatchObject({
      data: { accepted: true },
    });
    const { token } = await signIn();
    expect(await viewer({ token })).toMatchObject({ data: { email } });
    expect((await mutate('signIn', { email, password: 'wrong horse' })).code).toBe('RSCRD');
  });

  test('answers the same for an address that has an account and one that has none', async () => {
    await signUp();
    const other = `nobody${counter}@example.org`;
    for (const name of ['requestMagicLink', 'requestPasswordReset', 'sendLinksAgain']) {
      const [known, unknown] = [
        await mutate(name, { email }),
        await mutate(name, { email: other }),
      ];
      expect(known).toEqual(unknown);
      expect(known.data).toEqual({ accepted: true });
    }
    const input = { password: PASSWORD };
    expect(await mutate('signUp', { ...input, email })).toEqual(
      await mutate('signUp', { ...input, email: other }),
    );
    const wrong = { password: 'wrong horse' };
    expect(await mutate('signIn', { ...wrong, email })).toEqual(
      await mutate('signIn', { ...wrong, email: other }),
    );
  });

  test('answers not before the time either answer needs, whether or not the address is known', async () => {
    await signUp();
    const time = async (address: string) => {
      const started = performance.now();
      await mutate('requestPasswordReset', { email: address });
      return performance.now() - started;
    };
    const [known, unknown] = [await time(email), await time('nobody@example.org')];
    expect(Math.min(known, unknown)).toBeGreaterThan(240);
  });

  test('tells after five wrong passwords how long to wait, in one request as in many', async () => {
    await signUp();
    const field = (n: number) =>
      `a${n}: signIn(input: {email: "${email}", password: "guess number ${n}"}) { userId }`;
    const guesses = [0, 1, 2, 3, 4, 5].map(field);
    expect((await ask(server, `mutation { ${guesses.slice(0, 3)} }`)).code).toBe('RSCRD');
    for (const guess of guesses.slice(3)) await ask(server, `mutation { ${guess} }`);
    const answer = await mutate('signIn', { email, password: PASSWORD });
    expect(answer.code).toBe('RSRAT');
    expect(answer.details?.retryAfterSeconds).toBeGreaterThan(0);
    await mutate('requestMagicLink', { email });
    const mails = await mailsTo(email);
    const token = mails.account_magic_link?.magic;
    expect((await mutate('signInWithMagicLink', { token })).data).not.toBeNull();
  });

  test.each([
    ['signUp', 'something else', { email: 'no-address', password: PASSWORD }],
    ['signUp', 'a short password', { email: 'a@example.org', password: 'short' }],
    ['signUp', 'NUL in the address', { email: 'nul\0@example.org', password: PASSWORD }],
    ['signUp', 'half a character', { email: 'half\ud800@example.org', password: PASSWORD }],
    [
      'signUp',
      'an endless name',
      { email: 'a@example.org', password: PASSWORD, name: 'x'.repeat(201) },
    ],
    ['requestMagicLink', 'an empty address', { email: '' }],
    ['sendLinksAgain', 'an endless address', { email: `${'x'.repeat(2000)}@example.org` }],
  ])('%s with %s is a bad argument', async (name, _what, input) => {
    expect((await mutate(name, input)).code).toBe('RSARG');
  });

  test.each([
    ['verifyEmail', { token: 'x' }],
    ['signInWithMagicLink', { token: '' }],
    ['resetPassword', { token: 'A'.repeat(22), password: PASSWORD }],
  ])('%s with a token that is none says that the link is over', async (name, input) => {
    expect((await mutate(name, input)).code).toBe('RSEXP');
  });
});

describe('a session', () => {
  test('of a browser lives in a cookie, and the refresh token is not in the answer', async () => {
    await signUp();
    const answer = await mutate('signIn', { email, password: PASSWORD });
    expect(answer.data?.refreshToken).toBeNull();
    expect(answer.cookie).toMatch(
      /^reslot_refresh=[\w-]{43}; Path=\/graphql; Max-Age=2592000; HttpOnly; SameSite=Strict; Secure$/,
    );
    const next = await mutate('refreshSession', {}, { cookie: cookieOf(answer.cookie) });
    expect(next.data?.userId).toBe(answer.data?.userId);
    expect(cookieOf(next.cookie)).not.toBe(cookieOf(answer.cookie));
    expect(await viewer({ token: next.data?.accessToken })).toMatchObject({ data: { email } });
  });

  test('of a program gets its refresh token in the answer, and no cookie', async () => {
    await signUp();
    const input = { email, password: PASSWORD, returnRefreshToken: true };
    const answer = await mutate('signIn', input);
    expect(answer.cookie).toBeNull();
    const { refreshToken } = answer.data ?? {};
    expect(refreshToken).toMatch(/^[\w-]{43}$/);
    const next = await mutate('refreshSession', { refreshToken, returnRefreshToken: true });
    expect(next.data?.refreshToken).toMatch(/^[\w-]{43}$/);
    expect(next.cookie).toBeNull();
  });

  test('is refreshed by two tabs at once, and both go on with the same cookie', async () => {
    await signUp();
    const { cookie } = await signIn();
    const [one, two] = await Promise.all([
      mutate('refreshSession', {}, { cookie }),
      mutate('refreshSession', {}, { cookie }),
    ]);
    expect(cookieOf(one.cookie)).toBe(cookieOf(two.cookie));
    const ahead = await mutate('refreshSession', {}, { cookie: cookieOf(one.cookie) });
    const late = await mutate('refreshSession', {}, { cookie });
    expect(cookieOf(late.cookie)).toBe(cookieOf(ahead.cookie));
  });

  test('ends, access token included, when a used refresh token comes back later', async () => {
    await signUp();
    const { cookie } = await signIn();
    const next = await mutate('refreshSession', {}, { cookie });
    const token = next.data?.accessToken;
    await asOwner((db) =>
      db.query(`update app_private.refresh_tokens set used_at = used_at - interval '1 minute'
                where used_at is not null`),
    );
    const stolen = await mutate('refreshSession', {}, { cookie });
    expect(stolen.code).toBe('RSAUT');
    expect(stolen.cookie).toContain('Max-Age=0');
    expect((await viewer({ token })).code).toBe('RSAUT');
    const honest = await mutate('refreshSession', {}, { cookie: cookieOf(next.cookie) });
    expect(honest.code).toBe('RSAUT');
  });

  test('ends by signing out; the others only by signing out everywhere', async () => {
    await signUp();
    const [one, two, three] = [await signIn(), await signIn(), await signIn()];
    const out = await mutate('signOut', {}, one);
    expect(out).toMatchObject({ data: { accepted: true } });
    expect(out.cookie).toContain('Max-Age=0');
    expect((await viewer({ token: one.token })).code).toBe('RSAUT');
    expect((await mutate('refreshSession', {}, { cookie: one.cookie })).code).toBe('RSAUT');
    expect(await viewer({ token: two.token })).toMatchObject({ data: { email } });
    await mutate('signOutEverywhere', undefined, { token: two.token });
    for (const { token } of [two, three]) expect((await viewer({ token })).code).toBe('RSAUT');
    expect((await mutate('signOut', {}, { cookie: one.cookie })).data).toEqual({ accepted: true });
  });

  test('is not taken from a token that is not valid, nor is its bearer anonymous', async () => {
    for (const token of ['x', 'eyJhbGciOiJub25lIn0.e30.']) {
      expect((await viewer({ token })).code).toBe('RSAUT');
    }
    expect(await viewer({})).toMatchObject({ data: null, code: undefined });
    expect((await mutate('signOutEverywhere')).code).toBe('RSAUT');
    expect((await mutate('refreshSession', {})).code).toBe('RSAUT');
  });

  test('shows where it was begun in the export of one’s data', async () => {
    await signUp();
    const { token } = await signIn();
    const answer = await ask(server, '{ exportMyData }', {}, { token });
    expect(answer.data).toMatchObject({
      account: { email },
      sessions: [{ ip: '127.0.0.1', userAgent: 'node' }],
    });
  });
});

describe('an account that somebody else is changing', () => {
  test('is tried twice and then said to be busy', async () => {
    await signUp();
    const { token } = await signIn();
    await asOwner(async (db) => {
      await db.query('begin');
      await db.query('select from users where email = $1 for update', [email]);
      const answer = await mutate('signOutEverywhere', undefined, { token });
      await db.query('rollback');
      expect(answer.code).toBe('RSBSY');
    });
    expect((await mutate('signOutEverywhere', undefined, { token })).code).toBeUndefined();
  });
});

describe('passwords', () => {
  test('are changed by who knows the old one, and other sessions end', async () => {
    await signUp();
    const [here, there] = [await signIn(), await signIn()];
    const change = (oldPassword: string, newPassword: string, headers: Headers = here) =>
      mutate('changePassword', { oldPassword, newPassword }, headers);
    expect((await change('wrong horse', 'better battery')).code).toBe('RSCRD');
    expect((await change(PASSWORD, 'short')).code).toBe('RSARG');
    expect((await change(PASSWORD, 'better battery', {})).code).toBe('RSAUT');
    expect((await change(PASSWORD, 'better battery')).data).toEqual({ accepted: true });
    expect(await viewer({ token: here.token })).toMatchObject({ data: { email } });
    expect((await viewer({ token: there.token })).code).toBe('RSAUT');
    expect((await mutate('signIn', { email, password: PASSWORD })).code).toBe('RSCRD');
    expect((await mutate('signIn', { email, password: 'better battery' })).data).not.toBeNull();
  });

  test('are reset by a link, once, and all sessions end', async () => {
    await signUp();
    const { token: session } = await signIn();
    await mutate('requestPasswordReset', { email });
    const token = (await mailsTo(email)).account_reset?.reset;
    expect((await mutate('resetPassword', { token, password: 'short' })).code).toBe('RSARG');
    const input = { token, password: 'better battery' };
    expect((await mutate('resetPassword', input)).data).toEqual({ accepted: true });
    expect((await mutate('resetPassword', input)).code).toBe('RSEXP');
    expect((await viewer({ token: session })).code).toBe('RSAUT');
    expect((await mutate('signIn', { email, password: 'better battery' })).data).not.toBeNull();
  });
});

describe('while all there is to hash with is busy', () => {
  /** More than may hash and wait, so that a place that becomes free is taken at once. */
  const MANY = availableParallelism() + 110;
  const whileBusy = async <T>(action: () => Promise<T>): Promise<T> => {
    const state = { over: false };
    const hashes = Array.from({ length: MANY }, async () => {
      while (!state.over) await hashPassword(PASSWORD).catch(() => setImmediate());
    });
    try {
      return await action();
    } finally {
      state.over = true;
      await Promise.all(hashes);
    }
  };
  const ten = (input: (n: number) => Record<string, unknown>, name: string) =>
    whileBusy(() =>
      Promise.all(Array.from({ length: 10 }, async (_, n) => (await mutate(name, input(n))).code)),
    );

  test('a link that is none is refused all the same: nothing is hashed for it', async () => {
    const reset = (n: number) => ({ token: `${n}`.padEnd(22, 'A'), password: 'better battery' });
    expect(await ten(reset, 'resetPassword')).toEqual(Array(10).fill('RSEXP'));
  });

  test('others are told to come again', async () => {
    const signUp = (n: number) => ({ email: `busy-${n}@example.org`, password: PASSWORD });
    expect(await ten(signUp, 'signUp')).toContain('RSBSY');
  });
});

describe('leaving', () => {
  test('by deactivation ends the session at once', async () => {
    await signUp();
    const { token } = await signIn();
    const query = 'mutation { deactivateAccount(input: {}) { result { deactivatedAt } } }';
    const answer = await ask(server, query, {}, { token });
    expect(answer.code).toBeUndefined();
    expect((await viewer({ token })).code).toBe('RSAUT');
    expect((await mutate('signIn', { email, password: PASSWORD })).code).toBe('RSCRD');
  });

  test('by erasure ends it too, and the address can sign up anew', async () => {
    await signUp();
    const { token } = await signIn();
    const query = 'mutation { eraseMe(input: {}) { result { erasedAt } } }';
    expect((await ask(server, query, {}, { token })).code).toBeUndefined();
    expect((await viewer({ token })).code).toBe('RSAUT');
    await signUp();
    await signIn();
  });
});

describe('members', () => {
  test('are set, listed and removed by the owner, and are seen as such', async () => {
    await signUp();
    const organizationId = await asOwner(async (db) => {
      await db.query(
        `insert into memberships (organization_id, user_id, role)
         select o.id, u.id, 'owner' from organizations o, users u where o.slug = 'hall' and u.email = $1`,
        [email],
      );
      return db.value<string>(`select id from organizations where slug = 'hall'`);
    });
    const { token } = await signIn();
    const member = `ben${counter}@example.org`;
    const set = `mutation ($input: SetMemberInput!) { setMember(input: $input) { result { id role } } }`;
    const input = { organizationId, email: member, role: 'MANAGER' };
    expect((await ask(server, set, { input }, { token })).code).toBe('RSNTF');
    const owner = email;
    email = member;
    await signUp();
    const made = await ask(server, set, { input }, { token });
    const id = (made.data?.result as { id: string } | undefined)?.id;
    const list = `query ($id: UUID!) { members(organizationId: $id) { nodes { email role } } }`;
    const listed = await ask(server, list, { id: organizationId }, { token });
    expect(listed.data?.nodes).toEqual([
      { email: owner, role: 'OWNER' },
      { email: member, role: 'MANAGER' },
    ]);
    const remove = `mutation ($id: UUID!) { removeMember(input: {membershipId: $id}) { result { role } } }`;
    const manager = await signIn();
    const own = { token: manager.token };
    expect((await ask(server, set, { input: { ...input, role: 'OWNER' } }, own)).code).toBe(
      'RSNTF',
    );
    expect((await ask(server, remove, { id }, { token })).code).toBeUndefined();
    expect((await ask(server, list, { id: organizationId }, own)).code).toBe('RSNTF');
  });

  test('change their own profile', async () => {
    await signUp();
    const { token } = await signIn();
    const query = `mutation { updateProfile(input: {name: "Anna B.", locale: "de"}) {
      result { name locale phone } } }`;
    const answer = await ask(server, query, {}, { token });
    expect(answer.data?.result).toEqual({ name: 'Anna B.', locale: 'de', phone: null });
    expect((await ask(server, query)).code).not.toBeUndefined();
  });
});
