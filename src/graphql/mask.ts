/**
 * What of an error reaches the client: registered errors with their code and data; what PostgreSQL
 * refuses because of the input, in plain words; of everything else a number, under which the log has
 * the rest. Never the text of a statement, and never what another row holds.
 */
import { randomUUID } from 'node:crypto';
import { GraphQLError } from 'graphql';
import { ERRORS, type ErrorCode, isErrorCode } from '../errors.ts';
import { log } from '../log.ts';
import { metrics } from '../metrics.ts';

interface Shown {
  code: ErrorCode;
  message: string;
  details?: unknown;
}

interface Failure {
  code?: unknown;
  message?: unknown;
  detail?: unknown;
  constraint?: unknown;
  column?: unknown;
}

const LONGEST_CHAIN = 5;

export function maskError(error: GraphQLError | Error): GraphQLError {
  const shown = masked(error);
  metrics.graphqlErrors.inc({ code: String(shown.extensions.code) });
  return shown;
}

function masked(error: GraphQLError | Error): GraphQLError {
  // The executor passes on what was thrown while it read the variables.
  if (!(error instanceof GraphQLError))
    return masked(new GraphQLError('', { originalError: error }));
  // Already ours: a limit, a validation rule, or masked before.
  if (isErrorCode(error.extensions.code)) return error;
  const cause = innermost(error);
  const shown = cause === null ? describeGraphQLError(error) : describe(cause);
  return new GraphQLError(shown.message, {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: {
      code: shown.code,
      ...(shown.details !== undefined && { details: shown.details }),
    },
  });
}

function innermost(error: GraphQLError): Failure | null {
  let cause: unknown = error.originalError;
  for (let depth = 0; depth < LONGEST_CHAIN; depth++) {
    if (!(cause instanceof GraphQLError) || !cause.originalError) break;
    cause = cause.originalError;
  }
  return cause === undefined || cause === null || cause instanceof GraphQLError
    ? null
    : (cause as Failure);
}

/** No cause beneath: the document or its variables do not fit the schema. */
function describeGraphQLError(error: GraphQLError): Shown {
  if (error.path !== undefined && /^Cannot return null/.test(error.message)) {
    return internal(error);
  }
  return { code: 'RSARG', message: error.message };
}

function describe(cause: Failure): Shown {
  const code = String(cause.code ?? '');
  if (isErrorCode(code)) {
    return { code, message: String(cause.message), details: parseDetail(cause.detail) };
  }
  return describeDatabase(code, cause) ?? describeLibrary(cause) ?? internal(cause);
}

function parseDetail(detail: unknown): unknown {
  if (typeof detail !== 'string' || detail === '') return undefined;
  try {
    return JSON.parse(detail);
  } catch {
    return undefined;
  }
}

const BY_SQLSTATE: Record<string, [ErrorCode, string]> = {
  '23P01': ['RSFUL', ERRORS.RSFUL.sentence],
  '23505': ['RSDUP', 'There is one like this already.'],
  '23503': ['RSNTF', 'Something that this refers to does not exist.'],
  '42501': ['RSNTF', ERRORS.RSNTF.sentence],
  '44000': ['RSNTF', ERRORS.RSNTF.sentence],
  '22P02': ['RSARG', 'A value has the wrong form (an identifier, a number or a time, perhaps).'],
  '22007': [
    'RSARG',
    'A date or a time of day cannot be read. Write them as 2026-11-20 and as 18:00.',
  ],
  '22008': ['RSARG', 'A time is out of range.'],
  '22003': ['RSARG', 'A number is out of range.'],
  '22001': ['RSARG', 'A text is too long.'],
  '22021': ['RSARG', 'A text contains characters that cannot be stored.'],
  '22P05': ['RSARG', 'A text contains characters that cannot be stored.'],
  '57014': ['RSBSY', 'This took too long. Ask for less at a time, or try again in a moment.'],
  '55P03': ['RSBSY', ERRORS.RSBSY.sentence],
  '40P01': ['RSBSY', ERRORS.RSBSY.sentence],
  '40001': ['RSBSY', ERRORS.RSBSY.sentence],
};

/** Not the client's doing, and it should not look like it: the database is away or full. */
const AWAY = /^(08|53|57P0|58030|ECONN|ETIMEDOUT|EPIPE)/;

/** What the driver says of it, without a code. */
const AWAY_IN_WORDS =
  /timeout exceeded when trying to connect|^Connection terminated|connection error and is not queryable|^Client was closed/;

function describeDatabase(sqlState: string, cause: Failure): Shown | null {
  const known = BY_SQLSTATE[sqlState];
  if (known) return { code: known[0], message: known[1] };
  if (sqlState === '23514') {
    // Constraints are named as the sentence that they hold to.
    const rule = String(cause.constraint ?? '').replaceAll('_', ' ');
    return { code: 'RSARG', message: `A value is not allowed${rule && ` (rule: ${rule})`}.` };
  }
  if (sqlState === '23502') {
    return { code: 'RSARG', message: `A value is missing: ${String(cause.column ?? 'unknown')}.` };
  }
  if (/^22/.test(sqlState)) return { code: 'RSARG', message: ERRORS.RSARG.sentence };
  if (AWAY.test(sqlState) || (sqlState === '' && AWAY_IN_WORDS.test(text(cause)))) {
    log.error('the database cannot be used', { error: cause });
    return { code: 'RSBSY', message: ERRORS.RSBSY.sentence };
  }
  return null;
}

function text(cause: Failure): string {
  return typeof cause.message === 'string' ? cause.message : '';
}

/** Plain errors with which PostGraphile and Grafast answer to input. */
const LIBRARY: [RegExp, ErrorCode, string][] = [
  [/^No values were (updated|deleted)/, 'RSNTF', ERRORS.RSNTF.sentence],
  [
    /^Attempted to update a record, but no new values/,
    'RSARG',
    'There is nothing to change in it.',
  ],
  [/cursor/i, 'RSARG', 'This cursor does not belong to this list.'],
  [
    /^(Invalid|Expected|Attempted to|Cannot parse|Failed to parse)\b.*(node|ID|filter|null|empty|object)/i,
    'RSARG',
    ERRORS.RSARG.sentence,
  ],
  [
    /^(Null literals|Empty objects) are forbidden/,
    'RSARG',
    'A filter names a value to compare with; for no value use `isNull`.',
  ],
  [/may not be empty|must be (a|an) |out of range|not a valid/i, 'RSARG', ERRORS.RSARG.sentence],
  [
    /timeout|took too long/i,
    'RSBSY',
    'This took too long. Ask for less at a time, or try again in a moment.',
  ],
];

function describeLibrary(cause: Failure): Shown | null {
  // A database error has a code, and is not to be guessed at by its words.
  if (cause.code !== undefined) return null;
  const found = LIBRARY.find(([pattern]) => pattern.test(text(cause)));
  if (!found) return null;
  log.info('request refused', { reason: text(cause) });
  return { code: found[1], message: found[2] };
}

function internal(cause: unknown): Shown {
  const id = randomUUID();
  log.error('request failed', { id, error: cause });
  return { code: 'RSINT', message: `${ERRORS.RSINT.sentence} (${id})`, details: { id } };
}
