/** What happens to a booking once it was asked for: accepted, delivered, confirmed, completed. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';
import {
  advanceTo,
  at,
  book,
  booking,
  call,
  createUser,
  createWorld,
  deliverMail,
  join,
  range,
} from '../support/factories.ts';
import { bookService, createService, type ServiceBooking } from '../support/providers.ts';
import { cancel, deadlineOf, refused, rule, type Scene, statusOf, told } from './rule.ts';

const TIME = range('10:00', '11:00');

/** Carl has asked Anna for a haircut, tomorrow from ten to eleven. */
async function asked({ db, world }: Scene) {
  const anna = await createService(db, world, 'Anna');
  const carl = await createUser(db, 'Carl');
  const made = await bookService(db, carl, anna, TIME);
  const args = { booking_id: made.id };
  const now = () => booking(db, made.id) as Promise<ServiceBooking>;
  return { anna, carl, id: made.id, args, now };
}

/** The same, and it is half past ten. */
async function begun(scene: Scene) {
  const all = await asked(scene);
  await advanceTo(scene.db, at('09:00'));
  await scene.db.query(
    `update app_public.bookings set attendance_confirmed_at = made_at, attendance_confirmed_how = 'not_needed'
     where id = $1`,
    [all.id],
  );
  await advanceTo(scene.db, at('10:30', 1));
  return all;
}

const occupancies = ({ db }: Scene, id: string) =>
  db.value<number>('select count(*) from app_private.occupancies where booking_id = $1', [id]);

describe('A request', () => {
  const approval = { requires_approval: true };

  rule(
    'is put to the provider as well as to the managers, and accepted by the provider',
    async (scene) => {
      const { db, world } = scene;
      const { anna, carl, args, now } = await asked(scene);
      await db.query('delete from app_public.notifications where user_id = $1', [anna.user]);
      // The provider of the booking is known once it is made; moved, it has to be accepted anew.
      const [starts_at, ends_at] = range('12:00', '13:00');
      await call(db, carl, 'modify_booking', { ...args, starts_at, ends_at });
      expect(await told(db, anna.user)).toEqual(['booking_requested']);
      expect(await told(db, world.manager)).toContain('booking_requested');

      await db.setClock(at('08:40'));
      const accepted = await call(db, anna.user, 'accept_booking', { ...args, note: 'Gladly.' });
      expect(accepted).toMatchObject({ status: 'confirmed', answered_at: new Date(at('08:40')) });
      expect(await told(db, carl)).toContain('booking_approved');
      const { seconds } = await db.one<{ seconds: number }>(
        `select extract(epoch from app_public.bookings_response_time(b))::integer as seconds
         from app_public.bookings b where id = $1`,
        [args.booking_id],
      );
      expect(seconds).toBe(2400);
      // Again: the same.
      expect(await call(db, anna.user, 'accept_booking', args)).toMatchObject({
        answered_at: new Date(at('08:40')),
      });
      expect((await now()).status).toBe('confirmed');
    },
    approval,
  );

  rule(
    'is rejected by the provider, and answered with that',
    async (scene) => {
      const { db } = scene;
      const { anna, id, args } = await asked(scene);
      await db.setClock(at('08:10'));
      const rejected = await call(db, anna.user, 'reject_booking', { ...args, reason: 'Full.' });
      expect(rejected).toMatchObject({ status: 'rejected', answered_at: new Date(at('08:10')) });
      expect(await occupancies(scene, id)).toBe(0);
      await refused(db, 'RSSTA', anna.user, 'accept_booking', args);
    },
    approval,
  );

  rule(
    'that nobody answers has no answer, and comes too late for one',
    async (scene) => {
      const { db } = scene;
      const { anna, args, now } = await asked(scene);
      await advanceTo(db, at('22:00'));
      expect(await now()).toMatchObject({ status: 'expired', answered_at: null });
      await refused(db, 'RSSTA', anna.user, 'accept_booking', args);
    },
    approval,
  );

  rule(
    'of somebody else’s booking does not exist for a provider',
    async (scene) => {
      const { db, world } = scene;
      const { carl, args } = await asked(scene);
      const bert = await createService(db, world, 'Bert');
      for (const name of ['accept_booking', 'reject_booking', 'deliver_booking', 'mark_no_show']) {
        await refused(db, 'RSNTF', bert.user, name, args);
        await refused(db, 'RSNTF', carl, name, args);
      }
      await refused(db, 'RSNTF', bert.user, 'cancel_booking', { ...args, reason: 'Mine.' });
      await refused(db, 'RSNTF', bert.user, 'confirm_delivery', args);
    },
    approval,
  );

  rule(
    'moved by its customer after it was accepted waits for another answer',
    async (scene) => {
      const { db } = scene;
      const { anna, carl, args } = await asked(scene);
      await call(db, anna.user, 'accept_booking', args);
      const [starts_at, ends_at] = range('14:00', '15:00');
      const moved = await call(db, carl, 'modify_booking', { ...args, starts_at, ends_at });
      expect(moved).toMatchObject({ status: 'pending', answered_at: null });
    },
    approval,
  );
});

