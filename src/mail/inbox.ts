import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Request, type Response, Router } from 'express';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer } from 'smtp-server';
import { log } from '../log.ts';
import { html, SANDBOX, sendForeignHtml, sendPage } from './page.ts';

/** A message as it arrived, in a form that is easy to read for people and for tests. */
export type InboxMessage = {
  id: number;
  receivedAt: string;
  from: string;
  to: string[];
  subject: string;
  /** Which template it was made from. */
  kind: string | undefined;
  text: string;
  html: string;
  /** What one can press in it, with the words on it. */
  links: { label: string; url: string }[];
  headers: { name: string; value: string }[];
  attachments: { filename: string; mimeType: string; method: string | undefined; text: string }[];
};

export type Inbox = {
  smtpUrl: string;
  /** Newest first; those to one address if it is given. */
  messages(to?: string): InboxMessage[];
  clear(): void;
  router: Router;
  stop(): Promise<void>;
};

const KEPT = 500;
const LARGEST = 10 * 1024 * 1024;

/**
 * A mail server for development and tests: takes every message, delivers none, and shows them in
 * the browser. It listens on this machine only, and keeps nothing once it stops.
 */
export async function startInbox({ port }: { port: number }): Promise<Inbox> {
  const kept: InboxMessage[] = [];
  let lastId = 0;
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true, // every message comes from here, and there may be no name server
    disabledCommands: ['STARTTLS'],
    onAuth: (_auth, _session, done) => done(null, { user: 'anybody' }),
    size: LARGEST,
    closeTimeout: 1_000,
    onData: (stream, session, done) => {
      const recipients = session.envelope.rcptTo.map(({ address }) => address);
      receive(stream, recipients).then((message) => {
        lastId += 1;
        kept.unshift({ ...message, id: lastId });
        kept.length = Math.min(kept.length, KEPT);
        done();
      }, done);
    },
  });
  server.on('error', (error: Error) => log.debug('development inbox', { error }));
  const inner = server.listen(port, '127.0.0.1');
  await once(inner, 'listening').catch((error) => Promise.reject(cannotListen(port, error)));
  const messages = (to?: string) => {
    const wanted = to?.trim().toLowerCase();
    return wanted
      ? kept.filter((message) => message.to.some((address) => address.toLowerCase() === wanted))
      : [...kept];
  };
  const clear = () => {
    kept.length = 0;
  };
  return {
    smtpUrl: `smtp://127.0.0.1:${(inner.address() as AddressInfo).port}`,
    messages,
    clear,
    router: inboxRouter(messages, clear),
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function cannotListen(port: number, error: NodeJS.ErrnoException): Error {
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program does',
    EACCES: 'this user may not',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new Error(
    `The development inbox cannot listen on port ${port}: ${reason}. ` +
      'Set INBOX_SMTP_PORT to another number (0 takes any free one).',
    { cause: error },
  );
}

async function receive(stream: Readable, to: string[]): Promise<Omit<InboxMessage, 'id'>> {
  const mail = await PostalMime.parse(await buffer(stream), { attachmentEncoding: 'utf8' });
  const body = mail.html ?? '';
  return {
    receivedAt: new Date().toISOString(),
    from: mail.from?.name ? `${mail.from.name} <${mail.from.address}>` : (mail.from?.address ?? ''),
    to,
    subject: mail.subject ?? '',
    kind: headerOf(mail, 'x-reslot-kind'),
    text: mail.text ?? '',
    html: body,
    links: body ? linksInHtml(body) : linksInText(mail.text ?? ''),
    headers: mail.headers.map(({ key, value }) => ({ name: key, value })),
    attachments: mail.attachments.map(({ filename, mimeType, method, content }) => ({
      filename: filename ?? 'unnamed',
      mimeType,
      method,
      text: String(content),
    })),
  };
}

function headerOf(mail: Email, name: string): string | undefined {
  return mail.headers.find(({ key }) => key === name)?.value;
}

function linksInHtml(body: string): InboxMessage['links'] {
  const anchors = body.matchAll(/<a\b[^>]*?\bhref="(?<url>[^"]*)"[^>]*>(?<label>.*?)<\/a>/gis);
  return [...anchors]
    .map(({ groups }) => ({
      label: plain((groups?.label ?? '').replace(/<[^>]*>/g, ' ')),
      url: plain(groups?.url ?? ''),
    }))
    .filter(({ url }) => /^https?:/.test(url));
}

