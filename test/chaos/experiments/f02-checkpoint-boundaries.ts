// F2: SIGKILL at every boundary around the claim, the epochs, the checkpoint, the end and the release of a run.
import type { FailpointName } from '../../../src/failpoints.ts';
import { seedOf, sideBySide } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import type { World } from '../world.ts';

/** With how often each is passed before it kills. */
const boundaries: readonly (readonly [FailpointName, number])[] = [
  ['claim.before', 1],
  ['claim.after', 1],
  ['epochs.before', 3],
  ['epochs.committed', 3],
  ['checkpoint.encoded', 1],
  ['checkpoint.sent', 1],
  ['checkpoint.before', 1],
  ['checkpoint.committed', 1],
  ['end.before', 1],
  ['end.committed', 1],
  ['release.before', 1],
  ['release.after', 1],
];
const batchSize = 6;
const deathMsMax = 120_000;
const settleMsMax = 180_000;

export const checkpointBoundaries: Experiment = {
  id: 'F2',
  title: 'a worker is killed at each boundary around a checkpoint',
  queues: ['redis', 'postgres'],
  repetitions: { quick: boundaries.length, full: boundaries.length * 5 },
  boundSeconds: 40,
  run: async (at) => {
    const { world } = at;
    await world.startApi();
    for (let from = 0; from < at.repetitions; from += batchSize) {
      const repetitions = Math.min(batchSize, at.repetitions - from);
      await sideBySide({ ...at, repetitions, say: () => undefined }, batchSize, async (i) => {
        await world.client.submit('steady', seedOf(from + i));
        const [name, passes] = boundaries[(from + i) % boundaries.length] ?? ['claim.after', 1];
        await dieAt(world, name, passes);
      });
      // Only now: it would have taken the others' runs.
      const heir = await world.startWorker();
      for (const late of await settle(world, settleMsMax)) world.violation(late);
      await heir.kill();
      at.say(`${from + repetitions} of ${at.repetitions}`);
    }
  },
};

async function dieAt(world: World, name: FailpointName, passes: number): Promise<void> {
  const worker = world.launchWorker({ env: { WORKER_SLOTS: '1', FAILPOINTS: `${name}=kill@${passes}` } });
  if (name.startsWith('release.')) {
    const stopping = setInterval(async () => {
      const [held] = await world.heldBy(worker);
      if (held !== undefined) worker.signal('SIGTERM');
    }, 500);
    void worker.ended.then(() => clearInterval(stopping));
  }
  const late = setTimeout(() => {
    world.violation(`a worker did not come to ${name}: ${worker.output().slice(-300)}`);
    void worker.kill();
  }, deathMsMax);
  await worker.ended;
  clearTimeout(late);
  world.disturbed(await world.heldBy(worker));
}
