/** A place is given back: how long until the mail server has the next person's offer. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ground } from './ground.ts';
import { type Figures, figures } from './load.ts';
import type { MailServer, Product } from './product.ts';
import { BOOK_QUERY, cell, inputOf } from './rush.ts';

const JOIN = `mutation ($input: JoinWaitlistInput!) { joined: joinWaitlist(input: $input) { result { id } } }`;
const CANCEL = `mutation ($input: CancelBookingInput!) { cancelled: cancelBooking(input: $input) { result { id } } }`;
const MAIL_WITHIN_MS = 20_000;
/** Between preparing and measuring, for the mails of the preparation to be gone. */
const QUIET_MS = 1_500;

interface Place {
  owner: string;
  booking: string;
  address: string;
}

/** So many places at a time, one after another if `parallel` is 1. */
export async function releases(
  ground: Ground,
  product: Product,
  mail: MailServer,
  shape: { batches: number; parallel: number; firstDay: number; firstUser: number },
): Promise<Figures> {
  const { batches, parallel, firstDay, firstUser } = shape;
  const { rows } = await ground.owner.query<{ id: string; email: string }>(
    'select id, email from app_public.users order by id',
  );
  const places: Place[] = [];
  for (let n = 0; n < batches * parallel; n++) {
    const [owner, waiting] = [rows[firstUser + 2 * n], rows[firstUser + 2 * n + 1]];
    if (!owner || !waiting) throw new Error('There are not enough users.');
    const input = inputOf(cell(ground, n, firstDay));
    const booking = await ask(product, owner.id, BOOK_QUERY, input);
    await ask(product, waiting.id, JOIN, input);
    places.push({ owner: owner.id, booking, address: waiting.email });
  }
  await sleep(QUIET_MS);
  const latencies: number[] = [];
  const began = performance.now();
  for (let batch = 0; batch < batches; batch++) {
    const group = places.slice(batch * parallel, (batch + 1) * parallel);
    latencies.push(
      ...(await Promise.all(group.map((place, n) => release(product, mail, place, n)))),
    );
  }
  const seconds = (performance.now() - began) / 1000;
  return figures(latencies, latencies.length, 0, seconds);
}

async function release(
  product: Product,
  mail: MailServer,
  { owner, booking, address }: Place,
  client: number,
): Promise<number> {
  const started = performance.now();
  const arrival = mail.arrival(address, 'slot_available');
  await ask(product, owner, CANCEL, { bookingId: booking }, client);
  const at = await Promise.race([arrival, sleep(MAIL_WITHIN_MS, null, { ref: false })]);
  if (at === null) throw new Error(`The offer to ${address} did not come.`);
  return at - started;
}

async function ask(
  product: Product,
  userId: string,
  query: string,
  input: Record<string, unknown>,
  client = 0,
): Promise<string> {
  const { data, errors } = await product.ask(client, userId, query, input);
  const id = Object.values(data ?? {})[0]?.result.id;
  if (!id) throw new Error(`Refused: ${JSON.stringify(errors)}`);
  return id;
}
