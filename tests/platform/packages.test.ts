import { readFile } from 'node:fs/promises';
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
