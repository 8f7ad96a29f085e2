/** The schema as text, for schema/schema.graphql. */
import { lexicographicSortSchema, printSchema } from 'graphql';
import type { Pool } from 'pg';
import { makeSchema } from 'postgraphile';
import { makePreset } from './preset.ts';

export async function printGraphqlSchema(
  pool: Pool,
  plugins: GraphileConfig.Plugin[],
): Promise<string> {
  const { schema } = await makeSchema(
    makePreset({
      pool,
      listener: null,
      graphiql: false,
      plugins,
      originOf: () => ({ caller: null, ip: null, userAgent: null, req: null, res: null }),
      afterMutation: () => undefined,
      weigh: () => undefined,
    }),
  );
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}
