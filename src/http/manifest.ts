/**
 * Who is booked on a slot, as a page to print and as a table for spreadsheets. Both are what the query
 * `slotManifest` or `slotManifestCsv` gives, to whoever may ask it: signed in by the same header, counted by the same limits.
 */
import { type Request, type Response, Router } from 'express';
import type { Pool, PoolClient } from 'pg';
import { clean } from '../mail/clean.ts';
import { span } from '../mail/dates.ts';
import { LANGUAGES } from '../mail/locale.ts';
import { type Html, html, sendPage } from '../mail/page.ts';
import { asCaller, idFor, refusal, type Sender, sendError } from './asCaller.ts';

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

const STATUS = { RSAUT: 401, RSNTF: 404, RSBSY: 503 };

export function serveManifests(pool: Pool, sender: Sender): Router {
  const router = Router();
  const answer =
    (send: (means: Means) => Promise<void>) => async (request: Request, response: Response) => {
      try {
        const slotId = idFor(sender, request, 'slotId');
        await asCaller(pool, sender, request, (client) =>
          send({ client, slotId, request, response }),
        );
      } catch (error) {
        sendError(response, error, STATUS);
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

const LINES = `
  select m.customer_name as name, m.reference, m.status, m.adults, m.children, m.infants, m.phone, m.email,
    m.special_requests as special, m.dietary_needs as dietary, m.access_needs as access, m.attendance_confirmed as confirmed
  from app_public.slot_manifest($1) m`;

const SLOT = `
  select f.name as "offeringName", to_jsonb(s.starts_at) #>> '{}' as "startsAt", to_jsonb(s.ends_at) #>> '{}' as "endsAt",
    app_private.zone_of(f.id) as "timeZone"
  from app_public.slots s join app_public.offerings f on f.id = s.offering_id
  where s.id = $1`;

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
