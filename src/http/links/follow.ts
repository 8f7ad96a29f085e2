/** What a visit to a link leads to: its page, another question, or the deed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { hashPassword } from '../../auth/passwords.ts';
import { Refusal } from '../../auth/refusal.ts';
import { webAddress } from '../../mail/clean.ts';
import type { Fields } from './body.ts';
import { type Caller, followLink, inTransaction, readLink } from './database.ts';
import { type Evidence, readClick } from './evidence.ts';
import type { Page, Voice } from './layout.ts';
import type { Limits } from './limits.ts';
import { type Action, isDeed, type KnownLink, type Link, shownPrice, shownStart } from './model.ts';
import type { NonceMaker, Stage } from './nonce.ts';
import * as pages from './pages.ts';
import { isRealStart, startChoices } from './starts.ts';
import type { Words } from './words/index.ts';

export type Services = {
  pool: Pool;
  nonces: NonceMaker;
  secretKey: string;
  limits: Limits;
  afterCommit(): void;
  voiceFor(link: Link): Voice;
};

export type Visit = { token: string; caller: Caller };

export type Answer = { link: Link; page: Page; changed?: boolean } | { redirect: string };

export async function visitLink(services: Services, visit: Visit): Promise<Answer> {
  const link = await readLink(services.pool, visit.caller, visit.token);
  return { link, page: pageOf(services, visit, link) };
}

export async function postToLink(
  services: Services,
  visit: Visit,
  fields: Fields,
): Promise<Answer> {
  const link = await readLink(services.pool, visit.caller, visit.token);
  if (link.state !== 'ready') return { link, page: pageOf(services, visit, link) };
  if (link.action === 'unsubscribe' && fields.get('List-Unsubscribe') === 'One-Click') {
    return act(services, visit, link, fields, { how: 'one_click' });
  }
  const again = (status: number, notice: keyof Words['notices']): Answer => ({
    link,
    page: firstPage(services, visit, link, { status, notice, reason: fields.get('reason') }),
  });
  const check = services.nonces.check(fields.get('nonce'), bound(visit, link));
  if (check.outcome !== 'good') return again(check.outcome === 'bad' ? 400 : 409, 'lookAgain');
  const seen = judge(services, visit, link, fields, check);
  if (seen === 'wrong') return again(400, 'wrongStart');
  if (seen === 'unseen') {
    return { link, page: secondPage(services, visit, link, fields.get('reason')) };
  }
  return act(services, visit, link, fields, seen);
}

/** The nonce is worth something for this token, this action, this start and this price only. */
function bound({ token }: Visit, link: KnownLink): { token: string; shown: string } {
  const shown = [link.action, shownStart(link) ?? '', shownPrice(link) ?? ''].join(' ');
  return { token, shown };
}

function pageOf(services: Services, visit: Visit, link: Link): Page {
  const voice = services.voiceFor(link);
  if (link.state === 'not_valid') return pages.plainPage('notValid', 404, voice);
  if (link.state === 'ready') return firstPage(services, visit, link);
  if (link.state === 'too_late') return pages.tooLatePage(link, voice);
  return pages.donePage(link, voice);
}

type Repeat = {
  status: number;
  notice: keyof Words['notices'] | 'password';
  reason?: string | undefined;
};

function firstPage(services: Services, visit: Visit, link: KnownLink, repeat?: Repeat): Page {
  const voice = services.voiceFor(link);
  const form = {
    nonce: services.nonces.issue('shown', bound(visit, link)),
    minDwellMs: services.limits.minDwellMs,
    reason: repeat?.reason,
    ...(repeat ? { status: repeat.status, notice: noticeIn(voice, repeat.notice) } : {}),
  };
  const page = setsPasswordHere(link) ? pages.passwordPage : pages.readyPage;
  return page(link, voice, form);
}

function noticeIn({ words }: Voice, notice: Repeat['notice']): string {
  return notice === 'password' ? words.password.refused : words.notices[notice];
}

function secondPage(services: Services, visit: Visit, link: KnownLink, reason?: string): Page {
  const voice = services.voiceFor(link);
  const { limits, nonces } = services;
  const form = {
    nonce: nonces.issue('asked', bound(visit, link)),
    minDwellMs: limits.minDwellMs,
    reason,
  };
  const start = pickedStart(link);
  return start
    ? pages.pickPage(link, voice, form, startChoices(start, visit.token, services.secretKey))
    : pages.yesPage(link, voice, form);
}

const COMES = new Set<Action>(['confirm', 'claim', 'book', 'confirm_delivery']);

/** The deeds that make somebody come, or say that they got it, have to be meant by somebody who knows when. */
function pickedStart(link: KnownLink): string | null {
  return COMES.has(link.action) ? shownStart(link) : null;
}

