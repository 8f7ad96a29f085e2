/**
 * A registered error that is found before the database is asked. It has the shape of the errors that
 * the database raises (`code`, `detail`), so that one place can tell clients of both.
 */
export class Refusal extends Error {
  readonly code: string;
  readonly detail: string | undefined;

  constructor(code: string, message: string, details?: Record<string, unknown>) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.detail = details && JSON.stringify(details);
  }
}
