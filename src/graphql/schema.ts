/** The schema as text, for schema/schema.graphql. */
import { lexicographicSortSchema, printSchema } from 'graphql';
import type { Pool } from 'pg';
import { makeSchema } from 'postgraphile';
import type { Auth } from '../auth/index.ts';
import { guestsPlugin } from './guests.ts';
import { peoplePlugin } from './people.ts';
import { makePreset } from './preset.ts';

/** What the API does beyond the database: what takes a password, a cookie or a link. */
export function serverPlugins(auth: Auth): GraphileConfig.Plugin[] {
  return [peoplePlugin(auth), guestsPlugin(auth)];
}

export async function printGraphqlSchema(pool: Pool, auth: Auth): Promise<string> {
  const { schema } = await makeSchema(
    makePreset({
      pool,
      listener: null,
      graphiql: false,
      plugins: serverPlugins(auth),
      originOf: () => ({ caller: null, ip: null, userAgent: null, req: null, res: null }),
      afterMutation: () => undefined,
      weigh: () => undefined,
    }),
  );
  return `${printSchema(lexicographicSortSchema(schema))}\n`;
}
