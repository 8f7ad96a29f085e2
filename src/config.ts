/**
 * Everything that can be set from outside, read once at the start. A value that cannot be used stops
 * the start with its name and what was expected; nothing else in the code reads the environment.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import type { S3Settings } from './photos/s3.ts';

export class ConfigError extends Error {}

type Environment = Record<string, string | undefined>;

const flag = z.stringbool({
  truthy: ['true', '1', 'yes', 'on'],
  falsy: ['false', '0', 'no', 'off'],
});
const whole = (from: number, to: number) =>
  z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(from).max(to));
const url = (...protocols: string[]) =>
  z.string().refine((text) => protocols.includes(URL.parse(text)?.protocol.slice(0, -1) ?? ''));
const database = url('postgres', 'postgresql');

/** `secret` values are not repeated in messages. */
const FIELDS = {
  NODE_ENV: [z.enum(['development', 'production', 'test']), 'development, production or test'],
  HOST: [z.string().min(1), 'an address to listen on, such as 127.0.0.1 or 0.0.0.0'],
  PORT: [whole(0, 65_535), 'a number from 0 to 65535 (0: any free port)'],
  PUBLIC_URL: [
    url('http', 'https').refine((text) => !/[?#]/.test(text)),
    'the address at which people reach this server, such as https://reslot.example.org',
  ],
  DATA_DIR: [z.string().min(1), 'a directory'],
  DATABASE_URL: [database, 'postgres://user:password@host:5432/database', 'secret'],
  DATABASE_APP_URL: [database, 'postgres://reslot_app:password@host:5432/database', 'secret'],
  DATABASE_LISTEN_URL: [database, 'postgres://reslot_app:password@host:5432/database', 'secret'],
  DATABASE_WORKER_URL: [database, 'postgres://reslot_worker:password@host:5432/database', 'secret'],
  DATABASE_POOL_SIZE: [whole(2, 500), 'a number of connections from 2 to 500'],
  SECRET_KEY: [z.string().min(32), 'at least 32 random characters', 'secret'],
  SMTP_URL: [url('smtp', 'smtps'), 'smtp://user:password@host:587 or smtps://…', 'secret'],
  MAIL_FROM: [
    z.string().regex(/^[^\r\n]*[^\s@<>]+@[^\s@<>]+>?$/),
    'an e-mail address, such as Reslot <bookings@example.org>',
  ],
  STRIPE_SECRET_KEY: [
    z.string().regex(/^[rs]k_(test|live)_\w+$/),
    'a secret or restricted key of Stripe, sk_… or rk_…',
    'secret',
  ],
  STRIPE_WEBHOOK_SECRET: [
    z.string().regex(/^whsec_\w+$/),
    'the signing secret of the webhook at Stripe, whsec_…',
    'secret',
  ],
  STRIPE_API_URL: [url('http', 'https'), 'an address, such as https://api.stripe.com'],
  INBOX_SMTP_PORT: [whole(0, 65_535), 'a number from 0 to 65535 (0: any free port)'],
  WORKER_CONCURRENCY: [whole(1, 100), 'a number of jobs at a time from 1 to 100'],
  DISPATCH_INTERVAL_MS: [whole(20, 60_000), 'a number of milliseconds from 20 to 60000'],
  DEMO_DATA: [flag, 'true or false'],
  GRAPHIQL: [flag, 'true or false'],
  METRICS_PORT: [whole(0, 65_535), 'a number from 0 to 65535 (0: any free port)'],
  METRICS_HOST: [z.string().min(1), 'an address to listen on, such as 127.0.0.1 or 0.0.0.0'],
  TRUST_PROXY: [
    z.string().transform(readTrustProxy),
    'false, the number of proxies in front, or their addresses, such as 10.0.0.0/8,127.0.0.1',
  ],
  PHOTOS_DIR: [z.string().min(1), 'a directory'],
  PHOTOS_MAX_MB: [whole(1, 100), 'a number of megabytes from 1 to 100'],
  PHOTOS_S3_URL: [
    url('http', 'https').refine((text) => !/[?#@]/.test(text)),
    'the address of a bucket, such as https://s3.eu-central-1.amazonaws.com/photos',
  ],
  PHOTOS_S3_REGION: [z.string().regex(/^[\w-]+$/), 'the name of a region, such as eu-central-1'],
  PHOTOS_S3_ACCESS_KEY: [z.string().min(1), 'the id of an access key', 'secret'],
  PHOTOS_S3_SECRET_KEY: [z.string().min(1), 'the secret of the access key', 'secret'],
  LOG_LEVEL: [z.enum(['debug', 'info', 'warn', 'error']), 'debug, info, warn or error'],
} as const satisfies Record<string, readonly [z.ZodType, string, 'secret'?]>;

type Name = keyof typeof FIELDS;
type Parsed = { [N in Name]?: z.output<(typeof FIELDS)[N][0]> };

export interface Config {
  environment: 'development' | 'production' | 'test';
  host: string;
  port: number;
  /** Without a slash at the end; undefined means the address the server finds itself at. */
  publicUrl: string | undefined;
  dataDir: string;
  /** The administrator's connection; undefined means the embedded PostgreSQL. */
  databaseUrl: string | undefined;
  databaseAppUrl: string | undefined;
  databaseListenUrl: string | undefined;
  databaseWorkerUrl: string | undefined;
  databasePoolSize: number;
  secretKey: string;
  /** Undefined means the development inbox. */
  smtpUrl: string | undefined;
  mailFrom: string;
  /** Undefined: nothing is paid by Stripe. */
  stripe: { secretKey: string; webhookSecret: string; apiUrl: string } | undefined;
  inboxSmtpPort: number;
  workerConcurrency: number;
  dispatchIntervalMs: number;
  demoData: boolean;
  graphiql: boolean;
  /** Where Prometheus may ask; undefined: nowhere. */
  metricsPort: number | undefined;
  metricsHost: string;
  trustProxy: boolean | number | string;
  photosDir: string;
  photosMaxMegabytes: number;
  /** Undefined means the directory. */
  photosS3: S3Settings | undefined;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** Reads `.env` beside package.json, if there is one; the environment wins over it. */
export function readEnvironment(directory: string): Environment {
  let file: Environment = {};
  try {
    file = parseEnv(readFileSync(join(directory, '.env'), 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { ...file, ...process.env };
}

export function parseConfig(environment: Environment): Config {
  const values = parseFields(environment);
  const kind = values.NODE_ENV ?? 'development';
  const production = kind === 'production';
  if (production) requireInProduction(values);
  const dataDir = resolve(values.DATA_DIR ?? '.data');
  return {
    environment: kind,
    host: values.HOST ?? (production ? '0.0.0.0' : '127.0.0.1'),
    port: values.PORT ?? 3000,
    publicUrl: values.PUBLIC_URL?.replace(/\/+$/, ''),
    dataDir,
    databaseUrl: values.DATABASE_URL,
    databaseAppUrl: values.DATABASE_APP_URL,
    databaseListenUrl: values.DATABASE_LISTEN_URL,
    databaseWorkerUrl: values.DATABASE_WORKER_URL,
    databasePoolSize: values.DATABASE_POOL_SIZE ?? 10,
    secretKey: values.SECRET_KEY ?? ownSecretKey(dataDir),
    smtpUrl: values.SMTP_URL,
    mailFrom: values.MAIL_FROM ?? 'Reslot <reslot@localhost.invalid>',
    stripe: stripeSettings(values),
    inboxSmtpPort: values.INBOX_SMTP_PORT ?? 0,
    workerConcurrency: values.WORKER_CONCURRENCY ?? 4,
    dispatchIntervalMs: values.DISPATCH_INTERVAL_MS ?? 250,
    demoData: !production && (values.DEMO_DATA ?? true),
    graphiql: values.GRAPHIQL ?? !production,
    metricsPort: values.METRICS_PORT,
    metricsHost: values.METRICS_HOST ?? '127.0.0.1',
    trustProxy: values.TRUST_PROXY ?? false,
    photosDir: resolve(values.PHOTOS_DIR ?? join(dataDir, 'photos')),
    photosMaxMegabytes: values.PHOTOS_MAX_MB ?? 10,
    photosS3: s3Settings(values),
    logLevel: values.LOG_LEVEL ?? 'info',
  };
}

function parseFields(environment: Environment): Parsed {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, [schema, expected, secret]] of Object.entries<
    readonly [z.ZodType, string, 'secret'?]
  >(FIELDS)) {
    const text = environment[name]?.trim();
    // An empty value in .env means the same as none.
    if (text === undefined || text === '') continue;
    const parsed = schema.safeParse(text);
    if (parsed.success) values[name] = parsed.data;
    else problems.push(`${name} is ${secret ? 'not usable' : `"${text}"`}; expected ${expected}.`);
  }
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return values as Parsed;
}

/** One without the other would take money and never hear of it. */
function stripeSettings(values: Parsed): Config['stripe'] {
  const { STRIPE_SECRET_KEY: secretKey, STRIPE_WEBHOOK_SECRET: webhookSecret } = values;
  if (!secretKey && !webhookSecret) return undefined;
  if (!secretKey || !webhookSecret) {
    throw new ConfigError('STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET need each other.');
  }
  return { secretKey, webhookSecret, apiUrl: values.STRIPE_API_URL ?? 'https://api.stripe.com' };
}

function requireInProduction(values: Parsed): void {
  const needed: Name[] = ['SECRET_KEY', 'PUBLIC_URL', 'SMTP_URL', 'MAIL_FROM'];
  const missing = needed.filter((name) => values[name] === undefined);
  if (missing.length === 0) return;
  throw new ConfigError(
    missing.map((name) => `${name} is needed in production: ${FIELDS[name][1]}.`).join('\n'),
  );
}

/** All of them or none: with a part of them photos would go to the wrong place. */
function s3Settings(values: Parsed): S3Settings | undefined {
  const names = ['PHOTOS_S3_URL', 'PHOTOS_S3_ACCESS_KEY', 'PHOTOS_S3_SECRET_KEY'] as const;
  const missing = names.filter((name) => values[name] === undefined);
  if (missing.length === names.length && values.PHOTOS_S3_REGION === undefined) return undefined;
  const [url, accessKeyId, secretAccessKey] = names.map((name) => values[name]);
  if (!url || !accessKeyId || !secretAccessKey) {
    throw new ConfigError(
      missing
        .map((name) => `${name} is needed with the other PHOTOS_S3 settings: ${FIELDS[name][1]}.`)
        .join('\n'),
    );
  }
  const region = values.PHOTOS_S3_REGION ?? 'us-east-1';
  return { url: url.replace(/\/+$/, ''), region, accessKeyId, secretAccessKey };
}

/** Outside production a key is made once and kept, so that sessions and links survive restarts. */
function ownSecretKey(dataDir: string): string {
  const file = join(dataDir, 'secret.key');
  try {
    mkdirSync(dataDir, { recursive: true });
    writeOnce(file, randomBytes(48).toString('base64url'));
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new ConfigError(
      `DATA_DIR is "${dataDir}"; expected a directory in which this user may write (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

function writeOnce(file: string, text: string): void {
  try {
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function isNetwork(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits = '1', ...rest] = text.split('/');
  const most = { 4: 32, 6: 128 }[isIP(address)] ?? 0;
  return /^\d+$/.test(bits) && Number(bits) >= 1 && Number(bits) <= most && rest.length === 0;
}

/** The forms that Express takes: no, the number of hops, or a list of networks. */
function readTrustProxy(text: string, context: z.RefinementCtx): boolean | number | string {
  if (/^(false|no|off)$/i.test(text)) return false;
  if (/^\d{1,2}$/.test(text)) return Number(text);
  if (text.split(',').every((entry) => isNetwork(entry.trim()))) return text;
  context.addIssue({ code: 'custom', message: 'not a list of proxies' });
  return z.NEVER;
}
