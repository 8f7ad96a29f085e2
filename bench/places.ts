/**
 * Places of tours. Sixty-four people want one slot of five hundred places at once, one place each, until it is full: as
 * one statement that counts and writes, as the SQL function, and over HTTP. And how quickly slots are made.
 */
import { randomUUID } from 'node:crypto';
import type { Ground } from './ground.ts';
import { type Figures, figures, round } from './load.ts';
import type { Product } from './product.ts';
import { AS_USER, BOOK_QUERY, connect, createBare, TAKEN } from './rush.ts';

const CLIENTS = 64;
const PLACES = 500;
const DAYS = 730;
const LOCK_NOT_AVAILABLE = '55P03';

export interface PlacesFigures {
  rush: Record<string, Figures>;
  ratios: Record<string, number>;
  slotsPerSecond: number;
}

type Clients = Awaited<ReturnType<typeof connect>>;

interface Slot {
  id: string;
  offering: string;
  startsAt: string;
  endsAt: string;
}

/** Takes one place for somebody; none if there is none left, busy if the lock could not be had in time. */
type Take = (slot: Slot, user: string) => Promise<'got' | 'none' | 'busy'>;

export async function measurePlaces(ground: Ground, product: Product): Promise<PlacesFigures> {
  const [one, two, three] = (await makeSlots(ground, PLACES, '09:00', 30)).slots;
  if (!one || !two || !three) throw new Error('There are not enough slots.');
  const raw = async (
    setUp: string,
    make: (clients: Clients) => Take[] | Promise<Take[]>,
    slot: Slot,
  ) => {
    const clients = await connect(ground.url('app'), setUp, CLIENTS);
    const sold = await rushOn(ground, slot, await make(clients));
    await Promise.all(clients.map((client) => client.end()));
    return sold;
  };
  const rush = {
    'one statement': await raw('select 1', (clients) => statements(ground, clients, one), one),
    'SQL function': await raw(AS_USER, functionCalls, two),
    'HTTP GraphQL': await rushOn(ground, three, overHttp(product)),
  };
  const share = (a: Figures, b: Figures) => round(a.perSecond / b.perSecond, 3);
  return {
    rush,
    ratios: {
      'SQL function / one statement': share(rush['SQL function'], rush['one statement']),
      'HTTP / SQL function': share(rush['HTTP GraphQL'], rush['SQL function']),
    },
    slotsPerSecond: (await makeSlots(ground, 20, '15:00', DAYS)).perSecond,
  };
}

/** Everybody takes places until there are no more; exactly as many are sold as there are. */
async function rushOn(ground: Ground, slot: Slot, takes: Take[]): Promise<Figures> {
  const latencies: number[] = [];
  const counts = { sold: 0, next: 0 };
  const began = performance.now();
  await Promise.all(
    takes.map(async (take) => {
      for (let outcome = 'got'; outcome !== 'none'; ) {
        const started = performance.now();
        outcome = await take(slot, ground.users[counts.next++ % ground.users.length] ?? '');
        latencies.push(performance.now() - started);
        if (outcome === 'got') counts.sold += 1;
      }
    }),
  );
  if (counts.sold !== PLACES) {
    throw new Error(`${counts.sold} of ${PLACES} places were sold: exactly all were due.`);
  }
  const seconds = (performance.now() - began) / 1000;
  return figures(latencies, counts.sold, latencies.length - counts.sold, seconds);
}

/** A tour with a guide of its own, one slot a day. */
async function makeSlots(
  ground: Ground,
  capacity: number,
  localStart: string,
  days: number,
): Promise<{ slots: Slot[]; perSecond: number }> {
  const made = async (text: string, ...values: unknown[]) =>
    (await ground.owner.query<{ id: string }>(text, values)).rows[0]?.id;
  const guide = await made(
    `insert into app_public.resources (organization_id, name, time_zone)
     select id, 'Guide', 'Europe/Berlin' from app_public.organizations where slug = 'bench' returning id`,
  );
  const tour = await made(
    `insert into app_public.offerings (organization_id, policy_id, kind, allocation, name, price)
     select organization_id, id, 'tour', 'capacity', 'Walk', 20 from app_public.policies
     where organization_id = (select id from app_public.organizations where slug = 'bench') returning id`,
  );
  await made(
    `insert into app_public.offering_resources (offering_id, resource_id, organization_id)
     select $1, id, organization_id from app_public.resources where id = $2`,
    tour,
    guide,
  );
  const { rows } = await ground.owner.query<{ id: string; first: string }>(
    `insert into app_public.schedules (
       organization_id, offering_id, name, local_start, duration, recurrence, capacity, valid_from)
     select organization_id, id, 'Daily', $2, '2 hours', 'daily', $3, current_date + 10
     from app_public.offerings where id = $1
     returning id, valid_from::text as first`,
    [tour, localStart, capacity],
  );
  const [schedule] = rows;
  const began = performance.now();
  // Not more than two years at once.
  const planned = await ground.admin.query(
    'select from app_public.generate_slots($1, $2::date, $2::date + $3::integer - 1)',
    [schedule?.id, schedule?.first, days],
  );
  const seconds = (performance.now() - began) / 1000;
  const slots = await ground.owner.query<Slot>(
    `select id, offering_id as offering, starts_at::text as "startsAt", ends_at::text as "endsAt"
     from app_public.slots where schedule_id = $1 order by starts_at`,
    [schedule?.id],
  );
  return { slots: slots.rows, perSecond: round((planned.rowCount ?? 0) / seconds) };
}

