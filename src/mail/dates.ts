/**
 * Times in words. Each names its zone, because the reader may be in another one than the venue,
 * and because an hour occurs twice when the clocks go back.
 */

type Moment = {
  iso: string | null | undefined;
  timeZone: string | null | undefined;
  locale: string;
};

/** "Friday, 20 November 2026 at 14:00 (Central European Standard Time)" */
export function moment({ iso, timeZone, locale }: Moment): string | undefined {
  const at = parse(iso);
  if (!at) return undefined;
  const zone = knownZone(timeZone);
  const words = format(locale, { dateStyle: 'full', timeStyle: 'short', timeZone: zone }).format(
    at,
  );
  return plainSpaces(`${words} (${zoneName(at, zone, locale, 'long')})`);
}

/** "20 Nov 2026, 14:00 CET", for subject lines. */
export function shortMoment({ iso, timeZone, locale }: Moment): string | undefined {
  const at = parse(iso);
  if (!at) return undefined;
  const zone = knownZone(timeZone);
  const words = format(locale, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    hour: 'numeric',
    minute: '2-digit',
    timeZoneName: 'short',
    timeZone: zone,
  }).format(at);
  return plainSpaces(words);
}

type Span = {
  startsAt: string | null | undefined;
  endsAt: string | null | undefined;
  timeZone: string | null | undefined;
  locale: string;
};

/** "Friday, 20 November 2026, 14:00 – 16:00 (Central European Standard Time)" */
export function span({ startsAt, endsAt, timeZone, locale }: Span): string | undefined {
  const from = parse(startsAt);
  const to = parse(endsAt);
  if (!from || !to || to < from) return moment({ iso: startsAt, timeZone, locale });
  const zone = knownZone(timeZone);
  const words = format(locale, {
    dateStyle: 'full',
    timeStyle: 'short',
    timeZone: zone,
  }).formatRange(from, to);
  const names = [from, to].map((at) => zoneName(at, zone, locale, 'long'));
  // Across a change of the clocks both names are needed to know the length.
  return plainSpaces(`${words} (${[...new Set(names)].join(' – ')})`);
}

/** "Friday, 20 November 2026": a local date, which is the same in every zone. */
export function wholeDay(day: string | null | undefined, locale: string): string | undefined {
  const at = parse(day ? `${day}T00:00:00Z` : day);
  return at && plainSpaces(format(locale, { dateStyle: 'full', timeZone: 'UTC' }).format(at));
}

function parse(iso: string | null | undefined): Date | undefined {
  if (!iso) return undefined;
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? undefined : at;
}

/** A zone this machine does not know falls back to UTC, which is then named: never a wrong hour. */
function knownZone(timeZone: string | null | undefined): string {
  if (!timeZone) return 'UTC';
  try {
    return format('en', { timeZone }).resolvedOptions().timeZone;
  } catch {
    return 'UTC';
  }
}

function zoneName(at: Date, timeZone: string, locale: string, style: 'long' | 'short'): string {
  const parts = format(locale, { timeZone, timeZoneName: style }).formatToParts(at);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? timeZone;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Making a format costs far more than using it, and there are few different ones. */
function format(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${locale} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(locale, options);
    formats.set(key, found);
  }
  return found;
}

/** Intl puts narrow and thin spaces around dashes and before PM, which old clients show as boxes. */
function plainSpaces(words: string): string {
  return words.replace(/[\u00a0\u2009\u202f]/g, ' ');
}
