/** Asks for every row of the scene, every column and every relation of it, as everybody. */
import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
  getNamedType,
  isLeafType,
  isObjectType,
} from 'graphql';
import { DEAD, LIVE, type Live, type Rule, type Verdict, words } from './callers.ts';
import { isTurnedAway, nodeIdOf, nowhere, type Served, told } from './served.ts';
import { undeclared } from './shapes.ts';
import { TABLES, type Table } from './tables.ts';
import { alike, difference, type Findings } from './verdicts.ts';

type Field = GraphQLField<unknown, unknown>;

export function typeOf({ schema }: Served, name: string): GraphQLObjectType {
  const type = schema.getType(name);
  if (!isObjectType(type)) throw new Error(`There is no type ${name}.`);
  return type;
}

const isColumn = ({ type }: Field) =>
  isLeafType(getNamedType(type)) || getNamedType(type).name === 'Interval';

/** All that is asked of a field whose rows are not of interest themselves. */
export function selectionOf(type: GraphQLOutputType): string {
  const named = getNamedType(type);
  if (isLeafType(named)) return '';
  const fields = (named as GraphQLObjectType).getFields();
  if (fields.nodes)
    return `{ nodes ${selectionOf(fields.nodes.type)} ${fields.totalCount ? 'totalCount' : ''} }`;
  if (fields.nodeId) return '{ nodeId }';
  const leaves = Object.values(fields).filter(({ type: inner }) => isLeafType(getNamedType(inner)));
  return `{ ${leaves.map(({ name }) => name).join(' ')} }`;
}

/** The rows of a relation or a list that the scene knows. */
export function nodeIdsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(nodeIdsIn);
  if (typeof value !== 'object' || value === null) return [];
  const { nodeId, nodes } = value as { nodeId?: string; nodes?: unknown };
  return nodeId === undefined ? nodeIdsIn(nodes ?? []) : [nodeId];
}

/** The rule for each row of the scene, by its node id. */
export function rulesByNodeId({ scene }: Served): Map<string, Rule> {
  const rules = new Map<string, Rule>();
  for (const [name, table] of Object.entries(TABLES)) {
    const keys = scene.rows[name] ?? [];
    if (keys.length !== table.rows.length) throw new Error(`The scene has other ${name}.`);
    table.rows.forEach((rule, n) => {
      rules.set(nodeIdOf(table.type, keys[n] ?? []), rule);
    });
  }
  return rules;
}

interface Subject {
  served: Served;
  table: Table;
  /** The rows asked for, and after them one that does not exist. */
  nodeIds: string[];
  finder: string;
}

export async function checkTable(served: Served, name: string): Promise<Findings> {
  const table = TABLES[name];
  const keys = served.scene.rows[name];
  if (!table || !keys) return [`${name}: not in the scene`];
  const missing = (keys[0] ?? []).map(nowhere);
  const subject = {
    served,
    table,
    nodeIds: [...keys, missing].map((key) => nodeIdOf(table.type, key)),
    finder: `${table.type[0]?.toLowerCase()}${table.type.slice(1)}ByNodeId`,
  };
  return [
    ...checkFields(typeOf(served, table.type), table),
    ...(await checkAllColumns(subject)),
    ...(await checkRelations(subject)),
  ];
}

function checkFields(type: GraphQLObjectType, table: Table): Findings {
  const declared = words(
    `nodeId ${table.columns} ${table.computed ?? ''} ${table.relations}`,
  ).concat(Object.keys(table.narrower ?? {}));
  return undeclared(type.name, Object.keys(type.getFields()), declared);
}

/** So many rows, and the one that does not exist, and so many columns of each as one request may ask for. */
const ROWS_AT_ONCE = 9;
const COLUMNS_AT_ONCE = 25;

