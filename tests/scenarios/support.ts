/** The product as its users meet it: GraphQL over HTTP, mails over SMTP, links in a browser's hands. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import { type Stack, startStack } from '../support/stack.ts';

const PASSWORD = 'correct horse battery staple';

/**
 * Everything in seconds: asked ten seconds before the start, released after six more (six before
 * the start) if the mail server had the reminder for three, held two at a time, last call two
 * before the start.
 */
const SHORT_POLICY = {
  reminder_leads: ['10 seconds'],
  confirm_if_booked_before: '10 seconds',
  confirm_deadline: '6 seconds',
  min_notice: '3 seconds',
  claim_window: '2 seconds',
  min_claim_window: '2 seconds',
  last_call: '2 seconds',
  urgent_before: '1 hour',
  min_duration: '1 second',
};

export interface Person {
  email: string;
  token: string;
}

export interface Scenario {
  /** As the owner, for looking. */
  db: TestDatabase;
  /** A room of its own, so that scenarios can run side by side. */
  createRoom(name: string): Promise<string>;
  signUp(name: string): Promise<Person>;
  graphql<T = Record<string, unknown>>(
    person: Person | null,
    query: string,
    variables?: Record<string, unknown>,
  ): Promise<T>;
  /** Waits for a mail of this kind. */
  mail(person: Person, kind: string): Promise<Mail>;
  /** Opens the page of a link and presses its button; out comes the page after it. */
  press(link: string): Promise<string>;
  stop(): Promise<void>;
}

export interface Mail {
  subject: string;
  text: string;
  links: { label: string; url: string }[];
}

export async function startScenario(): Promise<Scenario> {
  const stack = await startStack();
  const client = await stack.database.pool('owner', 1).connect();
  const db = testDatabase(client);
  const { organizationId, policyId } = await factory.createOrganization(db, SHORT_POLICY);
  const graphql: Scenario['graphql'] = async (person, query, variables = {}) => {
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(person ? { authorization: `Bearer ${person.token}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
    });
    const body = (await response.json()) as { data: never; errors?: unknown };
    if (body.errors) throw new Error(JSON.stringify(body.errors));
    return body.data;
  };
  const mail: Scenario['mail'] = (person, kind) => waitForMail(stack, person.email, kind);
  return {
    db,
    graphql,
    mail,
    createRoom: async (name) => {
      const room = await factory.createResource(db, organizationId, name);
      return factory.createOffering(db, {
        organizationId,
        policyId,
        name,
        resourceIds: [room],
      });
    },
    signUp: async (name) => signUp(graphql, mail, name),
    press: pressButton,
    stop: async () => {
      client.release();
      await stack.stop();
    },
  };
}

async function signUp(
  graphql: Scenario['graphql'],
  mail: Scenario['mail'],
  name: string,
): Promise<Person> {
  const email = `${factory.unique(name.toLowerCase())}@example.com`;
  await graphql(null, `mutation ($input: SignUpInput!) { signUp(input: $input) { __typename } }`, {
    input: { email, name, password: PASSWORD },
  });
  const verification = await mail({ email, token: '' }, 'account_verify');
  const token = verification.links
    .map(({ url }) => url.match(/\/l\/([\w-]{22})/)?.[1])
    .find(Boolean);
  await graphql(
    null,
    'mutation ($input: VerifyEmailInput!) { verifyEmail(input: $input) { __typename } }',
    { input: { token } },
  );
  const { signIn } = await graphql<{ signIn: { accessToken: string } }>(
    null,
    'mutation ($input: SignInInput!) { signIn(input: $input) { accessToken } }',
    { input: { email, password: PASSWORD } },
  );
  return { email, token: signIn.accessToken };
}

async function waitForMail(stack: Stack, email: string, kind: string): Promise<Mail> {
  const until = Date.now() + 20_000;
  while (Date.now() < until) {
    const found = stack.inbox.messages(email).find((message) => message.kind === kind);
    if (found) return found;
    await sleep(50);
  }
  const got = stack.inbox.messages(email).map((message) => message.kind);
  throw new Error(`No mail ${kind} came to ${email}; there are: ${got.join(', ')}`);
}

export function linkOf(mail: Mail, label: RegExp): string {
  const link = mail.links.find((candidate) => label.test(candidate.label));
  if (!link) throw new Error(`No link ${label} in: ${JSON.stringify(mail.links)}`);
  return link.url;
}

/** What the page's script posts after a real click; tests/browser makes real ones. */
async function pressButton(link: string): Promise<string> {
  const page = await (await fetch(link)).text();
  const nonce = page.match(/name="nonce" value="([^"]+)"/)?.[1];
  if (!nonce) throw new Error(`No form in: ${page}`);
  await sleep(900);
  const seen = JSON.stringify({ trusted: true, visible: true, visibleMs: 900, pointer: 'touch' });
  const response = await fetch(link, {
    method: 'POST',
    body: new URLSearchParams({ nonce, seen }),
  });
  return response.text();
}

/** A range that starts so many seconds from now. */
export function soon(seconds: number): { startsAt: string; endsAt: string } {
  const start = Math.ceil(Date.now() / 1000) * 1000 + seconds * 1000;
  return {
    startsAt: new Date(start).toISOString(),
    endsAt: new Date(start + 2_000).toISOString(),
  };
}
