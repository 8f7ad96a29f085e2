/**
 * A mail server that does what a test tells it to, at any point of the dialogue: refuses, answers
 * with any code, stays silent, hangs up. It counts a message as taken once it has answered for it.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** Where a dialogue is; `end` is after the final dot. */
export type Stage = 'connect' | 'mail' | 'rcpt' | 'data' | 'end';

/** A reply in place of the usual one, or hanging up before or after the message was taken. */
export type Answer = `${number} ${string}` | 'as usual' | 'drop' | 'take and drop';

/** `to` is known from `rcpt` on. */
export type Behaviour = (stage: Stage, to: string) => Answer | Promise<Answer>;

export interface TakenMail {
  messageId: string;
  to: string;
  kind: string;
  at: number;
}

export interface MailServer {
  url: string;
  taken: TakenMail[];
  behave: Behaviour;
  /** Called as soon as the answer that the message is taken has left. */
  onTaken: (mail: TakenMail) => void;
  /** Nobody listens any more, and connections are cut. */
  down(): Promise<void>;
  up(): Promise<void>;
  stop(): Promise<void>;
}

const USUAL: Record<Stage, string> = {
  connect: '220 mail.example ready',
  mail: '250 sender fine',
  rcpt: '250 recipient fine',
  data: '354 go on',
  end: '250 taken',
};

export async function startMailServer(): Promise<MailServer> {
  const sockets = new Set<Socket>();
  const state: { listener: Server | null; port: number } = { listener: null, port: 0 };
  const listen = async () => {
    const listener = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      converse(socket, server).catch(() => socket.destroy());
    });
    listener.listen(state.port, '127.0.0.1');
    await once(listener, 'listening');
    state.listener = listener;
    state.port = (listener.address() as AddressInfo).port;
  };
  const close = async () => {
    const { listener } = state;
    if (!listener) return;
    state.listener = null;
    const closed = once(listener, 'close');
    listener.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  const server: MailServer = {
    url: '',
    taken: [],
    behave: () => 'as usual',
    onTaken: () => undefined,
    down: close,
    up: listen,
    stop: close,
  };
  await listen();
  server.url = `smtp://127.0.0.1:${state.port}`;
  return server;
}

/** One connection, command after command. */
async function converse(socket: Socket, server: MailServer): Promise<void> {
  const dialogue = { to: '' };
  if (!(await reply(socket, server, 'connect', ''))) return;
  let received = '';
  let inMessage = false;
  for await (const chunk of socket.setEncoding('latin1')) {
    received += chunk;
    for (;;) {
      const end = received.indexOf(inMessage ? '\r\n.\r\n' : '\r\n');
      if (end < 0) break;
      const text = received.slice(0, end);
      received = received.slice(end + (inMessage ? 5 : 2));
      if (inMessage) {
        inMessage = false;
        await finish(socket, server, dialogue.to, text);
      } else {
        inMessage = await command(socket, server, dialogue, text);
      }
      if (socket.destroyed) return;
    }
  }
}

/** True if the message itself comes next. */
async function command(
  socket: Socket,
  server: MailServer,
  dialogue: { to: string },
  line: string,
): Promise<boolean> {
  const verb = line.slice(0, 4).toUpperCase();
  if (verb === 'RCPT') dialogue.to = /<([^>]*)>/.exec(line)?.[1] ?? '';
  const stages: Record<string, Stage> = { MAIL: 'mail', RCPT: 'rcpt', DATA: 'data' };
  const stage = stages[verb];
  if (!stage) {
    socket.write('250 fine\r\n');
    if (verb === 'QUIT') socket.end();
    return false;
  }
  const asUsual = await reply(socket, server, stage, stage === 'mail' ? '' : dialogue.to);
  return asUsual && stage === 'data';
}

async function finish(
  socket: Socket,
  server: MailServer,
  to: string,
  message: string,
): Promise<void> {
  const answer = await server.behave('end', to);
  // Whoever is gone meanwhile does not hear that it was taken, so it was not.
  if (answer === 'drop' || socket.destroyed || socket.readyState !== 'open') {
    socket.destroy();
    return;
  }
  if (answer !== 'as usual' && answer !== 'take and drop') {
    socket.write(`${answer}\r\n`);
    return;
  }
  const mail = {
    messageId: header(message, 'Message-ID'),
    kind: header(message, 'X-Reslot-Kind'),
    to,
    at: Date.now(),
  };
  server.taken.push(mail);
  if (answer === 'take and drop') socket.destroy();
  else socket.write(`${USUAL.end}\r\n`);
  server.onTaken(mail);
}

function header(message: string, name: string): string {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(message)?.[1]?.trim() ?? '';
}

async function reply(
  socket: Socket,
  server: MailServer,
  stage: Stage,
  to: string,
): Promise<boolean> {
  const answer = await server.behave(stage, to);
  if (answer === 'drop' || answer === 'take and drop') {
    socket.destroy();
    return false;
  }
  socket.write(`${answer === 'as usual' ? USUAL[stage] : answer}\r\n`);
  return answer === 'as usual';
}
