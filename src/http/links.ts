/**
 * The pages behind the links in mails (`/l/<token>`). GET and HEAD change nothing, ever: mail
 * scanners fetch links. A POST acts once a person was seen. docs/security.md says how far that goes.
 */
import { randomUUID } from 'node:crypto';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';
import type { Pool } from 'pg';
import type { Config } from '../config.ts';
import { log } from '../log.ts';
import { webAddress } from '../mail/clean.ts';
import { LANGUAGES, type Wording, wordingFor } from '../mail/locale.ts';
import { metrics } from '../metrics.ts';
import { serveAssets } from './links/assets.ts';
import { readFields } from './links/body.ts';
import { Busy } from './links/database.ts';
import { type Answer, postToLink, type Services, type Visit, visitLink } from './links/follow.ts';
import { setPageHeaders } from './links/headers.ts';
import { layOut, type Page, type Voice } from './links/layout.ts';
import { LIMITS, type Limits, limitByAddress } from './links/limits.ts';
import { createNonces } from './links/nonce.ts';
import { plainPage } from './links/pages.ts';
import { wordsIn } from './links/words/index.ts';

export type LinkOptions = {
  app: Express;
  /** The login `reslot_app`. */
  appPool: Pool;
  config: Pick<Config, 'secretKey'>;
  /** Called after a change has been committed, to send on its way what the change owes. */
  afterCommit(): void;
  limits?: Partial<Limits>;
};

const BODY_LIMIT = '16kb';
const TOKEN = /^[\w-]{22}$/;

export function mountLinks({ app, appPool, config, afterCommit, limits }: LinkOptions): void {
  const bounds = { ...LIMITS, ...limits };
  const nonces = createNonces({ secretKey: config.secretKey, ...bounds });
  const { secretKey } = config;
  const services = (request: Request): Services => ({
    pool: appPool,
    nonces,
    secretKey,
    limits: bounds,
    afterCommit,
    voiceFor: (link) =>
      link.state === 'not_valid' ? voiceOf(request) : speak(wordingFor(link.locale)),
  });
  const answer = (request: Request, response: Response, given: Answer) => {
    if ('redirect' in given) {
      setPageHeaders(response);
      response.redirect(303, given.redirect);
      return;
    }
    const { link } = given;
    const action = link.state === 'not_valid' ? 'unknown' : link.action;
    metrics.linkPages.inc({ action, state: given.changed ? 'followed' : link.state });
    if (given.changed) afterCommit();
    send(response, given.page, services(request).voiceFor(given.link));
  };

  const router = express.Router();
  router.use(
    limitByAddress(bounds, (request, response) => {
      sendPlain(request, response, 'tooOften', 429);
    }),
  );
  router.param('token', (request, response, next, token: string) => {
    if (TOKEN.test(token)) next();
    else sendPlain(request, response, 'notValid', 404);
  });
  router.get('/:token', async (request, response) => {
    answer(request, response, await visitLink(services(request), visitOf(request)));
  });
  router.post(
    '/:token',
    express.raw({ type: () => true, limit: BODY_LIMIT }),
    async (request, response) => {
      const fields = await readFields(request);
      answer(request, response, await postToLink(services(request), visitOf(request), fields));
    },
  );
  router.all('/:token', (request, response) => {
    response.set('Allow', 'GET, HEAD, POST');
    sendPlain(request, response, 'method', 405);
  });
  router.use((request, response) => sendPlain(request, response, 'notValid', 404));
  router.use(failed);
  app.use('/l', router);
  serveAssets(app);
}

function visitOf(request: Request): Visit {
  return {
    token: String(request.params.token),
    caller: { ip: request.ip ?? '', userAgent: request.get('user-agent') ?? '' },
  };
}

function speak(wording: Wording): Voice {
  return { ...wording, words: wordsIn(wording.language) };
}

/** Where the reader is not known, what their browser asks for. */
function voiceOf(request: Request): Voice {
  return speak(wordingFor(request.acceptsLanguages([...LANGUAGES]) || 'en'));
}

function send(response: Response, page: Page, voice: Voice): void {
  setPageHeaders(response, {
    logoUrl: webAddress(page.organization?.logoUrl),
    leadsTo: page.leadsTo,
  });
  response.status(page.status).type('html').send(layOut(page, voice));
}

type Plain = Parameters<typeof plainPage>[0];

function sendPlain(
  request: Request,
  response: Response,
  name: Plain,
  status: number,
  number?: string,
): void {
  const voice = voiceOf(request);
  send(response, plainPage(name, status, voice, number), voice);
}

/** The reader learns a number to quote, the log the rest. */
function failed(error: unknown, request: Request, response: Response, next: NextFunction): void {
  if (response.headersSent) {
    next(error);
    return;
  }
  const { status, code } = error as { status?: unknown; code?: unknown };
  if (error instanceof Busy || code === 'RSBSY') {
    response.set('Retry-After', '2');
    sendPlain(request, response, 'busy', 409);
  } else if (typeof status === 'number' && status >= 400 && status < 500) {
    sendPlain(request, response, 'unreadable', status);
  } else {
    const id = randomUUID();
    log.error('a link page failed', { id, method: request.method, error });
    sendPlain(request, response, 'broken', 500, id);
  }
}
