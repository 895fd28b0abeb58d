// A training that is refused the memory that it wants fails alone, with words for its owner.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../flow/support/command.ts';
import { type RunDatabase, runDatabase } from '../flow/support/lifecycle.ts';
import {
  ended,
  endWorker,
  insertExample,
  queueTraining,
  reachesEpoch,
  startWorker,
} from '../flow/support/training.ts';

describe('a run that is refused its memory', () => {
  let at: RunDatabase;
  let worker: Command;
  beforeAll(async () => {
    at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
    worker = await startWorker(at, {
      ENGINE_BACKEND: 'wasm',
      WORKER_SLOTS: '2',
      NODE_OPTIONS: `--import=${new URL('../flow/support/small-wasm-memories.mjs', import.meta.url)}`,
    });
  });
  afterAll(async () => {
    await endWorker(worker, 'SIGKILL');
    await at.drop();
  });

  it('ends for that reason at once; its neighbour and those after it are trained as ever', async () => {
    const datasetId = await insertExample(at, 'digits');
    const neighbour = await queueTraining(at, datasetId, { epochs: 400 });
    await reachesEpoch(at, neighbour, 1);
    const giants = [];
    for (let i = 0; i < 3; i++) giants.push(await queueTraining(at, datasetId, { units: 20_000 }));
    for (const giant of giants) {
      const run = await ended(at, giant);
      expect(run).toMatchObject({ status: 'failed', stopReason: 'outOfMemory', epoch: 0, fence: 1 });
      expect(run.failure).toMatchObject({
        code: 'outOfMemory',
        detail: expect.stringContaining('fewer units'),
      });
    }
    const after = await queueTraining(at, datasetId, { epochs: 2 });
    expect(await ended(at, after)).toMatchObject({ status: 'succeeded', fence: 1 });
    expect(await ended(at, neighbour)).toMatchObject({ status: 'succeeded', epoch: 400, fence: 1 });
    expect(worker.child.exitCode).toBeNull();
  });
});
