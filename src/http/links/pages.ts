/** Each page there is, in the reader's language. */
import { webAddress } from '../../mail/clean.ts';
import { moment } from '../../mail/dates.ts';
import { type Html, html } from '../../mail/page.ts';
import { alternatives, deadline, details } from './details.ts';
import type { Page, Voice } from './layout.ts';
import {
  answerOf,
  type KnownLink,
  type LateLink,
  type LinkOrganization,
  type Reason,
} from './model.ts';
import type { Words } from './words/index.ts';

type Form = {
  nonce: string;
  minDwellMs: number;
  status?: number;
  /** Why the page is shown again. */
  notice?: string | undefined;
  reason?: string | undefined;
};

const GRAVE = new Set(['cancel', 'cancel_series', 'leave', 'reject', 'reject_series']);

/** The page a link leads to while there is something to do: what it is about, and a button. */
export function readyPage(link: KnownLink, voice: Voice, form: Form): Page {
  const deed = voice.words.deeds[link.action];
  return {
    ...frame(link, form.status ?? 200),
    title: deed.title,
    runsScript: true,
    body: html`${alert(form.notice)}${paragraph(deed.lead)}
${details(link, voice)}
${alternatives(link, voice)}
${deadline(link, voice)}
<form method="post" data-dwell="${form.minDwellMs}"${gravity(link)}>
<input type="hidden" name="nonce" value="${form.nonce}">
<input type="hidden" name="seen" value="">
${reasonField(link, voice, form.reason)}
<button>${deed.button}</button>
</form>`,
  };
}

function gravity(link: KnownLink): Html | '' {
  return GRAVE.has(link.action) ? html` class="grave"` : '';
}

function reasonField({ action }: KnownLink, { words }: Voice, reason: string | undefined) {
  const answer = answerOf(action);
  if (!answer) return '';
  return html`<label for="reason">${words.reasonLabels[answer]}</label>
<textarea id="reason" name="reason" rows="3" maxlength="500">${reason}</textarea>`;
}

/** Nothing was seen of a person: the start is to be picked out of several. */
export function pickPage(link: KnownLink, voice: Voice, form: Form, choices: string[]): Page {
  const { words, locale } = voice;
  const timeZone = (link.booking ?? link.entry)?.timeZone;
  const options = choices.map(
    (iso, n) => html`<label class="pick"><input type="radio" name="start" value="${n}" required>
<span>${moment({ iso, timeZone, locale })}</span></label>\n`,
  );
  return {
    ...frame(link, 200),
    title: words.asked.pickTitle,
    body: html`<p>${words.asked.pickLead}</p>
<form method="post">
<input type="hidden" name="nonce" value="${form.nonce}">
<fieldset><legend>${words.asked.pickLegend}</legend>
${options}</fieldset>
<button>${words.asked.pickButton}</button>
</form>`,
  };
}

/** Nothing was seen of a person: whether it is really meant. */
export function yesPage(link: KnownLink, voice: Voice, form: Form): Page {
  const { words } = voice;
  return {
    ...frame(link, 200),
    title: words.asked.yesTitle,
    body: html`<p>${words.asked.yesLead}</p>
${details(link, voice)}
<form method="post"${gravity(link)}>
<input type="hidden" name="nonce" value="${form.nonce}">
<input type="hidden" name="reason" value="${form.reason}">
<button>${words.deeds[link.action].button}</button>
</form>`,
  };
}

/** Where there is no front end, a new password is set here. */
export function passwordPage(link: KnownLink, voice: Voice, form: Form): Page {
  const { password, deeds } = voice.words;
  return {
    ...frame(link, form.status ?? 200),
    title: deeds.reset.title,
    body: html`${alert(form.notice)}${paragraph(deeds.reset.lead)}
<form method="post">
<input type="hidden" name="nonce" value="${form.nonce}">
<label for="password">${password.label}</label>
<input id="password" name="password" type="password" autocomplete="new-password" minlength="8" maxlength="200" required aria-describedby="hint">
<p id="hint">${password.hint}</p>
<button>${password.button}</button>
</form>`,
  };
}

