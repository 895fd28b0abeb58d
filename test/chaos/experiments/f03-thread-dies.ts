// F3: a training thread dies, hangs or runs out of memory; the run beside it and the worker do not mind.
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';

interface Ending {
  readonly action: 'trap' | 'loop' | 'exhaust';
  /** How the thread's run ends; null: as undisturbed, only later. */
  readonly stopReason: string | null;
}

const endings: readonly Ending[] = [
  { action: 'trap', stopReason: 'internalError' },
  { action: 'loop', stopReason: null },
  { action: 'exhaust', stopReason: 'outOfMemory' },
];
const settleMsMax = 120_000;
/** In the midst of a run's steps. */
const passes = 60;

export const threadDies: Experiment = {
  id: 'F3',
  title: 'a training thread dies by a trap, a loop, or for want of memory',
  queues: ['postgres'],
  repetitions: { quick: endings.length, full: endings.length * 5 },
  boundSeconds: null,
  run: async ({ world, repetitions, say }) => {
    await world.startApi();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const { action, stopReason } = endings[repetition % endings.length] ?? {
        action: 'trap',
        stopReason: null,
      };
      const submit = (seed: number) =>
        world.client.submit('steady', seedOf(seed), { expectation: stopReason === null ? 'same' : 'any' });
      const ids = await Promise.all([submit(repetition), submit(repetition + 1)]);
      const worker = await world.startWorker({
        env: { WORKER_SLOTS: '2', FAILPOINTS: `thread.step=${action}@${passes}` },
        // So that it is soon exhausted.
        execArgv: ['--max-old-space-size=256'],
      });
      for (const late of await settle(world, settleMsMax)) world.violation(late);
      const reasons = await world.query<{ reason: string }>(
        'SELECT "stopReason" AS reason FROM "Run" WHERE id = ANY($1) ORDER BY 1',
        [ids],
      );
      const found = reasons.map(({ reason }) => reason).join(', ');
      const wanted = ['completed', stopReason ?? 'completed'].sort().join(', ');
      if (found !== wanted) world.violation(`after ${action} the two runs ended ${found}, not ${wanted}`);
      if (!worker.isAlive()) world.violation(`the worker ended of ${action}: ${worker.output().slice(-300)}`);
      await worker.kill();
      say(`${repetition + 1} of ${repetitions}`);
    }
  },
};
