/**
 * The registry of errors that clients may see: five characters, the sentence when the place that
 * raises it has none of its own, and what it means. docs/errors.md shows it to people, and a test
 * holds the two and the codes that the migrations raise together.
 */
export interface RegisteredError {
  sentence: string;
  meaning: string;
}

export const ERRORS = {
  RSAUT: {
    sentence: 'Please sign in first.',
    meaning: 'Nobody is signed in, or the session is over. Refresh it or sign in again.',
  },
  RSVER: {
    sentence: 'Please confirm your e-mail address first; we can send the link again.',
    meaning: 'The account exists, but its address has not been proven yet.',
  },
  RSCRD: {
    sentence: 'That is not right.',
    meaning: 'Wrong credentials: address, password or link. It does not say which.',
  },
  RSNTF: {
    sentence: 'There is nothing like this that you may see or change.',
    meaning: 'It does not exist, or it is not yours; the two look the same.',
  },
  RSARG: {
    sentence: 'Something in the request cannot be used.',
    meaning:
      'A value is missing, malformed, out of bounds, or the request as a whole is not valid or too large. `details` says what, where that is known.',
  },
  RSTIM: {
    sentence: 'This time cannot be booked.',
    meaning:
      'The time is past, outside opening hours, too near, too far, too short, too long, or does not exist (clocks going forward); or what it is for is not offered any more.',
  },
  RSBLK: {
    sentence: 'Nothing can be booked at this time.',
    meaning:
      'A blackout covers the time; or bookings stand in the way of one, then `details` lists them.',
  },
  RSFUL: {
    sentence: 'This has just been taken.',
    meaning:
      'There is no room. `details` has the nearest free times, or slots, and whether one may wait.',
  },
  RSAVL: {
    sentence: 'This is free: you can book it now.',
    meaning: 'There is room, so there is no need to wait for it.',
  },
  RSDUP: {
    sentence: 'This exists already.',
    meaning: 'It has been done before, or something with the same name or time exists.',
  },
  RSLIM: {
    sentence: 'You have reached the limit for this.',
    meaning:
      'A limit of the policy, such as bookings or waiting list entries for one day, the size of a party, or the dates of a series.',
  },
  RSEXP: {
    sentence: 'This offer or link is over.',
    meaning: 'The offer was not claimed in time, or the link is used, replaced or too old.',
  },
  RSSTA: {
    sentence: 'This is not possible in the state it is in.',
    meaning: 'The booking, entry or account is in a state that does not allow it (see states.md).',
  },
  RSOFF: {
    sentence: 'This is switched off here.',
    meaning: 'The policy of the offering does not have this, such as a waiting list.',
  },
  RSRAT: {
    sentence: 'Too many requests. Please wait a moment.',
    meaning: 'Asked too often. `details.retryAfterSeconds` says how long to wait.',
  },
  RSBSY: {
    sentence: 'The server is busy. Please try again in a moment.',
    meaning:
      'Somebody else is changing the same thing, or it took too long. Nothing was changed; it was already tried twice. Try again with the same idempotency key.',
  },
  RSINT: {
    sentence: 'Something went wrong on our side.',
    meaning: 'A fault of ours. `details.id` is the number under which it is in the log.',
  },
} as const satisfies Record<string, RegisteredError>;

export type ErrorCode = keyof typeof ERRORS;

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}
