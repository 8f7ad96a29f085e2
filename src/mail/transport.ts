import { Transform } from 'node:stream';
import { createTransport, type NodemailerError, type Transporter } from 'nodemailer';
import parseAddresses from 'nodemailer/lib/addressparser';
import { clean, oneLine } from './clean.ts';
import type { Kind, MailModel } from './model.ts';
import type { Rendered } from './render.ts';

/** A server that trickles its answers must not hold a connection for ever. */
const DEADLINE_MS = 40_000;

type TransportOptions = {
  smtpUrl: string;
  /** Connections at a time. */
  connections?: number;
  /** A step of the dialogue may take this long; the whole message has `sendMail`'s deadline. */
  stepTimeoutMs?: number;
};

/**
 * The way to the mail server. It tries a message once and says how it went: when and how often to
 * try again is decided in one place only, by the database.
 */
export function createMailTransport(options: TransportOptions): Transporter {
  const { smtpUrl, connections = 4, stepTimeoutMs = 15_000 } = options;
  const transport = createTransport({
    url: smtpUrl,
    pool: true,
    maxConnections: connections,
    maxRequeues: 0,
    // Given back before common servers end an idle session, which would cost the next message a try.
    idleTimeout: 10_000,
    connectionTimeout: stepTimeoutMs,
    greetingTimeout: stepTimeoutMs,
    socketTimeout: stepTimeoutMs,
    dnsTimeout: stepTimeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  transport.use('stream', (mail, done) => {
    mail.message.transform(inOnePiece);
    done();
  });
  return transport;
}

/** A message is composed line by line, and each line would be a write and a packet of its own. */
function inOnePiece(): Transform {
  const pieces: Buffer[] = [];
  return new Transform({
    transform: (piece: Buffer, _encoding, done) => {
      pieces.push(piece);
      done();
    },
    flush(done) {
      this.push(Buffer.concat(pieces));
      done();
    },
  });
}

/** What is needed to address one message, all from the row in the outbox. */
export type Envelope = {
  kind: Kind;
  /** The same in every try, so that a message that arrives twice is shown once. */
  messageId: string;
  address: string;
  model: MailModel;
};

export type SendResult =
  | { accepted: true }
  | {
      accepted: false;
      /** Trying again would get the same answer. */
      permanent: boolean;
      /** The trouble is with the server or the way to it, so other messages meet it as well. */
      unreachable: boolean;
      /** Nobody can have got it. A connection that is lost after the last word of a message leaves that open. */
      certain: boolean;
      error: string;
    };

type SendOptions = {
  mailFrom: string;
  deadlineMs?: number;
  /** Breaks the dialogue off, because somebody else has taken the message up. */
  signal?: AbortSignal;
};

/** One attempt. Never throws: whatever happens is an answer the outbox can record. */
export async function sendMail(
  transport: Transporter,
  envelope: Envelope,
  rendered: Rendered,
  { mailFrom, deadlineMs = DEADLINE_MS, signal: stop }: SendOptions,
): Promise<SendResult> {
  try {
    // A socket timeout notices only silence; a server that trickles its answers would hold us.
    const deadline = AbortSignal.timeout(deadlineMs);
    const signal = stop ? AbortSignal.any([deadline, stop]) : deadline;
    await transport.sendMail({ ...compose(envelope, rendered, mailFrom), signal });
    return { accepted: true };
  } catch (error) {
    return failure(error as NodemailerError);
  }
}

/** The bare address of `Reslot <bookings@example.org>`. */
export function addressOf(mailFrom: string): string {
  const [parsed] = parseAddresses(mailFrom, { flatten: true });
  return parsed?.address || mailFrom;
}

function compose(envelope: Envelope, rendered: Rendered, mailFrom: string) {
  const { organization, recipient } = clean(envelope.model);
  const [sender] = parseAddresses(mailFrom, { flatten: true });
  const support = organization?.supportEmail;
  const { icalEvent, unsubscribeUrl } = rendered;
  return {
    from: { name: organization?.name || sender?.name || '', address: addressOf(mailFrom) },
    to: { name: recipient?.name || '', address: envelope.address },
    ...(support ? { replyTo: { name: organization?.name || '', address: support } } : {}),
    messageId: envelope.messageId,
    subject: rendered.subject,
    text: rendered.text,
    html: rendered.html,
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'OOF, AutoReply',
      'X-Reslot-Kind': envelope.kind,
      ...(unsubscribeUrl ? { 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } : {}),
    },
    ...(icalEvent ? { icalEvent } : {}),
    ...(unsubscribeUrl ? { list: { unsubscribe: [[{ url: unsubscribeUrl }]] } } : {}),
  };
}

/** Replies that ask for another login: our own configuration, not this message. */
const LOGIN_REPLIES = new Set([530, 534, 535, 538]);

function failure(error: NodemailerError): SendResult {
  const { code } = error;
  const responseCode = error.responseCode || 0;
  const aboutMessage = code === 'EENVELOPE' || code === 'EMESSAGE';
  // A refused sender or login is for the operator to mend; the mail must survive until then. Only
  // a refused recipient or content is the message's own fault.
  const refused =
    responseCode >= 500 && !LOGIN_REPLIES.has(responseCode) && error.command !== 'MAIL FROM';
  const unusable = code === 'EENVELOPE' && !responseCode;
  return {
    accepted: false,
    permanent: aboutMessage && (refused || unusable),
    unreachable: !aboutMessage,
    certain: aboutMessage || responseCode >= 400 || neverConnected(error),
    error: describe(error),
  };
}

function neverConnected({ code, syscall }: NodemailerError & { syscall?: string }): boolean {
  return code === 'EDNS' || syscall === 'connect';
}

/** For the log and the failed list: the server's words, without whom the message was for. */
function describe(error: NodemailerError): string {
  const message = error.code === 'EABORT' ? 'The mail server took too long.' : error.message;
  const masked = oneLine(message).replace(/[^\s<>"(]+@/g, '…@');
  return [error.code, masked].filter(Boolean).join(' ').slice(0, 500);
}
