/**
 * What went wrong with something that was due. The column is no caller's to read; the field asks by the identifier of
 * the event, and the database decides who may know.
 */
import { type PgSelectSingleStep, TYPES } from 'postgraphile/@dataplan/pg';
import { extendSchema, gql } from 'postgraphile/utils';

export const automationErrorPlugin = extendSchema((build) => {
  const { sql } = build;
  return {
    typeDefs: gql`
      extend type AutomationEvent {
        "What went wrong last, in words; shown to managers of the booking and to admins."
        error: String
      }
    `,
    objects: {
      AutomationEvent: {
        plans: {
          error: ($event: PgSelectSingleStep) =>
            $event.select(
              sql`app_private.automation_error(${$event.getClassStep().alias}.id)`,
              TYPES.text,
            ),
        },
      },
    },
  };
}, 'ReslotAutomationErrorPlugin');
