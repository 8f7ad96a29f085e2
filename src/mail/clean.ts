/** Values that may hold line breaks; everywhere else a break would forge a line or a header. */
const MULTILINE = new Set(['address', 'directions', 'purpose', 'reason', 'note', 'supportContact']);

const UNSEEN = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** A deep copy of a value without control characters, bidirectional overrides and stray breaks. */
export function clean<T>(value: T): T {
  return cleanValue(value, '') as T;
}

function cleanValue(value: unknown, key: string): unknown {
  if (typeof value === 'string') return cleanText(value, MULTILINE.has(key));
  if (Array.isArray(value)) return value.map((item) => cleanValue(item, key));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, cleanValue(item, name)]),
    );
  }
  return value;
}

function cleanText(text: string, multiline: boolean): string {
  const unix = text.replace(/\r\n?/g, '\n').replace(UNSEEN, ' ');
  return multiline ? unix.trim() : oneLine(unix);
}

export function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

/** "Hauptplatz 1, 1010 Wien": an address or a note of several lines, where there is only one. */
export function joinLines(text: string): string {
  return oneLine(text.trim().replace(/(?<![.,;:!?])\s*\n/g, ', '));
}

/** An absolute http(s) address, or nothing: never `javascript:` or `data:` in somebody's mail. */
export function webAddress(url: string | null | undefined): string | undefined {
  if (!url || !URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  return parsed.protocol === 'https:' || parsed.protocol === 'http:' ? parsed.href : undefined;
}
