/** What people read of a series, and what the links in it do. */
import { describe, expect } from '@jest/globals';
import type { Kind } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import type { TestDatabase } from '../support/database.ts';
import { advanceTo, at, book, createProvider, createUser, range } from '../support/factories.ts';
import { paymentsOf, record, setPrice } from '../support/payments.ts';
import {
  answer,
  bookSeries,
  cancelSeries,
  lines,
  occurrencesOf,
  statusesOf,
} from '../support/series.ts';
import { createService } from '../support/services.ts';
import { createUsers, rule, told } from './rule.ts';

type Model = Record<string, unknown> & { tokens: Record<string, string> };

/** The data of the mail of a kind that was owed last, with new links. */
async function modelOf(db: TestDatabase, kind: Kind): Promise<Model> {
  return db.value(
    `select m.model from app_public.deliveries d
     join app_public.notifications n on n.id = d.notification_id
     cross join lateral app_private.mail_model(d) m
     where n.kind = $1 order by d.id desc limit 1`,
    [kind],
  );
}

async function textOf(db: TestDatabase, kind: Kind, locale = 'en-GB'): Promise<string> {
  const origin = { publicUrl: 'https://reslot.example', organizerEmail: 'b@reslot.example' };
  return (await renderMail({ kind, locale, model: await modelOf(db, kind), ...origin })).text;
}

const follow = (db: TestDatabase, { tokens }: Model) =>
  db.value<{ state: string }>('select app_private.follow_link($1)', [tokens.cancel_series]);

