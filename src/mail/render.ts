import { calendarEvent, type IcalEvent } from './ics.ts';
import { wordingFor } from './locale.ts';
import type { Kind, MailModel } from './model.ts';
import { templateFor, wordsFor } from './templates.ts';
import { linksOf, viewOf } from './view.ts';

export type Rendered = {
  subject: string;
  html: string;
  text: string;
  icalEvent?: IcalEvent;
  /** Where mail programs unsubscribe in one click; only messages one may do without have it. */
  unsubscribeUrl?: string;
};

type Input = {
  kind: Kind;
  /** The reader's, as stored: `de`, `de-AT`. Without templates for it, English. */
  locale: string | null | undefined;
  model: MailModel;
  /** Where the links lead, without a trailing slash. */
  publicUrl: string;
  /** The sender's address, which the calendar names as the organiser. */
  organizerEmail: string;
};

/** Puts one message into words. Throws only where a template is broken, never for missing values. */
export async function renderMail(input: Input): Promise<Rendered> {
  const { kind, model, publicUrl, organizerEmail } = input;
  const { language, locale } = wordingFor(input.locale);
  const template = await templateFor(kind, language);
  const view = viewOf(model, { publicUrl, locale, words: wordsFor(language) });
  const rendered: Rendered = {
    subject: template.subject(view),
    html: template.html(view),
    text: template.text(view),
  };
  const icalEvent = calendarEvent({ kind, model, organizerEmail });
  if (icalEvent) rendered.icalEvent = icalEvent;
  const { unsubscribe } = linksOf(model.tokens, publicUrl);
  if (unsubscribe) rendered.unsubscribeUrl = unsubscribe;
  return rendered;
}
