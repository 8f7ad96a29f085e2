/**
 * Which pages may use the API from a browser: our own, and the front ends of the organisations. A
 * request that names no origin comes from no page, and is nobody's session but its token's. Others
 * are refused before they are read, so that no page can act for a visitor of another (CSRF); that
 * only JSON is taken, and cookies are SameSite, stands behind it.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import type { Pool } from 'pg';
import { log } from '../log.ts';
import { sendRefusal } from './respond.ts';

const FRESH_MS = 30_000;

/** Without the usual port and in ASCII: `https://bücher.example:443` is `https://xn--bcher-kva.example`. */
function asBrowsersWriteIt(origin: string): string {
  return URL.parse(origin)?.origin ?? origin;
}

export interface Origins {
  allows(request: Pick<IncomingMessage, 'headers'>): Promise<boolean>;
  middleware: RequestHandler;
}

export function createOrigins(pool: Pool, publicUrl: string): Origins {
  const own = new URL(publicUrl).origin;
  let known: { origins: Promise<Set<string>>; until: number } | null = null;

  const load = async (): Promise<Set<string>> => {
    const { rows } = await pool.query<{ origin: string }>(
      'select o as origin from app_private.front_end_origins() o',
    );
    return new Set(rows.map(({ origin }) => asBrowsersWriteIt(origin)));
  };

  const frontEnds = async (): Promise<Set<string>> => {
    if (!known || known.until < Date.now()) {
      const previous = known?.origins ?? Promise.resolve(new Set<string>());
      const origins = load().catch((error) => {
        log.warn('the front-end addresses cannot be read', { error });
        return previous;
      });
      known = { origins, until: Date.now() + FRESH_MS };
    }
    return known.origins;
  };

  const allows: Origins['allows'] = async ({ headers }) => {
    const { origin, host } = headers;
    if (origin === undefined || origin === own) return true;
    const parsed = URL.parse(origin);
    // A page of this very server, by whatever name it was reached.
    if (parsed && host !== undefined && parsed.host === host) return true;
    return (await frontEnds()).has(origin.toLowerCase());
  };

  const middleware: RequestHandler = async (request, response, next) => {
    response.vary('Origin');
    const { origin } = request.headers;
    if (!(await allows(request))) {
      const message =
        'Pages of this origin may not use the API. It has to be the front-end URL of an organisation.';
      sendRefusal(response, 403, 'RSARG', message);
      return;
    }
    if (origin !== undefined) {
      response.setHeader('Access-Control-Allow-Origin', origin);
      response.setHeader('Access-Control-Allow-Credentials', 'true');
    }
    if (request.method !== 'OPTIONS') {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Methods', 'POST');
    response.setHeader('Access-Control-Allow-Headers', 'Authorization, Content-Type');
    response.setHeader('Access-Control-Max-Age', '600');
    response.status(204).end();
  };

  return { allows, middleware };
}