describe('The links in the provider’s mail', () => {
  /** Those of the mail about a request that was moved, so that its provider is known by then. */
  async function linksOf(scene: Scene) {
    const { db } = scene;
    const all = await asked(scene);
    const [starts_at, ends_at] = range('12:00', '13:00');
    await call(db, all.carl, 'modify_booking', { ...all.args, starts_at, ends_at });
    const rows = await db.rows<{
      kind: string;
      model: { recipient: { name: string }; tokens: Tokens };
    }>(`select kind, model from app_private.lease_deliveries(50)`);
    const mails = rows.filter(
      ({ kind, model }) => kind === 'booking_requested' && model.recipient.name === 'Anna',
    );
    const tokens = mails.at(-1)?.model.tokens;
    if (!tokens) throw new Error('Anna has no mail.');
    const follow = (token: string) => db.query('select app_private.follow_link($1)', [token]);
    return { ...all, tokens, follow };
  }
  type Tokens = { approve: string; reject: string };

  rule(
    'accept in the provider’s own name',
    async (scene) => {
      const { anna, id, tokens, now, follow } = await linksOf(scene);
      await follow(tokens.approve);
      expect((await now()).status).toBe('confirmed');
      const actor = await scene.db.value(
        `select actor_user_id from app_public.audit_log
         where record_id = $1 and new_values ->> 'status' = 'confirmed' order by id desc limit 1`,
        [id],
      );
      expect(actor).toBe(anna.user);
    },
    { requires_approval: true },
  );

  rule(
    'are dead once they are no provider of it any more',
    async (scene) => {
      const { db } = scene;
      const { anna, tokens, now } = await linksOf(scene);
      await db.query('update app_public.memberships set resource_id = null where user_id = $1', [
        anna.user,
      ]);
      const failure = await db.fails('select app_private.follow_link($1)', [tokens.reject]);
      expect(failure.code).toBe('RSNTF');
      expect((await now()).status).toBe('pending');
    },
    { requires_approval: true },
  );
});

describe('The provider’s own reminder', () => {
  const policy = { provider_reminder_lead: '02:00' };
  const unsubscribe = async ({ db }: Scene) => {
    const rows = await db.rows<{ kind: string; model: { tokens: { unsubscribe: string } } }>(
      'select kind, model from app_private.lease_deliveries(50)',
    );
    const mail = rows.find(({ kind }) => kind === 'provider_reminder');
    await db.query('select app_private.follow_link($1)', [mail?.model.tokens.unsubscribe]);
  };

  rule(
    'goes out once, when the policy says, and anew for another time',
    async (scene) => {
      const { db } = scene;
      const { anna, carl, args } = await asked(scene);
      await advanceTo(db, at('07:59', 1));
      await call(db, carl, 'confirm_booking', args);
      expect(await told(db, anna.user)).toEqual([]);
      await advanceTo(db, at('08:00', 1));
      expect(await told(db, anna.user)).toEqual(['provider_reminder']);
      const [starts_at, ends_at] = range('16:00', '17:00');
      await call(db, carl, 'modify_booking', { ...args, starts_at, ends_at });
      await advanceTo(db, at('14:00', 1));
      expect(await told(db, anna.user)).toEqual(['provider_reminder', 'provider_reminder']);
    },
    policy,
  );

  rule(
    'can be unsubscribed from, and nothing else with it',
    async (scene) => {
      const { db, world } = scene;
      const { anna, carl, args } = await asked(scene);
      await call(db, carl, 'confirm_booking', args);
      await advanceTo(db, at('07:59', 1));
      await db.setClock(at('08:00', 1));
      await db.query('select app_private.run_deadline($1)', [args.booking_id]);
      await unsubscribe(scene);
      const next = await bookService(db, carl, anna, range('13:00', '14:00'));
      await advanceTo(db, at('11:00', 1));
      await call(db, world.manager, 'cancel_booking', { booking_id: next.id, reason: 'No.' });
      const mails = await db.rows<{ kind: string; status: string }>(
        `select n.kind, d.status::text from app_public.notifications n
         join app_public.deliveries d on d.notification_id = n.id
         where n.user_id = $1 and n.booking_id = $2`,
        [anna.user, next.id],
      );
      expect(mails).toEqual([{ kind: 'provider_reminder', status: 'suppressed' }]);
    },
    policy,
  );

  rule('does not go out where the policy has none', async (scene) => {
    const { db } = scene;
    const { anna, carl, args } = await asked(scene);
    await call(db, carl, 'confirm_booking', args);
    await advanceTo(db, at('09:59', 1));
    expect(await told(db, anna.user)).toEqual([]);
  });
});

