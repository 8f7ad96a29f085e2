/**
 * The refresh token of a browser: out of reach of scripts, sent to the API alone, never along with a
 * request from another site.
 */
const NAME = 'reslot_refresh';
const PATH = '/graphql';
const SECONDS = 30 * 24 * 60 * 60;
const VALUE = /^[\w-]{43}$/;

export interface CookieOptions {
  secure: boolean;
}

function cookie(value: string, seconds: number, options: CookieOptions): string {
  const parts = [`${NAME}=${value}`, `Path=${PATH}`, `Max-Age=${seconds}`, 'HttpOnly'];
  parts.push('SameSite=Strict');
  if (options.secure) parts.push('Secure');
  return parts.join('; ');
}

export function refreshCookie(token: string, options: CookieOptions): string {
  return cookie(token, SECONDS, options);
}

export function noRefreshCookie(options: CookieOptions): string {
  return cookie('', 0, options);
}

export function readRefreshCookie(header: string | undefined): string | undefined {
  for (const pair of header?.split(';') ?? []) {
    const at = pair.indexOf('=');
    if (pair.slice(0, at).trim() !== NAME) continue;
    const value = pair.slice(at + 1).trim();
    if (VALUE.test(value)) return value;
  }
  return undefined;
}
