/**
 * How often one address and one user may ask. Counted in each process for itself: this protects the
 * server. What must hold exactly (sign-in attempts, bookings a day) is counted in the database.
 */
import type { Response } from 'express';
import { ipKeyGenerator } from 'express-rate-limit';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { ERRORS } from '../errors.ts';
import { sendRefusal } from './respond.ts';

export interface RateOptions {
  /** Requests a minute. An address may be that of a whole company. */
  address: number;
  user: number;
}

export const USUAL_RATES: RateOptions = { address: 1_200, user: 600 };

/**
 * Some requests are more work than others, and count as more. What is refused as a whole was read and
 * checked, and is seldom sent by mistake; what has many fields is planned, a fifth of a millisecond each.
 */
export const WEIGHT = { refused: 10, fieldsOfOne: 50 };

export interface Rates {
  /** Counts a request; returns the seconds to wait if it is one too many. */
  ofAddress(ip: string | null): Promise<number | null>;
  ofUser(userId: string): Promise<number | null>;
  /** Counts a request that has been admitted as so many more. */
  more(ip: string | null, userId: string | null, count: number): void;
}

/** What counts as one address: with IPv6 whoever has one has 2^72 of them (a /56). */
export function networkOf(ip: string | null): string {
  return ip === null ? 'unknown' : ipKeyGenerator(ip);
}

export function createRates({ address, user }: RateOptions): Rates {
  const addresses = new RateLimiterMemory({ points: address, duration: 60 });
  const users = new RateLimiterMemory({ points: user, duration: 60 });
  return {
    ofAddress: (ip) => consume(addresses, networkOf(ip)),
    ofUser: (userId) => consume(users, userId),
    more: (ip, userId, count) => {
      void addresses.penalty(networkOf(ip), count);
      if (userId !== null) void users.penalty(userId, count);
    },
  };
}

async function consume(limiter: RateLimiterMemory, key: string): Promise<number | null> {
  try {
    await limiter.consume(key);
    return null;
  } catch (refused) {
    if (!(refused instanceof RateLimiterRes)) throw refused;
    return Math.max(1, Math.ceil(refused.msBeforeNext / 1000));
  }
}

export function sendTooMany(response: Response, retryAfterSeconds: number): void {
  response.setHeader('Retry-After', String(retryAfterSeconds));
  sendRefusal(response, 429, 'RSRAT', ERRORS.RSRAT.sentence, { retryAfterSeconds });
}
