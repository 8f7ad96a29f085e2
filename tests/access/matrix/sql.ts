/** The matrix once more, beneath the API: by the roles of the database. */
import type { Caller as DatabaseCaller, TestDatabase } from '../../support/database.ts';
import { LIVE, type Live, type Rule, type Verdict, words } from './callers.ts';
import { actorFor } from './deeds.ts';
import { type Deed, MUTATIONS } from './mutations.ts';
import { EXECUTE, ROLES } from './privileges.ts';
import { QUERIES } from './roots.ts';
import type { Scene } from './scene.ts';
import { TABLES, type Table } from './tables.ts';
import { absent } from './values.ts';
import { alike, type Findings } from './verdicts.ts';

export const snake = (name: string) =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camel = (name: string) => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Who may execute each function, as `function: roles`, in the catalogue and as declared. */
export async function checkExecute(db: TestDatabase): Promise<Findings> {
  const found = await db.rows<{ name: string; roles: string }>(
    `select format('%s.%s', n.nspname, p.proname) as name,
       (select string_agg(r.rolname, ' ' order by array_position($1::text[], r.rolname::text))
        from pg_roles r where r.rolname = any ($1) and r.oid <> p.proowner
          and has_function_privilege(r.oid, p.oid, 'execute')) as roles
     from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('app_public', 'app_private')`,
    [ROLES],
  );
  const declared = Object.entries(EXECUTE).flatMap(([roles, names]) =>
    words(names).map((name) => `${name}: ${sorted(roles)}`),
  );
  const actual = found
    .filter(({ roles }) => roles)
    .map(({ name, roles }) => `${name}: ${sorted(roles)}`);
  return differences(actual, declared);
}

const sorted = (roles: string) => ROLES.filter((role) => words(roles).includes(role)).join(' ');

function differences(actual: string[], declared: string[]): Findings {
  return [
    ...actual.filter((line) => !declared.includes(line)).map((line) => `${line}: not declared`),
    ...declared
      .filter((line) => !actual.includes(line))
      .map((line) => `${line}: declared, but not so`),
  ];
}

/** Which role may read and write which column, and do what else with a table. */
export async function checkColumns(db: TestDatabase): Promise<Findings> {
  const found = await db.rows<{ line: string }>(
    `select format('%s %s.%s: %s', p.privilege, c.relname, a.attname, r.rolname) as line
     from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
     cross join unnest(array['select', 'insert', 'update', 'references']) p (privilege)
     cross join unnest($1::text[]) r (rolname)
     where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
       and has_column_privilege(r.rolname, c.oid, a.attnum, p.privilege)
     union all
     select format('%s %s: %s', p.privilege, c.oid::regclass, r.rolname)
     from pg_class c
     cross join unnest(array['delete', 'truncate', 'trigger', 'maintain']) p (privilege)
     cross join unnest($1::text[]) r (rolname)
     where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
       and has_table_privilege(r.rolname, c.oid, p.privilege)
     union all
     select format('%s %s: %s', lower(a.privilege_type), c.oid::regclass, a.grantee::regrole)
     from pg_class c cross join lateral aclexplode(c.relacl) a
     where c.relnamespace = 'app_private'::regnamespace and a.grantee <> c.relowner`,
    [ROLES],
  );
  const declared = Object.entries(TABLES).flatMap(([name, table]) =>
    declaredPrivileges(name, table),
  );
  return differences(
    found.map(({ line }) => line),
    declared,
  );
}

function declaredPrivileges(name: string, table: Table): string[] {
  const line = (privilege: string, role: string) => (column: string) =>
    `${privilege} ${name}.${snake(column)}: ${role}`;
  const read = [...words(table.columns), ...words(table.internal ?? '')];
  const select = words(table.readers).flatMap((reader) => {
    const secret = reader === 'admin' ? words(table.secret ?? '') : [];
    return [...read, ...secret].map(line('select', `reslot_${reader}`));
  });
  const written = (['insert', 'update'] as const).flatMap((privilege) =>
    Object.entries(table[privilege] ?? {}).flatMap(([role, columns]) =>
      words(columns).map(line(privilege, role)),
    ),
  );
  return [...select, ...written];
}

interface Signature {
  name: string;
  args: { name: string; type: string }[];
  /** The table whose rows it returns. */
  table: string | null;
}

