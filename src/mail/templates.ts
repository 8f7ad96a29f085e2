import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import mjml2html from 'mjml';
import { joinLines, oneLine } from './clean.ts';
import type { Language } from './locale.ts';
import type { Kind } from './model.ts';
import type { View, Words } from './view.ts';

const TEMPLATES = fileURLToPath(new URL('../../templates/', import.meta.url));

export type Template = {
  subject: (view: View) => string;
  text: (view: View) => string;
  html: (view: View) => string;
};

const compiled = new Map<string, Promise<Template>>();

/** MJML takes tens of milliseconds a message, so each is compiled once; filling it takes one. */
export function templateFor(kind: Kind, language: Language): Promise<Template> {
  const key = `${language}/${kind}`;
  let template = compiled.get(key);
  if (!template) {
    template = compileTemplate(kind, language);
    compiled.set(key, template);
  }
  return template;
}

const words = new Map<Language, Words>();

/** The few words that the shared partials need in each language. */
export function wordsFor(language: Language): Words {
  let found = words.get(language);
  if (!found) {
    found = JSON.parse(readFileSync(join(TEMPLATES, language, 'words.json'), 'utf8')) as Words;
    words.set(language, found);
  }
  return found;
}

async function compileTemplate(kind: Kind, language: Language): Promise<Template> {
  const path = join(TEMPLATES, language, `${kind}.mjml`);
  const source = parseMessage(readFileSync(path, 'utf8'), path);
  const fill = compiler(language);
  const html = fill(await layOut(source, language, path), { noEscape: false });
  const subject = fill(source.subject, { noEscape: true });
  const text = fill(`${source.text}\n{{> footer}}`, { noEscape: true });
  return {
    subject: (view) => oneLine(subject(view)).slice(0, 250),
    text: (view) =>
      `${text(view)
        .replace(/^mailto:([^?\s]+)\S*$/gm, (_all, address: string) => decodeURI(address))
        .replace(/\n{3,}/g, '\n\n')
        .trim()}\n`,
    html,
  };
}

const MESSAGE =
  /^subject: (?<subject>.+)\npreview: (?<preview>.+)\n\n--- text\n(?<text>.+?)\n--- html\n(?<html>.+)$/s;

type Message = { subject: string; preview: string; text: string; html: string };

/** One message a file: subject and preview, then the text part, then the body in MJML. */
function parseMessage(file: string, path: string): Message {
  const parts = MESSAGE.exec(file)?.groups;
  if (!parts) throw new Error(`${path} needs a subject, a preview, "--- text" and "--- html"`);
  return parts as Message;
}

/** The message inside the common page, as HTML that still holds its Handlebars expressions. */
async function layOut(message: Message, language: Language, path: string): Promise<string> {
  const layout = readFileSync(join(TEMPLATES, 'partials', 'layout.mjml'), 'utf8');
  const page = layout
    .replace('LANGUAGE', language)
    .replace('SUBJECT', () => message.subject)
    .replace('PREVIEW', () => message.preview)
    .replace('MESSAGE', () => message.html);
  const { html } = await mjml2html(page, {
    filePath: path,
    includePath: TEMPLATES,
    ignoreIncludes: false,
    keepComments: false,
    validationLevel: 'strict',
    fonts: {}, // no style sheets from elsewhere: mail clients drop them, and they tell on the reader
  });
  return html;
}

/** A Handlebars of its own for each language, in which a misspelt helper does not compile. */
function compiler(language: Language) {
  const handlebars = Handlebars.create();
  handlebars.registerHelper('lines', lines);
  handlebars.registerHelper('oneline', (value: unknown) => joinLines(String(value ?? '')));
  for (const folder of ['partials', join(language, 'partials')]) {
    for (const file of readdirSync(join(TEMPLATES, folder))) {
      if (!file.endsWith('.hbs')) continue;
      const partial = readFileSync(join(TEMPLATES, folder, file), 'utf8');
      handlebars.registerPartial(basename(file, '.hbs'), partial);
    }
  }
  return (source: string, { noEscape }: { noEscape: boolean }) =>
    handlebars.compile<View>(source, {
      noEscape,
      knownHelpers: { lines: true, oneline: true },
      knownHelpersOnly: true,
    });
}

/** Text of several lines in HTML: escaped first, then broken. */
function lines(value: unknown): Handlebars.SafeString {
  const escaped = Handlebars.Utils.escapeExpression(String(value ?? ''));
  return new Handlebars.SafeString(escaped.replace(/\n/g, '<br>'));
}
