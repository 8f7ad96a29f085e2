/** Who sent a request, found out once and before it is read, and kept with it. */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Express, RequestHandler, Response } from 'express';
import type { Auth, Caller } from '../auth/index.ts';
import { ERRORS, isErrorCode } from '../errors.ts';
import { log } from '../log.ts';
import type { RequestOrigin } from './preset.ts';
import { type Rates, sendTooMany, WEIGHT } from './rates.ts';
import { sendRefusal } from './respond.ts';

const LONGEST_USER_AGENT = 400;

/** Cannot be read, is not valid, asks for too much, is too large, is no JSON. */
const REFUSED = new Set([400, 413, 415]);

interface Known {
  caller: Caller | null;
  ip: string | null;
  /** How many more than one it counts as. */
  more: number;
}

export type Weight = 'refused' | { fields: number };

export interface Callers {
  middleware: RequestHandler;
  remember(request: IncomingMessage, caller: Caller | null, ip: string | null): void;
  /** Who sent a request that the middleware has let through. */
  sender(request: IncomingMessage): Pick<Known, 'caller' | 'ip'>;
  /** What has become of a request: it counts accordingly. */
  weigh(context: Partial<Grafast.RequestContext>, weight: Weight): void;
  originOf(context: Partial<Grafast.RequestContext>): RequestOrigin;
}

export function createCallers(auth: Auth, rates: Rates): Callers {
  const known = new WeakMap<IncomingMessage, Known>();

  const admit = async (request: IncomingMessage, ip: string | null, response: Response) => {
    const tooMany = await rates.ofAddress(ip);
    if (tooMany !== null) return sendTooMany(response, tooMany);
    const caller = await auth.contextFromRequest(request);
    const tooManyOfUser = caller && (await rates.ofUser(caller.userId));
    if (tooManyOfUser !== null) return sendTooMany(response, tooManyOfUser);
    const record: Known = { caller, ip, more: 0 };
    known.set(request, record);
    response.once('finish', () => {
      const more = REFUSED.has(response.statusCode) ? WEIGHT.refused - 1 : record.more;
      if (more > 0) rates.more(ip, caller?.userId ?? null, more);
    });
  };

  return {
    middleware: async (request, response, next) => {
      try {
        await admit(request, plainAddress(request.ip), response);
      } catch (error) {
        refuse(response, error);
      }
      if (!response.headersSent) next();
    },
    remember: (request, caller, ip) => {
      known.set(request, { caller, ip, more: 0 });
    },
    sender: (request) => known.get(request) ?? { caller: null, ip: null },
    weigh: ({ node }, weight) => {
      const record = node?.req && known.get(node.req);
      if (!record) return;
      // Older clients are told of a refusal with the status 200.
      if (weight === 'refused') record.more = WEIGHT.refused - 1;
      else record.more = Math.floor(weight.fields / WEIGHT.fieldsOfOne);
    },
    originOf: ({ node, ws }) => {
      const request = node?.req ?? ws?.request ?? null;
      const { caller = null, ip = null } = (request && known.get(request)) ?? {};
      const userAgent = request?.headers['user-agent']?.slice(0, LONGEST_USER_AGENT) ?? null;
      return { caller, ip, userAgent, req: node?.req ?? null, res: node?.res ?? null };
    },
  };
}

function refuse(response: Response, error: unknown): void {
  const { code, message } = error as { code?: unknown; message: string };
  if (code === 'RSAUT') {
    sendRefusal(response, 401, 'RSAUT', message);
    return;
  }
  log.error('a caller cannot be told', { error });
  const shown = isErrorCode(code) ? code : 'RSBSY';
  sendRefusal(response, 200, shown, ERRORS[shown].sentence);
}

/** As PostgreSQL takes it: IPv4 as IPv4, and no zone. */
export function plainAddress(address: string | undefined): string | null {
  const plain = address?.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return plain && isIP(plain) ? plain : null;
}

/** The address of a request that Express has not seen, by the same rules about proxies. */
export function addressOf(app: Express, request: IncomingMessage): string | null {
  const seen = Object.create(app.request, {
    headers: { value: request.headers },
    socket: { value: request.socket },
  });
  return plainAddress(seen.ip);
}
