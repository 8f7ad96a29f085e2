/** Guests without an account ask, and book by the link in the mail. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction, type TestDatabase } from '../support/database.ts';
import * as factory from '../support/factories.ts';
import * as guests from '../support/guests.ts';
import { bookSlot, createTour, slotRow, type Tour } from '../support/tours.ts';

const scene = (
  action: (db: TestDatabase, world: factory.World, tour: Tour) => Promise<void>,
  policy: Record<string, unknown> = {},
) =>
  inTransaction(async (db) => {
    const world = await factory.createWorld(db, policy);
    await action(db, world, await createTour(db, world, { days: 2 }));
  });

const asked = ({ offering, slots }: Tour, values: Record<string, unknown> = {}) => ({
  ...{ offeringId: offering, slotId: slots[0], adults: 2, children: 1, infants: 0 },
  ...values,
});

const [from, to] = factory.range('18:00', '20:00');
const hours = ({ left }: factory.World) => ({ offeringId: left, startsAt: from, endsAt: to });

const bookings = (db: TestDatabase) =>
  db.rows(`select b.*, c.name, c.phone, c.email, c.user_id
    from app_public.bookings b join app_public.customers c on c.id = b.customer_id
    where b.ended_at is null order by b.id`);

const fill = async (db: TestDatabase, tour: Tour, adults = 8) =>
  bookSlot(db, await factory.createUser(db, 'Bea'), tour, tour.slots[0], { adults });

describe('a guest who asks for places', () => {
  test('gets one mail with a link, and no room is taken until it is followed', () =>
    scene(async (db, _world, tour) => {
      await guests.ask(db, asked(tour));
      expect((await slotRow(db, tour.slots[0])).taken).toBe(0);
      const mails = await guests.openMails(db);
      expect(mails).toMatchObject([{ kind: 'booking_link', address: 'gina@example.org' }]);
      expect(mails[0]?.model.entry).toMatchObject({ price: 54, partySize: 3, currency: 'EUR' });
      // What a stranger wrote is not mailed to whoever has the address.
      expect(JSON.stringify(mails[0]?.model)).not.toContain('Gina');
    }));

  test('sees the price of the quote and books at it, with name, phone and needs', () =>
    scene(async (db, _world, tour) => {
      const token = await guests.askForLink(
        db,
        asked(tour, { phone: '+43 1 234', dietaryNeeds: 'No nuts' }),
      );
      const quote = await db.one(
        'select price from app_public.quote($1, adults => 2, children => 1)',
        [tour.slots[0]],
      );
      const before = await guests.page(db, token);
      expect(before).toMatchObject({ action: 'book', state: 'ready', entry: null });
      expect(before.booking).toMatchObject({ price: Number(quote.price), partySize: 3 });
      expect(await guests.press(db, token)).toMatchObject({ action: 'book', state: 'done' });
      expect(await bookings(db)).toMatchObject([
        {
          ...{ status: 'confirmed', party_size: 3, dietary_needs: 'No nuts', price: quote.price },
          ...{ name: 'Gina', phone: '+43 1 234', email: 'gina@example.org', user_id: null },
          created_by: null,
        },
      ]);
    }));

  test('who presses the button again sees the same booking', () =>
    scene(async (db, _world, tour) => {
      const token = await guests.askForLink(db, asked(tour));
      const first = await guests.press(db, token);
      const again = await db.value<guests.Page>(guests.FOLLOW, [token, { action: 'book' }]);
      expect(again.booking?.reference).toBe(first.booking?.reference);
      expect(await bookings(db)).toHaveLength(1);
    }));

  test('does not agree to another price than the page showed', () =>
    scene(async (db, _world, tour) => {
      const token = await guests.askForLink(db, asked(tour));
      await db.query('update app_public.offerings set price = 30 where id = $1', [tour.offering]);
      const refused = await db.fails(guests.FOLLOW, [token, { action: 'book', price: 54 }]);
      expect(refused.code).toBe('RSSTA');
      expect(await bookings(db)).toEqual([]);
      expect((await guests.page(db, token)).booking).toMatchObject({ price: 81 });
    }));

  test('gets the mails that everybody gets: received, reminder with links', () =>
    scene(async (db, _world, tour) => {
      const input = asked(tour, { slotId: tour.slots[1] });
      await guests.press(db, await guests.askForLink(db, input));
      const [received] = await guests.openMails(db);
      expect(received).toMatchObject({ kind: 'booking_received', address: 'gina@example.org' });
      await db.setClock(factory.at('10:30', 1));
      await factory.runDueDeadlines(db);
      const [reminder] = await guests.openMails(db);
      expect(reminder?.kind).toBe('booking_reminder');
      const confirmed = await guests.press(db, reminder?.tokens.confirm);
      expect(confirmed).toMatchObject({ action: 'confirm', state: 'done' });
      await guests.press(db, received?.tokens.cancel);
      expect(await bookings(db)).toEqual([]);
    }));

  test('is found again by reference, and is the same customer the next time', () =>
    scene(async (db, world, tour) => {
      const first = await guests.press(db, await guests.askForLink(db, asked(tour)));
      const found = await db.one('select booking from app_private.look_up_booking($1, $2)', [
        first.booking?.reference,
        'GINA@example.org',
      ]);
      expect(found.booking).toMatchObject({ partySize: 3 });
      await guests.press(db, await guests.askForLink(db, { ...hours(world), name: 'G.' }));
      const made = await bookings(db);
      expect(made.map(({ name }) => name)).toEqual(['Gina', 'Gina']);
      expect(new Set(made.map(({ customer_id: id }) => id)).size).toBe(1);
    }));
});

describe('a guest who asks for a range of time', () => {
  test('books it by the link, and where a manager has to agree it is a request', () =>
    scene(
      async (db, world) => {
        const token = await guests.askForLink(db, { ...hours(world), purpose: 'Choir' });
        expect((await guests.page(db, token)).booking).toMatchObject({ needsApproval: true });
        await guests.press(db, token);
        expect(await bookings(db)).toMatchObject([{ status: 'pending', purpose: 'Choir' }]);
      },
      { requires_approval: true },
    ));

  test('is told at once what can never be booked', () =>
    scene(async (db, world, tour) => {
      await fill(db, tour, 7);
      const cases: [Record<string, unknown>, string][] = [
        [{ ...hours(world), offeringId: world.organizationId }, 'RSNTF'],
        [{ ...asked(tour), slotId: world.organizationId }, 'RSNTF'],
        [{ ...hours(world), startsAt: factory.at('07:00'), endsAt: factory.at('09:00') }, 'RSTIM'],
        [{ ...asked(tour), adults: 1001 }, 'RSLIM'],
        [{ ...asked(tour), adults: 0, children: 0 }, 'RSARG'],
        [asked(tour), 'RSFUL'],
        [{ ...asked(tour), adults: 9, children: 0, orWait: true }, 'RSFUL'],
        [{ offeringId: tour.offering, ...{ startsAt: from, endsAt: to } }, 'RSARG'],
        [{ ...hours(world), email: 'nobody' }, 'RSARG'],
        [{ ...hours(world), name: ' ' }, 'RSARG'],
      ];
      for (const [input, code] of cases) {
        expect([input, (await guests.refusedAsk(db, input)).code]).toEqual([input, code]);
      }
      expect(await db.value('select count(*)::int from app_private.guest_requests')).toBe(0);
    }));

  test('is sent to sign up where the policy says so', () =>
    scene(
      async (db, world) => {
        expect((await guests.refusedAsk(db, hours(world))).code).toBe('RSOFF');
      },
      { guest_bookings: false },
    ));
});

describe('what is taken by the time a guest follows the link', () => {
  test('is shown with alternatives, and the guest may wait, be offered it, and claim it', () =>
    scene(async (db, _world, tour) => {
      const token = await guests.askForLink(db, asked(tour, { specialRequests: 'By the window' }));
      const { id } = await fill(db, tour);
      const refused = await db.fails(guests.FOLLOW, [token, { action: 'book', price: 54 }]);
      expect(refused.code).toBe('RSFUL');
      const full = await guests.page(db, token);
      expect(full).toMatchObject({ action: 'wait', state: 'ready' });
      expect(full.booking?.alternatives).toMatchObject([{ slotId: tour.slots[1] }]);
      expect(await guests.press(db, token)).toMatchObject({ action: 'wait', state: 'done' });
      expect((await guests.openMails(db)).map(({ kind }) => kind)).toContain('waitlist_joined');

      const holder = await db.one('select created_by from app_public.bookings where id = $1', [id]);
      await factory.call(db, String(holder.created_by), 'cancel_booking', { booking_id: id });
      const offer = (await guests.openMails(db)).find(({ kind }) => kind === 'slot_available');
      expect(offer?.address).toBe('gina@example.org');
      expect(await guests.press(db, offer?.tokens.claim)).toMatchObject({ state: 'done' });
      expect(await bookings(db)).toMatchObject([{ party_size: 3, name: 'Gina' }]);
    }));

  test('is booked after all if it becomes free again, and not waited for', () =>
    scene(async (db, _world, tour) => {
      const token = await guests.askForLink(db, asked(tour));
      const { id, created_by: holder } = await fill(db, tour);
      expect(await guests.page(db, token)).toMatchObject({ action: 'wait' });
      await factory.call(db, String(holder), 'cancel_booking', { booking_id: id });
      expect((await db.fails(guests.FOLLOW, [token, { action: 'wait' }])).code).toBe('RSAVL');
      expect(await guests.press(db, token)).toMatchObject({ action: 'book', state: 'done' });
    }));

  test('may be waited for from the start, if one asks for that, and an offer is declined by mail', () =>
    scene(async (db, _world, tour) => {
      const { id, created_by: holder } = await fill(db, tour);
      const token = await guests.askForLink(db, asked(tour, { orWait: true }));
      expect(await guests.press(db, token)).toMatchObject({ action: 'wait', state: 'done' });
      await factory.call(db, String(holder), 'cancel_booking', { booking_id: id });
      const offer = (await guests.openMails(db)).find(({ kind }) => kind === 'slot_available');
      await guests.press(db, offer?.tokens.decline);
      expect(await guests.page(db, token)).toMatchObject({ state: 'too_late', why: 'declined' });
      expect((await slotRow(db, tour.slots[0])).taken).toBe(0);
    }));

  test('is only shown as taken where there is no waiting list', () =>
    scene(
      async (db, _world, tour) => {
        const token = await guests.askForLink(db, asked(tour));
        await fill(db, tour);
        expect(await guests.page(db, token)).toMatchObject({ state: 'too_late', why: 'full' });
      },
      { waitlist_enabled: false },
    ));

  test('is not bookable any more once it is closed or has begun, and the link ends with its time', () =>
    scene(async (db, world, tour) => {
      const token = await guests.askForLink(db, asked(tour));
      await factory.call(db, world.manager, 'close_slot', {
        ...{ slot_id: tour.slots[0], reason: 'Storm' },
      });
      expect(await guests.page(db, token)).toMatchObject({ why: 'not_bookable', entry: null });
      await db.setClock(factory.at('08:01', 1));
      expect(await guests.page(db, token)).toMatchObject({ why: 'link_expired', booking: null });
      expect((await db.fails(guests.FOLLOW, [token, { action: 'book' }])).code).toBe('RSEXP');
    }));
});
