/** Hangs the limits into the server and the executor, so that nothing gets past them. */
import { GraphQLError, getOperationAST } from 'graphql';
import type { ExecutionConfig } from 'postgraphile/grafserv';
import { metrics } from '../metrics.ts';
import { REMEMBERED, refusal } from './bounds.ts';
import type { Weight } from './callers.ts';
import { limitDocument, limitOperation, validationRules } from './limits.ts';

type ParseAndValidate = ExecutionConfig['parseAndValidate'];
type Execute = ExecutionConfig['execute'];

export interface GuardOptions {
  showsSchema: boolean;
  afterMutation(): void;
  /** Called with what has become of each request. */
  weigh(context: Partial<Grafast.RequestContext>, weight: Weight): void;
}

export function guardPlugin(options: GuardOptions): GraphileConfig.Plugin {
  const { afterMutation, weigh } = options;
  const rules = validationRules(options.showsSchema);
  return {
    name: 'ReslotGuardPlugin',
    version: '1.0.0',
    schema: {
      hooks: {
        GraphQLSchema(config) {
          const grafast = {
            ...config.extensions?.grafast,
            operationsCacheMaxLength: REMEMBERED.documents,
            operationOperationPlansCacheMaxLength: REMEMBERED.plansOfEach,
          };
          return { ...config, extensions: { ...config.extensions, grafast } };
        },
      },
    },
    grafserv: {
      middleware: {
        setPreset(next, event) {
          event.validationRules.push(...rules);
          const inner = event.getExecutionConfig;
          event.getExecutionConfig = async function getExecutionConfig(context) {
            const config = await inner.call(this, context);
            const weighOne = (weight: Weight) => weigh(context, weight);
            return {
              ...config,
              parseAndValidate: guarded(config.parseAndValidate, weighOne),
              execute: watched(config.execute, weighOne),
            };
          };
          return next();
        },
      },
    },
    grafast: {
      middleware: {
        execute(next, { args }) {
          const operation = getOperationAST(args.document, args.operationName);
          if (operation?.operation === 'subscription') {
            return { errors: [refusal('RSARG', 'Subscriptions go over a websocket.')] };
          }
          if (args.requestContext?.ws) return { errors: [overHttp()] };
          const problem = limitOperation(args);
          if (problem) return { errors: [problem] };
          if (operation?.operation !== 'mutation') return next();
          return afterwards(next(), afterMutation);
        },
        subscribe(next, { args }) {
          const operation = getOperationAST(args.document, args.operationName);
          if (operation?.operation !== 'subscription') {
            return { errors: [overHttp()] };
          }
          const problem = limitOperation(args);
          const outcome = problem ? 'refused' : 'done';
          metrics.graphqlOperations.inc({ type: 'subscription', outcome });
          return problem ? { errors: [problem] } : next();
        },
      },
    },
  };
}

function overHttp(): GraphQLError {
  return refusal('RSARG', 'Queries and mutations go over HTTP.');
}

/** Also after errors: another field of the same request may have been carried out. */
function afterwards<T>(result: T, action: () => void): T {
  void Promise.resolve(result).then(action, action);
  return result;
}

function guarded(inner: ParseAndValidate, weigh: (weight: Weight) => void): ParseAndValidate {
  return (query) => {
    const limited = limitDocument(query);
    const result = 'problem' in limited ? { errors: [limited.problem] } : inner(query);
    weigh(result.errors || !('fields' in limited) ? 'refused' : limited);
    if (!result.errors) return result;
    metrics.graphqlOperations.inc({ type: 'unreadable', outcome: 'refused' });
    const errors = result.errors.map(withCode);
    // Those of operations that were begun are counted where they are masked.
    for (const { extensions } of errors)
      metrics.graphqlErrors.inc({ code: String(extensions.code) });
    return { errors };
  };
}

function count({ document, operationName }: Parameters<Execute>[0], outcome: string): void {
  const type = getOperationAST(document, operationName)?.operation ?? 'unreadable';
  metrics.graphqlOperations.inc({ type, outcome });
}

/** Without data nothing was carried out: a limit, or a variable that does not fit. */
function watched(inner: Execute, weigh: (weight: Weight) => void): Execute {
  return async (args) => {
    const result = await inner(args);
    const refused = 'errors' in result && !('data' in result);
    if (refused) weigh('refused');
    const failed = 'errors' in result && (result.errors?.length ?? 0) > 0;
    count(args, failed ? (refused ? 'refused' : 'failed') : 'done');
    return result;
  };
}

/** What the parser and the rules of GraphQL find wrong is a bad argument like any other. */
function withCode(error: GraphQLError): GraphQLError {
  if (error.extensions.code !== undefined) return error;
  return new GraphQLError(error.message, {
    nodes: error.nodes,
    source: error.source,
    positions: error.positions,
    path: error.path,
    extensions: { code: 'RSARG' },
  });
}
