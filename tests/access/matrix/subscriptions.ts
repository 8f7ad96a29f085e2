/**
 * Subscribes as everybody and publishes what is the customer's. That somebody hears nothing is told
 * by what they hear afterwards: each gets a message of their own, published later on the same
 * connection.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { channelOf } from '../../../src/graphql/notifications.ts';
import { DEAD, type Dead, LIVE, type Live } from './callers.ts';
import { SUBSCRIPTIONS } from './roots.ts';
import { rulesByNodeId } from './rows.ts';
import type { Somebody } from './scene.ts';
import { nodeIdOf, type Served } from './served.ts';
import type { Findings } from './verdicts.ts';

interface Ear {
  /** What was heard: node ids, null for what the hearer may not see, codes for refusals. */
  heard: (string | null)[];
  close(): void | Promise<void>;
}

const socketUrl = ({ world }: Served) => world.url.replace(/^http/, 'ws');

function listen(served: Served, name: string, caller: Live): Ear {
  const authorization = served.authorization(caller);
  const client = createClient({
    url: socketUrl(served),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: authorization ? { authorization } : {},
  });
  const heard: Ear['heard'] = [];
  const codes = (errors: unknown) =>
    (errors as { extensions?: { code?: string } }[]).map(
      ({ extensions }) => extensions?.code ?? '?',
    );
  client.subscribe<Record<string, { nodeId: string } | null>>(
    { query: `subscription { ${name} { nodeId } }` },
    {
      next: ({ data, errors }) =>
        heard.push(...(errors ? codes(errors) : [data?.[name]?.nodeId ?? null])),
      error: (errors) => heard.push(...(Array.isArray(errors) ? codes(errors) : [String(errors)])),
      complete: () => undefined,
    },
  );
  return { heard, close: () => client.dispose() };
}

export async function checkNotificationAdded(served: Served): Promise<Findings> {
  const name = 'notificationAdded';
  const { world, scene } = served;
  const [about] = scene.rows.notifications?.[0] ?? [];
  const [personal] = scene.rows.notifications?.[2] ?? [];
  const own = await ownMessages(served);
  const ears = new Map(LIVE.map((caller) => [caller, listen(served, name, caller)]));
  const nodeId = (id: string | undefined) => nodeIdOf('Notification', [id ?? '']);
  const heardAll = () =>
    [...ears].every(([caller, { heard }]) =>
      heard.includes(caller === 'anonymous' ? 'RSAUT' : nodeId(own.get(caller))),
    );
  for (let round = 0; round < 600 && !heardAll(); round++) {
    await world.change(async (db) => {
      const publish = (to: string, id: string | undefined) =>
        db.query('select pg_notify($1, $2)', [channelOf(to), JSON.stringify({ id })]);
      await publish(scene.users.customer, about);
      for (const [caller, id] of own) {
        // Even if somebody else's came on one's own channel, the row is read as oneself.
        await publish(scene.users[caller], personal);
        await publish(scene.users[caller], id);
      }
    });
    await sleep(50);
  }
  const seesPersonal = rulesByNodeId(served).get(nodeId(personal));
  const findings = [...ears].flatMap(([caller, { heard }]): Findings => {
    const verdict = heard.includes(nodeId(about))
      ? 'yes'
      : heard.includes('RSAUT')
        ? 'RSAUT'
        : 'nothing';
    const expected = SUBSCRIPTIONS[name]?.[caller];
    const leaked = heard.includes(nodeId(personal)) && seesPersonal?.[caller] !== 'yes';
    return [
      ...(verdict === expected ? [] : [`${name} for ${caller}: ${verdict}, not ${expected}`]),
      ...(leaked ? [`${name} for ${caller}: shows what they may not see`] : []),
    ];
  });
  if (!heardAll()) findings.push(`${name}: somebody does not even hear of their own`);
  for (const { close } of ears.values()) await close();
  return findings;
}

async function ownMessages({ world, scene }: Served): Promise<Map<Somebody, string>> {
  const own = new Map<Somebody, string>();
  for (const caller of LIVE) {
    if (caller === 'anonymous') continue;
    const id = await world.change((db) =>
      db.value<string>(`select app_private.notify_user($1, $2, 'account_reset', null, null)`, [
        scene.organizationId,
        scene.users[caller],
      ]),
    );
    own.set(caller, id);
  }
  return own;
}

/** Credentials that are over close the socket before anything can be asked. */
export async function checkDeadSockets(served: Served): Promise<Findings> {
  const findings = DEAD.map(async (caller): Promise<Findings> => {
    const code = await closedWith(served, caller);
    return code === 4403 ? [] : [`a websocket for ${caller}: closed with ${code}`];
  });
  return (await Promise.all(findings)).flat();
}

function closedWith(served: Served, caller: Dead): Promise<number> {
  return new Promise((resolve) => {
    const socket = new WebSocket(socketUrl(served), 'graphql-transport-ws');
    const payload = { authorization: served.authorization(caller) };
    socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload })));
    socket.on('message', () => socket.close(4000));
    socket.on('close', resolve);
  });
}
