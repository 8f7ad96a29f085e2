/** Writes schema/: what the migrations make of an empty database, in SQL and as the API shows it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { createAuth } from '../auth/index.ts';
import { printGraphqlSchema } from '../graphql/index.ts';
import { withScratchCluster } from './commitMigration.ts';
import { dumpSchema } from './dumpSchema.ts';
import { prepareDatabase } from './migrate.ts';
import { createPool, urlFor } from './pools.ts';
import { derivePasswords } from './roles.ts';

const FOLDER = fileURLToPath(new URL('../../schema', import.meta.url));

export async function writeSchemaFiles(): Promise<void> {
  await mkdir(FOLDER, { recursive: true });
  await withScratchCluster(async (cluster) => {
    const adminUrl = cluster.url('postgres');
    const passwords = derivePasswords('schema');
    await prepareDatabase({ adminUrl, passwords, current: true });
    const admin = createPool(adminUrl, { name: 'reslot-schema', max: 1 });
    const app = createPool(urlFor(adminUrl, 'reslot_app', passwords.app), {
      name: 'reslot-schema',
    });
    const auth = createAuth({ pool: app, secretKey: 'none', secure: false });
    try {
      await writeFile(`${FOLDER}/schema.sql`, await dumpSchema(admin));
      await writeFile(`${FOLDER}/schema.graphql`, await printGraphqlSchema(app, auth));
    } finally {
      await Promise.all([admin.end(), app.end()]);
    }
  });
}
