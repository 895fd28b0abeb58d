import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { controlRun } from '../../src/runs/control-store.ts';
import { claimRun } from '../../src/runs/lease-store.ts';
import { finishRun } from '../../src/runs/progress-store.ts';
import type { Command } from './support/command.ts';
import { claimant, eventsOf, insertRun, type RunDatabase, runDatabase } from './support/lifecycle.ts';
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

const cancel = (runId: string) => controlRun(at.db, at.projectId, runId, 'cancel');

describe('a cancel', () => {
  it('ends a queued run at once, and answers the same when asked again', async () => {
    const runId = await insertRun(at);
    expect(await cancel(runId)).toMatchObject({ outcome: 'accepted', run: { status: 'cancelled' } });
    expect(await cancel(runId)).toMatchObject({ outcome: 'accepted', run: { status: 'cancelled' } });
    expect((await eventsOf(at, runId)).map(({ type }) => type)).toEqual(['status', 'done']);
    expect(await claimRun(at.db, runId, claimant('late'))).toBeNull();
  });

  it('is told to a finished run in vain', async () => {
    const runId = await insertRun(at);
    const claimed = await claimRun(at.db, runId, claimant());
    await finishRun(at.sql, claimed?.hold ?? { runId, fence: 0 }, {
      action: 'succeed',
      stopReason: 'completed',
    });
    expect(await cancel(runId)).toMatchObject({
      outcome: 'illegalTransition',
      run: { status: 'succeeded' },
    });
  });

  it('finds no run of another project', async () => {
    const runId = await insertRun(at);
    expect(await controlRun(at.db, randomUUID(), runId, 'cancel')).toEqual({ outcome: 'notFound' });
    expect((await readRun(at, runId)).status).toBe('queued');
  });
});

describe('a cancel of a run in training', () => {
  let worker: Command;
  let digits: string;
  beforeAll(async () => {
    digits = await insertExample(at, 'digits');
    // A lease so long that no renewal could bring the news: NOTIFY has to.
    worker = await startWorker(at, { LEASE_SECONDS: '3600', WORKER_SLOTS: '1' });
  });
  afterAll(() => endWorker(worker, 'SIGKILL'));

  it('stops it, keeps its epochs and the state it had, and frees the slot', async () => {
    const runId = await queueTraining(at, digits, { epochs: 100_000, units: 256 });
    await reachesEpoch(at, runId, 2);
    expect(await cancel(runId)).toMatchObject({ outcome: 'accepted', run: { status: 'cancelling' } });
    expect(await cancel(runId)).toMatchObject({ outcome: 'accepted' });
    const run = await ended(at, runId, 20_000);
    expect(run).toMatchObject({ status: 'cancelled', stopReason: 'user', results: null });
    expect(await at.db.epoch.count({ where: { runId } })).toBe(run.epoch);
    expect(
      await at.db.checkpoint.findMany({ where: { runId }, select: { role: true, epoch: true } }),
    ).toEqual([{ role: 'state', epoch: run.epoch }]);
    const types = (await eventsOf(at, runId)).map(({ type }) => type);
    expect(types.filter((type) => type === 'done')).toHaveLength(1);
    expect(types.at(-1)).toBe('done');

    const next = await queueTraining(at, digits, { epochs: 2 });
    expect(await ended(at, next)).toMatchObject({ status: 'succeeded', epoch: 2 });
  });
});
