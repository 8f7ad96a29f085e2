/** A storage that speaks as much of Amazon S3 as is asked of it, and believes no signature it cannot make itself. */
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { S3Settings } from '../../src/photos/s3.ts';

export interface ObjectStorage {
  settings: S3Settings;
  /** By their paths. */
  objects: Map<string, Buffer>;
  requests: { method: string; path: string; type: string | undefined }[];
  /** The next requests are answered with these, and do nothing. */
  failWith: number[];
  stop(): Promise<void>;
}

const BUCKET = 'photos';

export async function startObjectStorage(): Promise<ObjectStorage> {
  const objects: ObjectStorage['objects'] = new Map();
  const requests: ObjectStorage['requests'] = [];
  const failWith: number[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '' } = request;
    const body = await buffer(request);
    requests.push({ method, path, type: request.headers['content-type'] });
    const failure = failWith.shift();
    if (failure) response.statusCode = failure;
    else if (!isSigned(request, body, settings)) response.statusCode = 403;
    else if (!path.startsWith(`/${BUCKET}/`)) {
      response.writeHead(404).end('<Error><Code>NoSuchBucket</Code></Error>');
      return;
    } else if (method === 'PUT') objects.set(path, body);
    else if (method === 'DELETE') {
      objects.delete(path);
      response.statusCode = 204;
    } else if (!objects.has(path)) response.statusCode = 404;
    response.end(method === 'GET' ? objects.get(path) : undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings: S3Settings = {
    url: `http://127.0.0.1:${portOf(server)}/${BUCKET}`,
    region: 'eu-central-1',
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  };
  return {
    ...{ settings, objects, requests, failWith },
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
const hmac = (key: Buffer | string, data: string) =>
  createHmac('sha256', key).update(data).digest();

/** AWS Signature Version 4, step by step as its documentation has it. */
function isSigned(request: IncomingMessage, body: Buffer, settings: S3Settings): boolean {
  const parts =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/((\d{8})\/([\w-]+)\/s3\/aws4_request), SignedHeaders=([\w;-]+), Signature=([\da-f]{64})$/.exec(
      request.headers.authorization ?? '',
    );
  const [, key, scope = '', date = '', region = '', names = '', signature] = parts ?? [];
  const header = (name: string) => String(request.headers[name] ?? '');
  const canonical = [
    request.method,
    request.url,
    '',
    ...names.split(';').map((name) => `${name}:${header(name)}`),
    '',
    names,
    header('x-amz-content-sha256'),
  ].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, sha256(canonical)].join('\n');
  const signingKey = [date, region, 's3', 'aws4_request'].reduce<Buffer | string>(
    hmac,
    `AWS4${settings.secretAccessKey}`,
  );
  return (
    key === settings.accessKeyId &&
    region === settings.region &&
    ['host', 'x-amz-content-sha256', 'x-amz-date'].every((n) => names.split(';').includes(n)) &&
    header('x-amz-content-sha256') === sha256(body) &&
    signature === hmac(signingKey, toSign).toString('hex')
  );
}
