/** Requests made up from the schema: every root field in turn, with arguments and a selection of some depth. */
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
} from 'graphql';
import type { Random } from './random.ts';
import { sensible, valueFor, type Wish } from './values.ts';

export interface Request {
  query: string;
  variables: Record<string, unknown>;
  /** The root fields that are called. */
  fields: string[];
  /** The same document with other values: it has been planned, which takes longer than to run it. */
  again(wish: Wish): Request;
}

type Field = GraphQLField<unknown, unknown>;

/** Below the limits on fields and words, most of the time. */
const FIELDS_OF_QUERY = 9;
const FIELDS_OF_MUTATION = 5;
const DEEPEST = 4;
/** So many of the fields at the top are followed far down, which takes most of the time; of the others, one level. */
const DEEP_FIELDS = 2;

export class Documents {
  readonly #schema: GraphQLSchema;

  constructor(schema: GraphQLSchema) {
    this.#schema = schema;
  }

  rootFields(operation: 'query' | 'mutation'): string[] {
    return Object.keys(this.#root(operation).getFields());
  }

  /** Whether nothing at all comes back if this fails. */
  mustAnswer(operation: 'query' | 'mutation', field: string): boolean {
    const type = this.#root(operation).getFields()[field]?.type;
    return type !== undefined && isNonNullType(type);
  }

  /** Several root fields at once, all of which GraphQL itself finds nothing wrong with. */
  request(
    wish: Wish,
    operation: 'query' | 'mutation',
    fields: string[],
    deep = DEEP_FIELDS,
  ): Request {
    const draft = new Draft(wish, this.#schema);
    const root = this.#root(operation);
    const calls = fields.map((name, n) => {
      const field = root.getFields()[name] as Field;
      return `c${n}: ${draft.call(field, 0, n < deep ? DEEPEST : 0)}`;
    });
    return draft.request(operation, calls, fields);
  }

  #root(operation: 'query' | 'mutation'): GraphQLObjectType {
    const type =
      operation === 'query' ? this.#schema.getQueryType() : this.#schema.getMutationType();
    if (!type) throw new Error(`The schema has no ${operation}.`);
    return type;
  }
}

export const perRequest = (operation: 'query' | 'mutation') =>
  operation === 'query' ? FIELDS_OF_QUERY : FIELDS_OF_MUTATION;

class Draft {
  readonly #wish: Wish;
  readonly #random: Random;
  readonly #schema: GraphQLSchema;
  #deepest = DEEPEST;
  readonly #declared: string[] = [];
  /** What gives the variables of one field their values. */
  readonly #sources: ((wish: Wish) => Record<string, unknown>)[] = [];

  constructor(wish: Wish, schema: GraphQLSchema) {
    this.#wish = wish;
    this.#random = wish.random;
    this.#schema = schema;
  }

  call(field: Field, depth: number, deepest = this.#deepest): string {
    this.#deepest = deepest;
    return `${field.name}${this.#arguments(field, depth)}${this.#selection(field.type, depth)}`;
  }