async function checkAllColumns(subject: Subject): Promise<Findings> {
  const { served, table, nodeIds } = subject;
  const columns = Object.values(typeOf(served, table.type).getFields()).filter(isColumn);
  const findings: Findings = [];
  const seen = new Set<string>();
  for (let column = 0; column < columns.length; column += COLUMNS_AT_ONCE) {
    const some = columns.slice(column, column + COLUMNS_AT_ONCE);
    for (let row = 0; row < table.rows.length; row += ROWS_AT_ONCE) {
      const ids = [...nodeIds.slice(0, -1).slice(row, row + ROWS_AT_ONCE), ...nodeIds.slice(-1)];
      const checked = await checkColumns({ ...subject, nodeIds: ids }, some, row);
      findings.push(...checked.findings);
      for (const name of checked.seen) seen.add(name);
    }
  }
  const empty = columns.filter(({ name }) => !seen.has(name));
  return [
    ...empty.map(
      ({ name }) => `${table.type}.${name}: empty in every row of the scene, or hidden from admins`,
    ),
    ...findings,
  ];
}

/** Asks for these columns of some rows, the first of which is row `from` of the table. */
async function checkColumns(
  subject: Subject,
  columns: Field[],
  from: number,
): Promise<{ seen: string[]; findings: Findings }> {
  const { served, table, nodeIds } = subject;
  const rows = table.rows.slice(from, from + nodeIds.length - 1);
  const selection = columns.map(({ name, type }) => `${name} ${selectionOf(type)}`).join(' ');
  const roots = nodeIds.map((_, n) => `r${n}: ${subject.finder}(nodeId: $n${n}) { ${selection} }`);
  const document = `query (${nodeIds.map((_, n) => `$n${n}: ID!`).join(', ')}) { ${roots.join(' ')} }`;
  const variables = Object.fromEntries(nodeIds.map((id, n) => [`n${n}`, id]));
  const ask = (caller: Parameters<Served['ask']>[0]) => served.ask(caller, document, variables);
  const [admin, ...others] = await Promise.all(
    (['admin', ...LIVE.filter((caller) => caller !== 'admin')] as const).map(async (caller) => ({
      caller,
      answer: await ask(caller),
    })),
  );
  if (!admin) throw new Error('There is no admin.');
  const real = (n: number, name: string) => truth(admin.answer.data, n, name);
  const findings: Findings = [];
  for (const { caller, answer } of [admin, ...others]) {
    rows.forEach((rule, n) => {
      const label = `${table.type}[${from + n}]`;
      const found = told(answer, `r${n}`);
      for (const { name } of columns) {
        if (real(n, name) === null) continue;
        const expected =
          rule[caller] === 'yes' ? (table.narrower?.[name]?.[caller] ?? 'yes') : rule[caller];
        const verdict = verdictOf(found, name, real(n, name));
        if (verdict !== expected) {
          findings.push(`${label}.${name} for ${caller}: ${verdict}, not ${expected}`);
        }
      }
      if (rule[caller] !== 'yes') {
        const absent = told(answer, `r${rows.length}`);
        findings.push(...difference(`${label} for ${caller}`, found, absent));
      }
    });
  }
  for (const caller of DEAD) {
    if (!isTurnedAway(await ask(caller)))
      findings.push(`${table.type} for ${caller}: not turned away`);
  }
  const names = columns.map(({ name }) => name);
  return { seen: names.filter((name) => rows.some((_, n) => real(n, name) !== null)), findings };
}

const truth = (data: unknown, n: number, name: string): unknown =>
  (data as Record<string, Record<string, unknown> | null> | null)?.[`r${n}`]?.[name] ?? null;

function verdictOf(
  { data, errors }: ReturnType<typeof told>,
  name: string,
  real: unknown,
): Verdict {
  const value = (data as Record<string, unknown> | null | undefined)?.[name] ?? null;
  if (value !== null) return alike(value, real) ? 'yes' : `another value: ${JSON.stringify(value)}`;
  const error = errors.find(({ path }) => !path?.length || path[0] === name);
  return error?.code ?? 'nothing';
}

/** Lists are asked for the rows that the scene knows; there may be any number of others. */
export function knownOnly({ scene }: Served, field: Field, page: number): string {
  if (!field.args.some(({ name }) => name === 'first')) return '';
  const keys = scene.rows[tableOf(field)] ?? [];
  const filtered = field.args.some(({ name }) => name === 'filter') && keys[0]?.length === 1;
  if (!filtered) return `(first: ${page})`;
  return `(first: ${page}, filter: { id: { in: ${JSON.stringify(keys.flat())} } })`;
}

/** The table whose rows a relation or a list leads to. */
function tableOf(field: Field): string {
  const type = getNamedType(field.type).name.replace(/Connection$/, '');
  return Object.keys(TABLES).find((name) => TABLES[name]?.type === type) ?? '';
}

