// One Postgres data folder: make it, start a server on it, look at the server that is there, stop it.
// Knows nothing about who uses the server; the caller sees to it that only one process acts at a time.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chown, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Account } from './account.ts';
import type { Binaries } from './binaries.ts';
import { findByCommandLine, isPidAlive } from './process-identity.ts';

export interface Cluster {
  /** Stands in the command line of every process of the server, which is how they are told from others. */
  readonly name: string;
  readonly binaries: Binaries;
  /** Whom Postgres runs as; null: as this process. */
  readonly account: Account | null;
  /** The data folder itself. */
  readonly data: string;
  readonly logFile: string;
}

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  readonly ready: boolean;
}

export const superuser = 'trainyard';

// fsync, full_page_writes and synchronous_commit keep their default, on. The rest suits a small machine that
// has other work: no parallel queries, no replication, few helper processes.
const settings: Readonly<Record<string, string>> = {
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  min_wal_size: '32MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  max_logical_replication_workers: '0',
  io_method: 'sync',
  jit: 'off',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

const logBytesMax = 10_000_000;
const pollMs = 20;

/** Creates the data folder unless it is there. A creation that was cut short leaves nothing that counts. */
export async function createCluster(cluster: Cluster, password: string): Promise<void> {
  if (existsSync(join(cluster.data, 'PG_VERSION'))) {
    return;
  }
  const draft = `${cluster.data}.new`;
  const passwordFile = `${cluster.data}.password`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (cluster.account !== null) {
    await chown(draft, cluster.account.uid, cluster.account.gid);
    await chown(passwordFile, cluster.account.uid, cluster.account.gid);
  }
  const handle = await open(passwordFile, 'r');
  try {
    await initialise(cluster, draft, cluster.account === null ? passwordFile : '/proc/self/fd/3', handle.fd);
  } finally {
    await handle.close();
    await rm(passwordFile, { force: true });
  }
  await rename(draft, cluster.data);
}

async function initialise(
  cluster: Cluster,
  folder: string,
  pwfile: string,
  passwordFd: number,
): Promise<void> {
  const child = spawn(
    cluster.binaries.initdb,
    [
      '-D',
      folderArgument(cluster, folder),
      `--username=${superuser}`,
      `--pwfile=${pwfile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
    ],
    { ...runAs(cluster), cwd: folder, stdio: ['ignore', 'ignore', 'pipe', passwordFd] },
  );
  const errors = text(child.stderr as Readable);
  await once(child, 'close');
  if (child.exitCode !== 0) {
    throw new Error(`Postgres could not create its data folder ${folder}: ${(await errors).trim()}`);
  }
}

/**
 * Starts a server and waits until it accepts connections, or rejects with what it logged. The server is no
 * member of our terminal's process group: Ctrl-C must reach those who use it first.
 */
export async function startServer(
  cluster: Cluster,
  port: number,
  addresses: readonly string[] = ['127.0.0.1'],
): Promise<RunningServer> {
  await trimLog(cluster.logFile);
  const log = await open(cluster.logFile, 'a', 0o600);
  const { size } = await log.stat();
  let child: ChildProcess;
  try {
    const own = { listen_addresses: addresses.join(','), cluster_name: cluster.name };
    const flags = Object.entries({ ...settings, ...own }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    child = spawn(
      cluster.binaries.postgres,
      ['-D', folderArgument(cluster, cluster.data), '-p', String(port), ...flags],
      { ...runAs(cluster), cwd: cluster.data, detached: true, stdio: ['ignore', log.fd, log.fd] },
    );
    child.unref();
    await once(child, 'spawn');
  } finally {
    await log.close();
  }
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      const logged = (await readFile(cluster.logFile)).subarray(size).toString('utf8').trim();
      throw new Error(`Postgres did not start: ${logged}`);
    }
    const server = await findServer(cluster);
    if (server?.ready === true && server.pid === child.pid) {
      return server;
    }
    await delay(pollMs);
  }
}

/**
 * The server that runs on this data folder, or null. A postmaster.pid whose pid has passed to some other
 * program would keep Postgres from starting. It is removed, but only once no process of the server is left:
 * backends may outlive a killed postmaster for a moment, and to start beside them would destroy data.
 */
export async function findServer(cluster: Cluster): Promise<RunningServer | null> {
  const file = join(cluster.data, 'postmaster.pid');
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 1 || !isPidAlive(pid)) {
    return null;
  }
  const ours = findByCommandLine(cluster.name);
  if (ours.includes(pid)) {
    return { pid, port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' };
  }
  if (ours.length === 0) {
    await rm(file, { force: true });
  }
  return null;
}

/** Fast shutdown: clients are cut off, everything committed is kept. Resolves when the process is gone. */
export async function stopServer(cluster: Cluster): Promise<void> {
  for (;;) {
    const server = await findServer(cluster);
    if (server === null) {
      return;
    }
    signalServer(server.pid);
    while (isPidAlive(server.pid)) {
      await delay(pollMs);
    }
  }
}

/** Asks for a fast shutdown without waiting. */
export function signalServer(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch {
    // Gone in the meantime.
  }
}

function runAs(cluster: Cluster) {
  // No PG* variable of ours may reach the server.
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
  return cluster.account === null ? { env } : { env, uid: cluster.account.uid, gid: cluster.account.gid };
}

/**
 * How the data folder is named to Postgres. As root it runs under an account that may not be allowed through
 * the folders above (a checkout in /root); the kernel's link to its own working folder needs no such leave.
 */
function folderArgument(cluster: Cluster, folder: string): string {
  return cluster.account !== null && process.platform === 'linux' ? '/proc/self/cwd' : folder;
}

async function trimLog(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found !== null && found.size > logBytesMax) {
    await rename(file, `${file}.old`);
  }
}
