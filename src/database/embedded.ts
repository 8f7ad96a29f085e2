/**
 * Runs a real PostgreSQL from the platform's npm package, for machines that have none.
 *
 * The server is a process of its own: when ours dies by `kill -9` it lives on, and the next start
 * takes it over instead of failing on its lock file.
 */
import { type SpawnOptions, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { chown, link, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findHome, type Home, type Identity, moveUnlessThere } from './embeddedHome.ts';

export interface ClusterOptions {
  /** Everything of the cluster lies here: data, log and password. */
  directory: string;
  /** Off only for tests: a crash of the machine may then lose the cluster. */
  durable?: boolean;
  settings?: Record<string, string>;
}

export interface Cluster {
  port: number;
  pid: number;
  /** True if the server was already running. */
  adopted: boolean;
  url(database?: string): string;
  stop(): Promise<void>;
}

interface Running {
  pid: number;
  port: number;
  ready: boolean;
  /** Started by another process at the same moment as by us. */
  adopted?: boolean;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const home = await findHome(options.directory);
  const { data } = home;
  const password = await readPassword(options.directory);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(home, password);
  await removeForeignLock(data);
  const before = readPidFile(data);
  const adopted = before !== null && isAlive(before.pid);
  const running = adopted ? await waitUntilReady(data, null) : await launch(home, options);
  return {
    port: running.port,
    pid: running.pid,
    adopted: adopted || running.adopted === true,
    url: (database = 'postgres') =>
      `postgres://postgres:${password}@127.0.0.1:${running.port}/${database}`,
    stop: () => stopServer(data, running.pid),
  };
}

async function readPassword(directory: string): Promise<string> {
  const file = join(directory, 'postgres.password');
  if (!existsSync(file)) {
    const work = `${file}.new-${randomBytes(4).toString('hex')}`;
    await writeFile(work, randomBytes(24).toString('base64url'), { mode: 0o600 });
    // Of two processes that start together, one links its password first and both read that.
    await link(work, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await rm(work);
  }
  return (await readFile(file, 'utf8')).trim();
}

/** Builds the data directory beside its place and moves it there whole, so that it is never half made. */
async function initialise({ initdb, data, identity }: Home, password: string): Promise<void> {
  const work = `${data}.new-${randomBytes(4).toString('hex')}`;
  const passwordFile = `${work}.password`;
  await mkdir(work, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(work, identity.uid, identity.gid);
    await chown(passwordFile, identity.uid, identity.gid);
  }
  const args = ['-D', work, '-U', 'postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  args.push('-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-sync');
  try {
    const made = spawnSync(initdb, args, spawnOptions(identity));
    if (made.status !== 0) {
      throw new Error(
        `PostgreSQL could not make its data directory ${data}: ` +
          (made.error?.message ?? made.stderr.toString().trim()),
      );
    }
    await moveUnlessThere(work, data);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(work, { recursive: true, force: true });
  }
}

function spawnOptions(identity: Identity): SpawnOptions {
  // LC_ALL keeps macOS from starting threads in the server before it forks.
  return { ...identity, cwd: '/', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };
}

async function launch(
  { postgres, data, identity }: Home,
  options: ClusterOptions,
): Promise<Running> {
  const port = await freePort();
  const durable = options.durable ?? true;
  const settings: Record<string, string> = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const logFile = `${data}.log`;
  const log = await open(logFile, 'a', 0o600);
  const child = spawn(postgres, ['-D', data, ...args], {
    ...spawnOptions(identity),
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? code}`));
  });
  child.unref();
  await log.close();
  try {
    return await waitUntilReady(data, exited);
  } catch (error) {
    // Somebody else may have started the same data directory a moment earlier.
    const other = readPidFile(data);
    if (other && other.pid !== child.pid && isAlive(other.pid)) {
      return { ...(await waitUntilReady(data, null)), adopted: true };
    }
    throw new Error(`${(error as Error).message} Its log is ${logFile}:\n${lastLines(logFile)}`);
  }
}

async function waitUntilReady(data: string, exited: Promise<string> | null): Promise<Running> {
  const state: { end?: string } = {};
  exited?.then((end) => {
    state.end = end;
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (state.end !== undefined) throw new Error(`PostgreSQL did not start: ${state.end}.`);
    const found = readPidFile(data);
    if (found?.ready && isAlive(found.pid)) return found;
    await sleep(20);
  }
  throw new Error(`PostgreSQL was not ready within ${START_TIMEOUT_MS / 1000} seconds.`);
}

/** Lines of postmaster.pid: 1 process, 4 port, 8 state. */
function readPidFile(data: string): Running | null {
  let lines: string[];
  try {
    lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
  } catch {
    return null;
  }
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return null;
  return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
}

/**
 * After a reboot the number in a left-over lock file may belong to some other program, and in a
 * container without an init process to a dead server that nobody has buried. PostgreSQL would take
 * either for a running server.
 */
async function removeForeignLock(data: string): Promise<void> {
  const found = readPidFile(data);
  if (!found || !isAlive(found.pid)) return;
  const program = programOf(found.pid);
  // Where nothing can be learnt, nothing is touched.
  if (program === null || program.startsWith('postgres')) return;
  await rm(join(data, 'postmaster.pid'), { force: true });
}

/** The name of a running program, 'dead' for one that only awaits burial, null if unknown. */
function programOf(pid: number): string | null {
  const listed =
    process.platform === 'linux' ? readProc(pid) : readPs(['-p', String(pid), '-o', 'stat=,comm=']);
  const [, state, name] = /^(\S+)\s+(.+)$/m.exec(listed) ?? [];
  if (state === undefined || name === undefined) return null;
  return state.startsWith('Z') ? 'dead' : (name.split('/').at(-1) ?? name);
}

/** The second and third fields of /proc/…/stat, which slim images have where they lack `ps`. */
function readProc(pid: number): string {
  try {
    const [, name, state] =
      /^\d+ \((.*)\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
    return `${state} ${name}`;
  } catch {
    return '';
  }
}

function readPs(args: string[]): string {
  return spawnSync('ps', args, { encoding: 'utf8' }).stdout?.trim() ?? '';
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** SIGINT is PostgreSQL's fast shutdown: sessions are ended, the data is left clean. */
async function stopServer(data: string, pid: number): Promise<void> {
  // The lock file goes last, so without it the server is as good as gone.
  const isRunning = () => isAlive(pid) && readPidFile(data)?.pid === pid;
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    if (!isRunning()) return;
    process.kill(pid, signal);
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (isRunning() && Date.now() < deadline) await sleep(20);
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n');
}
