/** The style and the script of the pages: files of their own, so that pages need nothing inline. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Express } from 'express';

const DIRECTORY = new URL('./assets/', import.meta.url);
const BASE = '/link-assets';

type Asset = { path: string; type: string; content: Buffer };

function load(name: string, type: string): Asset {
  const content = readFileSync(new URL(name, DIRECTORY));
  const version = createHash('sha256').update(content).digest('hex').slice(0, 12);
  const [stem, extension] = name.split('.');
  return { path: `${BASE}/${stem}.${version}.${extension}`, type, content };
}

export const STYLE = load('page.css', 'text/css; charset=utf-8');
export const SCRIPT = load('page.js', 'text/javascript; charset=utf-8');

export function serveAssets(app: Express): void {
  for (const { path, type, content } of [STYLE, SCRIPT]) {
    app.get(path, (_request, response) => {
      response.set({
        'Cache-Control': 'public, max-age=31536000, immutable',
        'Content-Type': type,
        'X-Content-Type-Options': 'nosniff',
      });
      response.send(content);
    });
  }
}
