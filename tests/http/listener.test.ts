import { expect, test } from '@jest/globals';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { DEMO_PASSWORD } from '../../src/database/demo/people.ts';
import { loadDemo } from '../../src/database/demo.ts';
import { cloneDatabase } from '../support/database.ts';
import { startStack } from '../support/stack.ts';
import { eventually } from '../support/worker.ts';

test('a server behind a pooler listens past it, by the address meant for that', async () => {
  const database = await cloneDatabase();
  await loadDemo(database.pool('admin', 1));
  // Told from the server's other connections by its login.
  const stack = await startStack({
    database,
    worker: false,
    environment: { DATABASE_LISTEN_URL: database.url('worker') },
  });
  const response = await fetch(`${stack.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      query: `mutation { signIn(input: {email: "anna@demo.example", password: "${DEMO_PASSWORD}"}) { accessToken } }`,
    }),
  });
  const { data } = (await response.json()) as { data: { signIn: { accessToken: string } } };
  const client = createClient({
    url: `${stack.url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${data.signIn.accessToken}` },
  });
  try {
    client.subscribe(
      { query: 'subscription { notificationAdded { id } }' },
      { next: () => undefined, error: () => undefined, complete: () => undefined },
    );
    const login = await eventually(async () => {
      const { rows } = await database.pool('admin', 1).query<{ usename: string }>(
        `select usename from pg_stat_activity
         where datname = current_database() and application_name = 'reslot-server-listener'`,
      );
      return rows[0]?.usename;
    }, 10_000);
    expect(login).toBe('reslot_worker');
  } finally {
    await client.dispose();
    await stack.stop();
  }
});
