/** Rules of DESIGN that would otherwise be remembered: read from the catalogue of the database. */
import { describe, expect, test } from '@jest/globals';
import { inTransaction } from '../support/database.ts';

/** The names that the query returns; none in a healthy database. */
async function names(sql: string): Promise<string[]> {
  return inTransaction(async (db) =>
    (await db.rows<{ name: string }>(sql)).map(({ name }) => name),
  );
}

const OURS = "('app_public', 'app_private')";

/** Belong to the worker, like the queue, and live by the wall clock, as the queue does. */
const INTO_THE_QUEUE = "('app_private.add_jobs', 'app_private.live_jobs')";
const CALLERS = "('reslot_anonymous', 'reslot_user', 'reslot_admin')";

const FUNCTIONS = `
  select p.oid, format('%s.%s', n.nspname, p.proname) as name, n.nspname, p.proname, p.prosecdef,
    p.proisstrict, p.proconfig, p.proowner, pg_get_functiondef(p.oid) as definition
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  where n.nspname in ${OURS} and p.prokind = 'f'`;

describe('every exposed table', () => {
  const exposed = `
    select c.relname as name, c.* from pg_class c
    where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'p')`;

  test('has row-level security, also for its owner', async () => {
    const sql = `select name from (${exposed}) t where not (relrowsecurity and relforcerowsecurity)`;
    expect(await names(sql)).toEqual([]);
  });

  test('lets its owner, in whose name functions run, do everything', async () => {
    const sql = `select t.name from (${exposed}) t where not exists (
      select from pg_policy p
      where p.polrelid = t.oid and p.polname = 'owner_all' and p.polcmd = '*' and p.polpermissive
        and p.polroles = array['reslot_owner'::regrole::oid]
        and pg_get_expr(p.polqual, p.polrelid) = 'true'
        and pg_get_expr(p.polwithcheck, p.polrelid) = 'true')`;
    expect(await names(sql)).toEqual([]);
  });

  test('is written by columns that are named, and never emptied by clients', async () => {
    const sql = `select format('%s: %s for %s', t.name, a.privilege_type, a.grantee::regrole) as name
      from (${exposed}) t, aclexplode(t.relacl) a
      where a.grantee <> 'reslot_owner'::regrole and a.privilege_type <> 'SELECT'`;
    expect(await names(sql)).toEqual([]);
  });

  test('has a policy that looks up who is calling once, not once a row', async () => {
    const sql = `
      select format('%s on %s', p.policyname, p.tablename) as name from pg_policies p
      where p.schemaname = 'app_public'
        and regexp_replace(concat(p.qual, ' ', p.with_check), 'SELECT app_private\\.\\w+\\(\\)', '', 'g')
            ~ 'app_private\\.'`;
    expect(await names(sql)).toEqual([]);
  });
});

describe('what is internal', () => {
  test('cannot be read or written by callers of the API or their login', async () => {
    const sql = `select format('%s: %s for %s', c.oid::regclass, a.privilege_type, a.grantee::regrole) as name
      from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace = 'app_private'::regnamespace and c.relkind in ('r', 'v', 'm', 'p')
        and (a.grantee = 0 or a.grantee in (
          select oid from pg_roles where rolname in ${CALLERS} or rolname = 'reslot_app'))`;
    expect(await names(sql)).toEqual([]);
  });

  test('is not given to the login of the server, which acts as somebody always', async () => {
    const sql = `select format('%s for reslot_app', c.oid::regclass) as name
      from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace in (select oid from pg_namespace where nspname in ${OURS})
        and a.grantee = 'reslot_app'::regrole`;
    expect(await names(sql)).toEqual([]);
  });

  test('is seen through views as the one who looks', async () => {
    const sql = `select c.relname as name from pg_class c
      where c.relnamespace = 'app_public'::regnamespace and (
        c.relkind = 'm' or c.relkind = 'v'
          and not coalesce(c.reloptions @> '{security_invoker=true}', false))`;
    expect(await names(sql)).toEqual([]);
  });
});

test('every foreign key has an index that begins with its columns', async () => {
  const sql = `
    select format('%s: %s', k.conrelid::regclass, k.conname) as name
    from pg_constraint k join pg_class c on c.oid = k.conrelid
    where k.contype = 'f' and c.relnamespace in (select oid from pg_namespace where nspname in ${OURS})
      and not exists (
        select from pg_index i
        where i.indrelid = k.conrelid and i.indkey[0] = any (k.conkey)
          and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)`;
  expect(await names(sql)).toEqual([]);
});

