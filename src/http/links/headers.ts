/**
 * What browsers are told about a link page: keep nothing, tell nobody where it was, and load and
 * run nothing but its own style and script.
 */
import type { Response } from 'express';

type Allowed = {
  /** The organisation's logo. */
  logoUrl?: string | undefined;
  /** Where a form may lead on to: browsers hold redirects to this too. */
  leadsTo?: string | undefined;
};

export function setPageHeaders(response: Response, allowed: Allowed = {}): void {
  const images = allowed.logoUrl ? new URL(allowed.logoUrl).origin : "'none'";
  const forms = allowed.leadsTo ? `'self' ${new URL(allowed.leadsTo).origin}` : "'self'";
  response.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': [
      "default-src 'none'",
      "style-src 'self'",
      "script-src 'self'",
      `img-src ${images}`,
      `form-action ${forms}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'X-Robots-Tag': 'noindex, nofollow',
  });
}
