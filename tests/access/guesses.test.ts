/**
 * Guessing a password: by aliases, by batches, from many addresses, with an address written in many
 * ways, and through what else compares passwords. The account’s own limit holds.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashPassword } from '../../src/auth/passwords.ts';
import { createGraphqlWorld, type GraphqlWorld } from '../http/graphqlWorld.ts';
import { createUser, MONDAY } from '../support/factories.ts';

const GUESSES = process.env.RESLOT_LONG ? 10_000 : 1_000;
const AT_ONCE = 20;
const PER_REQUEST = 5;
const PASSWORD = 'correct horse battery';

let world: GraphqlWorld;
let counter = 0;

beforeAll(async () => {
  // The callers’ addresses are what a proxy says they are.
  world = await createGraphqlWorld({ environment: { TRUST_PROXY: '1' } });
  // Time stands still, so that no lock ends by itself.
  await world.change((db) => db.setClock(MONDAY));
});
afterAll(() => world?.stop());

interface Victim {
  id: string;
  email: string;
}

async function createVictim(): Promise<Victim> {
  counter += 1;
  const email = `søren${counter}@example.com`;
  const hash = await hashPassword(PASSWORD);
  return world.change(async (db) => {
    const id = await createUser(db, 'Søren', { email });
    await db.query(
      'insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)',
      [id, hash],
    );
    return { id, email };
  });
}

/** The same address as people and programs write it. */
function spellings(email: string): string[] {
  return [
    email,
    email.toUpperCase(),
    ` ${email} `,
    email.normalize('NFD'),
    email.replace('example', 'eXample'),
  ];
}

/**
 * Sends guesses, five to a request and many requests at once, each from an address of its own. Of a
 * request only its first failure is told, so what came of them is looked up in the database.
 */
async function guess(
  field: (n: number) => string,
  { token, guesses = GUESSES }: { token?: string; guesses?: number } = {},
): Promise<void> {
  const requests = Array.from({ length: guesses / PER_REQUEST }, (_, n) => n);
  const attacker = async () => {
    for (let n = requests.shift(); n !== undefined; n = requests.shift()) {
      const first = n * PER_REQUEST;
      const fields = Array.from({ length: PER_REQUEST }, (_, k) => `a${k}: ${field(first + k)}`);
      const { code } = await world.post(
        JSON.stringify({ query: `mutation { ${fields.join(' ')} }` }),
        {
          'x-forwarded-for': `10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`,
          ...(token && { authorization: `Bearer ${token}` }),
        },
      );
      expect(['RSCRD', 'RSRAT', undefined]).toContain(code);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, attacker));
}

interface Outcome {
  /** How many passwords were compared; a right one forgets them. */
  compared: number;
  sessions: number;
}

const outcome = ({ id, email }: Victim): Promise<Outcome> =>
  world.change((db) =>
    db.one<Outcome & Record<string, unknown>>(
      `select
         coalesce((select a.failures from app_private.sign_in_attempts a
                   where a.address_hash = sha256(convert_to(app_private.normalise_email($2), 'UTF8'))), 0) as compared,
         (select count(*)::integer from app_private.refresh_tokens t where t.user_id = $1) as sessions`,
      [id, email],
    ),
  );

const hashOf = ({ id }: Victim) =>
  world.change((db) =>
    db.value('select password_hash from app_private.user_secrets where user_id = $1', [id]),
  );

const signIn = (email: string, password: string) =>
  `signIn(input: { email: ${JSON.stringify(email)}, password: ${JSON.stringify(password)} }) { userId }`;

/** Right as soon as nobody can be among the first five any more. */
const guessAt = (n: number) => (n < AT_ONCE * PER_REQUEST ? `wrong horse ${n}` : PASSWORD);

const FIVE = { compared: 5, sessions: 0 };

describe(`${GUESSES.toLocaleString('en')} guesses compare five passwords`, () => {
  test('by aliases, at once, from as many addresses, however the account’s is written', async () => {
    const ann = await createVictim();
    const written = spellings(ann.email);
    await guess((n) => signIn(written[n % written.length] ?? '', guessAt(n)));
    expect(await outcome(ann)).toEqual(FIVE);
  }, 300_000);

  test('also with a stolen session, where the old password is asked for', async () => {
    const ann = await createVictim();
    const token = await world.tokenFor(ann.id);
    const before = await hashOf(ann);
    await guess(
      (n) =>
        `changePassword(input: { oldPassword: "${guessAt(n)}", newPassword: "another horse" }) { accepted }`,
      { token, guesses: 200 },
    );
    expect(await outcome(ann)).toEqual({ compared: 5, sessions: 1 });
    expect(await hashOf(ann)).toBe(before);
    expect((await world.ask(`mutation { ${signIn(ann.email, PASSWORD)} }`)).code).toBe('RSRAT');
  });

  test('and one more when the lock is over, and then none again', async () => {
    const ann = await createVictim();
    await guess((n) => signIn(ann.email, guessAt(n)), { guesses: 200 });
    await world.change((db) => db.setClock('2030-06-03T08:00:31Z'));
    await guess((n) => signIn(ann.email, `wrong horse ${n}`), { guesses: 100 });
    expect(await outcome(ann)).toEqual({ compared: 6, sessions: 0 });
    await world.change((db) => db.setClock(MONDAY));
  });
});

test('in batches nothing is compared at all', async () => {
  const ann = await createVictim();
  const one = { query: `mutation { ${signIn(ann.email, 'wrong horse')} }` };
  const answer = await world.post(JSON.stringify(Array.from({ length: 100 }, () => one)));
  expect(answer).toMatchObject({ status: 400, code: 'RSARG' });
  expect(await outcome(ann)).toEqual({ compared: 0, sessions: 0 });
});

test('meanwhile others sign in with their own password, at the first try', async () => {
  const [ann, ben] = [await createVictim(), await createVictim()];
  const [, answer] = await Promise.all([
    guess((n) => signIn(ann.email, guessAt(n)), { guesses: 200 }),
    world.ask(`mutation { ${signIn(ben.email, PASSWORD)} }`),
  ]);
  expect(answer.errors).toEqual([]);
  expect(await outcome(ann)).toEqual(FIVE);
});

test('without the limit the right password would have been found', async () => {
  const ann = await createVictim();
  await world.change((db) =>
    db.query(`create or replace function app_private.locked_until(attempts app_private.sign_in_attempts)
              returns timestamptz language sql immutable return null::timestamptz`),
  );
  await guess((n) => signIn(ann.email, n < 30 ? `wrong horse ${n}` : PASSWORD), { guesses: 40 });
  expect((await outcome(ann)).sessions).toBeGreaterThan(0);
});
