import { describe, expect, it } from '@jest/globals';
import { moment, shortMoment, span } from '../../src/mail/dates.ts';
import { wordingFor } from '../../src/mail/locale.ts';

const vienna = { timeZone: 'Europe/Vienna' };

describe('times in words', () => {
  it('are the venue’s, whatever the zone of this machine', () => {
    const at = { iso: '2026-12-04T13:00:00Z', locale: 'en-GB' };
    expect(moment({ ...at, ...vienna })).toBe(
      'Friday, 4 December 2026 at 14:00 (Central European Standard Time)',
    );
    expect(moment({ ...at, timeZone: 'Asia/Kolkata' })).toMatch(/18:30 \(India Standard Time\)$/);
    expect(moment({ ...at, timeZone: 'America/New_York' })).toMatch(/08:00 \(Eastern/);
  });

  it('are written as the reader’s language writes them', () => {
    const at = { iso: '2026-12-04T13:00:00Z', ...vienna };
    expect(moment({ ...at, locale: 'de-AT' })).toBe(
      'Freitag, 4. Dezember 2026 um 14:00 (Mitteleuropäische Normalzeit)',
    );
    expect(moment({ ...at, locale: 'en' })).toMatch(/Friday, December 4, 2026 at 2:00 PM/);
    expect(shortMoment({ ...at, locale: 'en-GB' })).toBe('Fri, 4 Dec 2026, 14:00 CET');
  });

  it('tell the two hours apart that the clocks go through twice', () => {
    const first = moment({ iso: '2026-10-25T00:30:00Z', locale: 'en-GB', ...vienna });
    const second = moment({ iso: '2026-10-25T01:30:00Z', locale: 'en-GB', ...vienna });
    expect(first).toMatch(/02:30 \(Central European Summer Time\)$/);
    expect(second).toMatch(/02:30 \(Central European Standard Time\)$/);
  });

  it('name both zones of a range across a change of the clocks', () => {
    const range = { startsAt: '2026-10-24T23:00:00Z', endsAt: '2026-10-25T03:00:00Z' };
    expect(span({ ...range, ...vienna, locale: 'en-GB' })).toMatch(
      /01:00.*04:00 \(Central European Summer Time – Central European Standard Time\)$/,
    );
  });

  it('name both days of a range over midnight, and one day of a range within it', () => {
    const night = { startsAt: '2026-12-04T21:00:00Z', endsAt: '2026-12-05T01:00:00Z' };
    expect(span({ ...night, ...vienna, locale: 'en-GB' })).toMatch(/4 December.*5 December/);
    const day = { startsAt: '2026-12-04T13:00:00Z', endsAt: '2026-12-04T15:00:00Z' };
    const words = span({ ...day, ...vienna, locale: 'en-GB' });
    expect(words?.match(/December/g)).toHaveLength(1);
    expect(words).toMatch(/14:00\s?–\s?16:00/);
  });

  it('use UTC and say so where the zone is unknown, rather than a wrong hour', () => {
    const at = { iso: '2026-12-04T13:00:00Z', locale: 'en-GB' };
    for (const timeZone of ['Mars/Olympus', '', null]) {
      expect(moment({ ...at, timeZone })).toMatch(/13:00 \(Coordinated Universal Time\)$/);
    }
  });

  it('are left out where there is no time', () => {
    for (const iso of [null, undefined, '', 'soon']) {
      expect(moment({ iso, locale: 'en', ...vienna })).toBeUndefined();
    }
  });

  it('hold no spaces that old mail programs show as boxes', () => {
    const range = { startsAt: '2026-12-04T13:00:00Z', endsAt: '2026-12-04T15:00:00Z' };
    expect(span({ ...range, ...vienna, locale: 'en-US' })).not.toMatch(/[\u2009\u202f\u00a0]/);
  });
});

describe('the language of a message', () => {
  it.each([
    ['de-AT', 'de', 'de-AT'],
    ['de_AT', 'de', 'de-AT'],
    ['DE', 'de', 'de'],
    ['en-GB', 'en', 'en-GB'],
    ['fr-FR', 'en', 'en'],
    ['den', 'en', 'en'],
    ['not a tag', 'en', 'en'],
    ['', 'en', 'en'],
    [null, 'en', 'en'],
  ])('for %p is %p with dates as in %p', (tag, language, locale) => {
    expect(wordingFor(tag)).toEqual({ language, locale });
  });
});
