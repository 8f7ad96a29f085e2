/** Whoever is erased while something else happens leaves nothing behind; played by lookedAtAgain.test.ts. */
import { at, createUser, range, unique } from '../support/factories.ts';
import { as, type Ground, literal, server, type Weaken, without } from '../support/races.ts';
import { book, cancel, due, idOf, join, type SecondLook, tourOn, user } from './stage.ts';

const DAY = 4;
const TIME = range('18:00', '20:00', DAY);

export const erasedAtFirst: SecondLook = {
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

export const erasedThenAsked: SecondLook = {
  name: 'what a guest asks for who was erased meanwhile is not kept with them',
  prepare: async (ground) => {
    const { ask, erase, look } = await erasedGuest(ground);
    return { first: erase, second: ask, look };
  },
  outcome: ['ok', 0],
  weaken: unlockedGuest,
  otherwise: ['ok', 1],
};

export const askedThenErased: SecondLook = {
  name: 'whoever erases a guest erases what they are asking for',
  prepare: async (ground) => {
    const { ask, erase, look } = await erasedGuest(ground);
    return { first: ask, second: erase, look };
  },
  outcome: ['ok', 0],
  weaken: unlockedGuest,
  otherwise: ['ok', 1],
};

export const lapsedAndErased: SecondLook = {
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

export const erasedThenMember: SecondLook = {
  name: 'whoever was erased meanwhile is made no member',
  prepare: async (ground) => {
    const { set, erase, look } = await erasedMember(ground);
    return { first: erase, second: set, look };
  },
  outcome: ['RSNTF', 0],
  weaken: unlockedMember,
  otherwise: ['ok', 1],
};

export const memberThenErased: SecondLook = {
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

export const erasedThenTold: SecondLook = {
  name: 'of whoever was erased meanwhile the mail of the last call keeps no address',
  prepare: async (ground) => {
    const { tell, erase, look } = await erasedInLastCall(ground);
    return { first: erase, second: tell, look };
  },
  outcome: ['ok', 0],
  weaken: keptAllTheSame,
  otherwise: ['ok', 1],
};

export const toldThenErased: SecondLook = {
  name: 'of whoever is told of the last call while they are erased it keeps none either',
  prepare: async (ground) => {
    const { tell, erase, look } = await erasedInLastCall(ground);
    return { first: tell, second: erase, look };
  },
  outcome: ['ok', 0],
  weaken: keptAllTheSame,
  otherwise: ['ok', 1],
};
