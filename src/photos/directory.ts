import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PhotoStorage } from './storage.ts';

/** Written beside their place and moved there when whole: a file that has its name is complete. */
const UNFINISHED = '.part';

export function directoryStorage(directory: string): PhotoStorage {
  // The end of an id is random, its beginning is the time.
  const pathOf = (id: string) => join(directory, id.slice(-2), `${id}.jpg`);
  return {
    put: async (id, bytes) => {
      const path = pathOf(id);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(path + UNFINISHED, 'w', 0o600);
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(path + UNFINISHED, path);
      await syncDirectory(dirname(path));
      await syncDirectory(directory);
    },
    get: async (id) => {
      try {
        return await readFile(pathOf(id));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
    remove: async (id) => {
      await rm(pathOf(id) + UNFINISHED, { force: true });
      await rm(pathOf(id), { force: true });
    },
  };
}

/** The names in a directory are data of their own. Windows cannot do this, and does not need it. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
