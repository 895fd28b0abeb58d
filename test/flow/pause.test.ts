import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controlRun } from '../../src/runs/control-store.ts';
import { claimRun, releaseRun } from '../../src/runs/lease-store.ts';
import { listStates } from '../../src/runs/progress-store.ts';
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
