/** How much one address may ask for. Guessing a token is hopeless anyway; this keeps load off. */
import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';

export type Limits = {
  /** Least time between showing a page and pressing its button. */
  minDwellMs: number;
  /** A page open for longer is shown anew. */
  maxAgeMs: number;
  requestsPerMinute: number;
  /** Tokens that do not exist. */
  unknownPerTenMinutes: number;
};

export const LIMITS: Limits = {
  minDwellMs: 800,
  maxAgeMs: 60 * 60_000,
  // Mail gateways of large organisations fetch links of many people from one address.
  requestsPerMinute: 240,
  unknownPerTenMinutes: 60,
};

export function limitByAddress(limits: Limits, refuse: RequestHandler): RequestHandler[] {
  const common = {
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    handler: refuse,
    // Anybody can send X-Forwarded-For; without TRUST_PROXY it means nothing, and is no news.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
  } as const;
  return [
    rateLimit({ ...common, windowMs: 60_000, limit: limits.requestsPerMinute }),
    rateLimit({
      ...common,
      windowMs: 600_000,
      limit: limits.unknownPerTenMinutes,
      skipSuccessfulRequests: true,
      requestWasSuccessful: (_request, response) => response.statusCode !== 404,
    }),
  ];
}
