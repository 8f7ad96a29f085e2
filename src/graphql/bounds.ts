import { GraphQLError } from 'graphql';
import type { ErrorCode } from '../errors.ts';

export const LIMITS = {
  bodyBytes: 100_000,
  queryTokens: 2_000,
  /** Written out, fragments and all. */
  fields: 2_000,
  depth: 10,
  listDepth: 4,
  rootFields: { query: 10, mutation: 5, subscription: 1 },
  pageSize: 100,
  defaultPageSize: 50,
  offset: 10_000,
  /** Rows that a request may touch in the worst case. */
  cost: 10_000,
  planningMs: 1_000,
  executionMs: 10_000,
};

export function refusal(code: ErrorCode, message: string, details?: Record<string, unknown>) {
  return new GraphQLError(message, { extensions: { code, ...(details && { details }) } });
}
