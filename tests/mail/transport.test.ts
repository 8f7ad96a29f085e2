import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Transporter } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { type Inbox, startInbox } from '../../src/mail/inbox.ts';
import type { Kind, MailModel } from '../../src/mail/model.ts';
import { renderMail } from '../../src/mail/render.ts';
import { SAMPLES } from '../../src/mail/samples.ts';
import { addressOf, createMailTransport, sendMail } from '../../src/mail/transport.ts';

const mailFrom = 'Reslot <bookings@reslot.example>';
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function transportTo(smtpUrl: string, stepTimeoutMs?: number): Transporter {
  const transport = createMailTransport({ smtpUrl, ...(stepTimeoutMs ? { stepTimeoutMs } : {}) });
  closers.push(async () => transport.close());
  return transport;
}

type Sent = { kind?: Kind; model?: MailModel; address?: string; deadlineMs?: number };

async function send(transport: Transporter, options: Sent = {}) {
  const { kind = 'booking_reminder', address = 'zoe@example.org', deadlineMs } = options;
  const model = options.model ?? SAMPLES[kind];
  const publicUrl = 'https://reslot.example';
  const organizerEmail = addressOf(mailFrom);
  const rendered = await renderMail({ kind, model, locale: 'en', publicUrl, organizerEmail });
  const envelope = { kind, messageId: '<d1@reslot.example>', address, model };
  const deadline = deadlineMs ? { deadlineMs } : {};
  return sendMail(transport, envelope, rendered, { mailFrom, ...deadline });
}

async function inboxed(): Promise<{ inbox: Inbox; transport: Transporter }> {
  const inbox = await startInbox({ port: 0 });
  closers.push(() => inbox.stop());
  return { inbox, transport: transportTo(inbox.smtpUrl) };
}

type Step = 'rcpt' | 'mail' | 'data';

