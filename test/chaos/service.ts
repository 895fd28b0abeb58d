// The API and worker processes of dist/, as in production, on a given database and queue.
import { join } from 'node:path';
import { packageRoot } from '../../src/package-root.ts';
import type { Network } from './places/network.ts';
import type { Processes, Started } from './places/processes.ts';
import { until } from './until.ts';

export type Env = Readonly<Record<string, string>>;

export interface ServiceOptions {
  readonly env?: Env;
  /** Node's own options. */
  readonly execArgv?: readonly string[];
  /** Runs inside it. */
  readonly network?: Network;
}

const readyMsMax = 60_000;

const inherited = (): NodeJS.ProcessEnv => {
  const {
    DATABASE_URL: _database,
    REDIS_URL: _redis,
    API_KEY: _key,
    KEY_SECRET: _secret,
    ...rest
  } = process.env;
  return rest;
};

/** `name` is what its connections to Postgres are called. Resolves when it does its work. */
export async function startService(
  processes: Processes,
  kind: 'api' | 'worker',
  name: string,
  options: ServiceOptions,
): Promise<Started> {
  const started = launchService(processes, kind, name, options);
  const sign = kind === 'api' ? /api listens on/ : /worker is ready/;
  await until(
    () => {
      if (!started.isAlive()) throw new Error(`${name} ended at its start: ${started.output().slice(-500)}`);
      return sign.test(started.output());
    },
    `${name} to be ready`,
    readyMsMax,
  );
  return started;
}

/** Without waiting: it may come to grief before it is ready. */
export function launchService(
  processes: Processes,
  kind: 'api' | 'worker',
  name: string,
  { env = {}, execArgv = [], network }: ServiceOptions,
): Started {
  const script = kind === 'api' ? 'src/server.js' : 'workers/trainer.js';
  const args = [...execArgv, join(packageRoot(), 'dist', script)];
  const [command, all] = network?.inside(process.execPath, args) ?? [process.execPath, args];
  return processes.start(name, command, all, { ...inherited(), LOG_LEVEL: 'warn', PGAPPNAME: name, ...env });
}
