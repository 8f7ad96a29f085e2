/** The same values, leading to nothing that exists. */
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;
const NOWHERE = '0197a000-0000-7000-8000-00000000dead';

const OF_WORDS: Readonly<Record<string, string>> = {
  slug: 'no-such-organisation',
  token: 'A'.repeat(22),
  refreshToken: 'A'.repeat(43),
};

let nobodies = 0;

/** Each time somebody else, for addresses are locked after some failures. */
function nobody(): string {
  nobodies += 1;
  return `nobody${nobodies}@example.com`;
}

/** Likewise. */
function noReference(): string {
  nobodies += 1;
  return `RS-20300604-${String(nobodies).padStart(6, 'A')}`;
}

export function absent<T>(values: T): T {
  return replaced(values, '') as T;
}

function replaced(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((item) => replaced(item, name));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([inner, item]) => [inner, replaced(item, inner)]),
    );
  }
  if (typeof value !== 'string') return value;
  if (/^email/.test(name)) return nobody();
  if (name === 'reference') return noReference();
  if (name === 'nodeId') return nodeIdOfNothing(value);
  return UUID.test(value) ? NOWHERE : (OF_WORDS[name] ?? value);
}

function nodeIdOfNothing(nodeId: string): string {
  const [type, ...key] = JSON.parse(Buffer.from(nodeId, 'base64').toString()) as string[];
  return Buffer.from(JSON.stringify([type, ...key.map(() => NOWHERE)])).toString('base64');
}