/** A mail server that refuses one step with one reply. */
async function refusing(step: Step, responseCode: number): Promise<string> {
  const refusal = Object.assign(new Error('no, zoe@example.org is not welcome'), { responseCode });
  const server = new SMTPServer({
    disabledCommands: ['STARTTLS', 'AUTH'],
    onMailFrom: (_address, _session, done) => done(step === 'mail' ? refusal : null),
    onRcptTo: (_address, _session, done) => done(step === 'rcpt' ? refusal : null),
    onData: (stream, _session, done) => {
      stream.resume().on('end', () => done(step === 'data' ? refusal : null));
    },
  });
  server.on('error', () => undefined);
  const inner = server.listen(0, '127.0.0.1');
  await once(inner, 'listening');
  closers.push(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return `smtp://127.0.0.1:${(inner.address() as AddressInfo).port}`;
}

type Reply = (line: string, socket: Socket) => string | null;

/** A mail server that answers line by line as the test says; null answers nothing. */
async function scripted(greeting: string, reply: Reply): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.write(greeting);
    let rest = '';
    socket.on('data', (chunk) => {
      const lines = (rest + chunk.toString('latin1')).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const answer = reply(line, socket);
        if (answer && !socket.destroyed) socket.write(answer);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers as a server without extensions does, up to the final dot, where `atDot` takes over. */
function upToDot(atDot: Reply): Reply {
  const state = { inData: false };
  return (line, socket) => {
    if (state.inData) {
      if (line !== '.') return null;
      state.inData = false;
      return atDot(line, socket);
    }
    if (/^(EHLO|HELO)/.test(line)) return '250 there\r\n';
    if (line === 'DATA') {
      state.inData = true;
      return '354 go on\r\n';
    }
    return '250 ok\r\n';
  };
}

describe('a message that the server accepts', () => {
  it('is reported as accepted and arrives whole', async () => {
    const { inbox, transport } = await inboxed();
    expect(await send(transport)).toEqual({ accepted: true });
    const [message] = inbox.messages();
    expect(message?.subject).toMatch(/^Are you still coming\? Festsaal/);
    expect(message?.text).toContain('Yes, I am coming:\nhttps://reslot.example/l/sample-confirm');
    expect(message?.html).toContain('Zoë O&#x27;Hara');
  });

  it('names the organisation as sender, and its support address for answers', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport);
    const [message] = inbox.messages();
    expect(message?.from).toBe('Haus & Hof <bookings@reslot.example>');
    expect(header(inbox, 'reply-to')).toContain('office@haus-und-hof.example');
    expect(header(inbox, 'to')).toContain('zoe@example.org');
  });

  it('carries the Message-ID it was given, in every try the same', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport);
    await send(transport);
    const ids = inbox.messages().map(({ headers }) => headers.find((h) => h.name === 'message-id'));
    expect(ids.map((id) => id?.value)).toEqual(['<d1@reslot.example>', '<d1@reslot.example>']);
  });

  it('says that a machine sent it', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport);
    expect(header(inbox, 'auto-submitted')).toBe('auto-generated');
  });

  it('can be unsubscribed in one click only if one may do without it', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport, { kind: 'booking_reminder' });
    expect(header(inbox, 'list-unsubscribe')).toBeUndefined();
    expect(header(inbox, 'list-unsubscribe-post')).toBeUndefined();
    await send(transport, { kind: 'booking_reminder_info' });
    expect(header(inbox, 'list-unsubscribe')).toBe(
      '<https://reslot.example/l/sample-unsubscribe0000>',
    );
    expect(header(inbox, 'list-unsubscribe-post')).toBe('List-Unsubscribe=One-Click');
  });

  it('brings the calendar event as a request or a cancellation', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport, { kind: 'booking_received' });
    await send(transport, { kind: 'booking_cancelled' });
    const [cancelled, received] = inbox.messages();
    const calendar = (message: typeof received) =>
      message?.attachments.find(({ mimeType }) => mimeType === 'text/calendar');
    expect(calendar(received)?.method).toBe('REQUEST');
    expect(calendar(cancelled)?.method).toBe('CANCEL');
    expect(calendar(received)?.text).toContain('BEGIN:VEVENT');
  });

  it('cannot be given more headers or recipients by names with line breaks', async () => {
    const { inbox, transport } = await inboxed();
    const evil = 'X"\r\nBcc: victim@example.org\r\nX-Evil: 1\r\n\r\nbody';
    const base = SAMPLES.booking_reminder;
    const model: MailModel = {
      ...base,
      organization: { ...base.organization, name: evil, supportEmail: evil },
      recipient: { ...base.recipient, name: evil },
      booking: { ...base.booking, offeringName: evil },
    };
    expect(await send(transport, { model })).toEqual({ accepted: true });
    const [message] = inbox.messages();
    expect(message?.to).toEqual(['zoe@example.org']);
    const names = message?.headers.map(({ name }) => name) ?? [];
    expect(names).not.toContain('bcc');
    expect(names).not.toContain('x-evil');
  });

  it('leaves the connection open for the next one, and both arrive', async () => {
    const { inbox, transport } = await inboxed();
    for (let round = 0; round < 5; round += 1) await send(transport);
    expect(inbox.messages()).toHaveLength(5);
  });
});

function header(inbox: Inbox, name: string): string | undefined {
  return inbox.messages()[0]?.headers.find((entry) => entry.name === name)?.value;
}

describe('a message that the server refuses', () => {
  it.each([
    ['rcpt', 550, true],
    ['rcpt', 553, true],
    ['data', 554, true],
    ['rcpt', 450, false],
    ['data', 451, false],
    // Our own login or sender: mending it must find the mail still there.
    ['rcpt', 530, false],
    ['mail', 550, false],
    ['mail', 451, false],
  ] as const)('at %s with %p is lost for good: %p', async (step, code, permanent) => {
    const transport = transportTo(await refusing(step, code));
    expect(await send(transport)).toMatchObject({
      accepted: false,
      permanent,
      unreachable: false, // the next message may fare better
      certain: true,
      error: expect.stringContaining(String(code)),
    });
  });

  it('is reported without the address it was for', async () => {
    const result = await send(transportTo(await refusing('rcpt', 550)));
    expect(JSON.stringify(result)).not.toContain('zoe');
    expect(JSON.stringify(result)).toContain('is not welcome');
  });

  it('because the address is none, is lost for good', async () => {
    const { transport } = await inboxed();
    for (const address of ['', 'nobody', 'a@b\r\nRCPT TO:<c@d>']) {
      expect(await send(transport, { address })).toMatchObject({
        accepted: false,
        permanent: true,
      });
    }
  });

  it('does not keep the next message from being sent', async () => {
    const { inbox, transport } = await inboxed();
    await send(transport, { address: 'nobody' });
    expect(await send(transport)).toEqual({ accepted: true });
    expect(inbox.messages()).toHaveLength(1);
  });
});

