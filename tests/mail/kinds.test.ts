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
