/** The building blocks of plans, from the packages that have them, in one place. */
export { jsonParse } from 'postgraphile/@dataplan/json';
export { context, type ExecutableStep, get, lambda, listen } from 'postgraphile/grafast';
