/** Asks for everything at the top of the API, with the rows of the scene and with none. */
import { type GraphQLField, getNamedType, isNonNullType } from 'graphql';
import { DEAD, type Dead, LIVE, type Live, type Verdict } from './callers.ts';
import { QUERIES, type Root } from './roots.ts';
import { knownOnly, nodeIdsIn, rulesByNodeId, selectionOf } from './rows.ts';
import { isTurnedAway, nodeIdOf, type Served, told } from './served.ts';
import { TABLES } from './tables.ts';
import { absent } from './values.ts';
import { difference, type Findings } from './verdicts.ts';

type Field = GraphQLField<unknown, unknown>;

export async function checkQuery(served: Served, name: string): Promise<Findings> {
  const root = QUERIES[name];
  const field = served.schema.getQueryType()?.getFields()[name];
  if (!root || !field) return [`Query.${name}: not there, or not declared`];
  const values = argumentsOf(served, field, root);
  const document = documentOf(served, field, values);
  const rules = rulesByNodeId(served);
  const ask = (caller: Live | Dead, variables: object) => served.ask(caller, document, variables);
  const live = LIVE.map(async (caller): Promise<Findings> => {
    const found = told(await ask(caller, values), 'q');
    const nothing = told(await ask(caller, absent(values)), 'q');
    const expected = expectations(served, field, root, caller);
    const denied = expected.every(([, verdict]) => verdict !== 'yes');
    const beyond = nodeIdsIn(found.data).filter(
      (id) => (rules.get(id)?.[caller] ?? 'yes') !== 'yes',
    );
    return [
      ...beyond.map((id) => `Query.${name} for ${caller}: shows ${atob(id)}`),
      ...expected
        .map(([row, verdict]) => [verdictOf(found, row), verdict])
        .filter(([met, verdict]) => met !== verdict)
        .map(([met, verdict]) => `Query.${name} for ${caller}: ${met}, not ${verdict}`),
      ...(denied ? difference(`Query.${name} for ${caller}`, found, nothing) : []),
    ];
  });
  const dead = DEAD.map(async (caller): Promise<Findings> => {
    const turnedAway = isTurnedAway(await ask(caller, values));
    return turnedAway ? [] : [`Query.${name} for ${caller}: not turned away`];
  });
  return (await Promise.all([...live, ...dead])).flat();
}

function argumentsOf(served: Served, field: Field, root: Root): Record<string, unknown> {
  const { scene } = served;
  const key = keyOf(served, field);
  const own: Record<string, unknown> = {
    id: key?.[0],
    nodeId: nodeIdOf(
      typeName(field) in BY_TYPE ? typeName(field) : 'Booking',
      key ?? scene.rows.bookings?.[0] ?? [],
    ),
    membershipId: scene.rows.memberships?.[0]?.[0],
  };
  const given = { ...scene.values, ...own, ...root.values?.(scene) };
  const wanted = field.args.filter(
    ({ name, type }) => name in given && (isNonNullType(type) || name in scene.values),
  );
  return Object.fromEntries(wanted.map(({ name }) => [name, given[name as keyof typeof given]]));
}

const BY_TYPE = Object.fromEntries(Object.entries(TABLES).map(([name, { type }]) => [type, name]));

const typeName = (field: Field) => getNamedType(field.type).name.replace(/Connection$/, '');

/** The row that a field for one row is asked for: the first of its table. */
const keyOf = ({ scene }: Served, field: Field) => scene.rows[BY_TYPE[typeName(field)] ?? '']?.[0];

function documentOf(served: Served, field: Field, values: Record<string, unknown>): string {
  const variables = field.args.filter(({ name }) => name in values);
  const head = variables.map(({ name, type }) => `$${name}: ${type}`).join(', ');
  const args = variables.map(({ name }) => `${name}: $${name}`).join(', ');
  const list = knownOnly(served, field, 50).slice(1, -1);
  const all = [args, list].filter(Boolean).join(', ');
  return `query ${head && `(${head})`} { q: ${field.name} ${all && `(${all})`} ${selectionOf(field.type)} }`;
}

/** What the caller is to find: the rows of the table, each by its rule, or the one row of the field. */
function expectations(
  served: Served,
  field: Field,
  root: Root,
  caller: Live,
): [string | null, Verdict][] {
  const table = BY_TYPE[typeName(field)];
  const keys = served.scene.rows[table ?? ''] ?? [];
  const first = table ? nodeIdOf(typeName(field), keys[root.row ?? 0] ?? []) : null;
  if (root.rule) {
    const anyRow = typeName(field) === 'Node' || field.name === 'viewer';
    return [[anyRow ? null : first, root.rule[caller]]];
  }
  const rules = rulesByNodeId(served);
  const rows = typeName(field) === getNamedType(field.type).name ? keys.slice(0, 1) : keys;
  return rows.map((key) => {
    const id = nodeIdOf(typeName(field), key);
    return [id, rules.get(id)?.[caller] ?? 'nothing'];
  });
}

function verdictOf({ data, errors }: ReturnType<typeof told>, row: string | null): Verdict {
  if (errors[0]) return errors[0].code;
  if (row !== null) return nodeIdsIn(data).includes(row) ? 'yes' : 'nothing';
  const { nodes } = (typeof data === 'object' && data !== null ? data : {}) as {
    nodes?: unknown[];
  };
  return data === null || nodes?.length === 0 ? 'nothing' : 'yes';
}
