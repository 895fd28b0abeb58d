// One experiment's surroundings: a database with its audit, a queue, an API, and as many workers as it starts.

import { freePort } from '../support/free-port.ts';
import { type Acknowledged, type Client, createClient } from './client.ts';
import { type ExperimentDatabase, openDatabase, type Query } from './database.ts';
import type { Ground } from './ground.ts';
import { type Line, openLine } from './line.ts';
import type { Network, Wire } from './places/network.ts';
import type { PostgresPlace } from './places/postgres.ts';
import type { Started } from './places/processes.ts';
import { openRedis, type RedisPlace } from './places/redis.ts';
import { type Env, launchService, type ServiceOptions, startService } from './service.ts';
import type { Undisturbed } from './undisturbed.ts';
import { until } from './until.ts';

export type QueueName = 'redis' | 'postgres';

export interface World {
  readonly queue: QueueName;
  readonly postgres: PostgresPlace;
  /** Of the world's own database. */
  readonly databaseUrl: string;
  /** Null on the queue in Postgres. */
  readonly redis: RedisPlace | null;
  readonly client: Client;
  readonly query: Query;
  readonly withClient: ExperimentDatabase['withClient'];
  readonly undisturbed: Undisturbed;
  readonly acknowledged: readonly Acknowledged[];
  readonly violations: string[];
  readonly recoveries: number[];
  /** The API that the client asks; starting another takes its place. */
  startApi(options?: ServiceOptions): Promise<Started>;
  startWorker(options?: ServiceOptions): Promise<Started>;
  /** The ones that live. */
  apis(): Started[];
  /** Those that ended with another status than 0. */
  failed(): Started[];
  /** Not waited for: it may come to grief before it is ready. */
  launchWorker(options?: ServiceOptions): Started;
  /** The settings that processes of this world are started with. */
  readonly settings: Env;
  /** What it holds now. */
  heldBy(worker: Started): Promise<string[]>;
  /** The run is to train on after this moment; how long that takes is measured in the end. */
  disturbed(runIds: readonly string[]): void;
  reachesEpoch(runId: string, epoch: number): Promise<void>;
  violation(text: string): void;
  recovered(seconds: number): void;
  /** Fills `recoveries` from what was `disturbed`. */
  measureRecoveries(): Promise<void>;
  /** From a worker to one of the servers; closed with the world. */
  openLine(to: Wire): Promise<Line>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly queue: QueueName;
  /** Settings for all its processes. */
  readonly env: Env;
  /** Its servers have an address there, too. */
  readonly network?: Network | null;
}

export async function openWorld(
  ground: Ground,
  { queue, env, network = null }: WorldOptions,
): Promise<World> {
  const { processes, folder, apiKey, dataset, undisturbed, postgres } = ground;
  const { name, url: databaseUrl } = await ground.cloneDatabase();
  const database = openDatabase(databaseUrl);
  const { query, withClient } = database;
  const redis = queue === 'redis' ? await openRedis(processes, folder, network?.addressOf('redis')) : null;
  await redis?.start();
  const port = await freePort();
  const settings: Env = {
    DATA_DIR: folder,
    DATABASE_URL: databaseUrl,
    REDIS_URL: redis?.url ?? '',
    PORT: String(port),
    ...env,
  };
  const violations: string[] = [];
  const recoveries: number[] = [];
  const disturbances: { runId: string; at: number }[] = [];
  const started: Started[] = [];
  const lines: Line[] = [];
  let count = 0;
  const launch = (kind: 'api' | 'worker', options: ServiceOptions): [string, ServiceOptions] => {
    count++;
    return [`${kind}-${count}`, { ...options, env: { ...settings, ...options.env } }];
  };
  const keep = (one: Started): Started => {
    started.push(one);
    return one;
  };
  const client = createClient({ url: () => `http://127.0.0.1:${port}`, apiKey, dataset });

  return {
    queue,
    postgres,
    databaseUrl,
    redis,
    client,
    query,
    withClient,
    undisturbed,
    violations,
    recoveries,
    settings,
    get acknowledged() {
      return client.acknowledged;
    },
    startApi: async (options = {}) => keep(await startService(processes, 'api', ...launch('api', options))),
    startWorker: async (options = {}) =>
      keep(await startService(processes, 'worker', ...launch('worker', options))),
    launchWorker: (options = {}) => keep(launchService(processes, 'worker', ...launch('worker', options))),
    apis: () => started.filter((one) => one.name.startsWith('api') && one.isAlive()),
    failed: () => started.filter((one) => (one.exitCode() ?? 0) !== 0),
    heldBy: async ({ pid }) => {
      const rows = await query<{ id: string }>(
        `SELECT id FROM "Run" WHERE "workerId" LIKE $1 AND status IN ('running', 'pausing', 'cancelling')`,
        [`%-${pid}-%`],
      );
      return rows.map(({ id }) => id);
    },
    disturbed: (runIds) => {
      disturbances.push(...runIds.map((runId) => ({ runId, at: Date.now() })));
    },
    reachesEpoch: async (runId, epoch) => {
      const reached = async () => {
        const [run] = await query<{ epoch: number }>('SELECT epoch FROM "Run" WHERE id = $1', [runId]);
        return (run?.epoch ?? 0) >= epoch;
      };
      await until(reached, `epoch ${epoch} of run ${runId}`, 120_000);
    },
    violation: (text) => {
      violations.push(text);
    },
    recovered: (seconds) => {
      recoveries.push(seconds);
    },
    measureRecoveries: async () => {
      for (const { runId, at } of disturbances.splice(0)) {
        const [next] = await query<{ seconds: number | null }>(
          `SELECT extract(epoch FROM min(at))::float8 - $2::float8 AS seconds FROM (
             SELECT at FROM chaos.write WHERE run = $1 AND kind = 'epoch'
             UNION ALL
             SELECT at FROM chaos.change WHERE run = $1 AND "newStatus" IN ('succeeded', 'failed', 'cancelled')
           ) AS sign WHERE at > to_timestamp($2::float8)`,
          [runId, at / 1_000],
        );
        if (typeof next?.seconds === 'number') recoveries.push(next.seconds);
      }
    },
    openLine: async (to) => {
      const line = await openLine(to, { network, databaseUrl, redisUrl: redis?.url ?? null });
      lines.push(line);
      return line;
    },
    close: async () => {
      await Promise.all(started.map((one) => one.kill()));
      await Promise.all(lines.map((line) => line.close()));
      await redis?.kill();
      redis?.forget();
      await database.close();
      await ground.dropDatabase(name);
    },
  };
}
