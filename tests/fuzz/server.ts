/**
 * The server in a process of its own, whose memory can be looked at: what `npm run server` serves, with rates that
 * thousands of requests do not reach. Started by served.ts, which it answers over the channel between processes.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseConfig } from '../../src/config.ts';
import type { Mount } from '../../src/context.ts';
import { graphqlMount } from '../../src/graphql/index.ts';
import { setLogLevel } from '../../src/log.ts';
import { openServer } from '../../src/server.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What a control asks for, to show that it is found. */
const DEFECTS: Record<string, Mount> = {
  keepsEveryRequest: async (app) => {
    const kept: unknown[] = [];
    app.use((request, _response, next) => {
      kept.push(
        request.headers,
        Array.from({ length: 20_000 }, () => ({ url: request.url })),
      );
      next();
    });
    return async () => undefined;
  },
  breaksOnLongRequests: async (app) => {
    app.use((request, _response, next) => {
      next(Number(request.headers['content-length']) > 2_000 ? new Error('too long') : undefined);
    });
    return async () => undefined;
  },
};

const config = parseConfig(process.env);
setLogLevel(config.logLevel);
const server = await openServer(config);
const rates = { address: 1_000_000, user: 1_000_000 };
const defect = DEFECTS[process.env.DEFECT ?? ''];
await server.serve(config.databaseUrl ?? '', [
  ...(defect ? [defect] : []),
  graphqlMount({ rates }),
]);

process.on('message', () => {
  collectGarbage();
  process.send?.({ heapBytes: process.memoryUsage().heapUsed });
});
process.on('disconnect', () => process.exit());
process.send?.({ url: server.url });
