import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../../src/log.ts';
import { controlRun } from '../../src/runs/control-store.ts';
import { claimRun, releaseRun } from '../../src/runs/lease-store.ts';
import { listStates } from '../../src/runs/progress-store.ts';
import { startRun } from '../../workers/run.ts';
import { createDataCaches } from '../../workers/run-data.ts';
import { createThreadPool, type ThreadPool } from '../../workers/slots.ts';
import type { Command } from './support/command.ts';
import { claimant, eventsOf, insertRun, type RunDatabase, runDatabase, until } from './support/lifecycle.ts';
import {
  ended,
  endWorker,
  insertExample,
  queueTraining,
  reachesEpoch,
  readRun,
  startWorker,
} from './support/training.ts';

let at: RunDatabase;
beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(() => at.drop());

const ask = (runId: string, action: 'pause' | 'resume') => controlRun(at.db, at.projectId, runId, action);

describe('a pause', () => {
  it('keeps a queued run from being claimed until it is resumed', async () => {
    const runId = await insertRun(at);
    expect(await ask(runId, 'pause')).toMatchObject({ run: { status: 'paused' } });
    expect(await claimRun(at.sql, runId, claimant())).toBeNull();
    expect(await ask(runId, 'resume')).toMatchObject({ run: { status: 'queued' } });
    const claimed = await claimRun(at.sql, runId, claimant());
    expect(claimed).not.toBeNull();
  });

  it('that is taken back after its worker has stopped leaves the run in the queue', async () => {
    const runId = await insertRun(at);
    const claimed = await claimRun(at.sql, runId, claimant());
    await ask(runId, 'pause');
    await ask(runId, 'resume');
    expect(await releaseRun(at.sql, claimed?.hold ?? { runId, fence: 0 })).toBe('queued');
    expect((await eventsOf(at, runId)).map(({ data }) => data)).toEqual([
      { status: 'running' },
      { status: 'pausing' },
      { status: 'running' },
      { status: 'queued' },
    ]);
  });
});

describe('a thread that takes longer over its state than a stop may take', () => {
  const log = createLog('silent', 'test');
  let threads: ThreadPool;
  beforeAll(() => {
    threads = createThreadPool(1, log, { entry: new URL('./support/bad-thread.mjs', import.meta.url) });
  });
  afterAll(() => threads.close());

  /** A run of which the thread has told an epoch. */
  async function begin() {
    const runId = await insertRun(at, { spec: { end: 'dawdle' } });
    const run = await claimRun(at.db, runId, claimant('test', 30));
    if (run === null) throw new Error('the run was not queued');
    const deps = { db: at.sql, caches: createDataCaches(), threads, threadsMax: 1, log };
    // Looked at every 0.4 s, it would be taken for dead.
    const times = { leaseSeconds: 1.2, stallSeconds: 2.5 };
    const task = startRun({ ...deps, ...times, backend: 'interpreter' }, run);
    await reachesEpoch(at, runId, 1);
    const asks = async (action: 'pause' | 'cancel') => {
      await controlRun(at.db, at.projectId, runId, action);
      task.check();
    };
    return { runId, task, asks };
  }
  const place = { epoch: 1, stepsWithin: 4 };

  it('is waited for by a pause', async () => {
    const { runId, task, asks } = await begin();
    await asks('pause');
    await task.ended;
    expect(await readRun(at, runId)).toMatchObject({ status: 'paused', epoch: 1 });
    expect(await listStates(at.sql, runId)).toMatchObject([place]);
  });

  it('is waited for by a drain', async () => {
    const { runId, task } = await begin();
    task.drain();
    await task.ended;
    expect(await readRun(at, runId)).toMatchObject({ status: 'queued', epoch: 1 });
    expect(await listStates(at.sql, runId)).toMatchObject([place]);
  });

  it('is not waited for by a cancel, also when that comes after a pause', async () => {
    const { runId, task, asks } = await begin();
    await asks('pause');
    await asks('cancel');
    await task.ended;
    expect(await readRun(at, runId)).toMatchObject({ status: 'cancelled', epoch: 1 });
    expect(await listStates(at.sql, runId)).toEqual([]);
  });
});

describe('a pause of a run in training', () => {
  const epochs = 150;
  let worker: Command;
  let digits: string;
  beforeAll(async () => {
    digits = await insertExample(at, 'digits');
    // A lease so long that no renewal could bring the news: NOTIFY has to.
    worker = await startWorker(at, { LEASE_SECONDS: '3600', WORKER_SLOTS: '1' });
  });
  afterAll(() => endWorker(worker, 'SIGKILL'));

  const queue = () => queueTraining(at, digits, { epochs, units: 256 });
  const hashesOf = async (runId: string) => {
    const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
    return rows.map(({ epoch, weightsSha256, chainSha256 }) => [epoch, weightsSha256, chainSha256]);
  };

  it('gives the worker back, and the run ends as if it had never been paused', async () => {
    const undisturbed = await queue();
    const expected = await ended(at, undisturbed);
    expect(expected).toMatchObject({ status: 'succeeded', epoch: epochs });

    const runId = await queue();
    for (const turn of [1, 2, 3]) {
      // It trains again when it has come further than it was.
      await reachesEpoch(at, runId, (await readRun(at, runId)).epoch + 5);
      await ask(runId, 'pause');
      const isPaused = async () => (await readRun(at, runId)).status === 'paused';
      await until(isPaused, `run ${runId} to be paused`, 4_000);
      const { epoch: stored, workerId, leaseExpiresAt } = await readRun(at, runId);
      expect({ workerId, leaseExpiresAt }).toEqual({ workerId: null, leaseExpiresAt: null });
      expect((await listStates(at.sql, runId))[0]?.epoch).toBe(stored);
      if (turn === 2) {
        // The slot is free for another run meanwhile.
        expect(await ended(at, await queueTraining(at, digits, { epochs: 2 }))).toMatchObject({ epoch: 2 });
        expect(await readRun(at, runId)).toMatchObject({ status: 'paused', epoch: stored });
      }
      await ask(runId, 'resume');
    }
    const run = await ended(at, runId);
    expect(run).toMatchObject({ status: 'succeeded', fence: 4, weightsSha256: expected.weightsSha256 });
    expect(await hashesOf(runId)).toEqual(await hashesOf(undisturbed));
  });

  it('keeps what an epoch that is not finished has done', async () => {
    const runId = await queueTraining(at, digits, { units: 8_192, batchSize: 1, everySeconds: 0.5 });
    const newest = async () => (await listStates(at.sql, runId))[0];
    const before = await until(newest, 'a state within the first epoch');
    expect(before).toMatchObject({ epoch: 0 });
    await ask(runId, 'pause');
    await until(async () => (await readRun(at, runId)).status === 'paused', 'the pause', 4_000);
    const kept = await newest();
    expect(kept).toMatchObject({ epoch: 0 });
    expect(kept?.stepsWithin).toBeGreaterThan(before.stepsWithin);
    await controlRun(at.db, at.projectId, runId, 'cancel');
  });

  it('and of one that is resumed at once never leaves it stuck', async () => {
    const runId = await queueTraining(at, digits, { epochs: 400 });
    for (let turn = 1; turn <= 10; turn++) {
      await until(async () => (await readRun(at, runId)).status !== 'queued', 'the worker to be back');
      await ask(runId, 'pause');
      await ask(runId, 'resume');
    }
    expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', epoch: 400 });
    expect((await hashesOf(runId)).map(([epoch]) => epoch)).toEqual(
      Array.from({ length: 400 }, (_, i) => i + 1),
    );
  });
});
