// F26: a worker freezes in the midst of reconciling, with the lock in its hand; runs of another that is killed have to
// come back all the same, once.
import { readFileSync } from 'node:fs';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import type { Started } from '../places/processes.ts';
import { until } from '../until.ts';

const waitMsMax = 60_000;
const settleMsMax = 180_000;

export const reconcilerFrozen: Experiment = {
  id: 'F26',
  title: 'a reconciler freezes with the lock',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 1, full: 10 },
  boundSeconds: 60,
  run: async ({ world, repetitions, say }) => {
    await world.startApi();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const victim = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
      const frozen = world.launchWorker({ env: { FAILPOINTS: 'reconcile.locked=stop' } });
      await until(() => isStopped(frozen), 'a worker to freeze while it reconciles', waitMsMax);
      const runId = await world.client.submit('steady', seedOf(repetition));
      await world.reachesEpoch(runId, 1);
      const held = await world.heldBy(victim);
      await victim.kill();
      world.disturbed(held);
      const heir = await world.startWorker();
      for (const late of await settle(world, settleMsMax)) world.violation(late);
      frozen.signal('SIGCONT');
      await world.client.submit('brief', seedOf(repetition));
      for (const late of await settle(world, settleMsMax)) world.violation(`after the awakening: ${late}`);
      await Promise.all([frozen.stop(), heir.stop()]);
      say(`${repetition + 1} of ${repetitions}`);
    }
    await world.startWorker();
  },
};

function isStopped({ pid }: Started): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('T');
}
