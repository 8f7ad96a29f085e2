/** Reads documents the way their readers do: headings, tables, and blocks to copy. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

export const DOCUMENTS = globSync(['*.md', 'docs/**/*.md', 'templates/*.md', 'bench/*.md'], {
  cwd: ROOT,
}).toSorted();

export interface Block {
  language: string;
  text: string;
}

export function blocks(markdown: string): Block[] {
  return [...markdown.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map((match) => ({
    language: match[2] ?? '',
    text: (match[3] ?? '').replaceAll(new RegExp(`^${match[1]}`, 'gm'), ''),
  }));
}

export function withoutBlocks(markdown: string): string {
  return markdown.replaceAll(/^( *)```[\s\S]*?^\1```$/gm, '');
}

/** The addresses that GitHub and others give to headings. */
export function anchors(markdown: string): string[] {
  return [...withoutBlocks(markdown).matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** The rows of all tables under a heading, without those of deeper headings unless `deep`. */
export function tableRows(markdown: string, heading: string, deep = false): string[][] {
  const start = markdown.indexOf(`${heading}\n`);
  if (start < 0) throw new Error(`There is no heading ${heading}.`);
  const body = markdown.slice(start + heading.length);
  const level = heading.indexOf(' ');
  const end = body.search(deep ? new RegExp(`^#{1,${level}} `, 'm') : /^#+ /m);
  return [...body.slice(0, end < 0 ? undefined : end).matchAll(/^\|(.+)\|$/gm)]
    .map((match) => (match[1] ?? '').split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((cells) => !cells.every((cell) => /^:?-*:?$/.test(cell)));
}

export function plain(cell: string | undefined): string {
  return (cell ?? '').replace(/^`([^`]*)`.*$/, '$1');
}