describe('The mail of a series', () => {
  rule('lists its dates, and those that were left out', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    await book(db, await createUser(db, 'Otto'), world.left, range('11:00', '12:00', 8));
    const [first] = await bookSeries(db, ann, world.left, { skip_conflicts: true });
    const text = await textOf(db, 'series_booked');
    expect(text).toMatch(/- .*4 June 2030.*\n- .*18 June 2030.*\n- .*25 June 2030/);
    expect(text).toMatch(/left out:\n- .*11 June 2030/);
    expect(text).toContain('https://reslot.example/l/');
    expect(await textOf(db, 'series_booked', 'de')).toMatch(/ausgelassen:\n- .*11. Juni 2030/);
    await cancelSeries(db, world.manager, first?.id ?? '', 'all', 'Floods');
    const ended = await textOf(db, 'series_cancelled');
    expect(ended).toMatch(/Reason: Floods/);
    expect(ended).toMatch(/18 June 2030/);
  });

  rule('says who serves each, and where it goes', async ({ db, world }) => {
    const service = await createService(db, world, { values: { at_customer: true } });
    const [ann, otto] = await createUsers(db, 'Ann', 'Otto');
    const visit = { customer_address: 'Mill Lane 3', customer_phone: '1' };
    const args = { ...visit, rrule: 'FREQ=WEEKLY;COUNT=2' };
    await bookSeries(db, otto, service.offering, { ...args, provider_id: service.providers[0] });
    expect(await textOf(db, 'series_booked')).toMatch(/Pia\n.*Mill Lane 3\n- /);
    await bookSeries(db, ann, service.offering, { ...args, rrule: 'FREQ=WEEKLY;COUNT=3' });
    expect(await textOf(db, 'series_booked')).toMatch(/11 June.*, Quinn\n- .*18 June.*, Pia/);
  });

  rule('tells each provider once what of it is theirs, and is theirs no more', async (scene) => {
    const { db, world } = scene;
    const service = await createService(db, world);
    const [pia, quinn] = service.providers as [string, string];
    const [ann, otto, nora, carl] = await createUsers(db, 'Ann', 'Otto', 'Nora', 'Carl');
    await createProvider(db, world.organizationId, nora, pia);
    await createProvider(db, world.organizationId, carl, quinn);
    await book(db, otto, service.offering, range('12:00', '13:00', 8));
    const heard = async () => [await told(db, nora), await told(db, carl)];
    const mine = 'provider_booking';
    const before = await heard();
    const made = await bookSeries(db, ann, service.offering, { provider_id: pia });
    const all = { booking_id: made[0]?.id, scope: 'all' };
    expect(await textOf(db, mine)).toMatch(
      /These dates .*\n.*\n.*\n(.*\n)*- .*4 June.*\n- .*11 June/,
    );
    await lines(db, ann, 'modify_series', { ...all, purpose: 'Scales' });
    expect(await heard()).toEqual([[...(before[0] ?? []), mine], before[1]]);
    await lines(db, ann, 'modify_series', { ...all, provider_id: quinn });
    expect(await textOf(db, `${mine}_gone`)).toMatch(/served by somebody else/);
    await cancelSeries(db, ann, made[0]?.id ?? '', 'all');
    expect(await textOf(db, `${mine}_gone`)).toMatch(/were cancelled(.*\n)*- .*25 June/);
    expect(await heard()).toEqual([
      [...(before[0] ?? []), mine, `${mine}_gone`],
      [...(before[1] ?? []), mine, `${mine}_gone`],
    ]);
  });

  rule(
    'tells a provider once of what a manager agrees to, and not of what they agree to themselves',
    async ({ db, world }) => {
      const service = await createService(db, world);
      const [ann, nora] = await createUsers(db, 'Ann', 'Nora');
      const [pia] = service.providers as [string, string];
      await createProvider(db, world.organizationId, nora, pia);
      const [first] = await bookSeries(db, ann, service.offering, { provider_id: pia });
      const all = { booking_id: first?.id, scope: 'all' };
      expect(await answer(db, world.manager, 'accept_series', all)).toHaveLength(4);
      expect(await told(db, nora)).toEqual(['series_requested', 'provider_booking']);
      expect(await textOf(db, 'provider_booking')).toMatch(/- .*4 June(.*\n)*- .*25 June/);
      const evening = { provider_id: pia, local_start: '18:00' };
      const [second] = await bookSeries(db, ann, service.offering, evening);
      await answer(db, nora, 'accept_series', { booking_id: second?.id, scope: 'all' });
      expect(await told(db, nora)).toEqual([
        ...['series_requested', 'provider_booking', 'series_requested'],
      ]);
    },
    { requires_approval: true },
  );

  rule(
    'asks at once for what is to be paid for each date, and the managers for nothing',
    async ({ db, world }) => {
      await setPrice(db, world, 80);
      const ann = await createUser(db, 'Ann');
      await book(db, await createUser(db, 'Otto'), world.left, range('11:00', '12:00', 8));
      const made = await bookSeries(db, ann, world.left, { skip_conflicts: true });
      expect(await told(db, ann)).toEqual(['series_payment_due']);
      expect(await told(db, world.manager)).toEqual([]);
      for (const { id } of made) {
        expect(await paymentsOf(db, id)).toMatchObject([{ status: 'due', amount: '80.00' }]);
      }
      const text = await textOf(db, 'series_payment_due');
      expect(text).toMatch(/each by itself: €240.00 in all/);
      expect(text).toMatch(/- .*4 June 2030.*: €80.00, until .*3 June 2030.*\n- .*18 June 2030/);
      expect(text).toMatch(/left out:\n- .*11 June 2030/);
      await record(db, world.manager, made[0]?.id ?? '', 80);
      expect(await statusesOf(db, made[0]?.series_id ?? '')).toEqual([
        ...['confirmed', 'pending', 'pending'],
      ]);
      const later = await textOf(db, 'series_payment_due', 'de');
      expect(later).toMatch(/zusammen 160,00/);
      expect(later).not.toContain('- Dienstag, 4. Juni');
    },
    { payment: 'on_booking' },
  );

  rule(
    'asks for it once they agree, and says so',
    async ({ db, world }) => {
      await setPrice(db, world, 80);
      const ann = await createUser(db, 'Ann');
      const [first] = await bookSeries(db, ann, world.left);
      const all = { booking_id: first?.id, scope: 'all' };
      await answer(db, world.manager, 'accept_series', { ...all, note: 'The key is at the bar.' });
      expect(await told(db, ann)).toEqual(['series_booked', 'series_payment_due']);
      const text = await textOf(db, 'series_payment_due');
      expect(text).toMatch(/approved your request[\s\S]*at the bar[\s\S]*25 June 2030.*€80.00/);
      await lines(db, ann, 'modify_series', { ...all, local_start: '12:00' });
      expect((await told(db, ann)).at(-1)).toBe('series_modified');
    },
    { payment: 'on_booking', requires_approval: true },
  );

  rule('cancels what is still to come by its link, also again', async ({ db, world }) => {
    const ann = await createUser(db, 'Ann');
    const [first] = await bookSeries(db, ann, world.left);
    await advanceTo(db, at('11:00', 9));
    const model = await modelOf(db, 'series_booked');
    for (let n = 0; n < 2; n++) expect(await follow(db, model)).toMatchObject({ state: 'done' });
    expect(await statusesOf(db, first?.series_id ?? '')).toEqual([
      ...['auto_cancelled', 'auto_cancelled', 'cancelled', 'cancelled'],
    ]);
  });

  rule(
    'that offers a manager to cancel does so in their name, with a reason',
    async ({ db, world }) => {
      const ann = await createUser(db, 'Ann');
      const [first] = await bookSeries(db, ann, world.left);
      await advanceTo(db, at('11:00', 8));
      expect(await textOf(db, 'series_unused')).toMatch(/^2 dates[\s\S]*18 June 2030/m);
      expect(await textOf(db, 'series_unused_notice')).toContain('Booked by: Ann');
      await follow(db, await modelOf(db, 'series_unused_notice'));
      const [, , third] = await occurrencesOf(db, first?.series_id ?? '');
      expect(third).toMatchObject({
        status: 'cancelled',
        ended_reason: 'Several dates in a row were not confirmed.',
      });
    },
    { series_release_limit: 2 },
  );
});
