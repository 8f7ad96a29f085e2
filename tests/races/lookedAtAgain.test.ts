/**
 * What was looked at before a lock is looked at again after it: one transaction has changed it and not
 * committed, another has looked and waits. Each with its control, in which nobody looks again.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  at,
  createOffering,
  createProvider,
  createResource,
  createUser,
  insert,
  range,
  unique,
} from '../support/factories.ts';
import { type Field, openField } from '../support/field.ts';
import {
  type Action,
  as,
  type Ground,
  job,
  literal,
  owner,
  server,
  without,
} from '../support/races.ts';
import { createService } from '../support/services.ts';
import * as erased from './erasedScenarios.ts';
import { book, bookingOf, cancel, due, idOf, join, type SecondLook, user } from './stage.ts';

const DAY = 4;
const TIME = range('18:00', '20:00', DAY);

/** Holds the rooms of an offering while it does something else. */
const withRoomOf = (offering: string, statement: string): Action => ({
  login: 'owner',
  sql: `with locked as (select app_private.lock_room(array[${literal(offering)}::uuid])), done as (${statement})
    select to_jsonb(done) as value from locked, done`,
});

const liveOf =
  ({ db }: Ground, userId: string) =>
  () =>
    db.value<number>(
      `select count(*)::integer from app_public.bookings b join app_public.customers c on c.id = b.customer_id
     where c.user_id = $1 and b.ended_at is null`,
      [userId],
    );

const linkOfProvider: SecondLook = {
  name: 'a provider does not decline by a link what was given to another meanwhile',
  policy: { requires_approval: true },
  prepare: async (ground) => {
    const { db, world } = ground;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const provider = user(ground, 9);
    await createProvider(db, world.organizationId, provider, pia);
    const [starts_at, ends_at] = TIME;
    const wished = { offering_id: service.offering, provider_id: pia, starts_at, ends_at };
    const id = await idOf(ground, as(user(ground, 0), 'create_booking', wished));
    const token = await db.value<string>(
      `select app_private.issue_link('reject', b.organization_id, null, $2, b.id, null, null, b.ends_at)
       from app_public.bookings b where b.id = $1`,
      [id, provider],
    );
    return {
      first: as(user(ground, 0), 'modify_booking', { booking_id: id, provider_id: quinn }),
      second: server(`app_private.follow_link(${literal(token)})`),
      look: async () => (await bookingOf(ground, id)).status,
    };
  },
  outcome: ['RSNTF', 'pending'],
  weaken: (db) =>
    without(
      db,
      'app_private.follow_link(text,jsonb,jsonb)',
      /elsif not app_private\.link_bearer_is_entitled\(v_link\)/,
      'elsif false',
    ),
  otherwise: ['ok', 'rejected'],
};

const accountClosed: SecondLook = {
  name: 'whoever has closed their account meanwhile has no booking afterwards',
  prepare: async (ground) => {
    const leaver = await createUser(ground.db, 'Leaver');
    await ground.act(book(leaver, ground.world.right, TIME));
    return {
      first: as(leaver, 'deactivate_account', {}),
      second: book(leaver, ground.world.left, TIME),
      look: liveOf(ground, leaver),
    };
  },
  outcome: ['RSAUT', 0],
  weaken: (db) =>
    without(
      db,
      'app_private.customer_of_user(uuid,uuid)',
      /perform app_private\.require_user\(\);\s+return v_customer;/,
      'return v_customer;',
    ),
  otherwise: ['ok', 1],
};

const policyTaken: SecondLook = {
  name: 'a policy is applied only to what was under it when the rooms were locked',
  prepare: async (ground) => {
    const { db, world } = ground;
    const { organizationId, policyId } = world;
    const other = await insert(db, 'app_public.policies', {
      ...{ organization_id: organizationId, name: unique('Other ') },
    });
    await insert(db, 'app_public.policy_versions', {
      ...{ organization_id: organizationId, policy_id: other, version: 1 },
    });
    const barn = await createOffering(db, {
      ...{ organizationId, policyId: other, name: 'Barn' },
      resourceIds: [await createResource(db, organizationId, 'Barn')],
    });
    const id = await idOf(ground, book(user(ground, 0), barn, TIME));
    return {
      first: withRoomOf(
        world.left,
        `update app_public.offerings set policy_id = ${literal(policyId)} where id = ${literal(barn)} returning id`,
      ),
      second: as(world.manager, 'apply_policy', { policy_id: policyId }),
      look: async () => {
        const { policy_version_id } = await bookingOf(ground, id);
        return db.value(
          'select v.policy_id = $2 from app_public.policy_versions v where v.id = $1',
          [policy_version_id, policyId],
        );
      },
    };
  },
  outcome: ['ok', false],
  weaken: (db) =>
    without(db, 'app_public.apply_policy(uuid)', /b\.offering_id = any \(v_offerings\) and /),
  otherwise: ['ok', true],
};

