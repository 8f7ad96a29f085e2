import type { Response } from 'express';
import type { ErrorCode } from '../errors.ts';

/** Refuses a request before it is a GraphQL operation, in the form of one that failed. */
export function sendRefusal(
  response: Response,
  status: number,
  code: ErrorCode,
  message: string,
  details?: unknown,
): void {
  const extensions = { code, ...(details !== undefined && { details }) };
  response.status(status).json({ errors: [{ message, extensions }] });
}
