/** The whole product on a database of its own: server, worker with the real tasks, mail. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Config, parseConfig } from '../../src/config.ts';
import { type Inbox, startInbox } from '../../src/mail/inbox.ts';
import { createMailTransport } from '../../src/mail/transport.ts';
import { mounts } from '../../src/parts.ts';
import { createStripe } from '../../src/payments/stripe.ts';
import { photoStorage } from '../../src/photos/storage.ts';
import { openServer } from '../../src/server.ts';
import { startWorker } from '../../src/worker.ts';
import { type ClonedDatabase, cloneDatabase } from './database.ts';

export interface Stack {
  config: Config;
  database: ClonedDatabase;
  /** The server's address, which is its public one as well. */
  url: string;
  inbox: Inbox;
  stop(): Promise<void>;
}

export interface StackOptions {
  /** Settings as in the environment. */
  environment?: Record<string, string>;
  /** Without it nothing is due until a test says so. */
  worker?: boolean;
  /** To run on a database that a test has prepared; it is dropped all the same. */
  database?: ClonedDatabase;
}

export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const directory = mkdtempSync(join(tmpdir(), 'reslot-stack-'));
  const database = options.database ?? (await cloneDatabase());
  const config = parseConfig({
    NODE_ENV: 'test',
    PORT: '0',
    DATA_DIR: directory,
    SECRET_KEY: process.env.RESLOT_TEST_SECRET_KEY,
    DATABASE_POOL_SIZE: '6',
    ...options.environment,
  });
  const inbox = await startInbox({ port: 0 });
  const transport = createMailTransport({ smtpUrl: inbox.smtpUrl });
  const server = await openServer(config);
  const worker =
    options.worker === false
      ? null
      : await startWorker({
          connectionString: database.url('worker'),
          services: {
            ...{ transport, mailFrom: config.mailFrom, publicUrl: server.publicUrl },
            photos: photoStorage(config),
            stripe: createStripe(config),
          },
          concurrency: 3,
          dispatchIntervalMs: 100,
          onFatal: (error) => {
            throw error;
          },
        });
  await server.serve(database.url('app'), mounts(config, inbox));
  return {
    config,
    database,
    url: server.publicUrl,
    inbox,
    stop: async () => {
      await server.stop();
      await worker?.stop();
      transport.close();
      await inbox.stop();
      await database.drop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
