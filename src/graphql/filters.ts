/**
 * By what lists can be filtered and sorted beside their indexed columns. These stand second in an
 * index, or narrow down what row-level security has made short already.
 */
import { makeJSONPgSmartTagsPlugin } from 'postgraphile/utils';

const FILTERED: Record<string, readonly string[]> = {
  audit_log: ['customer_id', 'table_name'],
  bookings: ['organization_id', 'status', 'starts_at', 'ends_at'],
  customers: ['email', 'phone'],
  deliveries: ['status'],
  notifications: ['kind', 'read_at', 'created_at'],
  waitlist_entries: ['offering_id', 'status', 'starts_at', 'joined_at'],
  schedules: ['active'],
  slots: ['offering_id', 'day', 'starts_at', 'ended_at', 'closed_at'],
  blackouts: ['organization_id', 'offering_id', 'resource_id', 'starts_at', 'ends_at'],
};

const behavior = ['+attribute:filterBy', '+attribute:orderBy'];

const classes = Object.entries(FILTERED).map(([table, columns]) => [
  `app_public.${table}`,
  { attribute: Object.fromEntries(columns.map((column) => [column, { tags: { behavior } }])) },
]);

export const filtersPlugin = makeJSONPgSmartTagsPlugin({
  version: 1,
  config: { class: Object.fromEntries(classes) },
});
