/**
 * Whoever names what is somebody else's, while somebody works on it, does not wait for the lock and so does not learn
 * that there is such a thing. The same call by who may make it does wait: the lock was in the way.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { at, createUser } from '../support/factories.ts';
import { type Field, openField } from '../support/field.ts';
import { type Action, as, type Ground, literal } from '../support/races.ts';
import { offered, tourOn, user } from './stage.ts';

let field: Field;
let ground: Ground;
let ids: Record<'booking' | 'entry' | 'customer' | 'delivery' | 'slot' | 'schedule', string>;
let stranger: string;

beforeAll(async () => {
  field = await openField();
  ground = field.grounds[0] as Ground;
  await field.db.setClock(at('08:00', 1));
  stranger = await createUser(field.db, 'Stranger');
  const tour = await tourOn(ground, 4, 8);
  const { entries, hold } = await offered(ground, 4, ground.world.left);
  const booking = String(
    (await ground.act(as(user(ground, 1), 'claim_slot', { entry_id: entries[0] }))).id,
  );
  expect(booking).toBe(hold);
  ids = {
    booking,
    entry: entries[1],
    slot: tour.slots[0] ?? '',
    schedule: tour.schedules[0] ?? '',
    ...(await field.db.one<{ customer: string; delivery: string }>(
      `select b.customer_id as customer, d.id as delivery from app_public.bookings b
       join app_public.notifications n on n.booking_id = b.id
       join app_public.deliveries d on d.notification_id = n.id where b.id = $1 limit 1`,
      [booking],
    )),
  };
}, 120_000);
afterAll(() => field?.close());

/** All that any of the calls may wait for. */
const everything = (): Action => ({
  login: 'owner',
  sql: `select from (
      select id from app_public.customers where id = ${literal(ids.customer)} for no key update) c,
    (select id from app_public.resources where organization_id = ${literal(ground.world.organizationId)}
     for no key update) r,
    (select id from app_public.deliveries where id = ${literal(ids.delivery)} for no key update) d`,
});

type Who = 'customer' | 'waiting' | 'manager';
const CALLS: [name: string, of: keyof typeof ids, who: Who, more?: Record<string, unknown>][] = [
  ['confirm_booking', 'booking', 'customer'],
  ['cancel_booking', 'booking', 'customer', { reason: 'Ill' }],
  ['modify_booking', 'booking', 'customer', { purpose: 'Yoga' }],
  ['rebook_booking', 'booking', 'customer'],
  ['approve_booking', 'booking', 'manager'],
  ['reject_booking', 'booking', 'manager'],
  ['mark_no_show', 'booking', 'manager'],
  ['override_auto_cancel', 'booking', 'manager', { reason: 'I know them' }],
  ['claim_slot', 'entry', 'waiting'],
  ['decline_slot', 'entry', 'waiting'],
  ['leave_waitlist', 'entry', 'waiting'],
  ['set_waitlist_priority', 'entry', 'manager', { priority: 5 }],
  ['close_slot', 'slot', 'manager', { reason: 'Ice' }],
  ['open_slot', 'slot', 'manager'],
  ['alter_slot', 'slot', 'manager', { capacity: 5 }],
  ['message_slot', 'slot', 'manager', { message: 'Mind the ice' }],
  ['generate_slots', 'schedule', 'manager', { '"from"': '2030-06-07', '"to"': '2030-06-07' }],
  ['cancel_slot', 'slot', 'manager', { reason: 'Ice' }],
  ['erase_customer', 'customer', 'manager'],
  ['retry_delivery', 'delivery', 'manager'],
];

test.each(CALLS)('%s does not let a stranger wait', async (name, of, who, more = {}) => {
  const call = (userId: string) => as(userId, name, { [`${of}_id`]: ids[of], ...more });
  const denied = await field.overlap(everything(), call(stranger));
  expect(denied).toMatchObject({ waited: false, outcomes: [{ ok: true }, { code: 'RSNTF' }] });
  const { world } = ground;
  const entitled = { customer: user(ground, 1), waiting: user(ground, 2), manager: world.manager };
  expect((await field.overlap(everything(), call(entitled[who]))).waited).toBe(true);
});
