// A Postgres cluster of the experiments' own, on the embedded binaries: it can be stopped without a word, started
// again on the same port, and lie on a disk of a given size.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { chooseAccount } from '../../../src/embedded/account.ts';
import { findBinaries } from '../../../src/embedded/binaries.ts';
import { createCluster, findServer, startServer, superuser } from '../../../src/embedded/cluster.ts';
import { isPidAlive } from '../../../src/embedded/process-identity.ts';
import { freePort } from '../../support/free-port.ts';
import { until } from '../until.ts';

export interface PostgresPlace {
  /** The folder that its disk holds. */
  readonly folder: string;
  urlOf(database: string): string;
  /** Waits until it accepts connections. */
  start(): Promise<void>;
  /** `immediate`: as if the power went, and recovery at the next start. */
  stop(how: 'immediate' | 'fast'): Promise<void>;
  /** Accepts connections now. */
  accepts(): Promise<boolean>;
  /** Stops it and leaves nothing on the disk. Once is enough. */
  remove(): Promise<void>;
}

const readyMsMax = 60_000;
const password = 'chaos';

export interface PostgresOptions {
  /** On a file system of that size. */
  readonly megabytes?: number;
  /** Where it listens besides loopback, for whoever is there. */
  readonly address?: string;
}

/** Throws where the machine does not let us mount a file system that is asked for. */
export async function openPostgres({ megabytes, address }: PostgresOptions = {}): Promise<PostgresPlace> {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-chaos-pg-'));
  const unmount = megabytes === undefined ? () => undefined : mountDisk(folder, megabytes);
  const home = join(folder, 'home');
  mkdirSync(home, { mode: 0o700 });
  const account = await chooseAccount();
  const cluster = {
    name: `trainyard-chaos-${process.pid}-${Math.trunc(performance.now())}`,
    binaries: await findBinaries(account),
    account,
    data: join(home, 'data'),
    logFile: join(home, 'log'),
  };
  await createCluster(cluster, password);
  if (address !== undefined) {
    appendFileSync(join(cluster.data, 'pg_hba.conf'), 'host all all samenet scram-sha-256\n');
  }
  const port = await freePort();
  const urlOf = (database: string) => `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`;
  const accepts = async () => {
    const client = new pg.Client({ connectionString: urlOf('postgres'), connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const stop = async (how: 'immediate' | 'fast') => {
    const server = await findServer(cluster);
    if (server === null) return;
    process.kill(server.pid, how === 'immediate' ? 'SIGQUIT' : 'SIGINT');
    while (isPidAlive(server.pid)) await wait(20);
  };
  const remove = async () => {
    await stop('immediate');
    unmount();
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  };
  let removed: Promise<void> | null = null;
  return {
    folder,
    urlOf,
    accepts,
    start: async () => {
      if (removed !== null) throw new Error('this Postgres is removed');
      await startServer(cluster, port, ['127.0.0.1', ...(address === undefined ? [] : [address])]);
      await until(accepts, 'Postgres to accept connections', readyMsMax);
    },
    stop,
    remove: () => {
      removed ??= remove();
      return removed;
    },
  };
}

function mountDisk(folder: string, megabytes: number): () => void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=711`, 'trainyard-chaos', folder]);
  return () => {
    execFileSync('umount', ['--lazy', folder]);
  };
}