function judge(
  services: Services,
  visit: Visit,
  link: KnownLink,
  fields: Fields,
  { stage, ageMs: pageAgeMs }: { stage: Stage; ageMs: number },
): Evidence | 'unseen' | 'wrong' {
  if (setsPasswordHere(link)) return { how: 'form', pageAgeMs };
  if (stage === 'shown') {
    const click = readClick(fields.get('seen'), services.limits.minDwellMs);
    return click ? { how: 'click', pageAgeMs, ...click } : 'unseen';
  }
  const start = pickedStart(link);
  if (!start) return { how: 'yes', pageAgeMs };
  const choices = startChoices(start, visit.token, services.secretKey);
  return isRealStart(fields.get('start'), choices, start) ? { how: 'choice', pageAgeMs } : 'wrong';
}

async function act(
  services: Services,
  visit: Visit,
  link: KnownLink,
  fields: Fields,
  evidence: Evidence,
): Promise<Answer> {
  const { pool } = services;
  try {
    if (isDeed(link.action)) {
      const choice = {
        action: link.action,
        startsAt: shownStart(link),
        price: shownPrice(link),
        reason: fields.get('reason') ?? null,
      };
      const after = await followLink(pool, visit.caller, visit.token, choice, evidence);
      if (link.action === 'pay') return await leadToPayment(services, visit, after);
      return { link: after, page: pageOf(services, visit, after), changed: true };
    }
    return await actOnAccount(services, visit, link, fields);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (!(error instanceof Refusal) || code === 'RSBSY') throw error;
    return refused(services, visit, link, fields, error.code);
  }
}

const PAGE_EVERY_MS = 150;
const PAGE_WITHIN_MS = 8000;

/** The page to pay on is made by a job; mostly it is there within a second. */
async function leadToPayment(services: Services, visit: Visit, begun: Link): Promise<Answer> {
  services.afterCommit();
  const until = Date.now() + PAGE_WITHIN_MS;
  for (let link = begun; ; link = await readLink(services.pool, visit.caller, visit.token)) {
    if (link.state !== 'ready') return { link, page: pageOf(services, visit, link) };
    const { status, url } = link.booking?.payment ?? {};
    const page = webAddress(url);
    if (page) {
      return { link, page: pages.payPage(link, services.voiceFor(link), page), changed: true };
    }
    if (status === 'failed' || Date.now() > until) {
      const notice = status === 'failed' ? 'payFailed' : 'payLater';
      return { link, page: firstPage(services, visit, link, { status: 409, notice }) };
    }
    await sleep(PAGE_EVERY_MS);
  }
}

/** The world moved on between the page and the deed: the page as it is now says how. */
async function refused(
  services: Services,
  visit: Visit,
  before: KnownLink,
  fields: Fields,
  code: string,
): Promise<Answer> {
  const link = await readLink(services.pool, visit.caller, visit.token);
  if (link.state !== 'ready') return { link, page: pageOf(services, visit, link) };
  const notice = setsPasswordHere(before) ? 'password' : (NOTICES[code] ?? 'refused');
  const repeat = { status: 409, notice, reason: fields.get('reason') } as const;
  return { link, page: firstPage(services, visit, link, repeat) };
}

const NOTICES: Record<string, keyof Words['notices']> = {
  RSFUL: 'taken',
  RSBLK: 'blackedOut',
  RSTIM: 'notAllowed',
  RSARG: 'tooLong',
  RSSTA: 'lookAgain',
  RSAVL: 'free',
  RSDUP: 'already',
  RSLIM: 'limit',
};

async function actOnAccount(
  services: Services,
  visit: Visit,
  link: KnownLink,
  fields: Fields,
): Promise<Answer> {
  const { pool, voiceFor } = services;
  const { token, caller } = visit;
  const voice = voiceFor(link);
  const call = (sql: string, params: unknown[]) =>
    inTransaction(pool, caller, 'begin', (client) => client.query(sql, params));
  const home = webAddress(link.organization.frontEndUrl);
  const done = { ...link, state: 'done' as const, why: 'done' };
  if (link.action === 'verify') {
    await call('select app_private.verify_email($1)', [token]);
  } else if (home) {
    return { redirect: handOver(home, link, token) };
  } else if (link.action === 'magic') {
    return { link, page: pages.magicCodePage(link, voice, token) };
  } else {
    const hash = await hashPassword(fields.get('password') ?? '');
    await call('select app_private.reset_password($1, $2)', [token, hash]);
  }
  return { link: done, page: pages.donePage(done, voice), changed: true };
}

/** Without a front end of the organisation's own, the new password is chosen here. */
function setsPasswordHere(link: KnownLink): boolean {
  return link.action === 'reset' && !webAddress(link.organization.frontEndUrl);
}

/** In the fragment, which browsers send to no server and which no log holds. */
function handOver(home: string, { action }: KnownLink, token: string): string {
  const url = new URL(home);
  url.hash = new URLSearchParams({ action, token }).toString();
  return url.href;
}
