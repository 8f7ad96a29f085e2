/** What happens at a deadline, and what managers and machines do at the same moment. */
import { expect } from '@jest/globals';
import { at, range, runDueDeadlines } from '../support/factories.ts';
import { as, between, type Ground, job, refusals, type Scenario } from '../support/races.ts';
import {
  after,
  book,
  bookingOf,
  due,
  idOf,
  join,
  liveBookings,
  statusOf,
  tick,
  user,
} from './stage.ts';

const confirm = (userId: string, id: string) => as(userId, 'confirm_booking', { booking_id: id });

/** A booking that was reminded and is a millisecond before its release, with somebody waiting. */
async function aboutToBeReleased(ground: Ground, day: number) {
  const time = range('18:00', '20:00', day);
  const booked = await idOf(ground, book(user(ground, 0), ground.world.left, time));
  const entry = await idOf(ground, join(user(ground, 1), ground.world.left, time));
  await ground.advanceTo(at('18:30', day - 1));
  const deadline = at('16:00', day);
  await ground.setClock(after(deadline, -1));
  return { booked, entry, deadline };
}

export const confirmAtDeadline: Scenario = {
  name: 'a confirmation that was accepted at the deadline is not overtaken by the release',
  prepare: async (ground, day) => {
    const { booked, entry, deadline } = await aboutToBeReleased(ground, day);
    return {
      actions: [
        between(0, 4, confirm(user(ground, 0), booked)),
        between(2, 9, due(booked)),
        between(1, 6, tick(deadline)),
        between(2, 9, due(booked)),
      ],
      check: async ([confirmed]) => {
        await ground.act(due(booked));
        const { status } = await bookingOf(ground, booked);
        expect(status).toBe(confirmed?.ok ? 'confirmed' : 'auto_cancelled');
        expect(await statusOf(ground, entry)).toBe(confirmed?.ok ? 'waiting' : 'offered');
      },
    };
  },
};

export const overrideAtDeadline: Scenario = {
  name: 'a manager’s exemption at the deadline either holds or comes too late',
  prepare: async (ground, day) => {
    const { booked, deadline } = await aboutToBeReleased(ground, day);
    return {
      actions: [
        between(
          0,
          4,
          as(ground.world.manager, 'override_auto_cancel', {
            booking_id: booked,
            reason: 'Phoned.',
          }),
        ),
        between(1, 6, tick(deadline)),
        between(2, 9, due(booked)),
        between(2, 9, due(booked)),
      ],
      check: async ([exempted]) => {
        await ground.act(due(booked));
        const { status } = await bookingOf(ground, booked);
        expect(status).toBe(exempted?.ok ? 'confirmed' : 'auto_cancelled');
      },
    };
  },
};

export const policyAtDeadline: Scenario = {
  name: 'a policy applied at the deadline moves it or comes too late',
  prepare: async (ground, day) => {
    const { manager, policyId } = ground.world;
    const revise = (confirm_deadline: string, buffer_after: string) =>
      ground.act(
        as(manager, 'revise_policy', {
          policy_id: policyId,
          changes: JSON.stringify({ confirm_deadline, buffer_after }),
        }),
      );
    // Booked under the rules as they were, so that there is something to move.
    await revise('02:00:00', '00:00:00');
    const { booked, deadline } = await aboutToBeReleased(ground, day);
    await revise('01:30:00', '00:10:00');
    return {
      actions: [
        between(0, 4, as(manager, 'apply_policy', { policy_id: policyId })),
        between(1, 6, tick(deadline)),
        between(2, 9, due(booked)),
        book(user(ground, 2), ground.world.left, range('20:00', '21:00', day)),
        between(2, 9, due(booked)),
      ],
      check: async () => {
        await ground.act(due(booked));
        const { status, confirm_by } = await bookingOf(ground, booked);
        const moved = (confirm_by as Date) > new Date(deadline);
        expect(status).toBe(moved ? 'confirmed' : 'auto_cancelled');
      },
    };
  },
};

function blackout(scope: 'resource' | 'offering' | 'organisation'): Scenario {
  return {
    name: `nothing stays booked in a blackout of a whole ${scope}`,
    prepare: async (ground, day) => {
      const { manager, organizationId, left, leftRoom, hall } = ground.world;
      const time = range('18:00', '20:00', day);
      const booked = await idOf(ground, book(user(ground, 0), left, range('10:00', '12:00', day)));
      const close = as(manager, 'create_blackout', {
        organization_id: organizationId,
        starts_at: at('09:00', day),
        ends_at: at('21:00', day),
        reason: 'Water damage',
        offering_id: scope === 'offering' ? left : null,
        resource_id: scope === 'resource' ? leftRoom : null,
        cancel_bookings: true,
      });
      return {
        actions: [
          close,
          book(user(ground, 1), left, time),
          book(user(ground, 2), left, range('12:00', '14:00', day)),
          join(user(ground, 3), left, range('10:00', '12:00', day)),
          ...(scope === 'offering' ? [] : [book(user(ground, 4), hall, time)]),
          job('app_private.dispatch()'),
        ],
        check: async ([closed]) => {
          expect(closed?.ok).toBe(true);
          await runDueDeadlines(ground.db);
          expect(await liveBookings(ground, day)).toEqual([]);
          expect((await bookingOf(ground, booked)).status).toBe('cancelled');
        },
      };
    },
  };
}

export const blackouts = [blackout('resource'), blackout('offering'), blackout('organisation')];

