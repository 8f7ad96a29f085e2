/**
 * The proof that a POST comes from a page this server has shown, some time ago and not long ago. It
 * is stateless: any server with the same key can check it. It is bound to the token, to the page
 * (the first one, or the one that asks again) and to what the page showed.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export type Stage = 'shown' | 'asked';

type Bound = {
  token: string;
  /** What the page showed; if that has changed, the page has to be looked at again. */
  shown: string;
};

export type NonceCheck =
  | { outcome: 'good'; stage: Stage; ageMs: number }
  | { outcome: 'bad' | 'quick' | 'old' };

export type NonceMaker = {
  issue(stage: Stage, bound: Bound): string;
  check(nonce: string | undefined, bound: Bound): NonceCheck;
};

type Options = {
  secretKey: string;
  minDwellMs: number;
  maxAgeMs: number;
  now?: () => number;
};

const FORM = /^(shown|asked)\.([0-9a-z]{1,11})\.([\w-]{43})$/;

export function createNonces(options: Options): NonceMaker {
  const now = options.now ?? Date.now;
  const key = createHmac('sha256', options.secretKey).update('nonces of link pages').digest();
  const sign = (stage: Stage, issued: string, { token, shown }: Bound) =>
    createHmac('sha256', key).update([stage, issued, token, shown].join('\n')).digest();

  return {
    issue: (stage, bound) => {
      const issued = now().toString(36);
      return `${stage}.${issued}.${sign(stage, issued, bound).toString('base64url')}`;
    },
    check: (nonce, bound) => {
      const parts = FORM.exec(nonce ?? '');
      if (!parts) return { outcome: 'bad' };
      const [stage, issued, mac] = parts.slice(1) as [Stage, string, string];
      const given = Buffer.from(mac, 'base64url');
      const right = sign(stage, issued, bound);
      if (given.length !== right.length || !timingSafeEqual(given, right)) {
        return { outcome: 'bad' };
      }
      const ageMs = now() - Number.parseInt(issued, 36);
      if (ageMs < options.minDwellMs) return { outcome: 'quick' };
      if (ageMs > options.maxAgeMs) return { outcome: 'old' };
      return { outcome: 'good', stage, ageMs };
    },
  };
}
