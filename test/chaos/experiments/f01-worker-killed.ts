// F1: SIGKILL to a worker's whole tree at a random moment of its training.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf, sideBySide } from '../batches.ts';
import type { Experiment } from '../experiment.ts';

/** A steady run takes some seconds, longer with others beside it. */
const lifeMsMax = 6_000;

export const workerKilled: Experiment = {
  id: 'F1',
  title: 'a worker is killed at a random moment',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 4, full: 50 },
  boundSeconds: 40,
  run: async (at) => {
    const { world } = at;
    await world.startApi();
    await sideBySide(at, at.mode === 'quick' ? 4 : 10, async (repetition) => {
      const [worker] = await Promise.all([
        world.startWorker({ env: { WORKER_SLOTS: '1' } }),
        world.client.submit('steady', seedOf(repetition)),
      ]);
      await wait(Math.random() * lifeMsMax);
      const held = await world.heldBy(worker);
      await worker.kill();
      world.disturbed(held);
    });
    await world.startWorker();
  },
};
