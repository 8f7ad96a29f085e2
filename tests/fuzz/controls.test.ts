/** Negative controls: what the fuzz test looks for is found where it is. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fuzz, growthMb } from './fuzz.ts';
import { changeOf } from './scene.ts';
import { type Served, serve } from './served.ts';

const SEED = 1;
const VIEWER = 'app_public.viewer()';

describe('in the database', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serve();
  });
  afterAll(() => served?.stop());

  /** It ends with the first. */
  const found = async () => {
    const cases = 20_000;
    const { problems } = await fuzz(served, {
      seed: SEED,
      cases,
      casesOfWave: 500,
      mostProblems: 1,
    });
    return problems[0] ?? 'nothing';
  };

  const change = (sql: string) => changeOf(served)((db) => db.query(sql));

  const viewerDoes = (body: string) =>
    change(`create or replace function ${VIEWER} returns app_public.users
      language plpgsql stable security definer
      set search_path = pg_catalog, app_public, app_private, pg_temp
      as $$ begin ${body} end $$`);

  test('an error that is not registered', async () => {
    await viewerDoes('perform secret from app_private.nowhere;');
    expect(await found()).toContain('a fault of ours');
    expect(served.output()).toContain('nowhere');
  }, 120_000);

  test('a registered error that quotes the inside', async () => {
    await viewerDoes(
      `perform app_private.fail('RSARG', 'relation "app_private.nowhere" is empty');`,
    );
    expect(await found()).toContain('words of the inside');
  }, 120_000);

  test('a change that leaves something broken behind', async () => {
    await viewerDoes('return null;');
    // Whoever leaves a waiting list is not in the audit log.
    await change(`create function app_private.forget() returns trigger language plpgsql security definer
      set search_path = pg_catalog, app_public, app_private, pg_temp
      as $$ begin delete from audit_log l where l.record_id = new.id; return null; end $$`);
    await change(`create trigger zz_forget after update on app_public.waitlist_entries
      for each row when (new.status = 'left') execute function app_private.forget()`);
    expect(await found()).toMatch(/after wave \d+: .*I8/);
  }, 120_000);
});

describe('in the server', () => {
  test('a failure outside the API', async () => {
    const served = await serve('breaksOnLongRequests');
    try {
      const { problems } = await fuzz(served, { seed: SEED, cases: 500, mostProblems: 1 });
      expect(problems[0]).toContain('the status 500');
    } finally {
      await served.stop();
    }
  }, 120_000);

  test('requests that are kept', async () => {
    const served = await serve('keepsEveryRequest');
    try {
      const findings = await fuzz(served, { seed: SEED, cases: 1_500, casesOfWave: 300 });
      expect(findings.problems).toEqual([]);
      expect(growthMb(findings)).toBeGreaterThan(64);
    } finally {
      await served.stop();
    }
  }, 120_000);
});
