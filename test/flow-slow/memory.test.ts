// A worker takes no more runs than its memory holds, and a run that needs much of it gets its turn.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { claimNextRun, claimRun } from '../../src/runs/lease-store.ts';
import { claimNextVerification } from '../../src/runs/verification-store.ts';
import { forgetDeadWorkers, largestWorkerMemory, reportWorker } from '../../src/workers/store.ts';
import type { Command } from '../flow/support/command.ts';
import { claimant, insertRun, type RunDatabase, runDatabase, until } from '../flow/support/lifecycle.ts';
import {
  endWorker,
  insertExample,
  queueTraining,
  reachesEpoch,
  readRun,
  startWorker,
} from '../flow/support/training.ts';

const MiB = 1024 ** 2;
let at: RunDatabase;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
beforeEach(async () => {
  await at.db.run.deleteMany();
  await at.db.worker.deleteMany();
});
afterAll(() => at.drop());

const claimantWith = (all: number, free: number) => ({ ...claimant(), memory: { all, free } });
const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000);

describe('a claim', () => {
  it('takes a run that fits in what is free, to the byte', async () => {
    const runId = await insertRun(at, { memoryBytes: 100 });
    expect(await claimRun(at.sql, runId, claimantWith(200, 99))).toBeNull();
    expect(await claimNextRun(at.sql, claimantWith(200, 99))).toBeNull();
    expect(await claimRun(at.sql, runId, claimantWith(200, 100))).toMatchObject({ memoryBytes: 100 });
  });

  it('takes the oldest run that fits, past a larger one that has only just come', async () => {
    await insertRun(at, { memoryBytes: 100, createdAt: ago(3) });
    const small = await insertRun(at, { memoryBytes: 10, createdAt: ago(2) });
    await insertRun(at, { memoryBytes: 10, createdAt: ago(1) });
    expect((await claimNextRun(at.sql, claimantWith(200, 50)))?.hold.runId).toBe(small);
  });

  it('lets nothing past a larger run that has waited long, until that fits', async () => {
    const large = await insertRun(at, { memoryBytes: 100, createdAt: ago(60) });
    const small = await insertRun(at, { memoryBytes: 10 });
    expect(await claimNextRun(at.sql, claimantWith(200, 50))).toBeNull();
    expect(await claimRun(at.sql, small, claimantWith(200, 50))).toBeNull();
    expect((await claimNextRun(at.sql, claimantWith(200, 200)))?.hold.runId).toBe(large);
    expect((await claimRun(at.sql, small, claimantWith(200, 100)))?.hold.runId).toBe(small);
  });

  it('is not kept from the rest by a run that this worker could never hold', async () => {
    await insertRun(at, { memoryBytes: 1_000, createdAt: ago(60) });
    const small = await insertRun(at, { memoryBytes: 10 });
    expect((await claimNextRun(at.sql, claimantWith(200, 50)))?.hold.runId).toBe(small);
  });

  it('of a verification asks for as much as its run', async () => {
    const runId = await insertRun(at, { memoryBytes: 100 });
    const verification = { id: crypto.randomUUID(), runId, fromEpoch: 1, toEpoch: 1 };
    await at.db.verification.create({ data: verification });
    expect(await claimNextVerification(at.sql, claimantWith(200, 99))).toBeNull();
    const claimed = await claimNextVerification(at.sql, claimantWith(200, 100));
    expect(claimed?.run.memoryBytes).toBe(100);
  });
});

describe('the list of workers', () => {
  const entry = { hostname: 'here', engineVersion: '1', backend: 'wasm' as const, slots: 1 };
  const silence = (id: string) =>
    at.db.$executeRaw`UPDATE "Worker" SET "lastSeenAt" = now() - interval '31 seconds' WHERE "id" = ${id}`;

  it('knows the largest of those that live, and forgets the others', async () => {
    expect(await largestWorkerMemory(at.db)).toBeNull();
    await reportWorker(at.sql, { ...entry, id: 'small', memoryBytes: 10 });
    await reportWorker(at.sql, { ...entry, id: 'large', memoryBytes: 8 * 1024 ** 4 });
    expect(await largestWorkerMemory(at.db)).toBe(8 * 1024 ** 4);
    await silence('large');
    expect(await largestWorkerMemory(at.db)).toBe(10);
    expect(await forgetDeadWorkers(at.sql)).toEqual(['large']);
    expect(await forgetDeadWorkers(at.sql)).toEqual([]);
    await reportWorker(at.sql, { ...entry, id: 'large', memoryBytes: 20 });
    expect(await largestWorkerMemory(at.db)).toBe(20);
  });
});

describe('a worker', () => {
  let worker: Command;
  beforeEach(async () => {
    worker = await startWorker(at, { WORKER_MEMORY: '100 MiB', WORKER_SLOTS: '3' });
    return () => endWorker(worker, 'SIGKILL');
  });

  it('lists itself from its start until it is told to stop', async () => {
    const rows = await at.db.worker.findMany();
    expect(rows).toMatchObject([{ slots: 3, memoryBytes: BigInt(100 * MiB) }]);
    expect(await endWorker(worker, 'SIGTERM')).toBe(0);
    expect(await at.db.worker.count()).toBe(0);
  });

  it('says again and again that it is there, also after it was forgotten', async () => {
    await at.db.worker.deleteMany();
    await until(async () => (await at.db.worker.count()) === 1, 'the next report');
  });

  it('trains beside each other what fits, and the rest when it does', async () => {
    const datasetId = await insertExample(at, 'digits');
    const need = async (epochs: number, memoryBytes: number) => {
      const id = await queueTraining(at, datasetId, { epochs });
      await at.db.run.update({ where: { id }, data: { memoryBytes } });
      return id;
    };
    const first = await need(100_000, 60 * MiB);
    await reachesEpoch(at, first, 1);
    const large = await need(5, 60 * MiB);
    const small = await need(5, 30 * MiB);
    await until(async () => (await readRun(at, small)).status === 'succeeded', 'the small run');
    expect(await readRun(at, large)).toMatchObject({ status: 'queued', fence: 0 });
    await at.db.run.update({ where: { id: first }, data: { status: 'cancelling' } });
    await until(async () => (await readRun(at, large)).status === 'succeeded', 'the large run');
    expect((await readRun(at, first)).status).toBe('cancelled');
  });
});
