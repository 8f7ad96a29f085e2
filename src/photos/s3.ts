/**
 * Storage that speaks the protocol of Amazon S3. Three requests are all that is asked of it, so a
 * library that signs them (AWS Signature Version 4) is enough.
 */
import { createHash } from 'node:crypto';
import { AwsClient } from 'aws4fetch';
import type { PhotoStorage } from './storage.ts';

export interface S3Settings {
  /** The address of the bucket, in either style, without a slash at the end. */
  url: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** For each attempt; the people who wait are given up after half a minute. */
const TIMEOUT_MS = 8_000;
const RETRIES = 2;

export function s3Storage({ url, ...keys }: S3Settings): PhotoStorage {
  const client = new AwsClient({ ...keys, service: 's3', retries: 0 });

  const attempt = async (method: string, id: string, body?: Buffer<ArrayBuffer>) => {
    const sha256 = createHash('sha256')
      .update(body ?? '')
      .digest('hex');
    return client.fetch(`${url}/${id}.jpg`, {
      method,
      headers: {
        // It is part of what is signed: the storage refuses what was changed on the way.
        'X-Amz-Content-Sha256': sha256,
        ...(body && { 'Content-Type': 'image/jpeg' }),
      },
      ...(body && { body }),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  };

  /** Each of the three may be done twice. Null if there is no such file. */
  const send = async (method: string, id: string, body?: Buffer<ArrayBuffer>) => {
    for (let left = RETRIES; ; left--) {
      const response = await attempt(method, id, body).catch((error) => {
        if (left === 0) throw error;
        return null;
      });
      if (response?.ok) return response;
      const text = await response?.text();
      // That the whole bucket is not there says nothing of the file.
      if (response?.status === 404 && !text?.includes('NoSuchBucket')) return null;
      if (response && (left === 0 || response.status < 500)) {
        throw new Error(`The photo storage answered ${response.status}.`);
      }
    }
  };

  return {
    put: async (id, bytes) => {
      const response = await send('PUT', id, Buffer.from(bytes));
      if (!response) throw new Error('The photo storage has no place for it.');
      await response.body?.cancel();
    },
    get: async (id) => {
      const response = await send('GET', id);
      return response && Buffer.from(await response.arrayBuffer());
    },
    remove: async (id) => {
      const response = await send('DELETE', id);
      await response?.body?.cancel();
    },
  };
}
