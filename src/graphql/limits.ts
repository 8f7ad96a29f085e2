/**
 * What one request may ask for. Three nets, each where it can be hung: the text before it is parsed
 * (checking a document of ten thousand equal fields takes minutes), the document when it is checked,
 * and the operation with its variables before it runs. What runs is bounded by time limits as well.
 */
import { depthLimit } from '@graphile/depth-limit';
import {
  type DocumentNode,
  type FragmentDefinitionNode,
  type GraphQLError,
  type GraphQLSchema,
  Kind,
  Lexer,
  parse,
  type SelectionSetNode,
  Source,
  TokenKind,
  type ValidationRule,
} from 'graphql';
import { LIMITS, refusal } from './bounds.ts';
import { limitPages } from './pages.ts';

/** Reads no further than the limit, so that counting costs nothing. */
function tooManyTokens(query: string): boolean {
  const lexer = new Lexer(new Source(query));
  for (let count = 0; count <= LIMITS.queryTokens; count++) {
    try {
      if (lexer.advance().kind === TokenKind.EOF) return false;
    } catch {
      // Not GraphQL; the parser says so better.
      return false;
    }
  }
  return true;
}

export const validationRules: ValidationRule[] = [
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
export function limitDocument(query: string): GraphQLError | null {
  if (tooManyTokens(query)) {
    return refusal('RSARG', `A request has at most ${LIMITS.queryTokens} words and signs.`);
  }
  const document = parseQuietly(query);
  if (!document) return null;
  const counts = new Counts(document);
  for (const node of document.definitions) {
    if (node.kind !== Kind.OPERATION_DEFINITION) continue;
    const atTop = counts.ofSelections(node.selectionSet, false);
    const limit = LIMITS.rootFields[node.operation];
    if (atTop > limit) {
      const message = `A ${node.operation} may have ${limit} fields at its top, and this has ${atTop}.`;
      return refusal('RSARG', message);
    }
    if (counts.ofSelections(node.selectionSet, true) > LIMITS.fields) {
      return refusal('RSARG', `A request has at most ${LIMITS.fields} fields, fragments included.`);
    }
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

/** Counts fields as if fragments were written out, but looks at each fragment once. */
class Counts {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #known = new Map<string, number>();

  constructor(document: DocumentNode) {
    for (const node of document.definitions) {
      if (node.kind === Kind.FRAGMENT_DEFINITION) this.#fragments.set(node.name.value, node);
    }
  }

  ofSelections({ selections }: SelectionSetNode, deep: boolean): number {
    let count = 0;
    for (const selection of selections) {
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        count += this.#ofFragment(selection.name.value, deep);
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        count += this.ofSelections(selection.selectionSet, deep);
      } else {
        count += 1;
        if (deep && selection.selectionSet)
          count += this.ofSelections(selection.selectionSet, deep);
      }
    }
    return count;
  }

  #ofFragment(name: string, deep: boolean): number {
    const key = `${name} ${deep}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    // Known before it is counted, so that a cycle (another rule's business) ends here.
    this.#known.set(key, 0);
    const fragment = this.#fragments.get(name);
    const count = fragment ? this.ofSelections(fragment.selectionSet, deep) : 0;
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
