// The embedded default: a real Postgres in the data folder, shared by every process of ours that asks for it
// on this machine. Each user leaves a note with its identity; the last one out stops the server, and notes of
// users that were killed do not count. A server whose users were all killed is simply taken over.
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../log.ts';
import { readOrCreateSecret } from '../secret-file.ts';
import { chooseAccount } from './account.ts';
import { findBinaries } from './binaries.ts';
import {
  type Cluster,
  createCluster,
  findServer,
  type RunningServer,
  signalServer,
  startServer,
  stopServer,
  superuser,
} from './cluster.ts';
import { withFolderLock } from './folder-lock.ts';
import { isAlive, ownIdentity } from './process-identity.ts';

export interface EmbeddedPostgres {
  readonly url: string;
  /** Gives the server back; the last user's call stops it and resolves when it is gone. Idempotent. */
  stop(): Promise<void>;
}

const database = 'trainyard';
// Recovery after a crash may take its time; a server that is neither ready nor gone by then is stuck.
const readyWaitMs = 120_000;
const lockWaitMs = 150_000;
const retryMs = 100;

/** Starts or joins the Postgres in `<dataDir>/postgres`, creating it at the first call. */
export async function ensurePostgres(dataDir: string, log: Log): Promise<EmbeddedPostgres> {
  const home = join(dataDir, 'postgres');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const lockFolder = join(home, 'lock');
  const users = join(home, 'users');
  const note = join(users, noteName());

  const { cluster, server, password } = await withFolderLock(lockFolder, lockWaitMs, async () => {
    const account = await chooseAccount();
    const made: Cluster = {
      name: `trainyard-${await readOrCreateSecret(join(home, 'id'), () => randomBytes(8).toString('hex'))}`,
      binaries: await findBinaries(account),
      account,
      data: join(home, 'data'),
      logFile: join(home, 'log'),
    };
    const secret = await readOrCreateSecret(join(home, 'password'), () => randomBytes(24).toString('hex'));
    await createCluster(made, secret);
    const running = await joinOrStart(made, secret, join(home, 'port'), log);
    await mkdir(users, { recursive: true, mode: 0o700 });
    await writeFile(note, '', { mode: 0o600 });
    return { cluster: made, server: running, password: secret };
  });

  // A process that ends without calling stop (an uncaught error) still leaves no server behind.
  const onExit = () => {
    rmSync(note, { force: true });
    if (!isUsed(users)) {
      signalServer(server.pid);
    }
  };
  process.once('exit', onExit);

  let stopped: Promise<void> | null = null;
  const stop = () =>
    withFolderLock(lockFolder, lockWaitMs, async () => {
      process.off('exit', onExit);
      await rm(note, { force: true });
      if (!isUsed(users)) {
        await stopServer(cluster);
        log.info('Postgres stopped');
      }
    });
  return {
    url: urlOf(password, server.port, database),
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

async function joinOrStart(
  cluster: Cluster,
  password: string,
  portFile: string,
  log: Log,
): Promise<RunningServer> {
  const deadline = Date.now() + readyWaitMs;
  for (;;) {
    const found = await findServer(cluster);
    // One that is there may be starting, recovering or shutting down: it will be ready or gone soon.
    const server = found ?? (await tryStart(cluster, portFile, deadline));
    if (server?.ready === true && (await ensureDatabase(urlOf(password, server.port, 'postgres')))) {
      log.info(
        { pid: server.pid, port: server.port },
        found === null ? 'Postgres started' : 'Postgres joined',
      );
      return server;
    }
    if (Date.now() > deadline) {
      throw new Error(`the Postgres in ${cluster.data} does not accept connections; see ${cluster.logFile}`);
    }
    await delay(retryMs);
  }
}

/** Null when it failed for a reason that passes: the port was taken, or a killed server's backends linger. */
async function tryStart(cluster: Cluster, portFile: string, deadline: number): Promise<RunningServer | null> {
  const remembered = Number(await readFile(portFile, 'utf8').catch(() => '0'));
  const port = await freePort(remembered);
  try {
    const server = await startServer(cluster, port);
    await writeFile(portFile, String(port), { mode: 0o600 });
    return server;
  } catch (error) {
    const passing = /could not bind|could not create any TCP|is still in use|already exists/.test(
      String(error),
    );
    if (passing && Date.now() < deadline) {
      return null;
    }
    throw error;
  }
}

/** False when the server lets nobody in just now. */
async function ensureDatabase(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database]);
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`);
    }
    return true;
  } catch (error) {
    // 57P03: starting up or shutting down; 57P01: shut down under us. Anything else is no matter of waiting.
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (['57P03', '57P01', 'ECONNREFUSED', 'ECONNRESET'].includes(code)) {
      return false;
    }
    throw error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

function urlOf(password: string, port: number, name: string): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${name}`;
}

/** The identity is in the name, so that a note is never half written. */
function noteName(): string {
  const { pid, started } = ownIdentity();
  return [pid, encodeURIComponent(started), randomBytes(6).toString('hex')].join('_');
}

/** True while a process that left a note is alive; notes of dead ones are removed. Synchronous for `exit`. */
function isUsed(users: string): boolean {
  const dead = readdirSync(users).filter((name) => {
    const [pid, started] = name.split('_');
    return !isAlive({ pid: Number(pid), started: decodeURIComponent(started ?? '') });
  });
  for (const name of dead) {
    rmSync(join(users, name), { force: true });
  }
  return readdirSync(users).length > 0;
}

async function freePort(wanted: number): Promise<number> {
  const tryPort = (port: number) =>
    new Promise<number | null>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(null));
      probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
        const address = probe.address();
        probe.close(() => resolve(address !== null && typeof address === 'object' ? address.port : null));
      });
    });
  const port = (await tryPort(wanted)) ?? (await tryPort(0));
  if (port === null) {
    throw new Error('no free port on 127.0.0.1 for Postgres');
  }
  return port;
}
