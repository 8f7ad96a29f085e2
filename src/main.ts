/**
 * The command line: `start` (all in one process, the default), `server`, `worker`, `migrate`,
 * `schema`, `commit-migration`.
 */
import { fileURLToPath } from 'node:url';
import { type Config, ConfigError, parseConfig, readEnvironment } from './config.ts';
import { log, setLogLevel } from './log.ts';
import type { Running } from './start.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Two signals closer than this are one Ctrl-C. */
const SAME_KEYSTROKE_MS = 1_000;

type Fatal = (error: Error) => void;

/** Imported only when used, so that a wrong setting is told before anything else is loaded. */
const SERVICES: Record<string, (config: Config, onFatal: Fatal) => Promise<Running>> = {
  start: async (config, onFatal) => (await import('./start.ts')).startAll(config, onFatal),
  server: async (config) => (await import('./start.ts')).startServerHalf(config),
  worker: async (config, onFatal) => (await import('./start.ts')).startWorkerHalf(config, onFatal),
};

const COMMANDS: Record<string, (config: Config) => Promise<void>> = {
  migrate: async (config) => {
    (await import('./start.ts')).requireShared(config);
    const database = await (await import('./database/open.ts')).openDatabase(config);
    await database.stop();
    say(`The database is up to date: ${database.place}`);
  },
  schema: async () => (await import('./database/writeSchema.ts')).writeSchemaFiles(),
  'commit-migration': async () =>
    (await import('./database/commitMigration.ts')).commitMigration(process.argv[3] ?? ''),
};

async function main(): Promise<void> {
  const name = process.argv[2] ?? 'start';
  const config = parseConfig(readEnvironment(ROOT));
  setLogLevel(config.logLevel);
  // The GraphQL and job libraries are strict and talkative in development, and ask this variable.
  process.env.GRAPHILE_ENV ??= config.environment;
  const command = COMMANDS[name];
  if (command) return command(config);
  const service = SERVICES[name];
  if (!service) {
    const known = [...Object.keys(SERVICES), ...Object.keys(COMMANDS)].join(', ');
    throw new Error(`There is no command "${name}". There are: ${known}.`);
  }
  await serve(name, (onFatal) => service(config, onFatal));
}

async function serve(name: string, start: (onFatal: Fatal) => Promise<Running>): Promise<void> {
  const state = { stopping: false, since: 0 };
  const started = Promise.withResolvers<Running | null>();
  const stop = async (exitCode: number) => {
    if (state.stopping) {
      // Asked again, and not just by npm passing on the Ctrl-C that we have got already.
      if (performance.now() - state.since > SAME_KEYSTROKE_MS) process.exit(exitCode || 130);
      return;
    }
    state.stopping = true;
    state.since = performance.now();
    const running = await started.promise;
    await running?.stop();
    process.exit(exitCode);
  };
  const onFatal = (error: Error) => {
    log.error('cannot go on', { error });
    void stop(1);
  };
  // SIGHUP: the terminal was closed. Nobody reads what is said from then on, which must not keep
  // the database from being stopped.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!state.stopping) say('\nStopping …');
      void stop(0);
    });
  }
  process.on('uncaughtException', onFatal);
  process.on('unhandledRejection', (reason) => onFatal(reason as Error));
  const before = performance.now();
  try {
    const running = await start(onFatal);
    started.resolve(running);
    if (!state.stopping) announce(name, running, performance.now() - before);
  } catch (error) {
    started.resolve(null);
    throw error;
  }
}

function announce(name: string, running: Running, ms: number): void {
  say(`Reslot ${name === 'start' ? '' : `${name} `}is ready after ${(ms / 1000).toFixed(1)} s.\n`);
  for (const [place, where] of running.places) say(`  ${place.padEnd(10)} ${where}`);
  say('\nCtrl-C stops it.');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

try {
  await main();
} catch (error) {
  // A wrong setting is the reader's to correct: the message says how, and a stack would hide it.
  const { message, stack } = error as Error;
  const detailed = process.env.LOG_LEVEL === 'debug' && !(error instanceof ConfigError);
  process.stderr.write(`\n${detailed ? stack : message}\n`);
  process.exit(1);
}