describe('every function', () => {
  test('that runs with its owner’s rights has a search path of its own', async () => {
    const sql = `select name from (${FUNCTIONS}) f
      where f.prosecdef
        and not coalesce('search_path=pg_catalog, app_public, app_private, pg_temp' = any (f.proconfig), false)`;
    expect(await names(sql)).toEqual([]);
  });

  test('belongs to the owner of the schema, who is no superuser', async () => {
    const sql = `select name from (${FUNCTIONS}) f
      where f.proowner <> 'reslot_owner'::regrole and f.name not in ${INTO_THE_QUEUE}`;
    expect(await names(sql)).toEqual([]);
  });

  test('is executable by those who are named, and not by everybody', async () => {
    const sql = `select name from (${FUNCTIONS}) f where has_function_privilege('public', f.oid, 'execute')`;
    expect(await names(sql)).toEqual([]);
  });

  test('asks one clock for the time', async () => {
    const sql = `select name from (${FUNCTIONS}) f
      where f.name <> 'app_private.clock' and f.name not in ${INTO_THE_QUEUE}
        and regexp_replace(f.definition, '--[^\\n]*', '', 'g') ~*
        '\\m(now|clock_timestamp|statement_timestamp|transaction_timestamp)\\s*\\(|\\m(current_timestamp|current_date|current_time|localtimestamp|localtime)\\M'`;
    expect(await names(sql)).toEqual([]);
  });

  test('of the API answers to missing arguments, rather than returning nothing', async () => {
    const sql = `select name from (${FUNCTIONS}) f where f.nspname = 'app_public' and f.proisstrict`;
    expect(await names(sql)).toEqual([]);
  });

  test('refuses by the one function that does, with a registered code', async () => {
    // What goes wrong with one offer is caught, and becomes the reason that its entry is set aside.
    const sql = `select name from (${FUNCTIONS}) f
      where f.name not in ('app_private.fail', 'app_private.make_offer')
        and f.definition ~* 'raise\\s+exception'`;
    expect(await names(sql)).toEqual([]);
  });
});

test('columns are filled by one clock as well', async () => {
  const sql = `
    select format('%s.%s', d.adrelid::regclass, a.attname) as name
    from pg_attrdef d
    join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
    join pg_class c on c.oid = d.adrelid
    where c.relnamespace in (select oid from pg_namespace where nspname in ${OURS})
      and pg_get_expr(d.adbin, d.adrelid) ~* 'now\\(|current_|_timestamp'`;
  expect(await names(sql)).toEqual([]);
});

describe('what clients can reach', () => {
  test('is described: tables, columns, types, their fields, and functions', async () => {
    const sql = `
      select format('table %s', c.relname) as name from pg_class c
      where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'v', 'p', 'c')
        and coalesce(obj_description(c.oid, 'pg_class'),
                     obj_description(c.reltype, 'pg_type')) is null
      union all
      select format('column %s.%s', c.relname, a.attname) from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'app_public'::regnamespace and c.relkind in ('r', 'v', 'p', 'c')
        and col_description(c.oid, a.attnum) is null
      union all
      select format('type %s', t.typname) from pg_type t
      where t.typnamespace = 'app_public'::regnamespace and t.typtype in ('e', 'd')
        and obj_description(t.oid, 'pg_type') is null
      union all
      select format('function %s', f.name) from (${FUNCTIONS}) f
      where f.nspname = 'app_public' and obj_description(f.oid, 'pg_proc') is null`;
    expect(await names(sql)).toEqual([]);
  });

  test('has no function named like a mutation that the tables give', async () => {
    const sql = `
      select format('%s_%s', case a.privilege_type when 'INSERT' then 'create' else lower(a.privilege_type) end,
                    regexp_replace(regexp_replace(c.relname, 'ies$', 'y'), 's$', '')) as name
      from pg_class c
      join pg_attribute t on t.attrelid = c.oid
      cross join lateral aclexplode(t.attacl) a
      where c.relnamespace = 'app_public'::regnamespace and a.privilege_type in ('INSERT', 'UPDATE')
      intersect
      select f.proname from (${FUNCTIONS}) f where f.nspname = 'app_public'`;
    expect(await names(sql)).toEqual([]);
  });

  test('queues no job and notifies nobody within its own transaction', async () => {
    const reached = `
      with recursive ours as materialized (${FUNCTIONS}),
      -- Once for each pair, and the pattern only where the name is there at all.
      calls as materialized (
        select f.oid as caller, g.oid as called from ours f
        join ours g on strpos(f.definition, g.proname) > 0 and f.definition ~ ('\\m' || g.proname || '\\s*\\(')
      ),
      reach as (
        select f.oid, f.name as via from ours f
        where has_function_privilege('reslot_user', f.oid, 'execute')
           or has_function_privilege('reslot_anonymous', f.oid, 'execute')
           or f.nspname = 'app_public' and has_function_privilege('reslot_admin', f.oid, 'execute')
        union
        select c.called, r.via from reach r join calls c on c.caller = r.oid
      )
      select distinct format('%s by way of %s', f.name, r.via) as name from reach r join ours f using (oid)
      where regexp_replace(f.definition, '--[^\\n]*|''[^'']*''', '', 'g') ~* 'add_jobs?\\s*\\(|pg_notify|\\mnotify\\s+\\w'`;
    expect(await names(reached)).toEqual([]);
  });
});

test('nothing belongs to a role that clients act as', async () => {
  const sql = `select c.oid::regclass::text as name from pg_class c
    where c.relowner in (select oid from pg_roles where rolname in ${CALLERS} or rolname = 'reslot_app')`;
  expect(await names(sql)).toEqual([]);
});