export async function signatures(db: TestDatabase): Promise<Signature[]> {
  return db.rows<Signature & Record<string, unknown>>(
    `select p.proname as name, t.relname as table,
       coalesce((select jsonb_agg(jsonb_build_object('name', a.name, 'type', a.type::regtype) order by a.n)
         from unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) with ordinality a (name, type, n)), '[]') as args
     from pg_proc p left join pg_class t on t.reltype = p.prorettype and t.relkind = 'r'
     where p.pronamespace = 'app_public'::regnamespace
       -- Computed columns are asked for with their rows.
       and not exists (select from pg_class c where c.reltype = p.proargtypes[0])
     order by p.proname`,
  );
}

export async function checkFunction(
  db: TestDatabase,
  scene: Scene,
  fn: Signature,
): Promise<Findings> {
  const deed = MUTATIONS[camel(fn.name)];
  const rule = deed?.rule ?? QUERIES[camel(fn.name)]?.rule;
  if (!rule) return [`${fn.name}: not declared`];
  const findings: Findings = [];
  for (const caller of [...LIVE, 'deactivated'] as const) {
    await db.query('savepoint everything');
    findings.push(...(await checkCaller(db, scene, { fn, deed, rule, caller })));
    await db.query('rollback to savepoint everything');
  }
  return findings;
}

interface Call {
  fn: Signature;
  deed: Deed | undefined;
  rule: Rule;
  caller: Live | 'deactivated';
}

async function checkCaller(db: TestDatabase, scene: Scene, call: Call): Promise<Findings> {
  const { fn, deed, rule, caller } = call;
  const twin = deed?.byTwin ? deed : undefined;
  const userId =
    caller === 'deactivated'
      ? scene.users.deactivated
      : await actorFor(db, scene, caller, twin ?? ({} as Deed));
  const input = deed
    ? await deed.input(db, scene, userId)
    : { ...scene.values, ...QUERIES[camel(fn.name)]?.values?.(scene) };
  const as: DatabaseCaller =
    userId === undefined
      ? { role: 'reslot_anonymous' }
      : { role: caller === 'admin' ? 'reslot_admin' : 'reslot_user', userId };
  const found = await outcome(db, as, fn, input as Record<string, unknown>);
  const nothing = await outcome(db, as, fn, absent(input) as Record<string, unknown>);
  const verdict = verdictOf(scene, fn, deed, found);
  const where = `${fn.name} for ${caller}`;
  if (caller === 'deactivated') {
    const leaks = verdict === 'yes' && rule.anonymous !== 'yes';
    return leaks ? [`${where}: yes`] : [];
  }
  const expected = rule[caller] === 'RSAUT' ? '42501' : rule[caller];
  if (verdict !== expected) return [`${where}: ${verdict} (${found.message}), not ${expected}`];
  return verdict === 'yes' || alike(found, nothing)
    ? []
    : [`${where}: ${JSON.stringify(found)}, but absent: ${JSON.stringify(nothing)}`];
}

interface Outcome {
  rows?: Record<string, unknown>[];
  code?: string;
  message?: string;
}

async function outcome(
  db: TestDatabase,
  caller: DatabaseCaller,
  fn: Signature,
  input: Record<string, unknown>,
): Promise<Outcome> {
  const given = fn.args.filter(({ name }) => input[camel(name)] !== undefined);
  const list = given.map(({ name, type }, n) => `"${name}" => $${n + 1}::${type}`);
  const values = given.map(({ name, type }) => {
    const value = input[camel(name)];
    if (type === 'jsonb') return JSON.stringify(value);
    return type.startsWith('app_public.') ? String(value).toLowerCase() : value;
  });
  await db.query('savepoint call');
  try {
    const rows = await db.as(caller, () =>
      db.rows(`select * from app_public.${fn.name}(${list.join(', ')})`, values),
    );
    return { rows };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message };
  } finally {
    await db.query('rollback to savepoint call');
  }
}

function verdictOf(scene: Scene, fn: Signature, deed: Deed | undefined, found: Outcome): Verdict {
  if (found.code) return found.code;
  const rows = found.rows ?? [];
  const [first] = rows;
  if (deed?.counts) return Number(Object.values(first ?? {})[0]) > 0 ? 'yes' : 'nothing';
  if (deed) return 'yes';
  const row = QUERIES[camel(fn.name)]?.row ?? 0;
  const [id] = scene.rows[fn.table ?? '']?.[row] ?? [];
  if (fn.table && fn.name !== 'viewer')
    return rows.some((row) => row.id === id) ? 'yes' : 'nothing';
  return Object.values(first ?? {}).some((value) => value !== null) ? 'yes' : 'nothing';
}
