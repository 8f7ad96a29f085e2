/**
 * Describes a database from its catalogue, always in the same order and words, so that two can be
 * compared and a change of the schema shows up in a review. It is for reading, not for restoring.
 */
import type { ClientBase, Pool } from 'pg';

const SCHEMAS = ['app_public', 'app_private'];

/** Rights as one line each; what the owner may do is not said. */
const GRANTS = (acl: string, owner: string, object: string) => `
  select string_agg(
    format('grant %s on ${object} to %s;', rights, grantee), E'\\n' order by grantee)
  from (
    select case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee,
           string_agg(lower(a.privilege_type), ', ' order by a.privilege_type) as rights
      from aclexplode(${acl}) as a
     where a.grantee <> ${owner}
     group by a.grantee
  ) as g`;

const COMMENT = (object: string, id: string, catalogue: string, sub = '0') => `
  (select format('comment on ${object} is %L;', d.description) from pg_description d
    where d.objoid = ${id} and d.classoid = '${catalogue}'::regclass and d.objsubid = ${sub})`;

/** Each query returns its texts in order; `$1` are the schemas. */
const SECTIONS: readonly [title: string, sql: string][] = [
  [
    'Schemas',
    `select concat_ws(E'\\n', format('create schema %I authorization %I;', n.nspname, n.nspowner::regrole),
       (${GRANTS('n.nspacl', 'n.nspowner', "schema ' || n.nspname || '")}),
       ${COMMENT("schema ' || n.nspname || '", 'n.oid', 'pg_namespace')}) as text
     from pg_namespace n where n.nspname = any($1) order by n.nspname`,
  ],
  [
    'Types',
    `select concat_ws(E'\\n',
       case t.typtype
         when 'e' then format('create type %s as enum (%s);', t.oid::regtype,
           (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
              from pg_enum e where e.enumtypid = t.oid))
         when 'd' then format('create domain %s as %s%s;', t.oid::regtype,
           format_type(t.typbasetype, t.typtypmod),
           (select string_agg(' ' || pg_get_constraintdef(c.oid), '' order by c.conname)
              from pg_constraint c where c.contypid = t.oid))
         else format('create type %s as (%s);', t.oid::regtype,
           (select string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', '
                     order by a.attnum)
              from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped))
       end,
       (${GRANTS('t.typacl', 't.typowner', "type ' || t.oid::regtype || '")}),
       ${COMMENT("type ' || t.oid::regtype || '", 't.oid', 'pg_type')}) as text
     from pg_type t
     left join pg_class k on k.oid = t.typrelid
     where t.typnamespace::regnamespace::text = any($1)
       and (t.typtype in ('e', 'd') or (t.typtype = 'c' and k.relkind = 'c'))
     order by t.oid::regtype::text`,
  ],
  [
    'Tables and views',
    `select concat_ws(E'\\n',
       case when c.relkind in ('v', 'm')
         then format('create view %s%s as%s%s', c.oid::regclass,
                coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''), E'\\n',
                pg_get_viewdef(c.oid))
         else format(E'create table %s (\\n%s\\n)%s;', c.oid::regclass, body.text,
                coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', ''))
       end,
       case when c.relrowsecurity then format('alter table %s enable row level security;', c.oid::regclass) end,
       case when c.relforcerowsecurity then format('alter table %s force row level security;', c.oid::regclass) end,
       (select string_agg(pg_get_indexdef(i.indexrelid) || ';', E'\\n' order by i.indexrelid::regclass::text)
          from pg_index i where i.indrelid = c.oid
           and not exists (select from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))),
       (select string_agg(pg_get_triggerdef(t.oid, true) || ';', E'\\n' order by t.tgname)
          from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal),
       (select string_agg(format('create policy %I on %s as %s for %s to %s%s%s;', p.policyname, c.oid::regclass,
                lower(p.permissive), lower(p.cmd), array_to_string(p.roles, ', '),
                ' using (' || p.qual || ')', ' with check (' || p.with_check || ')'), E'\\n' order by p.policyname)
          from pg_policies p where p.schemaname = c.relnamespace::regnamespace::text and p.tablename = c.relname),
       (${GRANTS('c.relacl', 'c.relowner', "' || c.oid::regclass || '")}),
       (select string_agg(g.text, E'\\n' order by g.attnum, g.text) from (
          select a.attnum, format('grant %s (%I) on %s to %s;',
                   string_agg(lower(x.privilege_type), ', ' order by x.privilege_type), a.attname,
                   c.oid::regclass, case when x.grantee = 0 then 'public' else x.grantee::regrole::text end) as text
            from pg_attribute a cross join aclexplode(a.attacl) as x
           where a.attrelid = c.oid and x.grantee <> c.relowner
           group by a.attnum, a.attname, x.grantee) as g),
       ${COMMENT("' || case when c.relkind = 'v' then 'view ' else 'table ' end || c.oid::regclass || '", 'c.oid', 'pg_class')},
       (select string_agg(format('comment on column %s.%I is %L;', c.oid::regclass, a.attname, d.description),
                 E'\\n' order by a.attname)
          from pg_attribute a join pg_description d on d.objoid = c.oid and d.objsubid = a.attnum
           and d.classoid = 'pg_class'::regclass
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
       (select string_agg(format('comment on constraint %I on %s is %L;', k.conname, c.oid::regclass, d.description),
                 E'\\n' order by k.conname)
          from pg_constraint k join pg_description d on d.objoid = k.oid and d.classoid = 'pg_constraint'::regclass
         where k.conrelid = c.oid)) as text
     from pg_class c
     left join lateral (
       select string_agg('  ' || line, E',\\n' order by part, name) as text
         from (
           -- In the order of names: in which order columns came to be says nothing.
           select 1 as part, a.attname::text as name,
                  concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                    case when a.attnotnull then 'not null' end,
                    case a.attgenerated when 's' then 'generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
                      when 'v' then 'generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') virtual'
                      else 'default ' || pg_get_expr(d.adbin, d.adrelid) end,
                    case a.attidentity when 'a' then 'generated always as identity'
                      when 'd' then 'generated by default as identity' end) as line
             from pg_attribute a
             left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
           union all
           select 2, k.conname::text, format('constraint %I %s', k.conname, pg_get_constraintdef(k.oid, true))
             from pg_constraint k where k.conrelid = c.oid and k.contype <> 'n'
         ) as lines
     ) as body on true
     where c.relnamespace::regnamespace::text = any($1) and c.relkind in ('r', 'p', 'v', 'm')
     order by c.relkind in ('v', 'm'), c.oid::regclass::text`,
  ],
  [
    'Functions',
    `select concat_ws(E'\\n', rtrim(pg_get_functiondef(p.oid), E'\\n') || ';',
       (${GRANTS("coalesce(p.proacl, acldefault('f', p.proowner))", 'p.proowner', "function ' || p.oid::regprocedure || '")}),
       case when p.proowner::regrole::text <> 'reslot_owner'
         then format('alter function %s owner to %s;', p.oid::regprocedure, p.proowner::regrole) end,
       ${COMMENT("function ' || p.oid::regprocedure || '", 'p.oid', 'pg_proc')}) as text
     from pg_proc p
     where p.pronamespace::regnamespace::text = any($1) and p.prokind in ('f', 'p')
     order by p.oid::regprocedure::text`,
  ],
];

export async function dumpSchema(client: ClientBase | Pool): Promise<string> {
  const parts = [
    '-- Generated by `npm run schema` from the catalogue. For reading and comparing only.',
  ];
  for (const [title, sql] of SECTIONS) {
    const { rows } = await client.query<{ text: string }>(sql, [SCHEMAS]);
    parts.push(`-- ${title}`, ...rows.map((row) => row.text));
  }
  return `${parts.join('\n\n')}\n`;
}
