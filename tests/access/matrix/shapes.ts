/** Types and arguments: what is neither a row nor at the top, but leads to both. */
import { type GraphQLObjectType, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { words } from './callers.ts';
import { MUTATIONS } from './mutations.ts';
import { QUERIES, SUBSCRIPTIONS } from './roots.ts';
import type { Served } from './served.ts';
import { OTHER_TYPES, SHAPES, TABLES } from './tables.ts';
import type { Findings } from './verdicts.ts';

/** Names that are there and not written down, and the other way round. */
export function undeclared(where: string, names: string[], declared: string[]): Findings {
  return [
    ...names
      .filter((name) => !declared.includes(name))
      .map((name) => `${where}.${name}: not declared`),
    ...declared
      .filter((name) => !names.includes(name))
      .map((name) => `${where}.${name}: declared, but not there`),
  ];
}

/** What is at the top of the API and not written down. */
export function undeclaredRoots({ schema }: Served): Findings {
  const roots: [GraphQLObjectType | null | undefined, Record<string, unknown>][] = [
    [schema.getQueryType(), QUERIES],
    [schema.getMutationType(), MUTATIONS],
    [schema.getSubscriptionType(), SUBSCRIPTIONS],
  ];
  return roots.flatMap(([type, declared]) =>
    undeclared(type?.name ?? '', Object.keys(type?.getFields() ?? {}), Object.keys(declared)),
  );
}

export function undeclaredTypes({ schema }: Served): Findings {
  const rows = Object.values(TABLES).map(({ type }) => type);
  const roots = ['Query', 'Mutation', 'Subscription'];
  const others = Object.values(schema.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith('__') && ![...rows, ...roots].includes(name));
  return others.flatMap((type) => {
    const known = OTHER_TYPES[type.name];
    const shape = SHAPES.find(([pattern]) => pattern.test(type.name));
    const declared = (name: string) =>
      known === undefined ? shape?.[1].test(name) : words(known).includes(name);
    return Object.keys(type.getFields())
      .filter((name) => !declared(name))
      .map((name) => `${type}.${name}: not declared`);
  });
}

/** A list is filtered and sorted by columns that everybody sees who sees its rows, and by no other. */
export function filtersBeyondColumns({ schema }: Served): Findings {
  return Object.values(TABLES).flatMap(({ type, columns }) => {
    const filter = schema.getType(`${type}Filter`);
    const orderBy = schema.getType(`${type}OrderBy`);
    const filtered = isInputObjectType(filter) ? Object.keys(filter.getFields()) : [];
    const sorted = isEnumType(orderBy) ? orderBy.getValues().map(({ name }) => name) : [];
    const plain = words(columns);
    const constants = plain.map((name) => name.replace(/[A-Z]/g, '_$&').toUpperCase());
    return [
      ...filtered.filter((name) => !['and', 'or', 'not', ...plain].includes(name)),
      ...sorted
        .filter((name) => !/^(NATURAL|PRIMARY_KEY_ASC|PRIMARY_KEY_DESC)$/.test(name))
        .filter((name) => !constants.includes(name.replace(/_(ASC|DESC)$/, ''))),
    ].map((name) => `${type}: ${name}`);
  });
}
