/** The parts of the server and what they need from outside, in one place. */
import type { Transporter } from 'nodemailer';
import type { Config } from './config.ts';
import type { Mount } from './context.ts';
import { loadDemo } from './database/demo.ts';
import { createPool } from './database/pools.ts';
import { mountGraphql } from './graphql/index.ts';
import { mountLinks } from './http/links.ts';
import { mountWebhooks } from './http/webhooks.ts';
import { type Inbox, startInbox } from './mail/inbox.ts';
import { html, sendPage } from './mail/page.ts';
import { previewRouter } from './mail/preview.ts';
import { createMailTransport } from './mail/transport.ts';
import { createStripe } from './payments/stripe.ts';

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
    webhooks,
    ...(inbox ? [inboxPages(inbox)] : []),
    ...(config.environment === 'production' ? [] : [mailPreview, startPage(inbox)]),
  ];
}

const nothingToStop = async () => undefined;

const linkPages: Mount = async (app, _server, { config, pool, requestDispatch }) => {
  mountLinks({ app, appPool: pool, config, afterCommit: requestDispatch });
  return nothingToStop;
};

/** Without Stripe there is nothing at these addresses. */
const webhooks: Mount = async (app, _server, { config, pool, requestDispatch }) => {
  const stripe = createStripe(config);
  if (!stripe || !config.stripe) return nothingToStop;
  const { webhookSecret: secret } = config.stripe;
  mountWebhooks({ app, appPool: pool, stripe, secret, afterCommit: requestDispatch });
  app.get('/paid', (_request, response) => {
    sendPage(
      response,
      'Reslot',
      html`<p>Thank you. We write to you as soon as the money is here.</p>`,
    );
  });
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
