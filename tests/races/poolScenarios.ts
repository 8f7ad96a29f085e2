/** Who gets which of several providers: bookings, waits, time off and the other services of a provider. */
import { expect } from '@jest/globals';
import { createUser, range } from '../support/factories.ts';
import { type Action, as, fine, type Ground, refusals, type Scenario } from '../support/races.ts';
import { createService, type Service } from '../support/services.ts';
import { bookingOf, cancel, idOf, type Times, user } from './stage.ts';

function book(userId: string, { offering }: Service, time: Times, provider?: string): Action {
  const [starts_at, ends_at] = time;
  return as(userId, 'create_booking', {
    ...{ offering_id: offering, starts_at, ends_at },
    ...(provider ? { provider_id: provider } : {}),
  });
}

function join(userId: string, { offering }: Service, time: Times, provider?: string): Action {
  const [starts_at, ends_at] = time;
  return as(userId, 'join_waitlist', {
    ...{ offering_id: offering, starts_at, ends_at },
    ...(provider ? { provider_id: provider } : {}),
  });
}

const providersIn = (outcomes: Record<string, unknown>[]) =>
  outcomes.map(({ provider_id }) => String(provider_id)).sort();

/** Everybody wants the same time of three providers; some want one of them. */
const crowd = (clients: number): Scenario => ({
  name: `${clients} book the same time of three providers, and three get it`,
  prepare: async (ground, day) => {
    const service = await createService(ground.db, ground.world, {
      providers: ['Pia', 'Quinn', 'Rex'],
    });
    const time = range('18:00', '19:00', day);
    const actions: Action[] = [];
    for (let n = 0; n < clients; n++) {
      const wished = n % 4 === 3 ? service.providers[n % 3] : undefined;
      const who = ground.users[n] ?? (await createUser(ground.db, `More${n}`));
      actions.push(book(who, service, time, wished));
    }
    return {
      actions,
      check: (outcomes) => {
        expect(providersIn(fine(outcomes))).toEqual([...service.providers].sort());
        expect(new Set(refusals(outcomes))).toEqual(new Set(['RSFUL']));
      },
    };
  },
});

export const bookPool = crowd(8);
/** As many as there are connections; dear, and so played less often. */
export const bookPoolOfAll = crowd(64);

export const sharedProvider: Scenario = {
  name: 'a provider of three services serves one of them at a time',
  prepare: async ({ db, world, users }, day) => {
    const massage = await createService(db, world);
    const [pia, quinn] = massage.providers as [string, string];
    const facial = await createService(db, world, { name: 'Facial', providers: ['Rex'] });
    const [rex] = facial.providers as [string];
    const both = await createService(db, world, { name: 'Peeling', pool: [quinn, rex] });
    const alone = await createService(db, world, { name: 'Advice', pool: [], fixed: [quinn] });
    const wanted = [massage, both, alone, facial, massage, both, alone, massage];
    return {
      actions: wanted.map((service, n) =>
        book(users[n] as string, service, range('18:00', '19:00', day)),
      ),
      check: (outcomes) => {
        // Nobody is refused while one who would do is free.
        expect(providersIn(fine(outcomes))).toEqual([pia, quinn, rex].sort());
        expect(new Set(refusals(outcomes))).toEqual(new Set(['RSFUL']));
      },
    };
  },
};

/** Users 0 and 1 have the two providers at a time. */
async function taken(ground: Ground, day: number) {
  const service = await createService(ground.db, ground.world);
  const [pia, quinn] = service.providers as [string, string];
  const time = range('18:00', '19:00', day);
  const withPia = await idOf(ground, book(user(ground, 0), service, time, pia));
  const withQuinn = await idOf(ground, book(user(ground, 1), service, time, quinn));
  return { service, pia, quinn, time, withPia, withQuinn };
}