describe('a server in trouble', () => {
  it('that nobody runs is a matter of time', async () => {
    const { inbox, transport } = await inboxed();
    await inbox.stop();
    closers.shift();
    expect(await send(transport)).toMatchObject({
      permanent: false,
      unreachable: true,
      certain: true,
    });
  });

  it('whose name is unknown is a matter of time', async () => {
    const result = await send(transportTo('smtp://mail.invalid:25'));
    expect(result).toMatchObject({
      permanent: false,
      unreachable: true,
      certain: true,
    });
  });

  it('that is about to shut down is a matter of time', async () => {
    const result = await send(transportTo(await refusing('rcpt', 421)));
    expect(result).toMatchObject({ permanent: false, unreachable: true });
  });

  it('that turns everybody away at the door is a matter of time', async () => {
    const url = await scripted('554 no service\r\n', () => '503 no\r\n');
    expect(await send(transportTo(url))).toMatchObject({ permanent: false, unreachable: true });
  });

  it('that refuses the login is a matter of time', async () => {
    const url = await scripted('220 hello\r\n', (line) =>
      line.startsWith('EHLO') ? '250-there\r\n250 AUTH PLAIN\r\n' : '535 wrong password\r\n',
    );
    const withLogin = url.replace('smtp://', 'smtp://user:secret@');
    const result = await send(transportTo(withLogin));
    expect(result).toMatchObject({ permanent: false, unreachable: true });
    expect(JSON.stringify(result)).not.toContain('secret');
  });

  it('that says nothing is given up after a step’s time', async () => {
    const url = await scripted('', () => null);
    const started = Date.now();
    expect(await send(transportTo(url, 300))).toMatchObject({
      permanent: false,
      unreachable: true,
    });
    expect(Date.now() - started).toBeLessThan(5_000);
  });

  it('that trickles its answers is given up at the deadline, and never gets the message', async () => {
    const seen = { message: false };
    const url = await scripted('220 hello\r\n', (line, socket) => {
      seen.message ||= line === 'DATA';
      if (!line.startsWith('EHLO')) return '250 ok\r\n';
      const drip = setInterval(() => socket.write('250-still here\r\n'), 50);
      socket.on('close', () => clearInterval(drip));
      return null;
    });
    const started = Date.now();
    const result = await send(transportTo(url), { deadlineMs: 500 });
    expect(result).toMatchObject({ permanent: false, unreachable: true });
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(seen.message).toBe(false);
  });

  it('that hangs up after the final dot may have it or not: it is tried again, but not by itself', async () => {
    const seen = { messages: 0 };
    const url = await scripted(
      '220 hello\r\n',
      upToDot((_line, socket) => {
        seen.messages += 1;
        socket.destroy();
        return null;
      }),
    );
    expect(await send(transportTo(url))).toMatchObject({
      permanent: false,
      unreachable: true,
      certain: false,
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(seen.messages).toBe(1);
  });

  it('that never answers the final dot is given up at the deadline', async () => {
    const url = await scripted(
      '220 hello\r\n',
      upToDot(() => null),
    );
    const result = await send(transportTo(url), { deadlineMs: 400 });
    expect(result).toMatchObject({
      permanent: false,
      certain: false,
      error: expect.stringContaining('too long'),
    });
  });
});