const mailTriedAgain: SecondLook = {
  name: 'an offer whose mail is tried again meanwhile is not withdrawn',
  prepare: async (ground) => {
    const { db, world } = ground;
    const booked = await idOf(ground, book(user(ground, 0), world.left, TIME));
    const entry = await idOf(ground, join(user(ground, 1), world.left, TIME));
    await ground.act(cancel(user(ground, 0), booked));
    const delivery = await db.value<string>(
      `update app_public.deliveries d set status = 'dead', attempts = 1, last_error = '550 no such box'
       from app_public.notifications n
       where n.id = d.notification_id and n.entry_id = $1 and n.kind = 'slot_available' returning d.id`,
      [entry],
    );
    return {
      first: withRoomOf(
        world.left,
        `update app_public.deliveries set status = 'queued' where id = ${literal(delivery)} returning id`,
      ),
      second: job(`app_private.follow_up_delivery(${literal(delivery)})`),
      look: () =>
        db.one(
          'select status, stuck_at is not null as stuck from app_public.waitlist_entries where id = $1',
          [entry],
        ),
    };
  },
  outcome: ['ok', { status: 'offered', stuck: false }],
  weaken: (db) =>
    without(
      db,
      'app_private.follow_up_delivery(uuid)',
      /if v_note\.kind = 'slot_available' then\s+perform app_private\.lock_entry[\s\S]*?end if;\s+end if;/,
    ),
  otherwise: ['ok', { status: 'waiting', stuck: true }],
};

const lapsedAndAdopted: SecondLook = {
  name: 'whoever has waited in vain twice meanwhile can sign in',
  prepare: async (ground) => {
    const { db, world } = ground;
    await ground.act(book(user(ground, 0), world.left, TIME));
    // As a guest, and then with an account of the same address.
    await db.query(
      `select app_private.join_queue(
         app_private.guest($1, 'Guest', (select email from app_public.users where id = $2), null, null),
         $3, tstzrange($4, $5), null, null, row(1, null, null, null, 1)::app_private.party, null)`,
      [world.organizationId, user(ground, 1), world.left, ...TIME],
    );
    const entry = await idOf(ground, join(user(ground, 1), world.left, TIME));
    await db.setClock(TIME[0]);
    return {
      first: due(entry),
      second: owner(`app_private.adopt_customers(${literal(user(ground, 1))})`),
      look: () => db.value('select status from app_public.waitlist_entries where id = $1', [entry]),
    };
  },
  outcome: ['ok', 'lapsed'],
  weaken: (db) =>
    without(
      db,
      'app_private.leave_double_entries(uuid[])',
      /perform from app_public\.waitlist_entries[^;]*for no key update;/,
    ),
  otherwise: ['RSSTA', 'lapsed'],
};

const cases = [
  ...Object.values(erased),
  linkOfProvider,
  accountClosed,
  policyTaken,
  mailTriedAgain,
  lapsedAndAdopted,
];

async function play(field: Field, { policy, prepare }: SecondLook): Promise<[string, unknown]> {
  await field.layOut({ policy });
  await field.db.setClock(at('08:00', 1));
  const { first, second, look } = await prepare(field.grounds[0] as Ground);
  const { outcomes } = await field.overlap(first, second);
  expect(outcomes[0]).toMatchObject({ ok: true });
  const [, heard] = outcomes;
  return [heard?.ok ? 'ok' : (heard?.code ?? ''), await look()];
}

describe('What changed while somebody waited', () => {
  let field: Field;
  beforeAll(async () => {
    field = await openField();
  }, 120_000);
  afterAll(() => field?.close());

  test.each(cases.map((each) => [each.name, each] as const))(
    'is seen: %s',
    async (_, each) => {
      expect(await play(field, each)).toEqual(each.outcome);
      expect(
        await field.db.rows('select invariant, problem from app_private.check_invariants()'),
      ).toEqual([]);
    },
    60_000,
  );
});

describe('Without a second look', () => {
  test.each(cases.map((each) => [each.name, each] as const))(
    'it would not be: %s',
    async (_, each) => {
      const field = await openField({}, each.weaken);
      try {
        expect(await play(field, each)).toEqual(each.otherwise);
      } finally {
        await field.close();
      }
    },
    120_000,
  );
});
