import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from '@jest/globals';
import { LANGUAGES } from '../../src/mail/locale.ts';
import { isKind, KINDS } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import { SAMPLES } from '../../src/mail/samples.ts';
import { wordsFor } from '../../src/mail/templates.ts';
import { inTransaction } from '../support/database.ts';

/** Declining an offer ends the entry as well, so the message has one way out, not two. */
const LEFT_OUT = ['slot_available leave'];

type KindRow = { kind: string; actions: string[] };

const kindsInDatabase = () =>
  inTransaction((db) =>
    db.rows<KindRow>('select kind, actions::text[] from app_private.notification_kinds'),
  );

it('every kind of message that the database may owe has its template, and no other', async () => {
  const known = (await kindsInDatabase()).map(({ kind }) => kind);
  expect(known.sort()).toEqual([...KINDS].sort());
});

it('every language has every message and every word', () => {
  for (const language of LANGUAGES) {
    const folder = fileURLToPath(new URL(`../../templates/${language}`, import.meta.url));
    const messages = readdirSync(folder).filter((file) => file.endsWith('.mjml'));
    expect(messages.sort()).toEqual(KINDS.map((kind) => `${kind}.mjml`).sort());
    expect(Object.keys(wordsFor(language))).toEqual(Object.keys(wordsFor('en')));
  }
});

it('every link that the database issues for a message is in it', async () => {
  for (const { kind, actions } of await kindsInDatabase()) {
    if (!isKind(kind)) throw new Error(kind);
    for (const action of actions.filter((name) => !LEFT_OUT.includes(`${kind} ${name}`))) {
      const mail = await renderMail({
        kind,
        locale: 'en',
        model: { ...SAMPLES[kind], tokens: { [action]: 'the-token' } },
        publicUrl: 'https://reslot.example',
        organizerEmail: 'bookings@reslot.example',
      });
      const carried = [mail.html, mail.text].map((part) => part.includes('/l/the-token'));
      expect({ kind, action, carried }).toEqual({ kind, action, carried: [true, true] });
    }
  }
});

it('a message to an account says how long its link is good for, as the database counts it', async () => {
  const seconds = await inTransaction((db) =>
    db.one<Record<string, number>>(
      `select ${['magic', 'reset', 'verify'].map(
        (action) =>
          `extract(epoch from app_private.link_expiry('${action}', null, null) - app_private.clock())::int as ${action}`,
      )}`,
    ),
  );
  const inWords = {
    account_magic_link: [seconds.magic, 15 * 60, '15 minutes', '15 Minuten'],
    account_reset: [seconds.reset, 3_600, 'one hour', 'eine Stunde'],
    account_verify: [seconds.verify, 48 * 3_600, 'two days', 'zwei Tagen'],
  } as const;
  for (const [kind, [actual, said, en, de]] of Object.entries(inWords)) {
    if (!isKind(kind)) throw new Error(kind);
    expect({ kind, actual }).toEqual({ kind, actual: said });
    for (const [locale, words] of Object.entries({ en, de })) {
      const publicUrl = 'https://reslot.example';
      const organizerEmail = 'bookings@reslot.example';
      const model = SAMPLES[kind];
      const mail = await renderMail({ kind, locale, model, publicUrl, organizerEmail });
      expect(mail.text).toContain(words);
      expect(mail.html).toContain(words);
    }
  }
});
