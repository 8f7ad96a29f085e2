/** Workers for tests: with tasks that are written into a folder for the one test that needs them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMailTransport } from '../../src/mail/transport.ts';
import { directoryStorage } from '../../src/photos/directory.ts';
import { type RunningWorker, startWorker, type WorkerOptions } from '../../src/worker.ts';
import type { ClonedDatabase } from './database.ts';

export interface TaskFolder {
  taskDirectory: string;
  crontabFile: string;
  remove(): Promise<void>;
}

/** Each task is the body of a file in tasks/, in plain JavaScript. */
export async function taskFolder(tasks: Record<string, string>): Promise<TaskFolder> {
  const taskDirectory = await mkdtemp(join(tmpdir(), 'reslot-tasks-'));
  const crontabFile = join(taskDirectory, 'crontab');
  await writeFile(crontabFile, '');
  for (const [name, body] of Object.entries(tasks)) {
    await writeFile(join(taskDirectory, `${name}.mjs`), body);
  }
  const remove = () => rm(taskDirectory, { recursive: true, force: true });
  return { taskDirectory, crontabFile, remove };
}

/** Nobody takes its mails, and there is nothing to pay. */
export const TEST_SERVICES: WorkerOptions['services'] = {
  transport: createMailTransport({ smtpUrl: 'smtp://127.0.0.1:1' }),
  mailFrom: 'Reslot <reslot@example.org>',
  publicUrl: 'http://localhost',
  photos: directoryStorage(join(tmpdir(), 'reslot-no-photos')),
  stripe: null,
};

export function startTestWorker(
  database: ClonedDatabase,
  options: Partial<WorkerOptions> = {},
): Promise<RunningWorker> {
  return startWorker({
    connectionString: database.url('worker'),
    services: TEST_SERVICES,
    concurrency: 2,
    dispatchIntervalMs: 100,
    onFatal: (error) => {
      throw error;
    },
    ...options,
  });
}

/** Asks until the answer is not false, null or undefined. */
export async function eventually<T>(
  ask: () => Promise<T | false | null | undefined>,
  withinMs = 60_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== null && answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`It did not happen within ${withinMs} ms.`);
    await sleep(50);
  }
}
