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

/** A request that is refused as a whole counts as so many: finding out what is wrong was work as well. */
export const REFUSED_COUNTS = 10;

export interface Rates {
  /** Counts a request; returns the seconds to wait if it is one too many. */
  ofAddress(ip: string | null): Promise<number | null>;
  ofUser(userId: string): Promise<number | null>;
  /** The request that was just counted has been refused. */
  wasRefused(ip: string | null, userId: string | null): void;
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
    wasRefused: (ip, userId) => {
      void addresses.penalty(ip ?? 'unknown', REFUSED_COUNTS - 1);
      if (userId !== null) void users.penalty(userId, REFUSED_COUNTS - 1);
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