  request(operation: string, calls: string[], fields: string[]): Request {
    const declared = this.#declared.length > 0 ? `(${this.#declared.join(', ')})` : '';
    const query = `${operation} F${declared} {\n  ${calls.join('\n  ')}\n}`;
    const again = (wish: Wish): Request => {
      const variables = Object.assign({}, ...this.#sources.map((source) => source(wish)));
      return { query, variables, fields, again };
    };
    return again(this.#wish);
  }

  #arguments(field: Field, depth: number): string {
    const chosen = field.args.filter((argument) => !this.#isLeftOut(argument, depth));
    // From the start or from the end.
    const wanted = chosen.some(({ name }) => name === 'last')
      ? chosen.filter(({ name }) => name !== 'first' && name !== 'offset')
      : chosen;
    // A list of which nothing is said has fifty rows, and lists within it fifty each.
    const first = field.args.find(({ name }) => name === 'first');
    const isSaid = wanted.some(({ name }) => name === 'first' || name === 'last');
    if (first && !isSaid && (depth > 0 || this.#random.chance(0.95))) wanted.push(first);
    const values = valuesFor(this.#wish, field, wanted);
    const variables = new Map<string, string>();
    const written = wanted
      .filter(({ name }) => values[name] !== undefined)
      .map(({ name, type }) => {
        const literal = this.#random.chance(0.4) ? literalOf(type, values[name]) : null;
        if (literal !== null) return `${name}: ${literal}`;
        const variable = `v${this.#declared.length}`;
        this.#declared.push(`$${variable}: ${type}`);
        variables.set(variable, name);
        return `${name}: $${variable}`;
      });
    this.#sources.push((wish) => {
      const others = valuesFor(wish, field, wanted);
      return Object.fromEntries([...variables].map(([variable, name]) => [variable, others[name]]));
    });
    return written.length > 0 ? `(${written.join(', ')})` : '';
  }

  #isLeftOut({ name, type }: GraphQLArgument, depth: number): boolean {
    if (isNonNullType(type)) return false;
    // More often than not, these make a list empty or refuse it.
    if (/^(after|before|last|offset)$/.test(name)) return this.#random.chance(0.92);
    if (name === 'filter' || name === 'orderBy') return depth > 1 || this.#random.chance(0.6);
    return this.#random.chance(name === 'first' ? 0.7 : 0.15);
  }

  #selection(output: GraphQLOutputType, depth: number): string {
    const type = getNamedType(output);
    if (isInterfaceType(type)) {
      const [possible] = this.#random.some(this.#schema.getPossibleTypes(type), 1);
      if (!possible) return ' { __typename }';
      return ` { __typename ... on ${possible.name}${this.#selection(possible, depth + 1)} }`;
    }
    if (!isObjectType(type)) return '';
    const fields = Object.values(type.getFields());
    const leaves = fields.filter(({ type: t }) => !hasFields(t));
    const branches = fields.filter(
      ({ type: t, args }) => hasFields(t) && !args.some((argument) => isNonNullType(argument.type)),
    );
    const most = type.name === 'Query' ? 1 : 3;
    const chosen = [
      '__typename',
      ...this.#random.some(leaves, most).map((field) => this.call(field, depth + 1)),
      ...this.#branches(type, branches, depth),
    ];
    return ` { ${chosen.join(' ')} }`;
  }

  #branches(type: GraphQLObjectType, branches: Field[], depth: number): string[] {
    const isList = /(Connection|Edge)$/.test(type.name);
    // What stands below `query` counts as if it stood at the top.
    const wanted = isList || type.name === 'Query' || depth > 1 ? 1 : 2;
    if (branches.length === 0 || depth > this.#deepest) return [];
    // What has been changed is looked at; what is near the end of the branch mostly not.
    if (!isList && this.#random.chance(depth === 0 ? 0.2 : 0.55)) return [];
    return this.#random
      .some(branches, wanted)
      .filter(({ name }) => name !== 'query' || (depth > 0 && this.#random.chance(0.2)))
      .map((field) => this.call(field, depth + 1));
  }
}

function valuesFor(wish: Wish, field: Field, wanted: GraphQLArgument[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { name, type } of wanted) {
    const named = name === 'id' ? getNamedType(field.type).name : name;
    values[name] = valueFor(wish, type, named);
  }
  return wish.random.chance(wish.oddity) ? values : sensible(wish.random, values, wanted);
}

function hasFields(output: GraphQLOutputType): boolean {
  const type = getNamedType(output);
  return isObjectType(type) || isInterfaceType(type);
}

/** As it is written in a document; null if it cannot be. */
export function literalOf(type: GraphQLInputType, value: unknown): string | null {
  if (value === null || value === undefined) return 'null';
  const inner = getNullableType(type) as GraphQLInputType;
  if (Array.isArray(value)) {
    const itemType = isListType(inner) ? (inner.ofType as GraphQLInputType) : inner;
    const items = value.map((item) => literalOf(itemType, item));
    return items.includes(null) ? null : `[${items.join(', ')}]`;
  }
  if (typeof value === 'object') {
    const fields = isInputObjectType(inner) ? inner.getFields() : {};
    const parts: string[] = [];
    for (const [name, part] of Object.entries(value)) {
      if (part === undefined) continue;
      const literal = literalOf(fields[name]?.type ?? inner, part);
      if (literal === null || !/^[_A-Za-z]\w*$/.test(name)) return null;
      parts.push(`${name}: ${literal}`);
    }
    return `{ ${parts.join(', ')} }`;
  }
  if (typeof value === 'string') {
    if (isEnumType(inner) && /^[_A-Za-z]\w*$/.test(value)) return value;
    return value.isWellFormed() ? JSON.stringify(value) : null;
  }
  return String(value);
}
