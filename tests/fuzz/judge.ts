/** What an answer may be, whatever was asked. */
import { isErrorCode } from '../../src/errors.ts';

export interface Answer {
  status: number;
  text: string;
}

export interface Verdict {
  problem: string | null;
  /** The codes of its errors, by the field that failed; `document` if the request was refused as a whole. */
  codes: Record<string, string>;
  /** There is no data whatever. */
  isEmpty: boolean;
}

/** Words of the inside. What is refused may be quoted, so these are none that the requests contain. */
const INSIDE = [
  /\b(app_private|app_public|pg_catalog|pg_temp|graphile_worker)\b/,
  /\b(relation|column|constraint|schema|role|type|operator|function) "/,
  /\b(syntax error at|duplicate key|violates|PL\/pgSQL|SQLSTATE|deadlock|out of shared memory)\b/i,
  /\b(select|insert into|update|delete from)\b[^"]*\b(from|values|set|where)\b/i,
  /\bat (async )?[\w.<>]+ \(|node_modules|file:\/\/|\.[jt]s:\d+/,
  /Cannot read propert|is not a function|is not iterable|call stack|undefined/,
];

const STATUSES = new Set([200, 400, 401, 403, 406, 413, 415, 429, 431]);

export function judge({ status, text }: Answer): Verdict {
  const codes: Verdict['codes'] = {};
  const found = (problem: string): Verdict => ({ problem, codes, isEmpty: true });
  if (!STATUSES.has(status)) return found(`the status ${status}`);
  // Refused by Node.js before it is a request: headers that are too long.
  if (status === 431) return { problem: null, codes: { document: '431' }, isEmpty: true };
  const body = parse(text);
  if (!body) return found('no JSON');
  const { data, errors = [] } = body;
  if (data === undefined && errors.length === 0) return found('neither data nor errors');
  for (const { message, path, extensions } of errors) {
    const code = extensions?.code;
    if (!isErrorCode(code)) return found(`the code ${code}`);
    if (code === 'RSINT') return found('a fault of ours');
    if (typeof message !== 'string' || message === '') return found('no sentence');
    codes[String(path?.[0] ?? 'document')] = code;
  }
  const said = JSON.stringify(errors);
  const leak = INSIDE.find((pattern) => pattern.test(said));
  return leak ? found(`words of the inside: ${leak}`) : { problem: null, codes, isEmpty: !data };
}

interface Body {
  data?: unknown;
  errors?: { message?: unknown; path?: unknown[]; extensions?: { code?: unknown } }[];
}

function parse(text: string): Body | null {
  try {
    return JSON.parse(text) as Body;
  } catch {
    return null;
  }
}
