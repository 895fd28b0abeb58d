// F4: a worker is stopped for longer than its lease, another takes its run over, and then it wakes up.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf, sideBySide } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import type { Started } from '../places/processes.ts';
import { until } from '../until.ts';

const frozenMs = 90_000;
const takeoverMsMax = 120_000;
const dropMsMax = 20_000;

export const workerFrozen: Experiment = {
  id: 'F4',
  title: 'a worker is frozen, and wakes when another has its run',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 30 },
  boundSeconds: 5,
  run: async (at) => {
    const { world, mode } = at;
    await world.startApi();
    await sideBySide(at, 10, async (repetition) => {
      const zombie = await world.startWorker({ env: { WORKER_SLOTS: '1', LOG_LEVEL: 'info' } });
      await world.client.submit('steady', seedOf(repetition));
      const holding = async () => (await world.heldBy(zombie))[0];
      const runId = await until(holding, 'a worker to take a run', takeoverMsMax);
      await world.reachesEpoch(runId, 1);
      zombie.signal('SIGSTOP');
      const frozenAt = performance.now();
      const heir = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
      const takenOver = async () => !(await world.heldBy(zombie)).includes(runId);
      await until(takenOver, `run ${runId} to be taken from the frozen worker`, takeoverMsMax);
      if (mode === 'full') await wait(Math.max(0, frozenMs - (performance.now() - frozenAt)));
      zombie.signal('SIGCONT');
      const wokenAt = performance.now();
      const dropped = () => endings(zombie).some((line) => line.includes(runId));
      await until(dropped, `the zombie to drop run ${runId}`, dropMsMax);
      world.recovered((performance.now() - wokenAt) / 1_000);
      if (!zombie.isAlive()) world.violation('the zombie ended');
      await Promise.all([zombie.stop(), heir.stop()]);
    });
    await world.startWorker();
  },
};

/** What the worker logged when it was done with a run, for whatever reason. */
function endings(worker: Started): string[] {
  return worker
    .output()
    .split('\n')
    .filter((line) => line.includes('"training ended"'));
}
