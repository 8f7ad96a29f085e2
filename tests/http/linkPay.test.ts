/** Somebody without an account, where there is no front end, pays by the link in their mail. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newsOf } from '../../src/payments/events.ts';
import { carryOutPayments } from '../../src/payments/work.ts';
import * as factory from '../support/factories.ts';
import * as guests from '../support/guests.ts';
import { paymentOf, setPrice, stripeTells } from '../support/payments.ts';
import { type StripeServer, startStripe } from '../support/stripe.ts';
import {
  ask,
  createLinkWorld,
  DWELL_MS,
  type LinkServer,
  type LinkWorld,
  nonceIn,
  plain,
  post,
  press,
  serveLinks,
  tableHashes,
} from './linkSupport.ts';

const PUBLIC_URL = 'https://reslot.example';

let links: LinkWorld;
let server: LinkServer;
let stripe: StripeServer;
let world: factory.World;
let day = 3;

beforeAll(async () => {
  links = await createLinkWorld();
  stripe = await startStripe();
  const pool = links.database.pool('worker');
  server = await serveLinks(links.database, {}, () => {
    void carryOutPayments({ pool, stripe: stripe.stripe, publicUrl: PUBLIC_URL });
  });
  await links.change(async (db) => {
    world = await factory.createWorld(db, {
      ...{ payment: 'on_booking', payment_provider: 'stripe', max_guest_mails_per_hour: 100 },
    });
    await setPrice(db, world, 80);
  });
});
afterAll(async () => {
  await server?.stop();
  await stripe?.stop();
  await links?.drop();
});

/** Each on a day of its own: a guest has booked by their link, and has the mail that says what is to be paid. */
async function toPay() {
  day += 1;
  await links.change((db) => db.setClock(factory.MONDAY));
  const [startsAt, endsAt] = factory.range('10:00', '11:00', day);
  const bookToken = await links.change((db) =>
    guests.askForLink(db, { offeringId: world.left, startsAt, endsAt, locale: 'en-GB' }),
  );
  const done = await press(server, bookToken);
  return links.change(async (db) => {
    const id = await db.value<string>('select id from app_public.bookings where starts_at = $1', [
      startsAt,
    ]);
    const mail = (await guests.openMails(db)).find(({ kind }) => kind === 'payment_due');
    return { id, done, token: mail?.tokens.pay ?? '' };
  });
}

const payment = (id: string) => links.change((db) => paymentOf(db, id));

const onward = ({ text }: { text: string }) =>
  /http-equiv="refresh" content="0; url=([^"]+)"/.exec(text)?.[1];

/** They pay there, and Stripe tells. */
async function payAt(id: string) {
  const event = stripe.pay(String((await payment(id)).checkout_id));
  const news = newsOf(event as unknown as Parameters<typeof newsOf>[0]);
  await links.change((db) =>
    stripeTells(db, String(event.id), news?.paymentId ?? '', 'paid', news?.details ?? {}),
  );
}

describe('The link to pay', () => {
  test('is in the mail to who has booked, says what and until when, and changes nothing by being looked at', async () => {
    const { done, token } = await toPay();
    expect(plain(done.text)).toContain('It is yours once it is paid');
    const before = await tableHashes(links);
    for (const method of ['HEAD', 'GET']) await ask(server, token, { method });
    const page = await ask(server, token);
    expect(page).toMatchObject({ status: 200, heading: 'Pay for this booking' });
    expect(plain(page.text)).toMatch(/Price €80\.00 To pay €80\.00 .*Please pay by .*Pay now/);
    expect(await tableHashes(links)).toEqual(before);
  });

  test('leads to the page of Stripe, always the same one, and says that it is paid afterwards', async () => {
    const { id, token } = await toPay();
    const first = await press(server, token);
    const { checkout_url, checkout_id } = await payment(id);
    expect(first.status).toBe(200);
    expect(onward(first)).toBe(checkout_url);
    expect(first.text).toContain(`href="${checkout_url}"`);
    expect(onward(await press(server, token))).toBe(checkout_url);
    const fields = stripe.sessions.get(String(checkout_id))?.fields;
    // Without an account they would not get into the front end of the organisation.
    expect(fields?.get('success_url')).toBe(`${PUBLIC_URL}/paid`);
    await payAt(id);
    expect(await ask(server, token)).toMatchObject({ heading: 'Nothing is left to pay' });
    const { status } = await links.change((db) => factory.booking(db, id));
    expect(status).toBe('confirmed');
  });

  test('works without JavaScript, by one more page', async () => {
    const { id, token } = await toPay();
    const shown = await ask(server, token);
    await sleep(DWELL_MS + 10);
    const asked = await post(server, token, { nonce: nonceIn(shown), seen: '' });
    expect(asked.heading).toBe('Please confirm once more');
    expect((await payment(id)).status).toBe('due');
    await sleep(DWELL_MS + 10);
    const led = await post(server, token, { nonce: nonceIn(asked) });
    expect(onward(led)).toBe((await payment(id)).checkout_url);
  });

  test('says so when Stripe refuses, and can be pressed again', async () => {
    const { id, token } = await toPay();
    stripe.refuseNext(1, 400, { type: 'invalid_request_error', code: 'amount_too_small' });
    const refused = await press(server, token);
    expect(refused.status).toBe(409);
    expect(plain(refused.text)).toContain('That did not work.');
    expect(onward(await press(server, token))).toBe((await payment(id)).checkout_url);
  });

  test('is worth nothing once it is too late, or the booking is cancelled', async () => {
    const { id, token } = await toPay();
    const late = await ask(server, token);
    await links.change((db) => factory.advanceTo(db, factory.at('08:00', 1)));
    for (const page of [
      await ask(server, token),
      await post(server, token, { nonce: nonceIn(late) }),
    ]) {
      expect(page).toMatchObject({ status: 410, heading: 'It is too late to pay' });
    }
    expect(await payment(id)).toMatchObject({ status: 'cancelled', checkout_id: null });
    const other = await toPay();
    await links.change((db) =>
      factory.call(db, world.manager, 'cancel_booking', { booking_id: other.id, reason: 'Paint' }),
    );
    expect(await press(server, other.token)).toMatchObject({
      ...{ status: 409, heading: 'This booking was cancelled' },
    });
  });
});