export const timeOff: Scenario = {
  name: 'a provider takes time off while others book, cancel and claim: nothing of that time is left',
  prepare: async (ground, day) => {
    const { service, pia, time, withPia, withQuinn } = await taken(ground, day);
    const entry = await idOf(ground, join(user(ground, 2), service, time));
    await ground.act(cancel(user(ground, 0), withPia));
    await ground.deliverMail();
    const [starts_at, ends_at] = time;
    return {
      actions: [
        as(ground.world.manager, 'create_blackout', {
          ...{ organization_id: ground.world.organizationId, resource_id: pia, reason: 'Away' },
          ...{ starts_at, ends_at },
        }),
        as(user(ground, 2), 'claim_slot', { entry_id: entry }),
        cancel(user(ground, 1), withQuinn),
        book(user(ground, 3), service, time),
        book(user(ground, 4), service, time, pia),
        join(user(ground, 5), service, time, pia),
      ],
      check: async ([away, claimed, cancelled]) => {
        expect(cancelled?.ok).toBe(true);
        const { live } = await ground.db.one<{ live: number }>(
          `select count(*)::integer as live from app_public.bookings
           where provider_id = $1 and ended_at is null and starts_at = $2`,
          [pia, starts_at],
        );
        // Refused over a claim that nobody else can serve, and only then.
        if (away?.ok) expect(live).toBe(0);
        else expect([away?.code, live]).toEqual(['RSBLK', 1]);
        if (claimed?.ok) {
          const { status } = await bookingOf(ground, String(claimed.value.id));
          expect(status).toBe('confirmed');
        }
      },
    };
  },
};

export const freedAndJoined: Scenario = {
  name: 'both providers are freed while people queue for one of them or for any',
  prepare: async (ground, day) => {
    const { service, pia, time, withPia, withQuinn } = await taken(ground, day);
    return {
      actions: [
        cancel(user(ground, 0), withPia),
        cancel(user(ground, 1), withQuinn),
        join(user(ground, 2), service, time),
        join(user(ground, 3), service, time, pia),
        join(user(ground, 4), service, time),
        book(user(ground, 5), service, time),
      ],
      // That nobody waits for who is free is for the invariants to say.
      check: (outcomes) => {
        expect(outcomes.slice(0, 2).every(({ ok }) => ok)).toBe(true);
        expect(['RSAVL', 'RSFUL']).toEqual(expect.arrayContaining(refusals(outcomes)));
      },
    };
  },
};

export const newcomer: Scenario = {
  name: 'somebody comes to a pool while people queue, and others book them elsewhere: nobody waits for who is free',
  prepare: async (ground, day) => {
    const { service, pia, quinn, time } = await taken(ground, day);
    const advice = await createService(ground.db, ground.world, {
      ...{ name: 'Advice', providers: ['Rex'] },
    });
    const [rex] = advice.providers as [string];
    const pool = `{${[pia, quinn, rex].join()}}`;
    return {
      actions: [
        as(ground.world.manager, 'set_offering_resources', {
          ...{ offering_id: service.offering, resource_ids: '{}', pool_ids: pool },
        }),
        join(user(ground, 2), service, time),
        join(user(ground, 3), service, time),
        book(user(ground, 4), advice, time),
        book(user(ground, 5), service, time),
      ],
      check: ([added, ...others]) => {
        expect(added?.ok).toBe(true);
        expect(['RSAVL', 'RSFUL']).toEqual(expect.arrayContaining(refusals(others)));
      },
    };
  },
};

export const changeOfProvider: Scenario = {
  name: 'who asks for another provider gets them or keeps their own, whoever books or moves meanwhile',
  prepare: async (ground, day) => {
    const service = await createService(ground.db, ground.world);
    const [pia, quinn] = service.providers as [string, string];
    const time = range('18:00', '19:00', day);
    const booked = await idOf(ground, book(user(ground, 0), service, time, pia));
    const later = await idOf(
      ground,
      book(user(ground, 1), service, range('19:00', '20:00', day), quinn),
    );
    const [starts_at, ends_at] = range('18:30', '19:30', day);
    return {
      actions: [
        as(user(ground, 0), 'modify_booking', { booking_id: booked, provider_id: quinn }),
        as(user(ground, 1), 'modify_booking', { booking_id: later, starts_at, ends_at }),
        book(user(ground, 2), service, time),
        book(user(ground, 3), service, time, quinn),
      ],
      check: async (outcomes) => {
        expect(refusals(outcomes).every((code) => code === 'RSFUL')).toBe(true);
        const { status } = await bookingOf(ground, booked);
        expect(status).toBe('confirmed');
      },
    };
  },
};
