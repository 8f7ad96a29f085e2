/** Who calls, and what of the matrix says who may. */

/** Whoever the server takes for somebody, or for nobody. */
export const LIVE = [
  'anonymous',
  /** Whose row it is: the customer who booked, waits and is told. */
  'customer',
  /** An account that has nothing to do with it. */
  'other',
  /** Manages another offering of the same organisation. */
  'keeper',
  /** Serves it: a provider, whose resource it takes. */
  'provider',
  'manager',
  /** Owns the organisation. */
  'head',
  /** Owns another organisation. */
  'foreign',
  'admin',
] as const;

/** Whose credentials are over, or were never any: refused, whatever they ask for. */
export const DEAD = ['deactivated', 'expired', 'link'] as const;

export type Live = (typeof LIVE)[number];
export type Dead = (typeof DEAD)[number];

/** What a caller meets: it is done or shown, there is nothing, or a code with which it is refused. */
export type Verdict = string;
export type Rule = Readonly<Record<Live, Verdict>>;

/** Who may; what the others meet; and what those meet who have not signed in, if something else. */
export function may(who: string, others: Verdict = 'nothing', anonymous: Verdict = 'RSAUT'): Rule {
  const allowed = who.split(' ');
  const unknown = allowed.filter((name) => !LIVE.includes(name as Live));
  if (unknown.length > 0) throw new Error(`There is no such caller: ${unknown.join(', ')}`);
  const verdict = (caller: Live) => {
    if (allowed.includes(caller)) return 'yes';
    return caller === 'anonymous' ? anonymous : others;
  };
  return Object.fromEntries(LIVE.map((caller) => [caller, verdict(caller)])) as Rule;
}

export const ACCOUNTS = 'customer other keeper provider manager head foreign admin';

export const EVERYBODY = may(`anonymous ${ACCOUNTS}`);
export const SIGNED_IN = may(ACCOUNTS);
/** The customer, and who manages what was booked. */
export const CONCERNED = 'customer manager head admin';
export const MANAGERS = 'manager head admin';

/** The words of a list that is written as text. */
export const words = (text: string): string[] => text.trim().split(/\s+/).filter(Boolean);
