/** Who is in the demo. */
import type { Stage } from './stage.ts';

export const DEMO_PASSWORD = 'demo-password';

export const EMAIL = (name: string): string => `${name}@demo.example`;

interface Person {
  fullName: string;
  /** As said to the person who starts the demo. */
  is: string;
  locale?: string;
}

/** The hundreds of the last group say what an id is of, so that documents can name them. */
export const demoId = (number: number): string =>
  `01980000-0000-7000-8000-${String(number).padStart(12, '0')}`;

export const PEOPLE = {
  admin: { fullName: 'Ada Admin', is: 'operator of the platform' },
  olga: { fullName: 'Olga Berger', is: 'owner of Riverside Halls' },
  max: { fullName: 'Max Hofer', is: 'manager of all of Riverside Halls' },
  hanna: { fullName: 'Hanna Wolf', is: 'manager of the Town Hall only' },
  paul: { fullName: 'Paul Egger', is: 'teaches and tunes pianos at Riverside Halls' },
  mira: { fullName: 'Mira Kapoor', is: 'owner of Meridian Venues' },
  anna: { fullName: 'Anna Lind', is: 'customer' },
  ben: { fullName: 'Ben Okoro', is: 'customer' },
  chris: { fullName: 'Chris Maier', is: 'customer, reads German', locale: 'de' },
  dora: { fullName: 'Dora Nagy', is: 'deactivated, cannot sign in' },
} as const satisfies Record<string, Person>;

export type Name = keyof typeof PEOPLE;

const names = Object.keys(PEOPLE) as Name[];

export const userId = (name: Name): string => demoId(100 + names.indexOf(name));

/** Accounts are made directly: signing up would need somebody to open the mails. */
export async function createPeople(stage: Stage, passwordHash: string): Promise<void> {
  await stage.moveTo(stage.daysAgo(20));
  for (const name of names) {
    const person: Person = PEOPLE[name];
    await stage.query(
      `insert into app_public.users (id, email, email_verified_at, name, locale, is_admin, deactivated_at)
       select $1, $2, n.at, $3, $4, $5, case when $6 then n.at end
       from app_private.clock() as n (at)`,
      [
        userId(name),
        EMAIL(name),
        person.fullName,
        person.locale ?? null,
        name === 'admin',
        name === 'dora',
      ],
    );
    await stage.query(
      'insert into app_private.user_secrets (user_id, password_hash) values ($1, $2)',
      [userId(name), passwordHash],
    );
  }
}
