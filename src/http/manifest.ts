/**
 * Who is booked on a slot, as a page to print and as a table for spreadsheets. Both are what the query
 * `slotManifest` or `slotManifestCsv` gives, to whoever may ask it: signed in by the same header, counted by the same limits.
 */
import { type Request, type Response, Router } from 'express';
import type { Pool, PoolClient } from 'pg';
import type { Caller } from '../auth/index.ts';
import { inAppTransaction } from '../auth/transaction.ts';
import { ERRORS, type ErrorCode, isErrorCode } from '../errors.ts';
import { sendRefusal } from '../graphql/respond.ts';
import { clean } from '../mail/clean.ts';
import { span } from '../mail/dates.ts';
import { LANGUAGES } from '../mail/locale.ts';
import { type Html, html, sendPage } from '../mail/page.ts';

type Sender = (request: Request) => { caller: Caller | null; ip: string | null };

interface Line {
  name: string | null;
  reference: string;
  status: string;
  adults: number;
  children: number;
  infants: number;
  phone: string | null;
  email: string | null;
  special: string | null;
  dietary: string | null;
  access: string | null;
  confirmed: boolean;
}

interface Slot {
  offeringName: string;
  startsAt: string;
  endsAt: string;
  timeZone: string;
}

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
const STATUS: Partial<Record<ErrorCode, number>> = { RSAUT: 401, RSNTF: 404, RSBSY: 503 };

export function serveManifests(pool: Pool, sender: Sender): Router {
  const router = Router();
  const answer =
    (send: (means: Means) => Promise<void>) => async (request: Request, response: Response) => {
      try {
        await asCaller(pool, sender(request), request, (client, slotId) =>
          send({ client, slotId, request, response }),
        );
      } catch (error) {
        const { code } = error as { code?: unknown };
        const status = isErrorCode(code) && STATUS[code];
        if (!status) throw error;
        sendRefusal(response, status, code, (error as Error).message);
      }
    };
  router.get('/:slotId/manifest', answer(sendTable));
  router.get('/:slotId/manifest.csv', answer(sendCsv));
  return router;
}

interface Means {
  client: PoolClient;
  slotId: string;
  request: Request;
  response: Response;
}

/** In a transaction in which it is the caller who asks, with no more rights than over GraphQL. */
async function asCaller(
  pool: Pool,
  { caller, ip }: ReturnType<Sender>,
  request: Request,
  action: (client: PoolClient, slotId: string) => Promise<void>,
): Promise<void> {
  if (!caller) throw refusal('RSAUT');
  const slotId = String(request.params.slotId);
  if (!UUID.test(slotId)) throw refusal('RSNTF');
  const origin = { userId: caller.userId, ip, userAgent: request.get('user-agent') };
  await inAppTransaction(pool, origin, async (client) => {
    await client.query(`select set_config('role', $1, true)`, [caller.role]);
    await action(client, slotId);
  });
}

const LINES = `
  select m.customer_name as name, m.reference, m.status, m.adults, m.children, m.infants, m.phone, m.email,
    m.special_requests as special, m.dietary_needs as dietary, m.access_needs as access, m.attendance_confirmed as confirmed
  from app_public.slot_manifest($1) m`;

const SLOT = `
  select f.name as "offeringName", to_jsonb(s.starts_at) #>> '{}' as "startsAt", to_jsonb(s.ends_at) #>> '{}' as "endsAt",
    app_private.zone_of(f.id) as "timeZone"
  from app_public.slots s join app_public.offerings f on f.id = s.offering_id
  where s.id = $1`;

function refusal(code: ErrorCode): Error {
  return Object.assign(new Error(ERRORS[code].sentence), { code });
}

/** With a mark in front by which spreadsheets know the encoding. */
async function sendCsv({ client, slotId, response }: Means): Promise<void> {
  const sql = 'select app_public.slot_manifest_csv($1) as text';
  const [row] = (await client.query<{ text: string }>(sql, [slotId])).rows;
  response
    .attachment(`manifest-${slotId}.csv`)
    .type('text/csv; charset=utf-8')
    .send(`\ufeff${row?.text ?? ''}`);
}

const WORDS = {
  en: {
    columns: ['', 'Name', 'People', 'Contact', 'Needs', 'Coming', 'Number'],
    party: ['adults', 'children', 'infants'],
    total: (people: number, bookings: number) => `${people} people; bookings: ${bookings}`,
    diet: 'Food',
    access: 'Access',
    yes: 'yes',
    no: '?',
  },
  de: {
    columns: ['', 'Name', 'Personen', 'Kontakt', 'Bedürfnisse', 'Kommt', 'Nummer'],
    party: ['Erwachsene', 'Kinder', 'Kleinkinder'],
    total: (people: number, bookings: number) => `${people} Personen; Buchungen: ${bookings}`,
    diet: 'Essen',
    access: 'Zugang',
    yes: 'ja',
    no: '?',
  },
};

async function sendTable({ client, slotId, request, response }: Means): Promise<void> {
  const locale = request.acceptsLanguages([...LANGUAGES]) || 'en';
  const words = WORDS[locale as keyof typeof WORDS];
  const lines = clean((await client.query<Line>(LINES, [slotId])).rows);
  const [slot] = clean((await client.query<Slot>(SLOT, [slotId])).rows);
  if (!slot) throw refusal('RSNTF');
  const people = lines.reduce((sum, line) => sum + peopleOf(line), 0);
  const body = html`<p>${span({ ...slot, locale })}</p>
<p>${words.total(people, lines.length)}</p>
<table>
<thead><tr>${words.columns.map((word) => html`<th>${word}</th>`)}</tr></thead>
<tbody>${lines.map((line) => rowOf(line, words))}</tbody>
</table>`;
  sendPage(response, slot.offeringName, body, { language: locale });
}

const peopleOf = ({ adults, children, infants }: Line) => adults + children + infants;

function rowOf(line: Line, words: (typeof WORDS)[keyof typeof WORDS]): Html {
  const party = [line.adults, line.children, line.infants]
    .map((count, n) => (count > 0 ? `${words.party[n]}: ${count}` : ''))
    .filter(Boolean);
  const needs = [
    line.special,
    line.dietary && `${words.diet}: ${line.dietary}`,
    line.access && `${words.access}: ${line.access}`,
  ];
  const cells = [
    '☐',
    line.name,
    `${peopleOf(line)} (${party.join(', ')})`,
    inLines(line.phone, line.email),
    inLines(...needs),
    line.confirmed ? words.yes : words.no,
    line.reference,
  ];
  return html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
}

function inLines(...texts: (string | null)[]): Html[] {
  return texts.filter(Boolean).map((text) => html`${text}<br>`);
}
