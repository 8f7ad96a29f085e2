/**
 * What one request may ask for. Three nets, each where it can be hung: the text before it is parsed
 * (checking a document of ten thousand equal fields takes minutes), the document when it is checked,
 * and the operation with its variables before it runs. What runs is bounded by time limits as well.
 */
import { depthLimit } from '@graphile/depth-limit';
import {
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  Lexer,
  type OperationDefinitionNode,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValidationRule,
  visit,
} from 'graphql';
import { LIMITS, refusal } from './bounds.ts';
import { limitPages } from './pages.ts';

const NESTED = `Brackets within brackets go ${LIMITS.nesting} deep at most.`;

const LISTS = `A list has at most ${LIMITS.listItems} items.`;

const CHARACTERS =
  'A text in the variables contains characters that cannot be stored: NUL, or half of a surrogate pair.';

/** Half a character would reach the database as another one. */
const isStorable = (text: string) => text.isWellFormed() && !text.includes('\0');

const OPENING = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** What is wrong with a text as such. Reads no further than the limit, so that counting costs nothing. */
function limitText(query: string): string | null {
  const lexer = new Lexer(new Source(query));
  let depth = 0;
  for (let count = 0; count <= LIMITS.queryTokens; count++) {
    try {
      const { kind } = lexer.advance();
      if (kind === TokenKind.EOF) return null;
      if (OPENING.has(kind)) depth += 1;
      if (CLOSING.has(kind)) depth -= 1;
    } catch {
      // Not GraphQL; the parser says so better.
      return null;
    }
    if (depth > LIMITS.nesting) return NESTED;
  }
  return `A request has at most ${LIMITS.queryTokens} words and signs.`;
}

/**
 * What is wrong with the variables, whatever they are for. Nested filters become nested SQL, and what is nested
 * deeply enough ends every function that calls itself.
 */
function limitVariables(variables: unknown): string | null {
  let values = 0;
  const problemOf = (value: unknown, depth: number): string | null => {
    values += 1;
    if (values > LIMITS.values) return `The variables hold at most ${LIMITS.values} values.`;
    if (typeof value === 'string') return isStorable(value) ? null : CHARACTERS;
    if (typeof value !== 'object' || value === null) return null;
    if (depth >= LIMITS.nesting) return NESTED;
    if (Array.isArray(value) && value.length > LIMITS.listItems) return LISTS;
    for (const inner of Object.values(value)) {
      const problem = problemOf(inner, depth + 1);
      if (problem) return problem;
    }
    return null;
  };
  return problemOf(variables, 0);
}

/** What is wrong with a document wherever it stands in it. */
function limitParts(document: DocumentNode): string | null {
  // Of what describes all the rest, and is as long as that.
  const asked = new Map<string, number>();
  let problem: string | null = null;
  visit(document, {
    ListValue: ({ values }) => {
      if (values.length > LIMITS.listItems) problem = LISTS;
    },
    Field: ({ name: { value: name } }) => {
      if (name === '__schema' || name === 'types') asked.set(name, (asked.get(name) ?? 0) + 1);
    },
  });
  if (Math.max(...asked.values()) > 1) return 'A request asks for the schema and its types once.';
  return problem;
}

const HIDDEN = 'The schema is not shown here. It is written down in schema/schema.graphql.';

/** Executed by another library than the rest, which keeps every answer: megabytes each. */
const hidesSchema: ValidationRule = (context) => ({
  Field(node) {
    if (node.name.value === '__schema' || node.name.value === '__type') {
      context.reportError(refusal('RSARG', HIDDEN));
    }
  },
});

export const validationRules = (showsSchema: boolean): ValidationRule[] => [
  ...(showsSchema ? [] : [hidesSchema]),
  depthLimit({
    maxDepth: LIMITS.depth,
    maxListDepth: LIMITS.listDepth,
    maxSelfReferentialDepth: 2,
    // What explorers ask for: types nested nine deep.
    maxIntrospectionDepth: 16,
    maxDepthByFieldCoordinates: { '__Type.ofType': 10 },
    revealDetails: true,
  }),
];

