/** The frame around every link page: who it is from, and whom to ask. */
import { webAddress } from '../../mail/clean.ts';
import type { Wording } from '../../mail/locale.ts';
import { type Html, html } from '../../mail/page.ts';
import { SCRIPT, STYLE } from './assets.ts';
import type { LinkOrganization } from './model.ts';
import type { Words } from './words/index.ts';

export type Voice = Wording & { words: Words };

export type Page = {
  status: number;
  title: string;
  body: Html;
  /** Pages that watch for a real click load the script. */
  runsScript?: boolean;
  organization?: LinkOrganization | undefined;
  /** Whom to ask about this offering, if somebody else than the organisation's support. */
  supportContact?: string | null | undefined;
  /** Where the page leads on to by itself. */
  goesTo?: string | undefined;
  /** Where the page's form leads on to, if away from here. */
  leadsTo?: string | undefined;
};

export function layOut(page: Page, { locale, words }: Voice): string {
  const { organization, title } = page;
  const name = organization?.name;
  const onward = page.goesTo
    ? html`<meta http-equiv="refresh" content="0; url=${page.goesTo}">`
    : '';
  const script = page.runsScript ? html`<script src="${SCRIPT.path}" defer></script>` : '';
  return html`<!doctype html>
<html lang="${locale}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="color-scheme" content="light dark">
<title>${name ? `${title} – ${name}` : title}</title>
<link rel="stylesheet" href="${STYLE.path}">
${onward}${script}
</head>
<body>
${organization ? header(organization) : ''}
<main>
<h1>${title}</h1>
${page.body}
</main>
${organization ? footer(organization, page.supportContact, words) : ''}
</body>
</html>
`.text;
}

function header(organization: LinkOrganization): Html {
  const logo = webAddress(organization.logoUrl);
  // The name stands beside it, so the picture says nothing of its own.
  return html`<header>${logo ? html`<img src="${logo}" alt="">` : ''}${organization.name}</header>`;
}

function footer(
  { address, supportEmail, supportPhone }: LinkOrganization,
  supportContact: string | null | undefined,
  { questions }: Words,
): Html {
  const mail = supportEmail
    ? html`<a href="mailto:${supportEmail}">${supportEmail}</a>`
    : undefined;
  const phone = supportPhone
    ? html`<a href="tel:${supportPhone.replace(/[^+\d]/g, '')}">${supportPhone}</a>`
    : undefined;
  const ways = [supportContact, mail, phone].filter((way) => way !== undefined && way !== null);
  const contact = ways.map((way) => html`<br>${way}`);
  return html`<footer>
${ways.length > 0 ? html`<p>${questions}${contact}</p>` : ''}
${address ? html`<p class="lines">${address}</p>` : ''}
</footer>`;
}
