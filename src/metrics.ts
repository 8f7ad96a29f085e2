/**
 * What this process has done, counted for Prometheus (docs/operations.md). Every label has few values,
 * all of them known beforehand, and none of them tells of a person.
 */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export const registry = new Registry();

const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
  new Counter({ name: `reslot_${name}_total`, help, labelNames, registers: [registry] });

const histogram = <L extends string>(
  name: string,
  help: string,
  labelNames: readonly L[],
  buckets: number[],
) => new Histogram({ name: `reslot_${name}`, help, labelNames, buckets, registers: [registry] });

export const metrics = {
  httpRequests: counter('http_requests', 'Requests answered', ['route', 'method', 'status']),
  httpSeconds: histogram(
    'http_request_seconds',
    'Time from a request to the end of its answer',
    ['route'],
    [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  ),
  graphqlOperations: counter('graphql_operations', 'GraphQL operations', ['type', 'outcome']),
  graphqlErrors: counter('graphql_errors', 'Errors in answers of the API', ['code']),
  linkPages: counter('link_pages', 'Visits to the pages of links in mails', ['action', 'state']),
  mails: counter('mails', 'Tries to send a mail', ['outcome']),
  jobs: counter('jobs', 'Jobs run', ['task', 'outcome']),
  jobSeconds: histogram(
    'job_seconds',
    'Time that jobs took',
    ['task'],
    [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300],
  ),
  deadlines: counter('deadlines', 'Deadlines carried out', ['action']),
};

const state = { collecting: false };

/** Memory, processor time, delay of the event loop: only where somebody asks for them. */
export function collectProcessMetrics(): void {
  if (state.collecting) return;
  state.collecting = true;
  collectDefaultMetrics({ register: registry });
}

/** What stands first in the paths that this server knows; the rest of a path is anybody's to choose. */
const ROUTES = new Set([
  'graphql',
  'graphiql',
  'healthz',
  'inbox',
  'l',
  'mail-preview',
  'readyz',
  'ruru-static',
  'slots',
]);
const METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS']);

export function countRequest(method: string, path: string, status: number, ms: number): void {
  const first = path.split('/', 2)[1] ?? '';
  const route = ROUTES.has(first) ? `/${first}` : 'other';
  const known = METHODS.has(method) ? method : 'other';
  metrics.httpRequests.inc({ route, method: known, status: String(status) });
  metrics.httpSeconds.observe({ route }, ms / 1000);
}
