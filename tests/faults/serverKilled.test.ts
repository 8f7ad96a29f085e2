import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { type Api, startApi } from './api.ts';
import { type FaultWorld, openWorld, times } from './world.ts';

jest.setTimeout(times(300_000, 1_800_000));

let world: FaultWorld;
let wire: Wire;
let api: Api;

beforeEach(async () => {
  world = await openWorld();
  wire = await startWire(world.database.url('app'));
  api = await startApi(world, { DATABASE_APP_URL: wire.url });
});
afterEach(async () => {
  await api.stop();
  await wire.stop();
  await world.stop();
});

interface Wire {
  url: string;
  /** Called when the database says that the transaction of a booking is committed, before the server hears it. */
  onCommit: () => void;
  stop(): Promise<void>;
}

/** Between server and database, and hears what both say. */
async function startWire(databaseUrl: string): Promise<Wire> {
  const database = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const listener: Server = createServer((client) => {
    const server = connect(Number(database.port), database.hostname);
    let isBooking = false;
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (chunk) => {
      if (chunk.includes('create_booking')) isBooking = true;
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      // The tag with which PostgreSQL ends a command.
      if (isBooking && chunk.includes('COMMIT\0')) {
        isBooking = false;
        wire.onCommit();
      }
      client.write(chunk);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const url = new URL(databaseUrl);
  url.port = String((listener.address() as AddressInfo).port);
  const wire: Wire = {
    url: url.toString(),
    onCommit: () => undefined,
    stop: async () => {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return wire;
}

const countBookings = async () => (await world.query('select from app_public.bookings')).length;

test('a server killed between commit and answer: the same key brings the same booking, another attempt none', async () => {
  for (let round = 0; round < times(5, 100); round++) {
    const token = await api.signIn();
    const before = await countBookings();
    wire.onCommit = () => api.process.kill('SIGKILL');
    expect((await api.book(token, round, `key ${round}`)).refusal).toBe('no answer');
    expect(await countBookings()).toBe(before + 1);

    wire.onCommit = () => undefined;
    await api.restart({ DATABASE_APP_URL: wire.url });
    // Without the key nobody could tell that this is the same person's second try.
    expect((await api.book(token, round, null)).refusal).toBe('RSFUL');
    const again = await api.book(token, round, `key ${round}`);
    const twice = await api.book(token, round, `key ${round}`);
    const [made] = await world.query<{ id: string }>(
      'select id from app_public.bookings order by id desc limit 1',
    );
    expect([again.id, twice.id]).toEqual([made?.id, made?.id]);
    expect(await countBookings()).toBe(before + 1);
  }
  expect(await world.broken()).toEqual([]);
});
