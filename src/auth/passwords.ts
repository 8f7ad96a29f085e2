import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { createGate } from './gate.ts';
import { Refusal } from './refusal.ts';

const SHORTEST = 8;
const LONGEST = 200;

/** OWASP's minimum for Argon2id, which is also the package's default algorithm. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

const through = createGate(Math.max(1, availableParallelism()), 100);

/** What unknown accounts are compared with, so that they take as long as known ones. */
let decoy: Promise<string> | undefined;

/** The form that is hashed: the same password typed on two systems is the same sequence of bytes. */
function normalised(password: string): string {
  return password.normalize('NFC');
}

/** Refuses a password that is too short or too long; no rules about kinds of characters. */
export function checkNewPassword(password: string): void {
  const length = [...normalised(password)].length;
  if (length < SHORTEST || length > LONGEST) {
    throw new Refusal('RSARG', `A password has ${SHORTEST} to ${LONGEST} characters.`);
  }
  if (password.trim() === '' || password.includes('\0')) {
    throw new Refusal('RSARG', 'A password cannot consist of spaces or contain NUL characters.');
  }
}

export async function hashPassword(password: string): Promise<string> {
  checkNewPassword(password);
  return through(() => hash(normalised(password), COST));
}

/** Whether the password is the one of the hash; without a hash it takes as long and is false. */
export async function passwordMatches(
  passwordHash: string | null,
  password: string,
  compare: (hash: string, password: string) => Promise<boolean> = verify,
): Promise<boolean> {
  return through(async () => {
    decoy ??= hash('a password that nobody has', COST);
    const candidate = normalised(password).slice(0, 4 * LONGEST);
    const matches = await compare(passwordHash ?? (await decoy), candidate);
    return matches && passwordHash !== null;
  });
}
