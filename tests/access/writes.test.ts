/** What is written directly, beside the functions; who may write which column is in the matrix. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import {
  createMember,
  createOrganization,
  createUser,
  createWorld,
  insert,
} from '../support/factories.ts';

async function createScene(db: TestDatabase) {
  const world = await createWorld(db);
  const other = await createOrganization(db);
  const stranger = await createUser(db, 'Stan');
  const keeper = await createUser(db, 'Kim');
  await createMember(db, world.organizationId, keeper, 'manager', [world.right]);
  const provider = await createUser(db, 'Pia');
  await createMember(db, world.organizationId, provider, 'provider');
  return { ...world, other, stranger, keeper, provider };
}

function inScene(
  action: (db: TestDatabase, scene: Awaited<ReturnType<typeof createScene>>) => Promise<void>,
) {
  return () => inTransaction(async (db) => action(db, await createScene(db)));
}

const user = (userId: string) => ({ role: 'reslot_user', userId }) as const;

describe('offerings', () => {
  test(
    'are changed by managers of the organisation, and by those of the offering',
    inScene(async (db, { left, right, manager, keeper, stranger, provider }) => {
      const rename = (userId: string, id: string) =>
        db.as(user(userId), async () => {
          const sql = 'update app_public.offerings set name = $2 where id = $1';
          return (await db.query(sql, [id, 'New name'])).rowCount;
        });
      expect(await rename(manager, left)).toBe(1);
      expect(await rename(keeper, right)).toBe(1);
      expect(await rename(keeper, left)).toBe(0);
      expect(await rename(provider, left)).toBe(0);
      expect(await rename(stranger, left)).toBe(0);
    }),
  );

  const add = (db: TestDatabase, organizationId: string, policyId: string) =>
    db.fails(
      `insert into app_public.offerings (organization_id, policy_id, kind, name)
       values ($1, $2, 'venue', 'Another')`,
      [organizationId, policyId],
    );

  test(
    'are not added to somebody else’s organisation',
    inScene(async (db, { other, manager, keeper, organizationId, policyId }) => {
      await db.as(user(manager), async () => {
        expect((await add(db, other.organizationId, other.policyId)).code).toBe('42501');
      });
      await db.as(user(keeper), async () => {
        expect((await add(db, organizationId, policyId)).code).toBe('42501');
      });
    }),
  );

  test(
    'do not follow the policy of another organisation',
    inScene(async (db, { other, manager, organizationId, left }) => {
      await db.as(user(manager), async () => {
        expect((await add(db, organizationId, other.policyId)).code).toBe('RSNTF');
        const moved = await db.fails(
          'update app_public.offerings set policy_id = $2 where id = $1',
          [left, other.policyId],
        );
        expect(moved.code).toBe('RSNTF');
      });
    }),
  );
});

describe('what belongs to one organisation', () => {
  test(
    'does not refer to what belongs to another, whoever writes it',
    inScene(async (db, { other, organizationId, left, leftRoom, manager }) => {
      const foreign = await insert(db, 'app_public.resources', {
        organization_id: other.organizationId,
        name: 'Foreign',
        time_zone: 'UTC',
      });
      const membership = await db.value<string>(
        'select id from app_public.memberships where user_id = $1',
        [manager],
      );
      const foreignOffering = await insert(db, 'app_public.offerings', {
        organization_id: other.organizationId,
        policy_id: other.policyId,
        kind: 'venue',
        name: 'Foreign',
      });
      const attempts: [string, unknown[]][] = [
        [
          `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
           values ($1, $2, $3)`,
          [left, foreign, organizationId],
        ],
        [
          `insert into app_public.opening_hours (organization_id, resource_id, weekday, opens, closes)
           values ($1, $2, 1, '09:00', '17:00')`,
          [other.organizationId, leftRoom],
        ],
        [
          `insert into app_public.blackouts (organization_id, resource_id, starts_at, ends_at, reason)
           values ($1, $2, '2030-07-01', '2030-07-02', 'x')`,
          [other.organizationId, leftRoom],
        ],
        [
          `insert into app_public.membership_offerings (membership_id, offering_id) values ($1, $2)`,
          [membership, foreignOffering],
        ],
      ];
      for (const [sql, params] of attempts) {
        expect((await db.fails(sql, params)).code).toBe('RSNTF');
      }
    }),
  );
});

describe('organisations', () => {
  test(
    'are founded by admins, with a policy to begin with',
    inScene(async (db, { owner }) => {
      const found = `insert into app_public.organizations (slug, name) values ('new-one', 'New')`;
      await db.as(user(owner), async () => {
        expect((await db.fails(found)).code).toBe('42501');
      });
      await db.as({ role: 'reslot_admin' }, () => db.query(found));
      const version = await db.one(
        `select v.version, p.is_default from app_public.policy_versions v
         join app_public.policies p on p.id = v.policy_id
         join app_public.organizations o on o.id = p.organization_id where o.slug = 'new-one'`,
      );
      expect(version).toEqual({ version: 1, is_default: true });
    }),
  );
});

test(
  'a policy added by a manager has a version from the start',
  inScene(async (db, { organizationId, manager }) => {
    const id = await db.as(user(manager), () =>
      insert(db, 'app_public.policies', { organization_id: organizationId, name: 'Strict' }),
    );
    const versions = await db.rows(
      'select version, created_by from app_public.policy_versions where policy_id = $1',
      [id],
    );
    expect(versions).toEqual([{ version: 1, created_by: manager }]);
  }),
);
