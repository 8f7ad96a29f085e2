/**
 * Everybody books at once. The same is measured as a bare insert, which is the least a booking can
 * cost in PostgreSQL; as the SQL functions, called by a raw client; and over HTTP.
 */
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Ground } from './ground.ts';
import { drive, driveThrough, type Figures, round, type Task } from './load.ts';
import type { Product } from './product.ts';

const CLIENTS = 32;
/** Rounds in turn, so that what else the machine does falls on all alike. */
const ROUNDS = 3;
/** Cells of the second rush, which all clients want. */
const CELLS = 200;
const HOUR_MS = 3_600_000;
/** What one is told when somebody else was faster. */
export const TAKEN = 'RSFUL';

export interface Cell {
  offering: string;
  startsAt: string;
  endsAt: string;
}

/** Each number is another hour of another room; the rooms take turns. */
export function cell(ground: Ground, n: number, firstDay: number): Cell {
  const rooms = ground.offerings.length;
  const hour = Math.floor(n / rooms) + firstDay * 24;
  const base = Math.ceil(Date.now() / (24 * HOUR_MS)) * 24 * HOUR_MS;
  const at = (h: number) => new Date(base + h * HOUR_MS).toISOString();
  return { offering: ground.offerings[n % rooms] ?? '', startsAt: at(hour), endsAt: at(hour + 1) };
}

type Book = (cell: Cell, user: string) => Promise<boolean>;

/** Cells that are free, one after another. */
function rushOnFree(
  ground: Ground,
  book: Book[],
  seconds: number,
  firstDay: number,
): Promise<Figures> {
  return drive(
    book.map(
      (send): Task =>
        (n) =>
          send(cell(ground, n, firstDay), userOf(ground, n)),
    ),
    seconds,
  );
}

/** Two hundred cells that all clients want, in the same order. */
async function rushOnSame(ground: Ground, book: Book[], firstDay: number): Promise<Figures> {
  const result = await driveThrough(
    book.map(
      (send, client): Task =>
        (n) =>
          send(cell(ground, n, firstDay), userOf(ground, client)),
    ),
    CELLS,
  );
  if (result.done !== CELLS) {
    throw new Error(`${result.done} bookings of ${CELLS} cells: exactly one a cell was due.`);
  }
  return result;
}

function userOf(ground: Ground, n: number): string {
  return ground.users[n % ground.users.length] ?? '';
}

/** A table like that of the bookings: its columns, checks, indexes and foreign keys. No triggers, no other rows. */
export async function createBare(ground: Ground, name: string, constraint = ''): Promise<void> {
  await ground.owner.query(`
    create table app_private.${name} (like app_public.bookings including all ${constraint});
    do $$
    declare v_key record;
    begin
      for v_key in select conname, pg_get_constraintdef(oid) as definition from pg_constraint
        where conrelid = 'app_public.bookings'::regclass and contype = 'f'
      loop
        execute format('alter table app_private.${name} add constraint %I %s', v_key.conname, v_key.definition);
      end loop;
    end $$;
    grant usage on schema app_private to reslot_app;
    grant insert, select on app_private.${name} to reslot_app`);
}

/** And the constraint that keeps bookings apart. */
export function prepareBare(ground: Ground): Promise<void> {
  return createBare(
    ground,
    'bare_bookings',
    ', resource_id uuid not null, constraint bare_do_not_overlap exclude using gist (resource_id with =, room with &&)',
  );
}

interface Ids {
  offering_id: string;
  organization_id: string;
  resource_id: string;
  policy_version_id: string;
}

/**
 * Contended, a plain insert under an exclusion constraint deadlocks a second at a time: two that have
 * written wait for each other. `on conflict do nothing` does not, so the second rush uses it.
 */
async function bareInserts(
  ground: Ground,
  clients: pg.Client[],
  contended: boolean,
): Promise<Book[]> {
  const { rows } = await ground.owner.query<Ids>(`
    select x.offering_id, x.organization_id, x.resource_id, v.id as policy_version_id
    from app_public.offering_resources x join app_public.offerings f on f.id = x.offering_id
    join app_public.policy_versions v on v.policy_id = f.policy_id`);
  const of = new Map(rows.map((row) => [row.offering_id, row]));
  const people = await ground.owner.query<{ id: string; user_id: string }>(
    'select id, user_id from app_public.customers',
  );
  const customers = new Map(people.rows.map((row) => [row.user_id, row.id]));
  return clients.map((client) => (wanted, user) => {
    const ids = of.get(wanted.offering);
    return orTaken(
      client.query({
        name: contended ? 'bare contended' : 'bare',
        text: `insert into app_private.bare_bookings (
            organization_id, offering_id, customer_id, policy_version_id, reference, status, starts_at, ends_at,
            room, currency, confirm_by, created_by, created_at, made_at, resource_id)
          values ($1, $2, $3, $4, $5, 'confirmed', $6, $7, tstzrange($6, $7), 'EUR', $6, $8, now(), now(), $9)
          ${contended ? 'on conflict do nothing' : ''} returning id`,
        values: [
          ids?.organization_id,
          wanted.offering,
          customers.get(user),
          ids?.policy_version_id,
          `RS-${randomUUID()}`,
          wanted.startsAt,
          wanted.endsAt,
          user,
          ids?.resource_id,
        ],
      }),
    );
  });
}

