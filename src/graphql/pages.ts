/**
 * The sizes of the pages that an operation asks for. A connection without `first` or `last` is given
 * a default, by writing it into the document: the library reads every row otherwise. The worst case
 * of the whole is added up with the variables it comes with.
 */
import {
  type ArgumentNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import { LIMITS } from './bounds.ts';

type Variables = Readonly<Record<string, unknown>>;

interface Input {
  schema: GraphQLSchema;
  document: DocumentNode;
  operationName: string | undefined;
  variables: Variables;
}

type Outcome = { document: DocumentNode; variables: Variables; cost: number } | { problem: string };

/** Rows of a list that is no connection: those are short by nature (free ranges, array columns). */
const PLAIN_LIST_ROWS = 10;
const COUNT_COST = 100;

/** The same document in is the same document out, or plans could not be cached by it. */
const rewritten = new WeakMap<DocumentNode, DocumentNode>();

export function limitPages(input: Input): Outcome {
  const operation = findOperation(input.document, input.operationName);
  // Which operation is meant is the executor's question, and it has an answer ready.
  if (!operation) return { document: input.document, variables: input.variables, cost: 0 };
  const document = withDefaults(input.schema, input.document);
  const variables = { ...input.variables };
  const scope: Scope = {
    schema: input.schema,
    fragments: fragmentsOf(document),
    variables,
    defaults: variableDefaults(operation),
    costs: new Map(),
    problem: null,
  };
  const root = input.schema.getRootType(operation.operation);
  const chosen = findOperation(document, input.operationName) ?? operation;
  const cost = root ? selectionCost(scope, chosen.selectionSet, root) : 0;
  return scope.problem ? { problem: scope.problem } : { document, variables, cost };
}

function findOperation(document: DocumentNode, name: string | undefined) {
  const operations = document.definitions.filter(
    (node): node is OperationDefinitionNode => node.kind === Kind.OPERATION_DEFINITION,
  );
  return name ? operations.find((node) => node.name?.value === name) : operations[0];
}

function fragmentsOf(document: DocumentNode): Map<string, FragmentDefinitionNode> {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const node of document.definitions) {
    if (node.kind === Kind.FRAGMENT_DEFINITION) fragments.set(node.name.value, node);
  }
  return fragments;
}

function variableDefaults(operation: OperationDefinitionNode): Map<string, unknown> {
  const defaults = new Map<string, unknown>();
  for (const { variable, defaultValue } of operation.variableDefinitions ?? []) {
    if (defaultValue?.kind === Kind.INT) {
      defaults.set(variable.name.value, Number(defaultValue.value));
    }
  }
  return defaults;
}

function withDefaults(schema: GraphQLSchema, document: DocumentNode): DocumentNode {
  const known = rewritten.get(document);
  if (known) return known;
  const types = new TypeInfo(schema);
  const changed = visit(
    document,
    visitWithTypeInfo(types, {
      Field: {
        enter(node) {
          const field = types.getFieldDef();
          if (field && isPaged(field) && !hasSize(node)) return withSize(node);
          return undefined;
        },
      },
    }),
  );
  rewritten.set(document, changed);
  return changed;
}

function isPaged(field: GraphQLField<unknown, unknown>): boolean {
  return field.args.some((argument) => argument.name === 'first');
}

function hasSize(node: FieldNode): boolean {
  return (node.arguments ?? []).some(
    ({ name, value }) =>
      (name.value === 'first' || name.value === 'last') && value.kind !== Kind.NULL,
  );
}

function withSize(node: FieldNode): FieldNode {
  const others = (node.arguments ?? []).filter(({ name }) => name.value !== 'first');
  const size: ArgumentNode = {
    kind: Kind.ARGUMENT,
    name: { kind: Kind.NAME, value: 'first' },
    value: { kind: Kind.INT, value: String(LIMITS.defaultPageSize) },
  };
  return { ...node, arguments: [...others, size] };
}

interface Scope {
  schema: GraphQLSchema;
  fragments: Map<string, FragmentDefinitionNode>;
  /** Grows: a variable that stands for a size and is not given gets the default. */
  variables: Record<string, unknown>;
  defaults: Map<string, unknown>;
  /** By fragment, so that fragments within fragments are not walked again and again. */
  costs: Map<string, number>;
  problem: string | null;
}