describe('A provider who falls away', () => {
  rule('cancels with a reason, and all of the price is given back', async (scene) => {
    const { db, world } = scene;
    const { anna, carl, args } = await asked(scene);
    const bert = await createService(db, world, 'Bert');
    await refused(db, 'RSARG', anna.user, 'cancel_booking', args);
    await refused(db, 'RSARG', anna.user, 'cancel_booking', { ...args, reason: 'Ill', refund: 1 });
    const cancelled = await call(db, anna.user, 'cancel_booking', { ...args, reason: 'Ill' });
    expect(cancelled).toMatchObject({ status: 'cancelled', refund: '40.00' });
    const { data } = await db.one<{ data: Record<string, unknown> }>(
      `select n.data from app_public.notifications n where booking_id = $1 and kind = 'booking_cancelled'`,
      [args.booking_id],
    );
    expect(data).toMatchObject({ actor: 'manager', reason: 'Ill' });
    expect(data.alternatives).toMatchObject([{ offeringId: bert.offering }]);
    expect(await told(db, carl)).toContain('booking_cancelled');
  });

  rule('a manager gives back what was agreed, also once it has begun', async (scene) => {
    const { db, world } = scene;
    const { args } = await begun(scene);
    const values = { ...args, reason: 'The power failed.', refund: 25 };
    const cancelled = await call(db, world.manager, 'cancel_booking', values);
    expect(cancelled).toMatchObject({ status: 'cancelled', refund: '25.00' });
  });
});

