/** What providers are asked, told and reminded of, and how they answer. */
import { describe, expect } from '@jest/globals';
import { advanceTo, at, call, createProvider, createUser, range } from '../support/factories.ts';
import { bookService, createService } from '../support/providers.ts';
import { bookWith, createService as createPool } from '../support/services.ts';
import { createUsers, refused, rule, type Scene, told } from './rule.ts';
import { asked, begun, occupancies } from './service.ts';

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
      expect(await told(db, anna.user)).toEqual(['provider_booking']);
      await advanceTo(db, at('08:00', 1));
      expect(await told(db, anna.user)).toEqual(['provider_booking', 'provider_reminder']);
      const [starts_at, ends_at] = range('16:00', '17:00');
      await call(db, carl, 'modify_booking', { ...args, starts_at, ends_at });
      await advanceTo(db, at('14:00', 1));
      const twice = ['provider_booking', 'provider_reminder'];
      expect(await told(db, anna.user)).toEqual([...twice, ...twice]);
    },
    policy,
  );

  rule(
    'can be unsubscribed from, with all else that is only said to them',
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
         where n.user_id = $1 and n.booking_id = $2 order by n.id`,
        [anna.user, next.id],
      );
      expect(mails.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
        ...['provider_booking suppressed', 'provider_reminder suppressed'],
        'provider_booking_gone suppressed',
      ]);
    },
    policy,
  );

  rule('does not go out where the policy has none', async (scene) => {
    const { db } = scene;
    const { anna, carl, args } = await asked(scene);
    await call(db, carl, 'confirm_booking', args);
    await advanceTo(db, at('09:59', 1));
    expect(await told(db, anna.user)).toEqual(['provider_booking']);
  });
});

describe('Of each thing that others do to it its provider hears once', () => {
  /** Pia and Quinn are one as good as the other, and members. */
  async function pool({ db, world }: Scene) {
    const service = await createPool(db, world);
    const [pia, quinn] = await createUsers(db, 'Pia', 'Quinn');
    const [piaIs, quinnIs] = service.providers as [string, string];
    await createProvider(db, world.organizationId, pia, piaIs);
    await createProvider(db, world.organizationId, quinn, quinnIs);
    const carl = await createUser(db, 'Carl');
    const made = await bookWith(db, carl, service, range('10:00', '11:00'), piaIs);
    const heard = async () => [await told(db, pia), await told(db, quinn)];
    return { pia, quinn, piaIs, quinnIs, carl, args: { booking_id: made.id }, heard };
  }

  rule('booked, moved, handed over by time off, and cancelled', async (scene) => {
    const { db, world } = scene;
    const { pia, piaIs, quinnIs, carl, args, heard } = await pool(scene);
    expect(await heard()).toEqual([['provider_booking'], []]);
    const [starts_at, ends_at] = range('12:00', '13:00');
    await call(db, carl, 'modify_booking', { ...args, starts_at, ends_at });
    await call(db, carl, 'modify_booking', { ...args, purpose: 'A quiet hour' });
    expect(await heard()).toEqual([['provider_booking', 'provider_booking'], []]);
    await call(db, pia, 'create_blackout', {
      ...{ organization_id: world.organizationId, resource_id: piaIs, reason: 'Away' },
      ...{ starts_at: at('09:00', 1), ends_at: at('14:00', 1) },
    });
    // Pia herself knows.
    expect(await heard()).toEqual([['provider_booking', 'provider_booking'], ['provider_booking']]);
    await call(db, carl, 'cancel_booking', args);
    expect((await heard())[1]).toEqual(['provider_booking', 'provider_booking_gone']);
    const log = await db.rows(
      `select from_provider_id as from, to_provider_id as to from app_public.booking_modifications
       where booking_id = $1 order by id`,
      [args.booking_id],
    );
    expect(log).toEqual([
      { from: piaIs, to: piaIs },
      { from: piaIs, to: quinnIs },
    ]);
    const said = await db.rows<{ data: unknown }>(
      `select data - 'sequence' as data from app_public.notifications where user_id is not null
       and kind like 'provider_%' order by id`,
    );
    const iso = (time: string) => new Date(time).toISOString().replace('.000Z', '+00:00');
    const [early, late] = [range('10:00', '11:00'), range('12:00', '13:00')].map(
      ([from, until]) => ({ startsAt: iso(from), endsAt: iso(until) }),
    );
    expect(said.map(({ data }) => data)).toEqual([
      { status: 'confirmed', previous: {} },
      { status: 'confirmed', previous: early },
      { status: 'confirmed', previous: { ...late, provider: 'Pia' } },
      { status: 'cancelled', previous: late },
    ]);
  });

  rule('given to a colleague by a manager, and released', async (scene) => {
    const { db, world } = scene;
    const { quinnIs, args, heard } = await pool(scene);
    await call(db, world.manager, 'modify_booking', { ...args, provider_id: quinnIs });
    expect(await heard()).toEqual([
      ['provider_booking', 'provider_booking_gone'],
      ['provider_booking'],
    ]);
    await advanceTo(db, at('08:00', 1));
    expect((await heard())[1]).toEqual(['provider_booking', 'provider_booking_gone']);
  });

  rule(
    'handed over while it is asked for: the other one is asked',
    async (scene) => {
      const { db, world } = scene;
      const { quinn, quinnIs, args, heard } = await pool(scene);
      await call(db, world.manager, 'modify_booking', { ...args, provider_id: quinnIs });
      expect(await heard()).toEqual([
        ['booking_requested', 'provider_booking_gone'],
        ['booking_requested'],
      ]);
      await call(db, quinn, 'accept_booking', args);
      expect((await heard())[1]).toEqual(['booking_requested']);
    },
    { requires_approval: true },
  );
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
