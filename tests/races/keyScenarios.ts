/** What may be used once, used by many at once: links of accounts and refresh tokens; and the jobs that all share. */
import { createHash } from 'node:crypto';
import { expect } from '@jest/globals';
import { unique } from '../support/factories.ts';
import {
  type Action,
  between,
  fine,
  type Ground,
  job,
  literal,
  refusals,
  type Scenario,
  server,
} from '../support/races.ts';
import { user } from './stage.ts';

const MANY = 6;

const hash = (text: string) => `'\\x${createHash('sha256').update(text).digest('hex')}'::bytea`;

function link(ground: Ground, userId: string, action: 'magic' | 'reset' | 'verify') {
  return ground.db.value<string>(
    `select app_private.issue_link($1, $2, null, $3, null, null, null,
       app_private.clock() + interval '10 minutes')`,
    [action, ground.world.organizationId, userId],
  );
}

function liveSessions(ground: Ground, userId: string) {
  return ground.db.value<number>(
    `select count(distinct family_id)::integer from app_private.refresh_tokens
     where user_id = $1 and revoked_at is null`,
    [userId],
  );
}

async function openSession(ground: Ground, userId: string): Promise<string> {
  const token = unique('token');
  await ground.db.query(`select app_private.open_session($1, ${hash(token)})`, [userId]);
  return token;
}

function expectOnce(outcomes: Parameters<typeof fine>[0]): void {
  expect(fine(outcomes)).toHaveLength(1);
  expect(refusals(outcomes)).toEqual(Array(outcomes.length - 1).fill('RSEXP'));
}

export const sameMagicLink: Scenario = {
  name: 'a link to sign in, followed by many at once, opens one session',
  prepare: async (ground, day) => {
    const userId = user(ground, day % 10);
    const token = await link(ground, userId, 'magic');
    const before = await liveSessions(ground, userId);
    return {
      actions: Array.from({ length: MANY }, () =>
        server(`app_private.use_magic_link(${literal(token)}, ${hash(unique('session'))})`),
      ),
      check: async (outcomes) => {
        expectOnce(outcomes);
        expect(await liveSessions(ground, userId)).toBe(before + 1);
      },
    };
  },
};

export const sameResetLink: Scenario = {
  name: 'a link to set a password, followed by many at once, sets that of one',
  prepare: async (ground) => {
    const userId = user(ground, 0);
    const token = await link(ground, userId, 'reset');
    await openSession(ground, userId);
    const hashes = Array.from({ length: MANY }, (_, n) => `$argon2id$v=19$${n}`);
    return {
      actions: hashes.map((of) =>
        server(`app_private.reset_password(${literal(token)}, ${literal(of)})`),
      ),
      check: async (outcomes) => {
        expectOnce(outcomes);
        const winner = hashes[outcomes.findIndex(({ ok }) => ok)];
        const stored = await ground.db.value(
          'select password_hash from app_private.user_secrets where user_id = $1',
          [userId],
        );
        expect(stored).toBe(winner);
        expect(await liveSessions(ground, userId)).toBe(0);
      },
    };
  },
};

export const sameVerifyLink: Scenario = {
  name: 'a link that proves an address, followed by many at once, proves it once',
  prepare: async (ground) => {
    const token = await link(ground, user(ground, 0), 'verify');
    return {
      actions: Array(MANY).fill(server(`app_private.verify_email(${literal(token)})`)),
      check: expectOnce,
    };
  },
};

export const sameRefresh: Scenario = {
  name: 'a refresh token used by many at once has one successor',
  prepare: async (ground) => {
    const token = await openSession(ground, user(ground, 0));
    const rotate = `app_private.rotate_session(${hash(token)}, ${hash(`${token} next`)})`;
    return {
      actions: Array(MANY).fill(server(rotate)),
      check: async (outcomes) => {
        expect(fine(outcomes).map(({ outcome }) => outcome)).toEqual(Array(MANY).fill('ok'));
        const family = await ground.db.rows<{ used: boolean }>(
          `select used_at is not null as used from app_private.refresh_tokens
           where family_id = (select family_id from app_private.refresh_tokens where token_hash = ${hash(token)})
           order by used desc`,
        );
        expect(family).toEqual([{ used: true }, { used: false }]);
      },
    };
  },
};

export const refreshAndSignOut: Scenario = {
  name: 'a refresh while all sessions are ended leaves none behind',
  prepare: async (ground) => {
    const userId = user(ground, 0);
    const token = await openSession(ground, userId);
    const rotate = `app_private.rotate_session(${hash(token)}, ${hash(`${token} next`)})`;
    return {
      actions: [
        server(rotate),
        server(`(select app_private.sign_out_everywhere(${literal(userId)}) is null as done)`),
        server(rotate),
      ],
      check: async (outcomes) => {
        expect(fine(outcomes)).toHaveLength(3);
        expect(await liveSessions(ground, userId)).toBe(0);
      },
    };
  },
};

/** As a worker does: it begins with whatever nobody else has. */
const TAKE_JOBS: Action = {
  login: 'worker',
  sql: `with free as (
          select id from graphile_worker._private_jobs
          where key like 'send:%' and locked_at is null order by random() limit 3 for update skip locked
        )
        update graphile_worker._private_jobs j set locked_at = clock_timestamp(), locked_by = 'somebody'
        from free where j.id = free.id`,
};

/** Enough mails wait that each dispatch queues several jobs for them, under the keys that all use. */
export const sendings: Scenario = {
  name: 'jobs for many mails, queued by many at once, are queued without a deadlock',
  prepare: async (ground) => {
    await ground.db.query(
      `with note as (
         insert into app_public.notifications (organization_id, kind, user_id, data)
         select $1, 'account_exists', $2, '{}' from generate_series(1, 30)
         returning id, organization_id, user_id
       )
       insert into app_public.deliveries (organization_id, notification_id, subject_id, address)
       select n.organization_id, n.id, n.user_id, 'many@example.org' from note n`,
      [ground.world.organizationId, user(ground, 0)],
    );
    const dispatch = () => between(0, 4, job('app_private.dispatch()'));
    const take = () => between(0, 4, TAKE_JOBS);
    return { actions: [dispatch(), take(), dispatch(), dispatch(), take(), dispatch()] };
  },
};
