// The production shape: an API and two workers on Redis and Postgres.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { type Command, dataFolder, startCommand } from '../flow/support/command.ts';
import { emptyDatabase, until } from '../flow/support/lifecycle.ts';
import { itServesRuns, type ServiceUnderTest } from '../flow/support/service-suite.ts';
import { freePort } from '../support/free-port.ts';

/** Starts everything; `workerCount` 0 leaves the runs waiting. */
async function startProduction(workerCount: number) {
  const data = dataFolder();
  const database = await emptyDatabase(process.env.TEST_DATABASE_URL ?? '');
  const redisPort = await freePort();
  const redis: ChildProcess = spawn(
    'redis-server',
    ['--port', String(redisPort), '--bind', '127.0.0.1', '--appendonly', 'yes', '--dir', data.path],
    { stdio: 'ignore' },
  );
  const redisUrl = `redis://127.0.0.1:${redisPort}`;
  const env = {
    DATA_DIR: data.path,
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl,
    PORT: '0',
    LEASE_SECONDS: '2',
    RECONCILE_SECONDS: '1',
    LOG_LEVEL: 'info',
  };
  const ready = async (command: Command, sign: RegExp) => {
    const seen = () => sign.exec(command.output())?.[0] ?? (command.child.exitCode !== null ? 'ended' : null);
    const found = await until(seen, String(sign), 60_000);
    if (found === 'ended') throw new Error(command.output());
    return found;
  };
  const api = startCommand('src/server.js', [], env);
  const url = await ready(api, /http:\/\/127\.0\.0\.1:\d+/);
  const workers: Command[] = [];
  const addWorker = async () => {
    const worker = startCommand('workers/trainer.js', [], env);
    await ready(worker, /worker is ready/);
    workers.push(worker);
  };
  for (let i = 0; i < workerCount; i++) await addWorker();
  const alive = () => workers.filter(({ child }) => child.exitCode === null && child.signalCode === null);
  const service: ServiceUnderTest = {
    url,
    apiKey: readFileSync(join(data.path, 'admin-key'), 'utf8').trim(),
    workers: () => alive().map(({ child }) => child.pid ?? 0),
    replaceWorker: async () => {
      await until(() => alive().length < workerCount, 'a worker to be gone');
      while (alive().length < workerCount) await addWorker();
    },
    stop: async () => {
      for (const command of [...workers, api]) command.child.kill('SIGTERM');
      await Promise.all([...workers, api].map(({ exitCode }) => exitCode));
      redis.kill('SIGKILL');
      await database.drop();
      data.remove();
    },
  };
  return { service, addWorker, redisUrl };
}

describe('the service on Redis and Postgres with two workers', () => {
  itServesRuns(async () => (await startProduction(2)).service, { kills: 10, python: true });
});

describe('a flushed Redis', () => {
  it('loses none of five waiting runs', async () => {
    const { service, addWorker, redisUrl } = await startProduction(0);
    const redis = new Redis(redisUrl);
    try {
      const headers = { authorization: `Bearer ${service.apiKey}` };
      const examples = join(import.meta.dirname, '../../examples');
      const uploaded = await fetch(`${service.url}/v1/datasets?name=iris`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'text/csv' },
        body: readFileSync(join(examples, 'data/iris.csv')),
      });
      const { id: dataset } = (await uploaded.json()) as { id: string };
      const spec = JSON.parse(readFileSync(join(examples, 'iris.json'), 'utf8'));
      const body = JSON.stringify({ ...spec, data: { ...spec.data, dataset } });
      const ids: string[] = [];
      for (let i = 0; i < 5; i++) {
        const created = await fetch(`${service.url}/v1/runs`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body,
        });
        ids.push(((await created.json()) as { id: string }).id);
      }
      expect(await redis.dbsize()).toBeGreaterThan(0);
      await redis.flushall();
      await addWorker();
      const statusOf = async (id: string) => {
        const response = await fetch(`${service.url}/v1/runs/${id}`, { headers });
        return ((await response.json()) as { status: string }).status;
      };
      for (const id of ids)
        await until(async () => (await statusOf(id)) === 'succeeded', `run ${id}`, 60_000);
    } finally {
      redis.disconnect();
      await service.stop();
    }
  });
});
