import { GraphQLError } from 'graphql';
import type { ErrorCode } from '../errors.ts';

export const LIMITS = {
  bodyBytes: 100_000,
  queryTokens: 2_000,
  /** Brackets within brackets, in a document as in its variables. */
  nesting: 32,
  /** Texts, numbers, lists and objects in the variables. */
  values: 1_000,
  /** In a document as in its variables. */
  listItems: 200,
  /** Written out, fragments and all. Each is planned, and the plan is kept. */
  fields: 300,
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

/**
 * What is remembered of documents, so that the same is not checked and planned again. The plan of the
 * largest document takes two megabytes, and it is for the sender to say how many there are.
 */
export const REMEMBERED = { documents: 100, plansOfEach: 4 };

export function refusal(code: ErrorCode, message: string, details?: Record<string, unknown>) {
  return new GraphQLError(message, { extensions: { code, ...(details && { details }) } });
}
