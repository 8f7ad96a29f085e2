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
  type Weaken,
  without,
} from '../support/races.ts';
import { createService } from '../support/services.ts';
import { book, bookingOf, cancel, due, idOf, join, tourOn, user } from './stage.ts';

const DAY = 4;
const TIME = range('18:00', '20:00', DAY);

interface Played {
  first: Action;
  second: Action;
  /** What has come of it. */
  look(): Promise<unknown>;
}

interface Case {
  name: string;
  policy?: Record<string, unknown>;
  prepare(ground: Ground): Promise<Played>;
  /** What the second hears, and what has come of it. */
  outcome: [code: string, found: unknown];
  /** The mend taken out, and what comes of it then. */
  weaken: Weaken;
  otherwise: [code: string, found: unknown];
}

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

const linkOfProvider: Case = {
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

const accountClosed: Case = {
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

const erasedAtFirst: Case = {
  name: 'of somebody who is erased while they book for the first time nothing is left',
  prepare: async (ground) => {
    const leaver = await createUser(ground.db, 'Leaver');
    return {
      first: book(leaver, ground.world.left, TIME),
      second: as(leaver, 'erase_me', {}),
      look: () =>
        ground.db.value(
          `select count(*)::integer from app_public.customers where name = 'Leaver' or user_id = $1`,
          [leaver],
        ),
    };
  },
  outcome: ['ok', 0],
  weaken: (db) =>
    without(
      db,
      'app_private.customer_of_user(uuid,uuid)',
      /perform from app_public\.users[^;]*for share;/,
    ),
  otherwise: ['ok', 1],
};

const policyTaken: Case = {
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

const mailTriedAgain: Case = {
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

/** A guest who has asked before asks again, and is erased by a manager. */
async function erasedGuest(ground: Ground) {
  const { db, world } = ground;
  const tour = await tourOn(ground, DAY, 8);
  const email = `${unique('guest')}@example.org`;
  const input = {
    offeringId: tour.offering,
    slotId: tour.slots[0],
    adults: 1,
    name: 'Gina',
    email,
  };
  const ask = server(`app_private.request_booking_by_mail(${literal(JSON.stringify(input))})`);
  await ground.act(ask);
  const customer_id = await db.value<string>(
    'select id from app_public.customers where email = $1',
    [email],
  );
  return {
    ask,
    erase: as(world.manager, 'erase_customer', { customer_id }),
    look: () =>
      db.value(
        `select count(*)::integer from app_private.guest_requests r
         join app_public.deliveries d on d.notification_id = r.notification_id
         where r.customer_id = $1`,
        [customer_id],
      ),
  };
}

const unlockedGuest: Weaken = (db) =>
  without(db, 'app_private.addressee(uuid,text,text)', /for share skip locked/);

const erasedThenAsked: Case = {
  name: 'what a guest asks for who was erased meanwhile is not kept with them',
  prepare: async (ground) => {
    const { ask, erase, look } = await erasedGuest(ground);
    return { first: erase, second: ask, look };
  },
  outcome: ['ok', 0],
  weaken: unlockedGuest,
  otherwise: ['ok', 1],
};

const askedThenErased: Case = {
  name: 'whoever erases a guest erases what they are asking for',
  prepare: async (ground) => {
    const { ask, erase, look } = await erasedGuest(ground);
    return { first: ask, second: erase, look };
  },
  outcome: ['ok', 0],
  weaken: unlockedGuest,
  otherwise: ['ok', 1],
};

const lapsedAndErased: Case = {
  name: 'whoever has waited in vain meanwhile is erased all the same',
  prepare: async (ground) => {
    const leaver = await createUser(ground.db, 'Leaver');
    await ground.act(book(user(ground, 0), ground.world.left, TIME));
    const entry = await idOf(ground, join(leaver, ground.world.left, TIME));
    await ground.db.setClock(TIME[0]);
    return {
      first: due(entry),
      second: as(leaver, 'erase_me', {}),
      look: () =>
        ground.db.value('select status from app_public.waitlist_entries where id = $1', [entry]),
    };
  },
  outcome: ['ok', 'lapsed'],
  weaken: (db) =>
    without(db, 'app_private.end_everything_of(uuid[],boolean,text)', /for no key update/),
  otherwise: ['RSSTA', 'lapsed'],
};

const lapsedAndAdopted: Case = {
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

const EMAIL = 'email from app_public.users where id = $1';

/** An owner makes somebody a member who erases their account. */
async function erasedMember(ground: Ground) {
  const { db, world } = ground;
  const leaver = await createUser(db, 'Leaver');
  const email = await db.value<string>(`select ${EMAIL}`, [leaver]);
  const { organizationId: organization_id } = world;
  return {
    set: as(world.owner, 'set_member', { organization_id, email, role: 'manager' }),
    erase: as(leaver, 'erase_me', {}),
    look: () =>
      db.value('select count(*)::integer from app_public.memberships where user_id = $1', [leaver]),
  };
}

const unlockedMember: Weaken = (db) =>
  without(
    db,
    'app_public.set_member(uuid,text,app_public.member_role,boolean,uuid[],uuid)',
    /for share/,
  );

const erasedThenMember: Case = {
  name: 'whoever was erased meanwhile is made no member',
  prepare: async (ground) => {
    const { set, erase, look } = await erasedMember(ground);
    return { first: erase, second: set, look };
  },
  outcome: ['RSNTF', 0],
  weaken: unlockedMember,
  otherwise: ['ok', 1],
};

const memberThenErased: Case = {
  name: 'whoever is made a member while they are erased is none afterwards',
  prepare: async (ground) => {
    const { set, erase, look } = await erasedMember(ground);
    return { first: set, second: erase, look };
  },
  outcome: ['ok', 0],
  weaken: unlockedMember,
  otherwise: ['ok', 1],
};

/** In the last call everybody who waits is told at once; one of them is erased. */
async function erasedInLastCall(ground: Ground) {
  const { db, world } = ground;
  const leaver = await createUser(db, 'Leaver');
  const booked = await idOf(ground, book(user(ground, 0), world.left, TIME));
  await ground.act(join(leaver, world.left, TIME));
  const email = await db.value<string>(`select ${EMAIL}`, [leaver]);
  await db.setClock(at('17:40', DAY));
  await ground.act(cancel(user(ground, 0), booked));
  return {
    tell: due(await db.value<string>('select id from app_private.freeings')),
    erase: as(leaver, 'erase_me', {}),
    // What the outbox does with it at its next turn.
    look: async () => {
      await db.query('select from app_private.lease_deliveries(100)');
      const kept = 'select count(*)::integer from app_public.deliveries where address = $1';
      return db.value(kept, [email]);
    },
  };
}

const keptAllTheSame: Weaken = (db) =>
  without(
    db,
    'app_private.is_to_erased(app_public.notifications)',
    /c\.erased_at is not null/,
    'false',
  );

const erasedThenTold: Case = {
  name: 'of whoever was erased meanwhile the mail of the last call keeps no address',
  prepare: async (ground) => {
    const { tell, erase, look } = await erasedInLastCall(ground);
    return { first: erase, second: tell, look };
  },
  outcome: ['ok', 0],
  weaken: keptAllTheSame,
  otherwise: ['ok', 1],
};

const toldThenErased: Case = {
  name: 'of whoever is told of the last call while they are erased it keeps none either',
  prepare: async (ground) => {
    const { tell, erase, look } = await erasedInLastCall(ground);
    return { first: tell, second: erase, look };
  },
  outcome: ['ok', 0],
  weaken: keptAllTheSame,
  otherwise: ['ok', 1],
};

const cases = [
  linkOfProvider,
  accountClosed,
  erasedAtFirst,
  policyTaken,
  mailTriedAgain,
  erasedThenAsked,
  askedThenErased,
  lapsedAndErased,
  lapsedAndAdopted,
  erasedThenMember,
  memberThenErased,
  erasedThenTold,
  toldThenErased,
];

async function play(field: Field, { policy, prepare }: Case): Promise<[string, unknown]> {
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