function selectionCost(scope: Scope, set: SelectionSetNode, parent: GraphQLNamedType): number {
  let cost = 0;
  for (const selection of set.selections) {
    if (selection.kind === Kind.FIELD) {
      cost += fieldCost(scope, selection, parent);
    } else if (selection.kind === Kind.INLINE_FRAGMENT) {
      const condition = selection.typeCondition?.name.value;
      const type = condition ? scope.schema.getType(condition) : parent;
      if (type) cost += selectionCost(scope, selection.selectionSet, type);
    } else {
      cost += fragmentCost(scope, selection.name.value);
    }
  }
  return cost;
}

function fragmentCost(scope: Scope, name: string): number {
  const known = scope.costs.get(name);
  if (known !== undefined) return known;
  scope.costs.set(name, 0);
  const fragment = scope.fragments.get(name);
  const type = fragment && scope.schema.getType(fragment.typeCondition.name.value);
  const cost = fragment && type ? selectionCost(scope, fragment.selectionSet, type) : 0;
  scope.costs.set(name, cost);
  return cost;
}

function fieldCost(scope: Scope, node: FieldNode, parent: GraphQLNamedType): number {
  const name = node.name.value;
  if (name.startsWith('__')) return 0;
  // Counted with its page.
  if (name === 'totalCount') return 0;
  if (!isObjectType(parent) && !isInterfaceType(parent)) return 0;
  const field = parent.getFields()[name];
  if (!field || !node.selectionSet) return 0;
  const type = getNamedType(field.type);
  if (!isCompositeType(type)) return 0;
  const within = selectionCost(scope, node.selectionSet, type);
  if (isPaged(field)) {
    const count = asksForTotal(scope, node.selectionSet) ? COUNT_COST : 0;
    return 1 + count + pageSize(scope, node) * (1 + within);
  }
  // The rows of a connection were counted with its page.
  if (parent.name.endsWith('Connection') || parent.name.endsWith('Edge')) return within;
  return isListType(getNullableType(field.type)) ? PLAIN_LIST_ROWS * (1 + within) : 1 + within;
}

/** Once for the list, and not for each of its rows. */
function asksForTotal(scope: Scope, set: SelectionSetNode, seen = new Set<string>()): boolean {
  return set.selections.some((selection) => {
    if (selection.kind === Kind.FIELD) return selection.name.value === 'totalCount';
    if (selection.kind === Kind.INLINE_FRAGMENT) {
      return asksForTotal(scope, selection.selectionSet, seen);
    }
    const name = selection.name.value;
    if (seen.has(name)) return false;
    const fragment = scope.fragments.get(name);
    return fragment !== undefined && asksForTotal(scope, fragment.selectionSet, seen.add(name));
  });
}

function pageSize(scope: Scope, node: FieldNode): number {
  const first = sizeOf(scope, node, 'first');
  const last = sizeOf(scope, node, 'last');
  const offset = sizeOf(scope, node, 'offset');
  if (first !== null && last !== null) {
    scope.problem ??= `Ask for \`first\` or for \`last\` of ${node.name.value}, not for both.`;
  }
  if (offset !== null && (offset < 0 || offset > LIMITS.offset)) {
    scope.problem ??= `An offset is 0 to ${LIMITS.offset}; go on with the cursor \`after\` instead.`;
  }
  if (last !== null && offset !== null) {
    scope.problem ??= '`offset` goes with `first` only.';
  }
  const size = first ?? last ?? defaultSize(scope, node);
  if (!Number.isInteger(size) || size < 0 || size > LIMITS.pageSize) {
    scope.problem ??= `A page of ${node.name.value} has 0 to ${LIMITS.pageSize} rows. Go on with the cursor \`after\`.`;
    return 0;
  }
  return size;
}

/** The value of an argument; null if it is not there or its variable is not given. */
function sizeOf(scope: Scope, node: FieldNode, argument: string): number | null {
  const value = node.arguments?.find(({ name }) => name.value === argument)?.value;
  if (value?.kind === Kind.INT) return Number(value.value);
  if (value?.kind !== Kind.VARIABLE) return null;
  const name = value.name.value;
  const given = scope.variables[name];
  const effective = given === undefined ? scope.defaults.get(name) : given;
  return typeof effective === 'number' ? effective : null;
}

/** All sizes of this field are variables that are not given. */
function defaultSize(scope: Scope, node: FieldNode): number {
  for (const { name, value } of node.arguments ?? []) {
    if (name.value === 'first' && value.kind === Kind.VARIABLE) {
      // Of another type: left as it is, and refused with its reason when variables are checked.
      scope.variables[value.name.value] ??= LIMITS.defaultPageSize;
      return LIMITS.defaultPageSize;
    }
  }
  // `last: $n` alone, without a value: there is no place for a default.
  scope.problem ??= `Say how many of ${node.name.value} you want: first or last.`;
  return 0;
}
