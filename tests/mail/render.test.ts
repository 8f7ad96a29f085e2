import { describe, expect, it } from '@jest/globals';
import { LANGUAGES } from '../../src/mail/locale.ts';
import { KINDS, type Kind, type MailModel } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import { SAMPLES, sparseSample } from '../../src/mail/samples.ts';

const publicUrl = 'https://reslot.example';

function render(kind: Kind, model: MailModel, locale = 'en') {
  return renderMail({ kind, model, locale, publicUrl, organizerEmail: 'bookings@reslot.example' });
}

const EVERY = KINDS.flatMap((kind) => LANGUAGES.map((language) => ({ kind, language })));

/** What a template with a gap in it would show. */
const GAPS = /\{\{|\}\}|undefined|\bnull\b|NaN|Invalid Date|\[object|&amp;amp;|,\s*,|\(\)/;

describe.each(EVERY)('$kind in $language', ({ kind, language }) => {
  it('puts its sample into words without a gap', async () => {
    const mail = await render(kind, SAMPLES[kind], language);
    for (const part of [mail.subject, mail.text, mail.html]) expect(part).not.toMatch(GAPS);
    expect(mail.subject.length).toBeGreaterThan(10);
    expect(mail.subject).not.toMatch(/[:,]\s*$/);
  });

  it('can do without everything that may be missing', async () => {
    const mail = await render(kind, sparseSample(kind), language);
    for (const part of [mail.subject, mail.text, mail.html]) expect(part).not.toMatch(GAPS);
    expect(mail.text).not.toMatch(/ {2}|\n{3}| [.,:;!?](\s|$)/);
  });

  it('carries each of its links both in the HTML and in the text', async () => {
    const model = SAMPLES[kind];
    const mail = await render(kind, model, language);
    const several = [...(model.bookings ?? []), ...(model.entries ?? [])];
    const tokens = [model, ...several].flatMap((part) => Object.values(part.tokens ?? {}));
    for (const token of tokens) {
      expect(mail.html).toContain(`href="${publicUrl}/l/${token}"`);
      expect(mail.text).toContain(`${publicUrl}/l/${token}`);
    }
  });

  it('is free of what Outlook and Gmail drop', async () => {
    const { html } = await render(kind, SAMPLES[kind], language);
    expect(Buffer.byteLength(html)).toBeLessThan(102_000);
    expect(html).not.toMatch(/<(script|form|input|button|iframe|object|embed|video|svg|link)\b/i);
    expect(html).not.toMatch(
      /display:\s*(inline-)?(flex|grid)|position:\s*(fixed|absolute|sticky)/,
    );
    expect(html).not.toMatch(/background(-image)?:[^;"]*url\(|@import|@font-face/);
    expect(html).not.toMatch(/\son\w+=|javascript:/i);
    expect(rulesInHead(html)).toEqual([]);
  });
});

/** Selectors of rules in <style> that are neither resets nor inside a media query. */
function rulesInHead(html: string): string[] {
  const css = [...html.matchAll(/<style[^>]*>(.*?)<\/style>/gs)].map(([, text]) => text).join('\n');
  const outside = css.replace(/@media[^{]*\{(?:[^{}]*\{[^{}]*\})*[^{}]*\}/g, '');
  const resets = /^(#outlook a|body|table,\s*td|img|p|\.moz-text-html .*|\.mj-outlook.*)$/;
  return [...outside.matchAll(/([^{}]+)\{[^{}]*\}/g)]
    .map(([, selector]) => (selector ?? '').trim())
    .filter((selector) => !resets.test(selector));
}

/** How one books again where there is no front end. */
const LETTER = 'href="mailto:office@haus-und-hof.example?subject=HH-20261204-7K3QXA"';

const unescaped = (html: string) => html.replaceAll('&#x3D;', '=');

describe('the words of a message', () => {
  it('escapes names, so that nobody puts markup into a mail', async () => {
    const evil = `<img src=x onerror=alert(1)>"'&</td>`;
    const base = SAMPLES.booking_requested;
    const mail = await render('booking_requested', {
      ...base,
      organization: { ...base.organization, name: evil, address: evil, logoUrl: evil },
      recipient: { ...base.recipient, name: evil },
      booking: {
        ...base.booking,
        purpose: `${evil}\nsecond`,
        customerName: evil,
        offeringName: evil,
      },
    });
    expect(mail.html).not.toMatch(/<img/i);
    expect(mail.html).toContain('&lt;img');
    expect(mail.html).toContain('<br>second');
    expect(mail.text).toContain(evil);
  });

  it('does not read expressions in what people wrote', async () => {
    const base = SAMPLES.booking_received;
    const booking = { ...base.booking, purpose: '{{links.cancel}} {{{organization.id}}}' };
    const mail = await render('booking_received', { ...base, booking, tokens: {} });
    expect(mail.text).toContain('{{links.cancel}} {{{organization.id}}}');
  });

  it('keeps line breaks out of the subject and of single lines', async () => {
    const base = SAMPLES.booking_requested;
    const mail = await render('booking_requested', {
      ...base,
      booking: { ...base.booking, customerName: 'A\r\nBcc: all@example.org\u2028\u202ex' },
    });
    expect(mail.subject).not.toMatch(/[\r\n\u2028\u202e]/);
    expect(mail.text).not.toMatch(/^Bcc:/m);
  });

  it.each(['javascript:alert(1)', 'data:text/html,x', 'not an address', ''])(
    'shows no logo and offers no link with the address %p',
    async (address) => {
      const base = SAMPLES.booking_auto_cancelled;
      const organization = { ...base.organization, logoUrl: address, frontEndUrl: address };
      const mail = await render('booking_auto_cancelled', { ...base, organization });
      expect(mail.html).not.toContain('<img');
      expect(unescaped(mail.html)).toContain(LETTER);
      if (address) expect(mail.html + mail.text).not.toContain(address);
    },
  );

  it('shows the logo of an organisation that has one', async () => {
    const base = SAMPLES.booking_received;
    const organization = { ...base.organization, logoUrl: 'https://haus.example/logo.png' };
    const mail = await render('booking_received', { ...base, organization });
    expect(mail.html).toContain('src="https://haus.example/logo.png"');
    expect(mail.html).toContain('alt="Haus &amp; Hof"');
  });

  it('keeps the name somebody signed up with out of mails to an address not yet verified', async () => {
    for (const kind of ['account_verify', 'account_exists', 'account_reset'] as const) {
      const model = { ...SAMPLES[kind], recipient: { name: 'WIN MONEY at spam.example' } };
      const mail = await render(kind, model);
      expect(mail.text + mail.html).not.toContain('spam.example');
    }
  });

  it('tells an unanswered customer what happens, according to the policy', async () => {
    const base = SAMPLES.booking_reminder;
    const on = await render('booking_reminder', base);
    expect(on.text).toMatch(/hear nothing .* by Friday, December 4, 2026 at 12:00 PM \(Central/);
    expect(on.text).toContain('cancelled automatically');
    for (const autoCancel of ['off', 'dry_run'] as const) {
      const model = { ...base, booking: { ...base.booking, autoCancel } };
      const mail = await render('booking_reminder', model);
      expect(mail.text).toContain('your booking stays');
      expect(mail.text).not.toContain('automatically');
    }
  });

  it('says who cancelled', async () => {
    const base = SAMPLES.booking_cancelled;
    const words = async (actor: 'customer' | 'manager' | 'system') =>
      (await render('booking_cancelled', { ...base, actor, reason: null })).text;
    expect(await words('customer')).toContain('as you asked');
    expect(await words('manager')).toContain('Haus & Hof had to cancel');
    expect(await words('system')).not.toMatch(/as you asked|had to cancel/);
  });

  it('says whether somebody waited in vain, or for what does not take place, and why', async () => {
    const words = async (reason: string | null, language: 'de' | 'en') =>
      (await render('entry_ended', { ...SAMPLES.entry_ended, reason }, language)).text;
    expect(await words('Storm', 'en')).toMatch(/does not take place.*Storm/s);
    expect(await words('Sturm', 'de')).toMatch(/findet nicht statt.*Sturm/s);
    expect(await words(null, 'en')).toContain('no place became free in time');
    expect(await words(null, 'en')).not.toContain('does not take place');
  });

  it.each(['slot_available', 'last_call'] as const)(
    'says in %s where the place is, and what it costs unless it is free',
    async (kind) => {
      const base = SAMPLES[kind];
      const paid = await render(kind, { ...base, entry: { ...base.entry, price: '12.50' } }, 'de');
      expect(paid.text).toContain('Wo: Hauptplatz 1, Stiege 2');
      expect(paid.text).toMatch(/^Preis: 12,50\s€$/m);
      expect(paid.html).toMatch(/12,50\s€/);
      const free = await render(kind, { ...base, entry: { ...base.entry, price: 0 } });
      expect(free.text + free.html).not.toContain('Price');
    },
  );

  it('promises nobody a next person: perhaps nobody else waits', async () => {
    for (const { kind, language } of EVERY) {
      const mail = await render(kind, SAMPLES[kind], language);
      expect(mail.text + mail.html).not.toMatch(/next person|nächste (wartende )?Person/);
    }
    const expired = await render('offer_expired', SAMPLES.offer_expired);
    expect(expired.text).toContain('no longer kept for you');
    expect(expired.text).toContain('If the place is free you can book it');
  });

  it('names what changed and nothing else', async () => {
    const base = SAMPLES.booking_modified;
    const { startsAt, endsAt } = base.booking ?? {};
    const purposeOnly = { ...base, previous: { startsAt, endsAt, purpose: 'Choir practice' } };
    const mail = await render('booking_modified', purposeOnly);
    expect(mail.text).toContain('Old purpose: Choir practice');
    expect(mail.text).not.toContain('Old time');
  });

  it('names who takes over a booking from whom', async () => {
    const base = SAMPLES.booking_modified;
    const booking = { ...base.booking, providerName: 'Quinn', resourceNames: ['Quinn'] };
    const mail = await render('booking_modified', {
      ...{ ...base, booking, previous: { provider: 'Pia' } },
    });
    expect(mail.text).toContain('Quinn takes over from Pia.');
    expect(mail.text).toContain('With: Quinn\n');
    expect(mail.text).not.toContain('Room:');
    expect(mail.text).not.toContain('Old time');
  });

  it('names a purpose that was added or taken away', async () => {
    const base = SAMPLES.booking_modified;
    const { startsAt, endsAt, purpose } = base.booking ?? {};
    const changed = (before: string, after: string | null) =>
      render('booking_modified', {
        ...base,
        previous: { startsAt, endsAt, purpose: before },
        booking: { ...base.booking, purpose: after },
      });
    const added = await changed('', purpose ?? '');
    expect(added.text).toContain(`Old purpose: none\nNew purpose: ${purpose}`);
    const takenAway = await changed('Choir practice', null);
    expect(takenAway.text).toContain('Old purpose: Choir practice\nNew purpose: none');
  });

  it('leads to the front end to book again, and without one to whom one can write', async () => {
    const base = SAMPLES.booking_auto_cancelled;
    const onTheWeb = await render('booking_auto_cancelled', base);
    expect(onTheWeb.text).toContain(
      `\nhttps://book.haus-und-hof.example/offerings/${base.booking?.offeringId}\n`,
    );
    const organization = { ...base.organization, frontEndUrl: null };
    const byMail = await render('booking_auto_cancelled', { ...base, organization });
    expect(unescaped(byMail.html)).toContain(LETTER);
    expect(byMail.text).toMatch(/^office@haus-und-hof\.example$/m);
    const nobody = { ...organization, supportEmail: null };
    const notAtAll = await render('booking_auto_cancelled', { ...base, organization: nobody });
    expect(notAtAll.text + notAtAll.html).not.toMatch(/mailto:|Book again|reslot\.example/);
  });

  it('speaks of a request while the booking waits for a yes', async () => {
    const base = SAMPLES.booking_received;
    // Approved before this went out; the approval has a message of its own, which comes after.
    const pending = {
      ...base,
      status: 'pending',
      booking: { ...base.booking, status: 'confirmed' },
    };
    const mail = await render('booking_received', pending);
    expect(mail.subject).toMatch(/^Request received/);
    expect(mail.text).toContain('We have your request');
    expect(mail.text).not.toContain('Before the day');
  });

  it('names the customer to managers, and not to the customer', async () => {
    const { recipient } = SAMPLES.booking_received;
    const booking = { ...SAMPLES.booking_received.booking, customerName: recipient?.name ?? null };
    const own = await render('booking_received', { ...SAMPLES.booking_received, booking });
    expect(own.text).not.toContain('Booked by');
    const manager = await render('booking_spared', SAMPLES.booking_spared);
    expect(manager.text).toContain(`Booked by: ${recipient?.name}`);
  });

  it('tells managers how to reach the customer', async () => {
    for (const kind of ['booking_requested', 'booking_spared', 'blackout_conflict'] as const) {
      const { text, html } = await render(kind, SAMPLES[kind]);
      expect(text).toContain('Contact: +43 699 11 22 33, zoe@example.org');
      expect(html).toContain('+43 699 11 22 33, zoe@example.org');
    }
  });

  it('names the venue’s own contact rather than the organisation’s', async () => {
    const base = SAMPLES.booking_received;
    const booking = { ...base.booking, supportContact: 'Ms Novak, 0664 123' };
    const mail = await render('booking_received', { ...base, booking });
    expect(mail.text).toContain('Questions? Ms Novak, 0664 123');
    expect(mail.text).not.toContain('office@haus-und-hof.example');
    const offer = SAMPLES.slot_available;
    const entry = { ...offer.entry, supportContact: 'Ms Novak, 0664 123' };
    const offered = await render('slot_available', { ...offer, entry });
    expect(offered.text).toContain('Questions? Ms Novak, 0664 123');
  });

  it('says that a changed booking waits for a yes again', async () => {
    const base = SAMPLES.booking_modified;
    const mail = await render('booking_modified', { ...base, actor: null, status: 'pending' });
    expect(mail.text).toContain('Your booking was changed.');
    expect(mail.text).toContain('needs the approval of Haus & Hof');
  });

  it('offers one-click unsubscribing only where the database gave a link for it', async () => {
    const reminder = await render('booking_reminder', SAMPLES.booking_reminder);
    expect(reminder.unsubscribeUrl).toBeUndefined();
    const info = await render('booking_reminder_info', SAMPLES.booking_reminder_info);
    expect(info.unsubscribeUrl).toMatch(/^https:\/\/reslot\.example\/l\/sample-unsubscribe/);
  });
});
