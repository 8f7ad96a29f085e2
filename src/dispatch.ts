import type { Pool } from 'pg';
import { log } from './log.ts';

export interface Dispatcher {
  /** Asks for a dispatch soon. Any number of requests during one dispatch lead to one more. */
  request(): void;
  /** Ends the interval and waits for the dispatch under way. */
  stop(): Promise<void>;
}

const QUIET_AFTER_ERROR_MS = 60_000;
const RECOVER_EVERY_MS = 2_000;

/** So many in a row that found nothing make a quiet time, in which every other tick of the interval is left out. */
const QUIET_AFTER = 8;

/** So far ahead deadlines are queued (dispatch in SQL); whoever looks more seldom finds some of them late. */
const HORIZON_MS = 1_000;

/** How much one dispatch does at most; there may be more. */
const FULL_BATCH = 1_000;

/**
 * Turns what has become due into jobs. Callers of the API never queue jobs in their own transaction;
 * this runs afterwards, in one of its own, and never twice at once in a process. With an interval it
 * runs by itself, half as often while nothing happens (deadlines are queued a second ahead, so none is late for it), and
 * now and then looks for what dead workers or a lost queue have left behind.
 */
export function createDispatcher(pool: Pick<Pool, 'query'>, intervalMs?: number): Dispatcher {
  const state = {
    running: null as Promise<void> | null,
    again: false,
    stopped: false,
    recoverAt: intervalMs === undefined ? Number.POSITIVE_INFINITY : 0,
    quietUntil: 0,
    foundNothing: 0,
    ticks: 0,
  };

  const runOnce = async () => {
    const recover = Date.now() >= state.recoverAt;
    try {
      const { rows } = await pool.query<{ done: number }>(
        'select app_private.dispatch($1) as done',
        [recover],
      );
      if (recover) state.recoverAt = Date.now() + RECOVER_EVERY_MS;
      const done = rows[0]?.done ?? 0;
      if (done >= FULL_BATCH) state.again = true;
      state.foundNothing = done > 0 ? 0 : state.foundNothing + 1;
    } catch (error) {
      if (Date.now() < state.quietUntil) return;
      // The database being away is told once a minute, not at every tick.
      state.quietUntil = Date.now() + QUIET_AFTER_ERROR_MS;
      log.warn('dispatch failed; it is tried again', { error });
    }
  };

  const runWhileAsked = async () => {
    do {
      state.again = false;
      await runOnce();
    } while (state.again && !state.stopped);
    state.running = null;
  };

  const request = () => {
    if (state.stopped) return;
    if (state.running) state.again = true;
    else state.running = runWhileAsked();
  };

  const mayRest = 2 * (intervalMs ?? 0) <= HORIZON_MS;
  const tick = () => {
    state.ticks += 1;
    const rests = mayRest && state.foundNothing >= QUIET_AFTER;
    if (!rests || state.ticks % 2 === 0) request();
  };
  const timer = intervalMs === undefined ? undefined : setInterval(tick, intervalMs);
  return {
    request,
    stop: async () => {
      state.stopped = true;
      clearInterval(timer);
      await state.running;
    },
  };
}
