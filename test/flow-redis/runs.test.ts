// The production shape: Redis and Postgres, two workers. Redis may go away or forget everything at any moment.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { createTicketQueue, type TicketQueue } from '../../src/queue/queue.ts';
import { issueTickets } from '../../src/runs/tickets.ts';
import type { Command } from '../flow/support/command.ts';
import { eventsOf, type RunDatabase, runDatabase, until } from '../flow/support/lifecycle.ts';
import { ended, endWorker, insertExample, queueTraining, startWorker } from '../flow/support/training.ts';
import { freePort } from '../support/free-port.ts';

const log = createLog('silent', 'test');
let at: RunDatabase;
let port: number;
let redis: ChildProcess;
let queue: TicketQueue;
let iris: string;
let workers: Command[] = [];

const redisUrl = () => `redis://127.0.0.1:${port}`;
const startRedis = () =>
  spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', tmpdir()], {
    stdio: 'ignore',
  });
async function killRedis(): Promise<void> {
  const gone = once(redis, 'exit');
  redis.kill('SIGKILL');
  await gone;
}
const startWorkers = async (env: Record<string, string> = {}) => {
  workers = await Promise.all([1, 2].map(() => startWorker(at, { REDIS_URL: redisUrl(), ...env })));
};
const queueIris = () => queueTraining(at, iris, { target: 'species', epochs: 20, units: 8 });
const ring = (runIds: string[]) =>
  issueTickets(
    { db: at.db, queue, log },
    runIds.map((runId) => ({ runId, fence: 0 })),
  );

async function expectWhole(runId: string): Promise<void> {
  expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', epoch: 20 });
  const events = await eventsOf(at, runId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, i) => i + 1));
  expect(events.filter(({ type }) => type === 'epoch')).toHaveLength(20);
}

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  port = await freePort();
  redis = startRedis();
  queue = createTicketQueue({ redisUrl: redisUrl(), databaseUrl: at.url, prefix: 'trainyard', log });
  iris = await insertExample(at, 'iris');
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => endWorker(worker, 'SIGTERM')));
  await queue.close();
  await killRedis();
  await at.drop();
});

describe('two workers on Redis and Postgres', () => {
  it('run all five runs whose tickets were flushed while they waited', async () => {
    const runs = await Promise.all(Array.from({ length: 5 }, queueIris));
    await until(() => ring(runs), 'the tickets to be sent');
    expect(await queue.depth()).toBe(5);
    await flush();
    expect(await queue.depth()).toBe(0);
    await startWorkers();
    await Promise.all(runs.map(expectWhole));
  });

  it('are woken by a ticket', async () => {
    await Promise.all(workers.map((worker) => endWorker(worker, 'SIGTERM')));
    // Nobody polls or reconciles before the test is over: only the ticket can start the run.
    await startWorkers({ RECONCILE_SECONDS: '3600' });
    const warmUp = await queueIris();
    expect(await ring([warmUp])).toBe(true);
    await expectWhole(warmUp);
  });

  it('and serve tickets again after Redis was killed and came back empty', async () => {
    await killRedis();
    const unheard = await queueIris();
    expect(await ring([unheard])).toBe(false);
    redis = startRedis();
    await until(() => ring([unheard]), 'Redis to take tickets again');
    await expectWhole(unheard);
  });

  it('train on while Redis is away', async () => {
    await Promise.all(workers.map((worker) => endWorker(worker, 'SIGTERM')));
    await startWorkers();
    await killRedis();
    await expectWhole(await queueIris());
    redis = startRedis();
  });
});

async function flush(): Promise<void> {
  const client = spawn('redis-cli', ['-p', String(port), 'FLUSHALL'], { stdio: 'ignore' });
  expect(await once(client, 'exit')).toEqual([0, null]);
}
