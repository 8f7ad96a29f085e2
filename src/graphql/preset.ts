/** How the schema is made from the database, and how it is run. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import 'postgraphile';
import { PgSimplifyInflectionPreset } from '@graphile/simplify-inflection';
import type { Pool } from 'pg';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { PostGraphileConnectionFilterPreset } from 'postgraphile-plugin-connection-filter';
import type { Caller } from '../auth/index.ts';
import { auditOriginPlugin } from './auditOrigin.ts';
import { automationErrorPlugin } from './automationError.ts';
import { LIMITS, REMEMBERED } from './bounds.ts';
import type { Weight } from './callers.ts';
import { createPgService } from './database.ts';
import { descriptionsPlugin } from './descriptions.ts';
import { filtersPlugin } from './filters.ts';
import { guardPlugin } from './guard.ts';
import type { NotificationListener } from './listener.ts';
import { maskError } from './mask.ts';
import { notificationsPlugin } from './notifications.ts';
import { timesPlugin } from './times.ts';

declare global {
  namespace Grafast {
    interface Context {
      userId: string | null;
      sessionId: string | null;
      ip: string | null;
      userAgent: string | null;
      req: IncomingMessage | null;
      res: ServerResponse | null;
    }
  }
}

/** Who asks, and from where. */
export interface RequestOrigin {
  caller: Caller | null;
  ip: string | null;
  userAgent: string | null;
  req: IncomingMessage | null;
  res: ServerResponse | null;
}

export interface PresetOptions {
  pool: Pool;
  listener: NotificationListener | null;
  graphiql: boolean;
  plugins: GraphileConfig.Plugin[];
  originOf(context: Partial<Grafast.RequestContext>): RequestOrigin;
  /** Called after each request that may have changed something. */
  afterMutation(): void;
  /** Called with what has become of each request. */
  weigh(context: Partial<Grafast.RequestContext>, weight: Weight): void;
}

export function makePreset(options: PresetOptions): GraphileConfig.Preset {
  return {
    extends: [
      PostGraphileAmberPreset,
      PgSimplifyInflectionPreset,
      PostGraphileConnectionFilterPreset,
    ],
    plugins: [
      namesPlugin,
      timesPlugin,
      notificationsPlugin,
      auditOriginPlugin,
      automationErrorPlugin,
      descriptionsPlugin,
      filtersPlugin,
      guardPlugin({
        showsSchema: options.graphiql,
        afterMutation: options.afterMutation,
        weigh: options.weigh,
      }),
      ...options.plugins,
    ],
    // `filter` does all that `condition` does.
    // Filters across relations would make any table's size the cost of any list.
    disablePlugins: [
      'PgConditionArgumentPlugin',
      'PgConditionCustomFieldsPlugin',
      'PgConnectionArgFilterBackwardRelationsPlugin',
      'PgConnectionArgFilterForwardRelationsPlugin',
    ],
    pgServices: [createPgService(options.pool, options.listener)],
    schema: {
      connectionFilterAllowedOperators: [
        'isNull',
        'equalTo',
        'notEqualTo',
        'in',
        'lessThan',
        'lessThanOrEqualTo',
        'greaterThan',
        'greaterThanOrEqualTo',
      ],
      connectionFilterArrays: false,
      connectionFilterComputedColumns: false,
      connectionFilterRelations: false,
      connectionFilterSetofFunctions: false,
      // Rows are found by `id`; `node(nodeId)` is for caches.
      defaultBehavior: '-nodeId:resource:single -nodeId:resource:update -nodeId:resource:delete',
      sortExport: true,
    },
    grafserv: {
      graphqlPath: '/graphql',
      graphiql: options.graphiql,
      graphiqlPath: '/graphiql',
      graphiqlOnGraphQLGET: false,
      // We bring our own server for them: with a limit of size, and origins checked.
      websockets: false,
      maxRequestLength: LIMITS.bodyBytes,
      parseAndValidateCacheSize: REMEMBERED.documents,
      maskError,
    },
    grafast: {
      explain: false,
      timeouts: { planning: LIMITS.planningMs, execution: LIMITS.executionMs },
      context: (requestContext) => contextOf(options.originOf(requestContext)),
    },
  };
}

function contextOf({ caller, ip, userAgent, req, res }: RequestOrigin): Partial<Grafast.Context> {
  return {
    userId: caller?.userId ?? null,
    sessionId: caller?.sessionId ?? null,
    ip,
    userAgent,
    req,
    res,
    pgSettings: {
      role: caller?.role ?? 'reslot_anonymous',
      'reslot.user_id': caller?.userId ?? '',
      'reslot.ip': ip ?? '',
      'reslot.user_agent': userAgent ?? '',
      'reslot.via': 'graphql',
      statement_timeout: '3000',
      lock_timeout: '2000',
      jit: 'off',
    },
  };
}

/** `id` stays `id`, and values of enums are written in capitals, as is usual in GraphQL. */
const namesPlugin: GraphileConfig.Plugin = {
  name: 'ReslotNamesPlugin',
  version: '1.0.0',
  inflection: {
    replace: {
      nodeIdFieldName() {
        return 'nodeId';
      },
      _attributeName(previous, _options, details) {
        return previous?.({ ...details, skipRowId: true }) ?? details.attributeName;
      },
      enumValue(previous, _options, value, codec) {
        return this.constantCase(previous?.(value, codec) ?? value);
      },
    },
  },
};
