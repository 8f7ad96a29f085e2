/** The parts of the server and what they need from outside, in one place. */
import type { Transporter } from 'nodemailer';
import type { Config } from './config.ts';
import type { Mount } from './context.ts';
import { loadDemo } from './database/demo.ts';
import { createPool } from './database/pools.ts';
import { mountGraphql } from './graphql/index.ts';
import { mountLinks } from './http/links.ts';
import { type Inbox, startInbox } from './mail/inbox.ts';
import { html, sendPage } from './mail/page.ts';
import { previewRouter } from './mail/preview.ts';
import { createMailTransport } from './mail/transport.ts';

export function mailTransport(smtpUrl: string): Transporter {
  return createMailTransport({ smtpUrl });
}

export function developmentMail(config: Config): Promise<Inbox> {
  return startInbox({ port: config.inboxSmtpPort });
}

/** Fills an empty database outside production, and tells who can sign in. */
export async function demoData(config: Config, adminUrl: string): Promise<[string, string][]> {
  if (!config.demoData) return [];
  const pool = createPool(adminUrl, { name: 'reslot-demo', max: 1 });
  try {
    return await loadDemo(pool);
  } finally {
    await pool.end();
  }
}

export function mounts(config: Config, inbox: Inbox | null): Mount[] {
  return [
    mountGraphql,
    linkPages,
    ...(inbox ? [inboxPages(inbox)] : []),
    ...(config.environment === 'production' ? [] : [mailPreview, startPage(inbox)]),
  ];
}

const nothingToStop = async () => undefined;

const linkPages: Mount = async (app, _server, { config, pool, requestDispatch }) => {
  mountLinks({ app, appPool: pool, config, afterCommit: requestDispatch });
  return nothingToStop;
};

function inboxPages(inbox: Inbox): Mount {
  return async (app) => {
    app.use(inbox.router);
    return nothingToStop;
  };
}

const mailPreview: Mount = async (app, _server, { config }) => {
  app.use(previewRouter({ publicUrl: config.publicUrl }));
  return nothingToStop;
};

/** Whoever opens the bare address in development finds the way. */
function startPage(inbox: Inbox | null): Mount {
  return async (app, _server, { config }) => {
    app.get('/', (_request, response) => {
      sendPage(
        response,
        'Reslot',
        html`<ul>
          ${config.graphiql ? html`<li><a href="/graphiql">GraphQL explorer</a></li>` : ''}
          ${inbox ? html`<li><a href="/inbox">Development inbox</a></li>` : ''}
          <li><a href="/mail-preview">Every mail with sample data</a></li>
          <li><a href="/readyz">Health</a></li>
        </ul>`,
      );
    });
    return nothingToStop;
  };
}
