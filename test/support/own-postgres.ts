// A Postgres server of a test's own, to be taken away under the service: killed, started again, frozen.
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chooseAccount } from '../../src/embedded/account.ts';
import { findBinaries } from '../../src/embedded/binaries.ts';
import { createCluster, findServer, startServer, stopServer, superuser } from '../../src/embedded/cluster.ts';
import { findByCommandLine } from '../../src/embedded/process-identity.ts';
import { until } from '../flow/support/lifecycle.ts';
import { freePort } from './free-port.ts';

export interface OwnPostgres {
  /** Of the database `postgres`, at the same address for as long as the test lasts. */
  readonly url: string;
  start(): Promise<void>;
  /** Without a checkpoint: the next start recovers. Resolves when every process of it is gone. */
  stopImmediately(): Promise<void>;
  /** Every process of the server stops, or goes on, in the middle of whatever it does. */
  freeze(): void;
  thaw(): void;
  /** Lets the server have a folder. */
  give(path: string): void;
  remove(): Promise<void>;
}

const password = 'of a test';

export async function createOwnPostgres(): Promise<OwnPostgres> {
  const home = mkdtempSync(join(tmpdir(), 'trainyard-own-'));
  const account = await chooseAccount();
  const give = (path: string) => {
    if (account !== null) chownSync(path, account.uid, account.gid);
  };
  give(home);
  const cluster = {
    name: `trainyard-own-${process.pid}-${Date.now()}`,
    binaries: await findBinaries(account),
    account,
    data: join(home, 'data'),
    logFile: join(home, 'log'),
  };
  await createCluster(cluster, password);
  const port = await freePort();
  await startServer(cluster, port);
  const signalAll = (signal: NodeJS.Signals) => {
    for (const pid of findByCommandLine(cluster.name)) process.kill(pid, signal);
  };
  return {
    url: `postgres://${superuser}:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`,
    start: async () => {
      await startServer(cluster, port);
    },
    stopImmediately: async () => {
      const server = await findServer(cluster);
      if (server !== null) process.kill(server.pid, 'SIGQUIT');
      await until(() => findByCommandLine(cluster.name).length === 0, 'the end of every Postgres process');
    },
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    give,
    remove: async () => {
      signalAll('SIGCONT');
      await stopServer(cluster);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
