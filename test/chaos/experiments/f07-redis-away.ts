// F7: Redis is away for a while. The worker hears of runs by tickets alone here, and has to hear of them again.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { deaf, secondsToHear, submitEveryMs } from '../hearing.ts';

const awaySeconds = [3, 7, 30, 600];

export const redisAway: Experiment = {
  id: 'F7',
  title: `Redis is away for ${awaySeconds.join(', ')} s`,
  queues: ['redis'],
  repetitions: { quick: 2, full: awaySeconds.length },
  boundSeconds: 10,
  run: async ({ world, repetitions, say }) => {
    const { redis, client } = world;
    await world.startApi({ env: deaf });
    const worker = await world.startWorker({ env: deaf });
    for (const [i, seconds] of awaySeconds.slice(0, repetitions).entries()) {
      await redis?.kill();
      const backAt = performance.now() + seconds * 1_000;
      while (performance.now() < backAt) {
        const { status } = await client.attempt('brief', seedOf(i));
        if (status !== 201) world.violation(`a submit got ${status} while Redis was away`);
        await wait(submitEveryMs);
      }
      await redis?.start();
      world.recovered(await secondsToHear(world, i));
      say(`${i + 1} of ${repetitions}`);
    }
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
    // What nobody could be told of is found by one that looks for itself.
    await world.startWorker();
  },
};