describe('A delivery', () => {
  rule('waits for the start', async (scene) => {
    const { db } = scene;
    const { anna, args } = await asked(scene);
    await refused(db, 'RSTIM', anna.user, 'deliver_booking', args);
    await refused(db, 'RSTIM', anna.user, 'complete_booking', args);
  });

  rule('starts what no worker has started, and says so in the log', async (scene) => {
    const { db } = scene;
    const { anna, id, args } = await asked(scene);
    await db.setClock(at('10:00', 1));
    expect(await statusOf(db, id)).toEqual(['confirmed']);
    await call(db, anna.user, 'deliver_booking', args);
    const lines = await db.rows<{ status: string }>(
      `select new_values ->> 'status' as status from app_public.audit_log
       where record_id = $1 and new_values ? 'status' order by id`,
      [id],
    );
    expect(lines.map(({ status }) => status)).toEqual(['confirmed', 'in_progress', 'delivered']);
  });

  rule('gives the rest of the time to who waits, and tells the customer', async (scene) => {
    const { db } = scene;
    const { anna, carl, id, args } = await begun(scene);
    const words = { notes: ' Cut short. ', recommendations: 'Again in six weeks.' };
    const delivered = await call(db, anna.user, 'deliver_booking', { ...args, ...words });
    expect(delivered).toMatchObject({
      status: 'delivered',
      delivered_at: new Date(at('10:30', 1)),
      delivery_notes: 'Cut short.',
      recommendations: 'Again in six weeks.',
      delivery_answer_by: new Date(at('10:30', 4)),
      ended_at: null,
    });
    expect(await occupancies(scene, id)).toBe(0);
    expect(await deadlineOf(db, id)).toEqual({
      action: 'complete',
      due_at: new Date(at('10:30', 4)),
    });
    expect(await told(db, carl)).toContain('booking_delivered');
    // Somebody else has the rest of it, and the booking is not in the way.
    const other = await createUser(db, 'Other');
    expect((await book(db, other, anna.offering, range('10:40', '11:00'))).status).toBe(
      'confirmed',
    );
    // Again: the same.
    expect(await call(db, anna.user, 'deliver_booking', args)).toMatchObject({
      delivery_notes: 'Cut short.',
    });
    expect((await told(db, carl)).filter((kind) => kind === 'booking_delivered')).toHaveLength(1);
  });

  rule('hands on to who waits for the room', async ({ db, world }) => {
    const anna = await createService(db, world, 'Anna');
    const [holder, next] = [await createUser(db, 'Holder'), await createUser(db, 'Next')];
    const long = await bookService(db, holder, anna, range('08:10', '18:00', 0));
    const waiting = await join(db, next, anna.offering, range('14:00', '15:00', 0));
    await advanceTo(db, at('09:00'));
    await call(db, anna.user, 'deliver_booking', { booking_id: long.id });
    expect(await statusOf(db, waiting.id)).toEqual(['offered']);
  });

  rule('is confirmed by the customer, which completes it', async (scene) => {
    const { db, world } = scene;
    const { anna, carl, args, now } = await begun(scene);
    await refused(db, 'RSSTA', carl, 'confirm_delivery', args);
    await call(db, anna.user, 'deliver_booking', args);
    await refused(db, 'RSNTF', anna.user, 'confirm_delivery', args);
    await refused(db, 'RSNTF', world.manager, 'confirm_delivery', args);
    await db.setClock(at('12:00', 1));
    const confirmed = await call(db, carl, 'confirm_delivery', args);
    expect(confirmed).toMatchObject({
      status: 'completed',
      delivery_confirmed_at: new Date(at('12:00', 1)),
      ended_at: new Date(at('12:00', 1)),
    });
    expect(await call(db, carl, 'confirm_delivery', args)).toMatchObject({ status: 'completed' });
    await refused(db, 'RSSTA', anna.user, 'mark_no_show', args);
    await refused(db, 'RSSTA', world.manager, 'cancel_booking', { ...args, reason: 'No.' });
    expect((await now()).status).toBe('completed');
  });

  rule('without an answer is completed when the policy says', async (scene) => {
    const { db } = scene;
    const { anna, carl, args, now } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await advanceTo(db, at('10:29', 4));
    expect((await now()).status).toBe('delivered');
    await advanceTo(db, at('10:30', 4));
    expect(await now()).toMatchObject({ status: 'completed', delivery_confirmed_at: null });
    await refused(db, 'RSSTA', carl, 'confirm_delivery', args);
    // Nothing is mailed that nobody has to know.
    expect((await told(db, carl)).at(-1)).toBe('booking_delivered');
  });

  rule('is completed for the customer by a manager, and by nobody else', async (scene) => {
    const { db, world } = scene;
    const { anna, carl, args } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await refused(db, 'RSSTA', anna.user, 'complete_booking', args);
    await refused(db, 'RSNTF', carl, 'complete_booking', args);
    expect(await call(db, world.manager, 'complete_booking', args)).toMatchObject({
      status: 'completed',
      delivery_confirmed_at: null,
    });
  });

  rule('comes too late for who did not come, and for what was not accepted', async (scene) => {
    const { db } = scene;
    const { anna, carl, args } = await begun(scene);
    expect(await call(db, anna.user, 'mark_no_show', args)).toMatchObject({ status: 'no_show' });
    await refused(db, 'RSSTA', anna.user, 'deliver_booking', args);
    const other = await bookService(db, carl, anna, range('16:00', '17:00'));
    await cancel(db, carl, other.id);
    await refused(db, 'RSSTA', anna.user, 'deliver_booking', { booking_id: other.id });
  });

  rule('has words of at most 2,000 characters', async (scene) => {
    const { db } = scene;
    const { anna, args } = await begun(scene);
    await refused(db, 'RSARG', anna.user, 'deliver_booking', { ...args, notes: 'x'.repeat(2001) });
  });
});

