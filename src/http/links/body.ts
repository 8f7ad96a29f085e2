/** Reads what a form or a mail program posts: RFC 8058 sends either of two encodings. */
import { Buffer } from 'node:buffer';
import type { Request } from 'express';

const ENCODINGS = /^(application\/x-www-form-urlencoded|multipart\/form-data)\b/i;

export type Fields = {
  /** A field's text without control characters; undefined if it is not there. */
  get(name: string): string | undefined;
};

export async function readFields(request: Request): Promise<Fields> {
  const form = await parse(request);
  return {
    get: (name) => {
      const value = form?.get(name);
      if (typeof value !== 'string') return undefined;
      return value.replace(/\r\n?/g, '\n').replace(/(?!\n)\p{Cc}/gu, ' ');
    },
  };
}

async function parse(request: Request): Promise<FormData | undefined> {
  const type = request.get('content-type') ?? '';
  if (!ENCODINGS.test(type) || !Buffer.isBuffer(request.body)) return undefined;
  try {
    const body = new Uint8Array(request.body);
    return await new Response(body, { headers: { 'content-type': type } }).formData();
  } catch {
    return undefined; // not what it says it is: the same as an empty form
  }
}