export const dispatches: Scenario = {
  name: 'what is due is queued once and done once, however many dispatch and work',
  prepare: async (ground, day) => {
    const ids: string[] = [];
    for (const [n, hour] of [10, 12, 14, 16].entries()) {
      const time = range(`${hour}:00`, `${hour + 1}:00`, day);
      ids.push(await idOf(ground, book(user(ground, n), ground.world.left, time)));
    }
    // The reminders of all four are due.
    await ground.setClock(at('16:00', day - 1));
    return {
      actions: [
        job('app_private.dispatch()'),
        job('app_private.dispatch(true)'),
        ...ids.map(due),
        job('app_private.dispatch(true)'),
        ...ids.slice(0, 2).map(due),
      ],
      check: async () => {
        for (const id of ids) await ground.act(due(id));
        const told = await ground.db.rows<{ count: number }>(
          `select count(*)::integer as count from app_public.notifications
           where booking_id = any ($1) and kind like 'booking_reminder%' group by booking_id`,
          [ids],
        );
        expect(told.map(({ count }) => count)).toEqual([1, 1, 1, 1]);
      },
    };
  },
};

export const leases: Scenario = {
  name: 'no mail is leased twice',
  prepare: async (ground, day) => {
    for (const [n, hour] of [10, 11, 12, 13, 14, 15].entries()) {
      const time = range(`${hour}:00`, `${hour + 1}:00`, day);
      await ground.act(book(user(ground, n), ground.world.left, time));
    }
    return {
      actions: Array(6).fill({
        login: 'worker',
        sql: `select jsonb_build_object('ids', jsonb_agg(l.delivery_id)) as value
              from app_private.lease_deliveries(4) l`,
      }),
      check: async (outcomes) => {
        expect(refusals(outcomes)).toEqual([]);
        // Each lease counts as an attempt, whoever it was that took it.
        const leased = await ground.db.rows<{ attempts: number }>(
          `select attempts from app_public.deliveries
           where organization_id = $1 and created_at = (select app_private.clock())`,
          [ground.world.organizationId],
        );
        expect(leased.map(({ attempts }) => attempts)).toEqual(Array(6).fill(1));
      },
    };
  },
};

/** A booking to be delivered, a millisecond before it expires. */
async function aboutToExpire(ground: Ground, day: number) {
  const id = await idOf(
    ground,
    book(user(ground, 0), ground.world.left, range('10:00', '11:00', day)),
  );
  await ground.act(as(user(ground, 0), 'confirm_booking', { booking_id: id }));
  await ground.setClock(at('12:00', day));
  // A reminder, the start, and the end of its time.
  for (let step = 0; step < 3; step++) await ground.act(due(id));
  const deadline = at('11:00', day + 1);
  await ground.setClock(after(deadline, -1));
  return { id, deadline };
}

function savedAtDeadline(
  name: string,
  saves: (ground: Ground, id: string) => ReturnType<typeof as>,
  saved: string,
): Scenario {
  return {
    name,
    policy: { requires_delivery: true },
    prepare: async (ground, day) => {
      const { id, deadline } = await aboutToExpire(ground, day);
      return {
        actions: [
          between(0, 4, saves(ground, id)),
          between(2, 9, due(id)),
          between(1, 6, tick(deadline)),
          between(2, 9, due(id)),
        ],
        check: async ([first]) => {
          await ground.act(due(id));
          const { status, refund } = await bookingOf(ground, id);
          expect([status, refund !== null]).toEqual(first?.ok ? [saved, false] : ['expired', true]);
          expect(first?.ok ? 'RSSTA' : first?.code).toBe('RSSTA');
        },
      };
    },
  };
}

export const keepAtDeadline = savedAtDeadline(
  'a booking that is kept in the moment in which it expires is kept, or it was too late',
  ({ world }, id) => as(world.manager, 'keep_booking', { booking_id: id, reason: 'Not dry yet.' }),
  'in_progress',
);

export const deliverAtDeadline = savedAtDeadline(
  'a booking that is delivered in the moment in which it expires is delivered, or it was too late',
  ({ world }, id) => as(world.manager, 'deliver_booking', { booking_id: id }),
  'delivered',
);

/** Whoever is released and takes another time at that moment is asked first, or was not yet released. */
export const releaseAndBookAgain: Scenario = {
  name: 'who is released counts as such for whatever they book in that room afterwards',
  policy: { offence_limit: 0 },
  prepare: async (ground, day) => {
    // What happened in earlier rounds is forgiven.
    await ground.db.query(
      'update app_public.customers set offences_cleared_at = app_private.clock() where user_id = $1',
      [user(ground, 0)],
    );
    const { booked, deadline } = await aboutToBeReleased(ground, day);
    await ground.setClock(deadline);
    const again = (from: string, to: string) =>
      book(user(ground, 0), ground.world.left, range(from, to, day));
    return {
      actions: [
        between(0, 4, due(booked)),
        between(0, 6, again('20:00', '21:00')),
        between(0, 6, again('21:00', '22:00')),
      ],
      check: async () => {
        // In the order in which they were written down: the simulated clock stands still.
        const wrong = await ground.db.rows(
          `select b.reference from app_public.bookings b
           join app_public.audit_log made on made.record_id = b.id and made.operation = 'insert'
           join app_public.audit_log released on released.record_id = $1
             and released.new_values ->> 'status' = 'auto_cancelled'
           where b.customer_id = released.customer_id and b.made_at = $2
             and (b.status = 'pending') <> (released.id < made.id)`,
          [booked, deadline],
        );
        expect(wrong).toEqual([]);
        expect((await bookingOf(ground, booked)).status).toBe('auto_cancelled');
      },
    };
  },
};