const RELATIONS_AT_ONCE = 5;

interface Question {
  alias: string;
  row: number;
  relation: Field;
}

async function checkRelations(subject: Subject): Promise<Findings> {
  const { served, table } = subject;
  const relations = Object.values(typeOf(served, table.type).getFields()).filter(
    (field) => !isColumn(field),
  );
  const questions = table.rows.flatMap((_, row) =>
    relations.map((relation, n): Question => ({ alias: `q${row}_${n}`, row, relation })),
  );
  const rules = rulesByNodeId(served);
  const shown = new Map<Live, Map<Question, ReturnType<typeof told>>>();
  for (const caller of LIVE) shown.set(caller, await askRelations(subject, questions, caller));
  const findings: Findings = [];
  for (const relation of relations) {
    const known = questions.filter((question) => question.relation === relation);
    const children = known.map((question) =>
      nodeIdsIn(related(shown.get('admin')?.get(question), question)).filter((id) => rules.has(id)),
    );
    if (children.flat().length === 0) {
      findings.push(`${table.type}.${relation.name}: leads to no row of the scene`);
    }
    known.forEach((question, n) => {
      for (const caller of LIVE) {
        const answer = shown.get(caller)?.get(question);
        for (const child of children[n] ?? []) {
          const expected = throughRelation(
            table.rows[question.row]?.[caller],
            rules.get(child)?.[caller],
          );
          const verdict = nodeIdsIn(related(answer, question)).includes(child)
            ? 'yes'
            : (answer?.errors[0]?.code ?? 'nothing');
          if (verdict !== expected) {
            findings.push(
              `${table.type}[${question.row}].${relation.name} for ${caller}: ${verdict}, not ${expected}`,
            );
          }
        }
        const list = related(answer, question) as { nodes?: unknown[]; totalCount?: number } | null;
        if (list?.nodes && list.nodes.length !== list.totalCount) {
          findings.push(
            `${table.type}[${question.row}].${relation.name} for ${caller}: counts ${list.totalCount} of ${list.nodes.length}`,
          );
        }
      }
    });
  }
  return findings;
}

/** One statement reads both: without the right to read one of the tables, there is no answer. */
function throughRelation(parent: Verdict = 'nothing', child: Verdict = 'nothing'): Verdict {
  if (parent === 'RSAUT' || child === 'RSAUT') return 'RSAUT';
  return parent === 'yes' ? child : parent;
}

const related = (answer: ReturnType<typeof told> | undefined, { relation }: Question): unknown =>
  (answer?.data as Record<string, unknown> | null | undefined)?.[relation.name] ?? null;

/**
 * Fields at the top may share a statement, and whoever has not signed in is refused all of one, if
 * it reads a table that is not for them: what is for everybody is asked for apart.
 */
function inPortions(questions: Question[]): Question[][] {
  const groups = Map.groupBy(questions, ({ relation }) =>
    TABLES[tableOf(relation)]?.readers.includes('anonymous'),
  );
  return [...groups.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / RELATIONS_AT_ONCE) }, (_, n) =>
      group.slice(n * RELATIONS_AT_ONCE, (n + 1) * RELATIONS_AT_ONCE),
    ),
  );
}

async function askRelations(
  { served, finder, nodeIds }: Subject,
  questions: Question[],
  caller: Live,
): Promise<Map<Question, ReturnType<typeof told>>> {
  const answers = new Map<Question, ReturnType<typeof told>>();
  for (const some of inPortions(questions)) {
    const roots = some.map(
      ({ alias, row, relation }) =>
        `${alias}: ${finder}(nodeId: $n${row}) {
          ${relation.name} ${knownOnly(served, relation, 10)} ${selectionOf(relation.type)} }`,
    );
    const used = [...new Set(some.map(({ row }) => row))];
    const document = `query (${used.map((row) => `$n${row}: ID!`).join(', ')}) { ${roots.join(' ')} }`;
    const variables = Object.fromEntries(used.map((row) => [`n${row}`, nodeIds[row]]));
    const answer = await served.ask(caller, document, variables);
    for (const question of some) answers.set(question, told(answer, question.alias));
  }
  return answers;
}
