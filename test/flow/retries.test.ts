// Which ends of a training are final, and which are tried again, and for how long.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { restartsMax } from '../../src/runs/status.ts';
import { startRun } from '../../workers/run.ts';
import { createDataCaches } from '../../workers/run-data.ts';
import { createThreadPool, type ThreadPool } from '../../workers/slots.ts';
import type { Command } from './support/command.ts';
import { claimant, insertRun, type RunDatabase, runDatabase } from './support/lifecycle.ts';
import { ended, endWorker, insertExample, queueTraining, readRun, startWorker } from './support/training.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const failedAtOnce = (code: string) => ({
  ...{ status: 'failed', stopReason: code, failure: { code, detail: expect.any(String) }, fence: 1 },
});

describe('a worker fails a run at its first attempt', () => {
  let worker: Command;
  let digits: string;
  beforeAll(async () => {
    digits = await insertExample(at, 'digits');
    worker = await startWorker(at, { WORKER_SLOTS: '1', LOG_LEVEL: 'silent' });
  });
  afterAll(() => endWorker(worker, 'SIGKILL'));

  it('that diverges', async () => {
    const runId = await queueTraining(at, digits, { learningRate: 1e30 });
    expect(await ended(at, runId)).toMatchObject({ ...failedAtOnce('diverged'), restarts: 0 });
  });

  it('whose data is not what was stored', async () => {
    const damaged = await insertExample(at, 'iris');
    await at.db.datasetChunk.updateMany({ where: { datasetId: damaged }, data: { sha256: 'another' } });
    const runId = await queueTraining(at, damaged, { target: 'species' });
    expect(await ended(at, runId)).toMatchObject({ ...failedAtOnce('invalidData'), restarts: 1 });
  });

  it('that an error of the service stops', async () => {
    const runId = await insertRun(at, { datasetId: digits, spec: { data: { target: 'digit' } } });
    expect(await ended(at, runId)).toMatchObject({ ...failedAtOnce('internalError'), restarts: 1 });
  });
});

describe('a run whose thread', () => {
  const log = createLog('silent', 'test');
  let threads: ThreadPool;
  beforeAll(() => {
    const entry = new URL('./support/bad-thread.mjs', import.meta.url);
    threads = createThreadPool(1, log, { entry, heapMegabytesMax: 64 });
  });
  afterAll(() => threads.close());

  /** True: it waits for a worker again. */
  async function attempt(runId: string): Promise<boolean> {
    const claimed = await claimRun(at.db, runId, claimant());
    if (claimed === null) throw new Error('the run was not queued');
    const deps = { db: at.sql, caches: createDataCaches(), threads, threadsMax: 1, log };
    const times = { leaseSeconds: 15, stallSeconds: 20 };
    return (await startRun({ ...deps, ...times, backend: 'interpreter' }, claimed).ended).waits;
  }

  it('dies is tried again until that was in vain too often', async () => {
    const runId = await insertRun(at, { spec: { end: 'exit' } });
    // With an epoch that was new.
    expect(await attempt(runId)).toBe(true);
    for (let restarts = 1; restarts < restartsMax; restarts++) {
      expect(await attempt(runId)).toBe(true);
      expect(await readRun(at, runId)).toMatchObject({ status: 'queued', restarts });
    }
    expect(await attempt(runId)).toBe(false);
    expect(await readRun(at, runId)).toMatchObject({
      ...{ status: 'failed', stopReason: 'crashLoop', failure: { code: 'crashLoop' } },
      ...{ restarts: restartsMax, fence: restartsMax + 1, epoch: 1 },
    });
  });

  it('has too little memory is not tried again', async () => {
    const runId = await insertRun(at, { spec: { end: 'exhaust' } });
    expect(await attempt(runId)).toBe(false);
    expect(await readRun(at, runId)).toMatchObject({ ...failedAtOnce('outOfMemory'), epoch: 1 });
  });
});
