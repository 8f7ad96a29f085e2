/**
 * From where a change was made. The columns are no caller's to read, and a function of the whole row would need the
 * right to all of them: these fields ask by the identifier of the line, and the database decides who may know.
 */
import { type PgSelectSingleStep, TYPES } from 'postgraphile/@dataplan/pg';
import { extendSchema, gql } from 'postgraphile/utils';

export const auditOriginPlugin = extendSchema((build) => {
  const { sql } = build;
  const idOf = ($line: PgSelectSingleStep) => sql`${$line.getClassStep().alias}.id`;
  return {
    typeDefs: gql`
      extend type AuditLog {
        "Address the request came from; shown to whoever acted, to managers of the whole organisation and to admins."
        address: InternetAddress
        "Program the request came from; shown to whoever acted, to managers of the whole organisation and to admins."
        program: String
      }
    `,
    objects: {
      AuditLog: {
        plans: {
          address: ($line: PgSelectSingleStep) =>
            $line.select(sql`app_private.audit_address(${idOf($line)})`, TYPES.inet),
          program: ($line: PgSelectSingleStep) =>
            $line.select(sql`app_private.audit_program(${idOf($line)})`, TYPES.text),
        },
      },
    },
  };
}, 'ReslotAuditOriginPlugin');
