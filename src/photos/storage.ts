/** Where the files of photos lie: in a directory, or in S3-compatible storage if that is set. */
import type { Config } from '../config.ts';
import { directoryStorage } from './directory.ts';
import { s3Storage } from './s3.ts';

/** The names are ids of the database, never anything that a client has said. */
export interface PhotoStorage {
  /** Comes back when the file would survive a loss of power. */
  put(id: string, bytes: Buffer): Promise<void>;
  /** Null if there is no such file. */
  get(id: string): Promise<Buffer | null>;
  /** That there is none is as good. */
  remove(id: string): Promise<void>;
}

export function photoStorage({ photosDir, photosS3 }: Config): PhotoStorage {
  return photosS3 ? s3Storage(photosS3) : directoryStorage(photosDir);
}
