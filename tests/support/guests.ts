/** What guests do without an account: ask, read the mail, follow its link. */
import type { DatabaseFailure, TestDatabase } from './database.ts';

export const ASK = 'select app_private.request_booking_by_mail($1)';

export const GINA = { name: 'Gina', email: 'gina@example.org' };

export const ask = (db: TestDatabase, input: Record<string, unknown>) =>
  db.query(ASK, [{ ...GINA, ...input }]);

export const refusedAsk = (
  db: TestDatabase,
  input: Record<string, unknown>,
): Promise<DatabaseFailure> => db.fails(ASK, [{ ...GINA, ...input }]);

export interface Mail {
  kind: string;
  address: string;
  tokens: Record<string, string>;
  model: Record<string, Record<string, unknown>>;
}

/** What the mail server gets until nothing is left to send; each is accepted. */
export async function openMails(db: TestDatabase): Promise<Mail[]> {
  const batch = await openBatch(db);
  return batch.length === 0 ? batch : [...batch, ...(await openMails(db))];
}

async function openBatch(db: TestDatabase): Promise<Mail[]> {
  const mails = await db.rows<{
    delivery_id: string;
    attempt: number;
    kind: string;
    address: string;
    model: Record<string, Record<string, unknown>>;
  }>('select * from app_private.lease_deliveries(100)');
  for (const { delivery_id: id, attempt } of mails) {
    await db.query('select app_private.mark_delivery_sent($1, $2)', [id, attempt]);
    await db.query('select app_private.follow_up_delivery($1)', [id]);
  }
  return mails.map(({ kind, address, model }) => ({
    ...{ kind, address, model },
    tokens: (model.tokens ?? {}) as Record<string, string>,
  }));
}

/** Asks, and opens the mail that comes of it: its token. */
export async function askForLink(
  db: TestDatabase,
  input: Record<string, unknown>,
): Promise<string> {
  await ask(db, input);
  const mails = await openMails(db);
  return mails.find(({ kind }) => kind === 'booking_link')?.tokens.book ?? '';
}

export interface Page extends Record<string, unknown> {
  action: string;
  state: string;
  why: string;
  booking: Record<string, unknown> | null;
  entry: Record<string, unknown> | null;
}

export const page = (db: TestDatabase, token: string | undefined): Promise<Page> =>
  db.value<Page>('select app_private.read_link($1)', [token]);

export const FOLLOW = 'select app_private.follow_link($1, $2)';

/** Presses the button of the page as it is now. */
export async function press(db: TestDatabase, token: string | undefined): Promise<Page> {
  const { action, booking } = await page(db, token);
  return db.value<Page>(FOLLOW, [token, { action, startsAt: booking?.startsAt }]);
}