function linksInText(text: string): InboxMessage['links'] {
  return [...text.matchAll(/\bhttps?:\/\/\S+/g)].map(([url]) => ({ label: '', url }));
}

const NAMED: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ' };

function plain(escaped: string): string {
  return escaped
    .replace(/&(?:#x(?<hex>[\da-f]+)|#(?<dec>\d+)|(?<name>\w+));/gi, (all, hex, dec, name) =>
      name
        ? (NAMED[name] ?? all)
        : String.fromCodePoint(Number.parseInt(hex ?? dec, hex ? 16 : 10)),
    )
    .replace(/\s+/g, ' ')
    .trim();
}

function inboxRouter(messages: Inbox['messages'], clear: Inbox['clear']): Router {
  const router = Router();
  const find = (request: Request, response: Response) => {
    const message = messages().find(({ id }) => String(id) === request.params.id);
    if (!message) response.status(404).type('text').send('There is no such message (any more).');
    return message;
  };
  router.get('/inbox.json', (request, response) => {
    response.set('Cache-Control', 'no-store').json(messages(filterOf(request)));
  });
  router.delete('/inbox.json', fromHere, (_request, response) => {
    clear();
    response.status(204).end();
  });
  router.post('/inbox/delete', fromHere, (_request, response) => {
    clear();
    response.redirect(303, '/inbox');
  });
  router.get('/inbox', (request, response) => showList(response, messages, filterOf(request)));
  router.get('/inbox/:id', (request, response) => {
    const message = find(request, response);
    if (message) showMessage(response, message);
  });
  router.get('/inbox/:id/body', (request, response) => {
    const message = find(request, response);
    if (message) sendForeignHtml(response, message.html);
  });
  return router;
}

function filterOf({ query }: Request): string | undefined {
  return typeof query.to === 'string' && query.to ? query.to : undefined;
}

/** Another site's page must not empty the inbox. */
function fromHere(request: Request, response: Response, next: () => void): void {
  const site = request.get('sec-fetch-site');
  if (site && site !== 'same-origin' && site !== 'none') response.status(403).end();
  else next();
}

const REFRESH_SECONDS = 5;

function showList(response: Response, messages: Inbox['messages'], to: string | undefined): void {
  const rows = messages(to).map(
    (message) => html`<tr>
<td>${message.receivedAt.slice(11, 19)}</td>
<td>${message.to.map((address) => html`<a href="/inbox?to=${encodeURIComponent(address)}">${address}</a> `)}</td>
<td><a href="/inbox/${message.id}">${message.subject || '(no subject)'}</a></td>
</tr>`,
  );
  const filter = to ? html`<p>To ${to}. <a href="/inbox">Show all</a></p>` : '';
  const table = html`<table><tr><th>UTC</th><th>To</th><th>Subject</th></tr>${rows}</table>`;
  const empty = html`<p>Nothing has arrived yet.</p>`;
  const body = html`<p>Mail that was sent by this server and goes nowhere else.
<a href="/inbox.json">As JSON</a>, <a href="/mail-preview">all messages with sample data</a>.
<form method="post" action="/inbox/delete"><button>Delete all</button></form></p>
${filter}${rows.length > 0 ? table : empty}`;
  sendPage(response, 'Inbox', body, { refresh: REFRESH_SECONDS });
}

function showMessage(response: Response, message: InboxMessage): void {
  const body = html`<p><a href="/inbox">Inbox</a></p>
<p>From ${message.from}<br>To ${message.to.join(', ')}<br>${message.receivedAt}</p>
<iframe title="Message" sandbox="${SANDBOX}" src="/inbox/${message.id}/body"></iframe>
<h2>Text</h2><pre>${message.text}</pre>
${message.attachments.map((part) => html`<h2>${part.filename} (${part.mimeType})</h2><pre>${part.text}</pre>`)}
<h2>Headers</h2>
<table>${message.headers.map(({ name, value }) => html`<tr><td>${name}</td><td>${value}</td></tr>`)}</table>`;
  sendPage(response, message.subject || '(no subject)', body);
}