/**
 * What is wrong with the size of a document, before anything looks at it closely: twenty-five
 * fragments that each name the next one twice are 33 million fields, and checking them takes minutes.
 * Aliases count as fields do: a hundred sign-ins in one request are a hundred attempts.
 */
export function limitDocument(query: string): { problem: GraphQLError } | { fields: number } {
  const problem = (message: string) => ({ problem: refusal('RSARG', message) });
  const textProblem = limitText(query);
  if (textProblem) return problem(textProblem);
  const document = parseQuietly(query);
  if (!document) return { fields: 0 };
  const partProblem = limitParts(document);
  if (partProblem) return problem(partProblem);
  const counts = new Counts(document);
  let fields = 0;
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    const tooMany = limitFields(node, counts);
    if (tooMany) return problem(tooMany);
    fields += counts.of(node.selectionSet, 'all');
  }
  return { fields };
}

function limitFields(node: OperationDefinitionNode, counts: Counts): string | null {
  const within = counts.of(node.selectionSet, 'under query');
  const atTop = counts.of(node.selectionSet, 'top') + (node.operation === 'query' ? within : 0);
  const limit = LIMITS.rootFields[node.operation];
  if (atTop > limit) {
    return `A ${node.operation} may have ${limit} fields at its top, and this has ${atTop}.`;
  }
  if (within > LIMITS.rootFields.query) {
    return `Within \`query\` there may be ${LIMITS.rootFields.query} fields.`;
  }
  if (counts.of(node.selectionSet, 'all') > LIMITS.fields) {
    return `A request has at most ${LIMITS.fields} fields, fragments included.`;
  }
  return null;
}

/** What cannot be parsed is the parser's to say, with the place. */
function parseQuietly(query: string): DocumentNode | null {
  try {
    return parse(query, { noLocation: true });
  } catch {
    return null;
  }
}

/** Those at the top, all, or those that begin at the top again: below a field `query`. */
type Counted = 'top' | 'all' | 'under query';

/** Counts fields as if fragments were written out, but looks at each fragment once. */
class Counts {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #known = new Map<string, number>();

  constructor(document: DocumentNode) {
    for (const node of document.definitions) {
      if (node.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(node.name.value, node);
    }
  }

  of({ selections }: SelectionSetNode, what: Counted): number {
    let count = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        count += this.#ofFragment(selection.name.value, what);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        count += this.of(selection.selectionSet, what);
      } else {
        count += this.#ofField(selection, what);
      }
    }
    return count;
  }

  #ofField({ name, selectionSet }: FieldNode, what: Counted): number {
    if (what === 'top') return 1;
    const within = selectionSet ? this.of(selectionSet, what) : 0;
    if (what === 'all') return 1 + within;
    return within + (selectionSet && name.value === 'query' ? this.of(selectionSet, 'top') : 0);
  }

  #ofFragment(name: string, what: Counted): number {
    const key = `${name} ${what}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Known before it is counted, so that a cycle (another rule's business) ends here.
    this.#known.set(key, 0);
    const fragment = this.#fragments.get(name);
    const count = fragment ? this.of(fragment.selectionSet, what) : 0;
    this.#known.set(key, count);
    return count;
  }
}

interface OperationArgs {
  schema: GraphQLSchema;
  document: Parameters<typeof limitPages>[0]['document'];
  operationName?: string | null | undefined;
  variableValues?: { readonly [name: string]: unknown } | null | undefined;
}

/** Gives pages their size, in place; returns what is wrong with the operation, if anything. */
export function limitOperation(args: OperationArgs): GraphQLError | null {
  const problem = limitVariables(args.variableValues);
  if (problem) return refusal('RSARG', problem);
  const outcome = limitPages({
    schema: args.schema,
    document: args.document,
    operationName: args.operationName ?? undefined,
    variables: args.variableValues ?? {},
  });
  if ('problem' in outcome) return refusal('RSARG', outcome.problem);
  if (outcome.cost > LIMITS.cost) {
    return refusal(
      'RSARG',
      `This could read ${outcome.cost} rows, and the limit is ${LIMITS.cost}. Ask for smaller pages.`,
      { cost: outcome.cost, limit: LIMITS.cost },
    );
  }
  args.document = outcome.document;
  args.variableValues = outcome.variables;
  return null;
}