/** The function of the API, by a session that acts as a signed-in user. */
function functionCalls(clients: pg.Client[]): Book[] {
  return clients.map(
    (client) => (wanted, user) =>
      orTaken(
        client.query({
          name: 'book',
          text: `select b.id from set_config('reslot.user_id', $4, true) s, lateral app_public.create_booking(
              offering_id => $1, starts_at => $2, ends_at => $3, purpose => nullif(s, s)) b`,
          values: [wanted.offering, wanted.startsAt, wanted.endsAt, user],
        }),
      ),
  );
}

async function orTaken(answer: Promise<pg.QueryResult>): Promise<boolean> {
  try {
    return (await answer).rowCount === 1;
  } catch (error) {
    if ((error as { code?: string }).code === TAKEN) return false;
    throw error;
  }
}

export async function connect(url: string, setUp: string, count = CLIENTS): Promise<pg.Client[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => undefined);
      await client.connect();
      await client.query(setUp);
      return client;
    }),
  );
}

export const AS_USER = `set role reslot_user; set "reslot.via" = 'graphql'`;

export interface RushFigures {
  rush: Record<string, Figures>;
  ratios: Record<string, number>;
}

export async function measureRush(
  ground: Ground,
  product: Product,
  seconds: number,
): Promise<RushFigures> {
  const bare = await connect(ground.url('app'), 'select 1');
  const users = await connect(ground.url('app'), AS_USER);
  const ways: [string, Book[], Book[]][] = [
    ['bare insert', await bareInserts(ground, bare, false), await bareInserts(ground, bare, true)],
    ['SQL function', functionCalls(users), functionCalls(users)],
    ['HTTP GraphQL', overHttp(product), overHttp(product)],
  ];
  const rush: Record<string, Figures> = {};
  const rounds: Figures[][] = ways.map(() => []);
  for (let n = 0; n < ROUNDS; n++) {
    for (const [index, [name, free]] of ways.entries()) {
      rounds[index]?.push(await rushOnFree(ground, free, seconds, 1 + 60 * n + 20 * index));
      rush[`${name}, free`] = middle(rounds[index] ?? []);
    }
  }
  for (const [index, [name, , contended]] of ways.entries()) {
    rush[`${name}, same ${CELLS}`] = await rushOnSame(ground, contended, 200 + 10 * index);
  }
  await Promise.all([...bare, ...users].map((client) => client.end()));
  return { rush, ratios: ratiosOf(rounds) };
}

/** Of all rounds the one in the middle. */
function middle(rounds: Figures[]): Figures {
  const sorted = rounds.toSorted((a, b) => a.perSecond - b.perSecond);
  return sorted[Math.floor(sorted.length / 2)] as Figures;
}

/** Round by round, for the machine may be faster in one than in another; the middle one. */
function ratiosOf([bare = [], functions = [], http = []]: Figures[][]): Record<string, number> {
  const share = (ones: Figures[], others: Figures[]) => {
    const ratios = ones.map((one, n) => one.perSecond / (others[n]?.perSecond ?? 0));
    return round(ratios.toSorted((a, b) => a - b)[Math.floor(ratios.length / 2)] ?? 0, 3);
  };
  return {
    'SQL function / bare insert': share(functions, bare),
    'HTTP / SQL function': share(http, functions),
  };
}

function overHttp(product: Product): Book[] {
  return Array.from(
    { length: CLIENTS },
    (_, client): Book =>
      async (wanted, user) => {
        const { data, errors } = await product.ask(client, user, BOOK_QUERY, inputOf(wanted));
        if (data?.booked) return true;
        const code = errors?.[0]?.extensions?.code;
        if (code === TAKEN) return false;
        throw new Error(`Refused: ${JSON.stringify(errors)}`);
      },
  );
}

/** What all parts that book over HTTP ask. */
export const BOOK_QUERY = `mutation ($input: CreateBookingInput!) { booked: createBooking(input: $input) { result { id } } }`;

export function inputOf({ offering, startsAt, endsAt }: Cell): Record<string, unknown> {
  return { offeringId: offering, startsAt, endsAt };
}
