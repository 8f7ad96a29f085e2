import { readFile } from 'node:fs/promises';
import { type Request, type Response, Router } from 'express';
import { LANGUAGES } from './locale.ts';
import { isKind, KINDS } from './model.ts';
import { html, SANDBOX, sendForeignHtml, sendPage } from './page.ts';
import { type Rendered, renderMail } from './render.ts';
import { SAMPLE_LOGO, SAMPLE_LOGO_PATH, SAMPLES } from './samples.ts';

/** Pages that show every message in every language with sample data, for whoever words them. */
export function previewRouter({ publicUrl = 'http://localhost' } = {}): Router {
  const router = Router();
  const render = async (request: Request, response: Response): Promise<Rendered | undefined> => {
    const { locale, kind } = request.params as Record<string, string>;
    const known = (LANGUAGES as readonly string[]).includes(locale ?? '');
    if (!known || !kind || !isKind(kind)) {
      response.status(404).type('text').send('There is no such message.');
      return undefined;
    }
    const organizerEmail = 'bookings@example.org';
    const logoUrl = `${publicUrl}${SAMPLE_LOGO_PATH}`;
    const sample = SAMPLES[kind];
    const model = { ...sample, organization: { ...sample.organization, logoUrl } };
    return renderMail({ kind, locale, model, publicUrl, organizerEmail });
  };
  router.get(SAMPLE_LOGO_PATH, async (_request, response) => {
    // The frame that shows a mail is of no site, so not of this one either.
    response.set('Cross-Origin-Resource-Policy', 'cross-origin');
    response.type('png').send(await readFile(SAMPLE_LOGO));
  });
  router.get('/mail-preview', (_request, response) => showKinds(response));
  router.get('/mail-preview/:locale/:kind', async (request, response) => {
    const mail = await render(request, response);
    if (mail) showSample(response, `/mail-preview${subPath(request)}`, mail);
  });
  router.get('/mail-preview/:locale/:kind/body', async (request, response) => {
    const mail = await render(request, response);
    if (mail) sendForeignHtml(response, mail.html);
  });
  return router;
}

function subPath({ params }: Request): string {
  return `/${params.locale}/${params.kind}`;
}

function showKinds(response: Response): void {
  const rows = KINDS.map(
    (kind) =>
      html`<tr><td>${kind}</td>${LANGUAGES.map(
        (language) => html`<td><a href="/mail-preview/${language}/${kind}">${language}</a></td>`,
      )}</tr>`,
  );
  sendPage(response, 'Messages', html`<table>${rows}</table>`);
}

function showSample(response: Response, path: string, mail: Rendered): void {
  const calendar = mail.icalEvent
    ? html`<h2>Calendar (${mail.icalEvent.method})</h2><pre>${mail.icalEvent.content}</pre>`
    : '';
  const body = html`<p><a href="/mail-preview">All messages</a></p>
<iframe title="Message" sandbox="${SANDBOX}" src="${path}/body"></iframe>
<h2>On a phone</h2>
<iframe class="narrow" title="Message on a phone" sandbox="${SANDBOX}" src="${path}/body"></iframe>
<h2>Text</h2><pre>${mail.text}</pre>${calendar}`;
  sendPage(response, mail.subject, body);
}
