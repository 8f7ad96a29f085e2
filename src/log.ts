/**
 * One line an event: plain text on a terminal, JSON elsewhere. Values that open a door (tokens,
 * passwords) never get here; `redact` is the net below for text that was written by others.
 */
type Level = 'debug' | 'info' | 'warn' | 'error';
type Fields = Record<string, unknown>;

const LEVELS: Level[] = ['debug', 'info', 'warn', 'error'];

let threshold: Level = 'info';

export function setLogLevel(level: Level): void {
  threshold = level;
}

export function redact(text: string): string {
  return text
    .replace(/(\/l\/)[A-Za-z0-9_-]{8,}/g, '$1…')
    .replace(/\b([a-z]+:\/\/[^:@/\s]*:)[^@\s/]*@/g, '$1…@')
    .replace(/\b((?:[rs]k_(?:test|live)|whsec)_)\w+/g, '$1…')
    .replace(/([?&](?:token|code)=)[^&\s"]+/g, '$1…')
    .replace(/\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/g, '…');
}

function readable(value: unknown): unknown {
  if (value instanceof Error) {
    const { code } = value as { code?: unknown };
    const stack = LEVELS.indexOf(threshold) === 0 ? value.stack : undefined;
    return { message: value.message, code, stack };
  }
  return value;
}

function write(level: Level, message: string, fields: Fields): void {
  if (LEVELS.indexOf(level) < LEVELS.indexOf(threshold)) return;
  const entries = Object.entries(fields).map(([key, value]) => [key, readable(value)] as const);
  const line = process.stderr.isTTY
    ? [level.padEnd(5), message, ...entries.map(([key, value]) => `${key}=${asText(value)}`)].join(
        ' ',
      )
    : JSON.stringify({
        time: new Date().toISOString(),
        level,
        message,
        ...Object.fromEntries(entries),
      });
  process.stderr.write(`${redact(line)}\n`);
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export const log = {
  debug: (message: string, fields: Fields = {}) => write('debug', message, fields),
  info: (message: string, fields: Fields = {}) => write('info', message, fields),
  warn: (message: string, fields: Fields = {}) => write('warn', message, fields),
  error: (message: string, fields: Fields = {}) => write('error', message, fields),
};