/** Where there is no front end, the code is entered wherever one signs in. */
export function magicCodePage(link: KnownLink, voice: Voice, token: string): Page {
  return {
    ...frame(link, 200),
    title: voice.words.deeds.magic.title,
    body: html`<p>${voice.words.magicCode}</p>\n<code>${token}</code>`,
  };
}

/** Not by a redirect of the form: browsers hold those to a list, and Stripe's page may be at any address. */
export function payPage(link: KnownLink, { words }: Voice, url: string): Page {
  const { title, lead, next } = words.paying;
  return {
    ...frame(link, 200),
    title,
    goesTo: url,
    body: html`<p>${lead}</p>\n${nextStep(url, next)}`,
  };
}

export function donePage(link: KnownLink, voice: Voice): Page {
  const { words } = voice;
  const deed = words.deeds[link.action];
  const books = link.action === 'claim' || link.action === 'book';
  const pending = books && link.booking?.status === 'pending';
  const waitsFor = link.booking?.payment ? words.claimedToPay : words.claimedPending;
  const home = webAddress(link.organization.frontEndUrl);
  const onward = link.action === 'verify' || link.action === 'reset';
  return {
    ...frame(link, 200),
    title: deed.done,
    body: html`${paragraph(pending ? waitsFor : deed.doneLead)}
${details(link, voice)}
${home && onward ? nextStep(home, words.next.continue(link.organization.name)) : ''}`,
  };
}

/** Reasons that stay true for good are 410, those that depend on how things stand are 409. */
const GONE = new Set<Reason>([
  'unpaid',
  'link_expired',
  'auto_cancelled',
  'expired',
  'over',
  'completed',
  'no_show',
  'begun',
  'lapsed',
  'used',
]);

export function tooLatePage(link: LateLink, voice: Voice): Page {
  const { words } = voice;
  const forEntry = link.booking ? undefined : words.entryReasons[link.why];
  const message = forEntry ?? words.reasons[link.why];
  const reason = link.booking?.endedReason;
  const explains = link.why === 'cancelled' || link.why === 'rejected';
  return {
    ...frame(link, GONE.has(link.why) ? 410 : 409),
    title: message.title,
    body: html`${paragraph(message.lead)}
${explains && reason ? paragraph(words.endedReason(reason)) : ''}
${details(link, voice)}
${alternatives(link, voice)}
${whatNext(link, words)}`,
  };
}

const AGAIN = new Set<Reason>([
  'unpaid',
  'link_expired',
  'cancelled',
  'auto_cancelled',
  'rejected',
  'expired',
  'declined',
  'left',
  'lapsed',
  'full',
  'not_bookable',
]);

function whatNext(link: LateLink, { next }: Words): Html | '' {
  const home = webAddress(link.organization.frontEndUrl)?.replace(/\/+$/, '');
  const subject = link.booking ?? link.entry;
  if (!home || !subject || answerOf(link.action) || !AGAIN.has(link.why)) return '';
  const again = link.booking || link.why === 'lapsed' ? next.bookAgain : next.joinAgain;
  return nextStep(`${home}/offerings/${encodeURIComponent(subject.offeringId)}`, again);
}

function nextStep(url: string, text: string): Html {
  return html`<a class="next" href="${url}" rel="noreferrer">${text}</a>`;
}

type Plain = keyof Words['pages'];

/** A page that knows no link: it is not valid, or the server has trouble. */
export function plainPage(name: Plain, status: number, voice: Voice, number?: string): Page {
  const { title, lead } = voice.words.pages[name];
  return {
    status,
    title,
    body: html`${paragraph(lead)}${number ? html`<code>${number}</code>` : ''}`,
  };
}

function paragraph(text: string | null | undefined): Html | '' {
  return text ? html`<p>${text}</p>` : '';
}

function alert(text: string | undefined): Html | '' {
  return text ? html`<p role="alert">${text}</p>` : '';
}

type Frame = {
  status: number;
  organization: LinkOrganization;
  supportContact: string | null | undefined;
  leadsTo: string | undefined;
};

function frame(link: KnownLink, status: number): Frame {
  const handsOver = link.action === 'reset' || link.action === 'magic';
  return {
    status,
    organization: link.organization,
    supportContact: (link.booking ?? link.entry)?.supportContact,
    leadsTo: handsOver ? webAddress(link.organization.frontEndUrl) : undefined,
  };
}
