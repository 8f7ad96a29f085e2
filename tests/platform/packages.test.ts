import { execFileSync } from 'node:child_process';
import { mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

interface Package {
  version?: string;
  resolved?: string;
  optionalDependencies?: Record<string, string>;
}

const read = async (name: string) =>
  JSON.parse(await readFile(new URL(`../../${name}`, import.meta.url), 'utf8'));

describe('the lock file', () => {
  test('has the packages of every platform, or a clean install would fail', async () => {
    const { packages } = (await read('package-lock.json')) as { packages: Record<string, Package> };
    const known = new Set(Object.keys(packages).map((path) => path.split('node_modules/').at(-1)));
    const missing = Object.values(packages)
      .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
      .filter((name) => !known.has(name));
    expect(missing).toEqual([]);
  });

  test('names no place to download from, so that each machine uses its own', async () => {
    const { packages } = (await read('package-lock.json')) as { packages: Record<string, Package> };
    expect(Object.values(packages).filter((entry) => entry.resolved)).toEqual([]);
  });

  test('is for exact versions', async () => {
    const { dependencies, devDependencies, optionalDependencies } = await read('package.json');
    const versions = Object.values({
      ...dependencies,
      ...devDependencies,
      ...optionalDependencies,
    });
    expect(versions.filter((version) => !/^\d/.test(String(version)))).toEqual([]);
  });
});

describe('after an install', () => {
  const script = fileURLToPath(new URL('../../src/linkNode.mjs', import.meta.url));
  const own = `node-${process.platform}-${process.arch}/bin/node`;

  async function install(packages: string[], linkedTo?: string): Promise<string | null> {
    const root = mkdtempSync(join(tmpdir(), 'reslot-packages-'));
    try {
      await mkdir(join(root, 'node_modules/.bin'), { recursive: true });
      for (const name of packages) {
        await mkdir(join(root, 'node_modules', name, '..'), { recursive: true });
        await writeFile(join(root, 'node_modules', name), '');
      }
      const link = join(root, 'node_modules/.bin/node');
      if (linkedTo) symlinkSync(linkedTo, link);
      execFileSync(process.execPath, [script], { cwd: root });
      return readlinkSync(link);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    } finally {
      rmSync(root, { recursive: true });
    }
  }

  test('npm scripts find the Node.js that came with it, also where npm has taken it away', async () => {
    expect((await read('package.json')).scripts.postinstall).toBe('node src/linkNode.mjs');
    expect(await install([own])).toBe(`../${own}`);
    expect(await install([own], '../gone/bin/node')).toBe(`../${own}`);
  });

  test('a link that works is left alone, and where no Node.js came there is none', async () => {
    expect(await install([own, 'other/bin/node'], '../other/bin/node')).toBe('../other/bin/node');
    expect(await install([])).toBeNull();
  });
});