describe('Where nothing has to be delivered', () => {
  rule('what begins is completed at its end, as everywhere', async (scene) => {
    const { now } = await begun(scene);
    await advanceTo(scene.db, at('11:00', 1));
    expect((await now()).status).toBe('completed');
  });

  rule('the provider completes it earlier, and the rest of the time is free', async (scene) => {
    const { db } = scene;
    const { anna, id, args } = await begun(scene);
    expect(await call(db, anna.user, 'complete_booking', args)).toMatchObject({
      status: 'completed',
      delivered_at: null,
    });
    expect(await occupancies(scene, id)).toBe(0);
  });
});

describe('Where it has to be delivered', () => {
  const policy = {
    requires_delivery: true,
    complete_delivered_after: '24:00',
    buffer_after: '00:15',
  };

  rule(
    'what is over stays in progress without its room, and its provider is asked',
    async (scene) => {
      const { db, world } = scene;
      const { anna, id, args, now } = await begun(scene);
      await refused(db, 'RSSTA', anna.user, 'complete_booking', args);
      await refused(db, 'RSSTA', world.manager, 'complete_booking', args);
      await advanceTo(db, at('11:14', 1));
      expect(await occupancies(scene, id)).toBe(1);
      await advanceTo(db, at('11:15', 1));
      expect(await now()).toMatchObject({
        status: 'in_progress',
        awaits_delivery_since: new Date(at('11:15', 1)),
      });
      expect(await occupancies(scene, id)).toBe(0);
      expect(await deadlineOf(db, id)).toBeUndefined();
      expect((await told(db, anna.user)).at(-1)).toBe('delivery_due');
      expect(await told(db, world.manager)).not.toContain('delivery_due');

      await advanceTo(db, at('11:00', 2));
      expect((await now()).status).toBe('in_progress');
      await call(db, anna.user, 'deliver_booking', args);
      expect(await now()).toMatchObject({ status: 'delivered', awaits_delivery_since: null });
      await advanceTo(db, at('11:00', 3));
      expect((await now()).status).toBe('completed');
    },
    policy,
  );

  rule(
    'the managers are asked where no provider is a member',
    async ({ db, world }) => {
      const carl = await createUser(db, 'Carl');
      await book(db, carl, world.left, range('09:00', '10:00', 0));
      await advanceTo(db, at('10:30'));
      expect(await told(db, world.manager)).toEqual(['delivery_due']);
    },
    policy,
  );

  rule(
    'who did not come is still noted afterwards, and so is what is called off',
    async (scene) => {
      const { db } = scene;
      const { anna, args, now } = await begun(scene);
      await advanceTo(db, at('15:00', 1));
      await call(db, anna.user, 'mark_no_show', args);
      expect(await now()).toMatchObject({ status: 'no_show', awaits_delivery_since: null });
    },
    policy,
  );

  rule(
    'a blackout over what is done and waits for an answer cancels nothing',
    async (scene) => {
      const { db, world } = scene;
      const { anna, args, now } = await begun(scene);
      await call(db, anna.user, 'deliver_booking', args);
      await call(db, world.manager, 'create_blackout', {
        organization_id: world.organizationId,
        starts_at: at('10:00', 1),
        ends_at: at('20:00', 1),
        reason: 'Water',
        resource_id: anna.provider,
        cancel_bookings: true,
      });
      expect((await now()).status).toBe('delivered');
    },
    policy,
  );
});

test('the mail of a delivery goes out while there is something to confirm, and not after', () =>
  inTransaction(async (db) => {
    const scene = { db, world: await createWorld(db) };
    const { anna, carl, args } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', args);
    await call(db, carl, 'confirm_delivery', args);
    expect((await deliverMail(db)).map(({ kind }) => kind)).not.toContain('booking_delivered');
  }));

test('erasing a person erases what was written about the delivery', () =>
  inTransaction(async (db) => {
    const scene = { db, world: await createWorld(db) };
    const { anna, carl, args, now } = await begun(scene);
    await call(db, anna.user, 'deliver_booking', { ...args, notes: 'Carl has thin hair.' });
    await call(db, carl, 'erase_me', {});
    expect(await now()).toMatchObject({ status: 'delivered', delivery_notes: null });
    const kept = await db.rows(
      `select from app_public.audit_log a where a::text like '%thin hair%'
       union all select from app_public.notifications n where n::text like '%thin hair%'`,
    );
    expect(kept).toEqual([]);
  }));
