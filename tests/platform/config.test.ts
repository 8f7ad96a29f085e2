import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { ConfigError, parseConfig } from '../../src/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'reslot-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

const parse = (values: Record<string, string>) => parseConfig({ DATA_DIR: directory, ...values });

const production = {
  NODE_ENV: 'production',
  SECRET_KEY: 'x'.repeat(32),
  PUBLIC_URL: 'https://reslot.example.org/',
  SMTP_URL: 'smtp://mail.example.org',
  MAIL_FROM: 'Reslot <bookings@example.org>',
};

describe('the configuration', () => {
  test('needs nothing in development', () => {
    const config = parse({});
    expect(config).toMatchObject({
      environment: 'development',
      host: '127.0.0.1',
      port: 3000,
      databaseUrl: undefined,
      demoData: true,
      graphiql: true,
      trustProxy: false,
    });
  });

  test('keeps the key it made for itself', () => {
    const { secretKey } = parse({});
    expect(secretKey.length).toBeGreaterThanOrEqual(32);
    expect(parse({}).secretKey).toBe(secretKey);
  });

  test('says so when it cannot write where its data belongs', () => {
    const file = join(directory, 'not-a-directory');
    writeFileSync(file, '');
    for (const place of [file, join(file, 'below')]) {
      expect(() => parse({ DATA_DIR: place })).toThrow(ConfigError);
      expect(() => parse({ DATA_DIR: place })).toThrow(
        `DATA_DIR is "${place}"; expected a directory in which this user may write (`,
      );
    }
  });

  test('keeps photos beside its data, or in the S3 bucket that is named in full', () => {
    expect(parse({})).toMatchObject({ photosDir: join(directory, 'photos'), photosS3: undefined });
    const s3 = {
      PHOTOS_S3_URL: 'https://s3.example.org/photos/',
      PHOTOS_S3_ACCESS_KEY: 'id',
      PHOTOS_S3_SECRET_KEY: 'secret',
    };
    expect(parse(s3).photosS3).toEqual({
      url: 'https://s3.example.org/photos',
      region: 'us-east-1',
      accessKeyId: 'id',
      secretAccessKey: 'secret',
    });
    for (const name of Object.keys(s3)) {
      expect(() => parse({ ...s3, [name]: '' })).toThrow(
        new RegExp(`^${name} is needed with the other PHOTOS_S3 settings: `),
      );
    }
    expect(() => parse({ PHOTOS_S3_REGION: 'eu' })).toThrow(ConfigError);
  });

  test('takes an empty value for none', () => {
    expect(parse({ PORT: '', SMTP_URL: '  ' })).toMatchObject({ port: 3000, smtpUrl: undefined });
  });

  test.each([
    ['PORT', 'abc'],
    ['PORT', '70000'],
    ['PORT', '-1'],
    ['PORT', '3000.5'],
    ['PORT', '0x10'],
    ['PORT', '1e3'],
    ['NODE_ENV', 'prod'],
    ['PUBLIC_URL', 'reslot.example.org'],
    ['PUBLIC_URL', 'ftp://reslot.example.org'],
    ['PUBLIC_URL', 'https://reslot.example.org/?a=b'],
    ['DEMO_DATA', 'maybe'],
    ['GRAPHIQL', '2'],
    ['WORKER_CONCURRENCY', '0'],
    ['DISPATCH_INTERVAL_MS', '1'],
    ['DATABASE_POOL_SIZE', '1'],
    ['TRUST_PROXY', 'everybody'],
    ['TRUST_PROXY', '999.1'],
    ['TRUST_PROXY', '10.0.0.0/33'],
    ['TRUST_PROXY', '10.0.0.0/8/8'],
    ['MAIL_FROM', 'nobody'],
    ['LOG_LEVEL', 'loud'],
    ['INBOX_SMTP_PORT', 'smtp'],
    ['PHOTOS_MAX_MB', '0'],
    ['PHOTOS_S3_URL', 's3://photos'],
    ['PHOTOS_S3_REGION', 'here and there'],
  ])('refuses %s=%s with its name, its value and what was expected', (name, value) => {
    expect(() => parse({ [name]: value })).toThrow(ConfigError);
    expect(() => parse({ [name]: value })).toThrow(`${name} is "${value}"; expected `);
  });

  test.each([
    ['DATABASE_URL', 'mysql://root:hunter2@localhost/reslot'],
    ['DATABASE_APP_URL', 'hunter2'],
    ['DATABASE_LISTEN_URL', 'hunter2'],
    ['SMTP_URL', 'http://user:hunter2@localhost'],
    ['SECRET_KEY', 'hunter2'],
    ['STRIPE_SECRET_KEY', 'hunter2'],
    ['STRIPE_WEBHOOK_SECRET', 'hunter2'],
  ])('refuses a bad %s without repeating it', (name, value) => {
    const attempt = () => parse({ [name]: value });
    expect(attempt).toThrow(`${name} is not usable; expected `);
    expect(attempt).not.toThrow('hunter2');
  });

  test('tells all that is wrong at once', () => {
    expect(() => parse({ PORT: 'x', LOG_LEVEL: 'y' })).toThrow(/PORT.*\n.*LOG_LEVEL/);
  });

  test.each(['SECRET_KEY', 'PUBLIC_URL', 'SMTP_URL', 'MAIL_FROM'])(
    'insists on %s in production',
    (name) => {
      expect(() => parse({ ...production, [name]: '' })).toThrow(`${name} is needed in production`);
    },
  );

  test('switches off in production what is for development', () => {
    const config = parse({ ...production, DEMO_DATA: 'true' });
    expect(config).toMatchObject({
      demoData: false,
      graphiql: false,
      host: '0.0.0.0',
      publicUrl: 'https://reslot.example.org',
    });
  });

  test('takes the two secrets of Stripe together, and neither alone', () => {
    const both = { STRIPE_SECRET_KEY: 'rk_live_a1', STRIPE_WEBHOOK_SECRET: 'whsec_b2' };
    expect(parse(both).stripe).toEqual({
      ...{ secretKey: 'rk_live_a1', webhookSecret: 'whsec_b2', apiUrl: 'https://api.stripe.com' },
    });
    expect(parse({}).stripe).toBeUndefined();
    for (const name of Object.keys(both)) {
      expect(() => parse({ ...both, [name]: '' })).toThrow('need each other');
    }
  });

  test.each([
    ['false', false],
    ['2', 2],
    ['10.0.0.0/8, 127.0.0.1', '10.0.0.0/8, 127.0.0.1'],
    ['loopback', 'loopback'],
    ['loopback, fd00::/8, ::1', 'loopback, fd00::/8, ::1'],
  ])('reads TRUST_PROXY=%s', (text, value) => {
    expect(parse({ TRUST_PROXY: text }).trustProxy).toBe(value);
  });

  test('lists every setting in .env.example, and no other', async () => {
    const example = await readFile(new URL('../../.env.example', import.meta.url), 'utf8');
    const source = await readFile(new URL('../../src/config.ts', import.meta.url), 'utf8');
    const named = [...example.matchAll(/^# ([A-Z\d_]+)=/gm)].map((match) => match[1]);
    const fields = source.slice(
      source.indexOf('const FIELDS'),
      source.indexOf('as const satisfies'),
    );
    const known = [...fields.matchAll(/^ {2}([A-Z\d_]+):/gm)].map((match) => match[1]);
    expect(named.sort()).toEqual(known.sort());
  });
});
