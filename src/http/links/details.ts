/** What a link is about, in words: the booking or entry, and the deadline there may be. */
import { moment, span, wholeDay } from '../../mail/dates.ts';
import { money } from '../../mail/money.ts';
import { type Html, html } from '../../mail/page.ts';
import type { Voice } from './layout.ts';
import { answerOf, type KnownLink, type LinkEntry } from './model.ts';

export function details(link: KnownLink, { locale, words }: Voice): Html | '' {
  const subject = link.booking ?? link.entry;
  if (!subject || link.action === 'unsubscribe') return '';
  const { startsAt, endsAt, timeZone } = subject;
  const names = words.details;
  const payment = link.booking?.payment;
  const day = link.booking ? undefined : wholeDay(link.entry?.day, locale);
  const lines: [string, string | null | undefined][] = [
    [names.what, subject.offeringName],
    [names.when, day ?? span({ startsAt, endsAt, timeZone, locale })],
    [names.where, subject.address],
    [names.customer, link.booking?.customerName],
    [names.people, several(subject.partySize)],
    [names.stillToCome, several(link.booking?.seriesLeft)],
    [names.waiting, several(link.booking?.seriesWaiting)],
    [names.price, money(subject, locale)],
    [names.toPay, money({ price: payment?.amount, currency: subject.currency }, locale)],
    [names.purpose, link.booking?.purpose],
    [names.reference, link.booking?.reference],
  ];
  const shown = lines
    .filter(([, text]) => text)
    .map(([name, text]) => html`<dt>${name}</dt><dd class="lines">${text}</dd>\n`);
  return html`<dl>\n${shown}</dl>`;
}

/** One is not worth a line. */
function several(count: number | null | undefined): string | undefined {
  return count && count > 1 ? String(count) : undefined;
}

/** What else there is, of what a guest asked for and somebody else has got. */
export function alternatives(link: KnownLink, { locale, words }: Voice): Html | '' {
  const { timeZone, alternatives: free } = link.booking ?? {};
  if (!free || free.length === 0) return '';
  const lines = free.map((time) => html`<li>${span({ ...time, timeZone, locale })}</li>\n`);
  return html`<p>${words.alternatives}</p>\n<ul>\n${lines}</ul>`;
}

export function deadline(link: KnownLink, voice: Voice): Html | '' {
  const sentences = deadlineSentences(link, voice);
  return sentences.length > 0 ? html`<p class="deadline">${sentences.join(' ')}</p>` : '';
}

type Conditions = Pick<LinkEntry, 'needsApproval' | 'payFirst' | 'currency'>;

function deadlineSentences(link: KnownLink, { locale, words }: Voice): string[] {
  const { booking, entry, action } = link;
  const at = (iso: string | null | undefined) =>
    moment({ iso, timeZone: (booking ?? entry)?.timeZone, locale });
  const says = words.deadlines;
  if (action === 'confirm') {
    const by = at(booking?.confirmBy);
    return by ? [says.confirmBy(by), says.orElseReleased] : [];
  }
  if (answerOf(action)) {
    const by = at(booking?.requestExpiresAt);
    return by ? [says.decideBy(by)] : [];
  }
  const conditions = ({ needsApproval, payFirst, currency }: Conditions = {}) => {
    const amount = money({ price: payFirst, currency }, locale);
    return [
      ...(needsApproval ? [says.needsApproval] : []),
      ...(amount ? [says.payFirst(amount)] : []),
    ];
  };
  if (action === 'book') return conditions(booking ?? {});
  if (action === 'pay') {
    const by = at(booking?.payment?.dueBy);
    return by ? [says.payBy(by)] : [];
  }
  if (action === 'confirm_delivery') {
    const by = at(booking?.deliveryAnswerBy);
    return by ? [says.doneBy(by)] : [];
  }
  if (action !== 'claim' || !entry) return [];
  const until = at(entry.offerExpiresAt);
  const held = until ? says.heldUntil(until) : says.heldForYou;
  return [entry.isHeld ? held : says.lastCall, ...conditions(entry)];
}
