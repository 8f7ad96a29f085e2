/**
 * Two kinds of time, and no guessing between them. PostgreSQL drops an offset that a local time does
 * not want, and makes up one that a moment lacks; either books hours away from what was meant.
 */
import 'postgraphile';
import { Kind } from 'graphql';
import { refusal } from './bounds.ts';

const LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

const LOCAL_DATETIME = 'LocalDatetime';

/** What PostGraphile and `extendSchema` call a `timestamptz`. */
const DATETIME = 'Datetime';

export const timesPlugin: GraphileConfig.Plugin = {
  name: 'ReslotTimesPlugin',
  version: '1.0.0',
  schema: {
    hooks: {
      init: {
        // PostGraphile gives a type only to what has none.
        before: ['PgCodecs'],
        callback(_, build) {
          build.registerScalarType(
            LOCAL_DATETIME,
            {},
            () => ({
              description:
                'A time as a clock on the wall shows it, in the time zone of the offering, without an offset: `2026-11-20T18:00:00`. One with an offset is refused.',
              serialize: String,
              ...inputOf(LOCAL, 'Write a local time without an offset, as in 2026-11-20T18:00:00.'),
            }),
            'a time without its offset is not a Datetime',
          );
          const { timestamp } = build.dataplanPg.TYPES;
          build.setGraphQLTypeForPgCodec(timestamp, ['input', 'output'], LOCAL_DATETIME);
          return _;
        },
      },
      GraphQLScalarType(config) {
        if (config.name !== DATETIME) return config;
        return {
          ...config,
          description:
            'A moment, with its offset: `2026-11-20T18:00:00+01:00` or `2026-11-20T17:00:00Z` ([RFC 3339](https://datatracker.ietf.org/doc/html/rfc3339)). One without an offset is refused.',
          ...inputOf(MOMENT, 'Write it with its offset, as in 2026-11-20T18:00:00+01:00.'),
        };
      },
    },
  },
};

/** How a scalar reads what is sent, in variables and in the document itself. */
function inputOf(form: RegExp, sentence: string) {
  const parseValue = (value: unknown): string => {
    if (typeof value === 'string' && form.test(value)) return value;
    throw refusal('RSARG', sentence);
  };
  const parseLiteral = (node: { kind: Kind; value?: unknown }): string =>
    parseValue(node.kind === Kind.STRING ? node.value : undefined);
  return { parseValue, parseLiteral };
}
