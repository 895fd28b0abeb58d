// F9: the line between worker and Redis goes silent. A worker that looks for runs itself trains on; one that hears of
// them by tickets alone hears again afterwards.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import { deaf, secondsToHear } from '../hearing.ts';

const silentMs = { quick: 15_000, full: 120_000 };
const settleMsMax = 60_000;

export const redisSilent: Experiment = {
  id: 'F9',
  title: 'the line from worker to Redis is silent',
  queues: ['redis'],
  repetitions: { quick: 1, full: 2 },
  boundSeconds: 10,
  lines: true,
  run: async ({ world, repetitions, mode, say }) => {
    const { client } = world;
    const line = await world.openLine('redis');
    await world.startApi();
    const worker = await world.startWorker(line.worker);
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const steady = await client.submit('steady', seedOf(repetition));
      await world.reachesEpoch(steady, 1);
      line.silence();
      const silentAt = performance.now();
      await client.submit('brief', seedOf(repetition));
      // Both are to end although nothing gets through.
      for (const late of await settle(world, settleMsMax)) world.violation(`while Redis was silent: ${late}`);
      await wait(Math.max(0, silentMs[mode] - (performance.now() - silentAt)));
      line.resume();
      say(`${repetition + 1} of ${repetitions}`);
    }
    const claims = await world.query('SELECT 1 FROM "Run" WHERE fence > 1');
    if (claims.length > 0) world.violation(`${claims.length} runs were taken from a worker that was well`);
    await client.submit('brief', seedOf(0));
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
    for (const late of await settle(world, settleMsMax)) world.violation(late);
    await worker.stop();

    await world.startWorker({ ...line.worker, env: { ...line.worker.env, ...deaf } });
    await secondsToHear(world, 0);
    line.silence();
    await wait(silentMs[mode]);
    line.resume();
    world.recovered(await secondsToHear(world, 0));
    // What it did not hear of is found by one that looks for itself.
    await world.startWorker();
  },
};
