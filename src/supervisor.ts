// The whole service on one machine: the database, the API and a worker, for `trainyard up` and the quickstart.
// A killed supervisor leaves nothing behind: the children notice, save their work and end, and the last of them
// stops the embedded Postgres.
import { join } from 'node:path';
import { pino } from 'pino';
import { type ChildService, startChild } from './child-service.ts';
import { type Config, childEnvironment } from './config.ts';
import { createDatabase } from './db/client.ts';
import { migrate } from './db/migrate.ts';
import { openDatabase } from './embedded/database-url.ts';
import { createKeyService } from './keys/service.ts';
import type { Log } from './log.ts';
import { packageRoot } from './package-root.ts';

export interface RunningService {
  readonly url: string;
  readonly apiKey: string;
  /** The children's pids, null while one is being started again. */
  pids(): { api: number | null; worker: number | null };
  /** Lets the children save their work and stops everything, within about 30 s. Idempotent. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  readonly log: Log;
  /** Gets each line the children write; by default they become entries of `log`. */
  readonly onLine?: (service: string, line: string) => void;
}

/**
 * A worker's buffers are large and soon done with: glibc gives them back at once when it keeps to its threshold, a
 * young generation need not grow to hold what describes them, and workers/garbage.ts has it collected in time.
 * docker-compose.yml says the same.
 */
const workerMemory = {
  execArgv: ['--max-semi-space-size=1', '--expose-gc'],
  env: { MALLOC_MMAP_THRESHOLD_: '65536' },
};

/** Resolves when the API and the worker do their work; rejects, with everything stopped, when one cannot. */
export async function startService(config: Config, options: ServiceOptions): Promise<RunningService> {
  const { log, onLine = relayTo(log) } = options;
  const database = await openDatabase(config, log);
  const children: ChildService[] = [];
  let stopped: Promise<void> | null = null;
  const stop = () => {
    stopped ??= Promise.all(children.map((child) => child.stop())).then(database.release);
    return stopped;
  };
  try {
    const apiKey = await prepareDatabase(database.url, config);
    const start = (name: string, entry: string, { execArgv, env }: Partial<typeof workerMemory> = {}) => {
      const environment = (url: string | null) => ({ ...env, ...childEnvironment(withPortOf(config, url)) });
      const file = join(packageRoot(), 'dist', entry);
      const child = startChild({
        name,
        entry: file,
        environment,
        onLine,
        log,
        ...(execArgv && { execArgv }),
      });
      children.push(child);
      return child;
    };
    const api = start('api', 'src/server.js');
    const worker = start('worker', 'workers/trainer.js', workerMemory);
    const [url] = await Promise.all([api.ready, worker.ready]);
    if (url === null) {
      throw new Error('the API did not say where it listens');
    }
    return { url, apiKey, pids: () => ({ api: api.pid(), worker: worker.pid() }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function prepareDatabase(url: string, config: Config): Promise<string> {
  await migrate(url);
  const db = createDatabase(url, { poolMax: 1 });
  try {
    const keys = await createKeyService({ db, dataDir: config.dataDir, keySecret: config.keySecret });
    return await keys.ensureAdminKey(config.apiKey);
  } finally {
    await db.$disconnect();
  }
}

/** Port 0 means any port at the first start, but the same one after a restart. */
function withPortOf(config: Config, url: string | null): Config {
  return url === null || config.port !== 0 ? config : { ...config, port: Number(new URL(url).port) };
}

/** The children write pino's JSON lines; anything else (a crash's stack) is kept as text. */
function relayTo(log: Log): (service: string, line: string) => void {
  return (service, line) => {
    try {
      const { level, msg, time: _time, hostname: _hostname, ...rest } = JSON.parse(line);
      const label = pino.levels.labels[level] as 'info';
      log[label](rest, msg);
    } catch {
      log.warn({ service }, line);
    }
  };
}
