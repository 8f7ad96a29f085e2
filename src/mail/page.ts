import type { Response } from 'express';

/** HTML that is safe to send. Made by `html` only, which escapes everything else put into it. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | null | Part[];

/** Builds HTML from a template literal; every value in it is escaped unless it is HTML itself. */
export function html(strings: TemplateStringsArray, ...values: Part[]): Html {
  return new Html(String.raw({ raw: strings }, ...values.map(rendered)));
}

function rendered(part: Part): string {
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(rendered).join('');
  return escapeHtml(String(part ?? ''));
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color: #1c2430 }
  table { border-collapse: collapse; width: 100% }
  th, td { border-bottom: 1px solid #d5dbe3; padding: .4rem .6rem .4rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f2f4f7; padding: 1rem }
  iframe { border: 1px solid #d5dbe3; width: 100%; height: 44rem; background: #fff }
  .narrow { max-width: 322px }
  a { color: #1d4ed8 }
  form { display: inline }
  thead { display: table-header-group }
  tr { break-inside: avoid }
  @page { margin: 12mm }`;

interface PageOptions {
  /** Seconds after which it is loaded again. */
  refresh?: number | undefined;
  language?: string;
}

/** A plain page, to look at or to print. Nothing on it runs, and it loads nothing but frames from here. */
export function sendPage(
  response: Response,
  title: string,
  body: Html,
  { refresh, language = 'en' }: PageOptions = {},
): void {
  response.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  });
  const reload = refresh ? html`<meta http-equiv="refresh" content="${refresh}">` : '';
  const page = html`<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${reload}<title>${title}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
  response.type('html').send(page.text);
}

/**
 * Somebody else's HTML, to be shown in a frame: it runs nothing and has no origin, so it reaches
 * neither this site's pages nor its cookies. Its links open in a tab of their own, as in a mail
 * program.
 */
export function sendForeignHtml(response: Response, content: string): void {
  response.removeHeader('X-Frame-Options');
  response.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; frame-ancestors 'self'",
  });
  response.type('html').send(`<base target="_blank">${content}`);
}

/** The attributes of the frame that shows what `sendForeignHtml` sends. */
export const SANDBOX = 'allow-popups allow-popups-to-escape-sandbox';