interface Bearer {
  user_id: string;
  customer: string;
  organization: string;
  version: string;
}

/** Counts and writes in one statement, under the same constraints; the least it can cost. */
async function statements(ground: Ground, clients: Clients, slot: Slot): Promise<Take[]> {
  await createBare(ground, 'bare_places');
  await ground.owner.query(
    `create table app_private.bare_slot (
       id uuid primary key, capacity integer not null, taken integer not null default 0,
       constraint bare_within_capacity check (taken between 0 and capacity))`,
  );
  await ground.owner.query('insert into app_private.bare_slot values ($1, $2)', [slot.id, PLACES]);
  await ground.owner.query('grant select, update on app_private.bare_slot to reslot_app');
  const { rows } = await ground.owner.query<Bearer>(
    `select c.user_id, c.id as customer, c.organization_id as organization, v.id as version
     from app_public.customers c join app_public.policy_versions v on v.organization_id = c.organization_id`,
  );
  const people = new Map(rows.map((row) => [row.user_id, row]));
  return clients.map((client) => (wanted, user) => {
    const { customer, organization, version } = people.get(user) ?? {};
    return orNone(
      client.query({
        name: 'place',
        text: `with place as (
            update app_private.bare_slot set taken = taken + 1 where id = $1 and taken < capacity returning id
          )
          insert into app_private.bare_places (
            organization_id, offering_id, slot_id, customer_id, policy_version_id, reference, status, starts_at, ends_at,
            room, party_size, adults, children, infants, places, person_price, adult_price, child_price, infant_price, subtotal,
            discount, tax, tax_included, price, currency, confirm_by, created_by, created_at, made_at)
          select $9, $2, p.id, $3, $4, $5, 'confirmed', $6, $7, tstzrange($6, $7), 1, 1, 0, 0, 1, 20, 20, 14, 0, 20,
            0, 1.82, true, 20, 'EUR',
            $6, $8, now(), now()
          from place p returning id`,
        values: [
          wanted.id,
          wanted.offering,
          customer,
          version,
          `RS-${randomUUID()}`,
          wanted.startsAt,
          wanted.endsAt,
          user,
          organization,
        ],
      }),
    );
  });
}

async function orNone(answer: Promise<{ rowCount: number | null }>): ReturnType<Take> {
  try {
    return (await answer).rowCount === 1 ? 'got' : 'none';
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === TAKEN) return 'none';
    if (code === LOCK_NOT_AVAILABLE) return 'busy';
    throw error;
  }
}

function functionCalls(clients: Clients): Take[] {
  return clients.map(
    (client) => (slot, user) =>
      orNone(
        client.query({
          name: 'book a place',
          text: `select b.id from set_config('reslot.user_id', $3, true) s, lateral app_public.create_booking(
              offering_id => $1, slot_id => $2, purpose => nullif(s, s)) b`,
          values: [slot.offering, slot.id, user],
        }),
      ),
  );
}

function overHttp(product: Product): Take[] {
  return Array.from(
    { length: CLIENTS },
    (_, client): Take =>
      async (slot, user) => {
        const input = { offeringId: slot.offering, slotId: slot.id };
        const { data, errors } = await product.ask(client, user, BOOK_QUERY, input);
        const code = errors?.[0]?.extensions?.code;
        if (data?.booked) return 'got';
        if (code === TAKEN) return 'none';
        if (code === 'RSBSY') return 'busy';
        throw new Error(`Refused: ${JSON.stringify(errors)}`);
      },
  );
}
