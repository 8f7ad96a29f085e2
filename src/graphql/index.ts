/** The GraphQL API: the schema of the database, behind the checks that every request passes. */
import type { RequestHandler } from 'express';
import { postgraphile } from 'postgraphile';
import { grafserv } from 'postgraphile/grafserv/express/v4';
import { createAuth } from '../auth/index.ts';
import type { Mount } from '../context.ts';
import { serveManifests } from '../http/manifest.ts';
import { servePhotos } from '../http/photos.ts';
import { readBody } from './body.ts';
import { createCallers } from './callers.ts';
import { NotificationListener } from './listener.ts';
import { createOrigins } from './origins.ts';
import { makePreset } from './preset.ts';
import { createRates, type RateOptions, USUAL_RATES } from './rates.ts';
import { serverPlugins } from './schema.ts';
import { serveSockets } from './sockets.ts';

export { printGraphqlSchema } from './schema.ts';

export interface GraphqlOptions {
  rates?: RateOptions;
}

export function graphqlMount(options: GraphqlOptions = {}): Mount {
  return async (app, server, { config, pool, listenUrl, requestDispatch }) => {
    const secure = config.publicUrl.startsWith('https:');
    const auth = createAuth({ pool, secretKey: config.secretKey, secure });
    const rates = createRates(options.rates ?? USUAL_RATES);
    const callers = createCallers(auth, rates);
    const origins = createOrigins(pool, config.publicUrl);
    const listener = new NotificationListener(listenUrl);
    const api = postgraphile(
      makePreset({
        pool,
        listener,
        graphiql: config.graphiql,
        plugins: serverPlugins(auth),
        originOf: callers.originOf,
        afterMutation: requestDispatch,
        weigh: callers.weigh,
      }),
    );
    const instance = api.createServ(grafserv);
    app.use('/graphql', neverStored, origins.middleware, callers.middleware, readBody);
    app.use(
      ['/slots', '/bookings', '/photos'],
      neverStored,
      origins.middleware,
      callers.middleware,
    );
    app.use('/slots', serveManifests(pool, callers.sender));
    const { ofBookings, photos } = servePhotos(pool, config, callers.sender);
    app.use('/bookings', ofBookings);
    app.use('/photos', photos);
    app.use(['/graphiql', '/ruru-static'], explorerMayRun);
    await instance.addTo(app, server, false);
    await instance.ready();
    // The first request should not wait for the schema.
    await api.getSchema();
    const closeSockets = serveSockets({ app, server, instance, auth, callers, origins, rates });
    return async () => {
      await closeSockets();
      await listener.release();
      await api.release();
    };
  };
}

export const mountGraphql: Mount = graphqlMount();

const neverStored: RequestHandler = (_request, response, next) => {
  response.setHeader('Cache-Control', 'no-store');
  next();
};

/** The explorer brings its scripts along, and writes some of them into its page. */
const explorerMayRun: RequestHandler = (_request, response, next) => {
  response.setHeader(
    'Content-Security-Policy',
    [
      "default-src 'self'",
      "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
      "style-src 'self' 'unsafe-inline'",
      "img-src 'self' data:",
      "font-src 'self' data:",
      "worker-src 'self' blob:",
      "connect-src 'self' ws: wss:",
      "frame-ancestors 'none'",
    ].join('; '),
  );
  next();
};
