// F7: Redis is away for a while. The worker hears of runs by tickets alone here, and has to hear of them again.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import type { World } from '../world.ts';

const awaySeconds = [3, 7, 30, 600];
const submitEveryMs = 500;
const hearMsMax = 60_000;

export const redisAway: Experiment = {
  id: 'F7',
  title: `Redis is away for ${awaySeconds.join(', ')} s`,
  queues: ['redis'],
  repetitions: { quick: 2, full: awaySeconds.length },
  boundSeconds: 10,
  run: async ({ world, repetitions, say }) => {
    const { redis, client } = world;
    const deaf = { env: { RECONCILE_SECONDS: '3600' } };
    await world.startApi(deaf);
    const worker = await world.startWorker(deaf);
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

/** Submits until one of the runs is claimed. */
async function secondsToHear({ client, query }: World, repetition: number): Promise<number> {
  const upAt = performance.now();
  const fresh: string[] = [];
  while (performance.now() - upAt < hearMsMax) {
    fresh.push(await client.submit('brief', seedOf(repetition)));
    await wait(submitEveryMs);
    const claimed = await query('SELECT 1 FROM "Run" WHERE id = ANY($1) AND fence > 0', [fresh]);
    if (claimed.length > 0) return (performance.now() - upAt) / 1_000;
  }
  throw new Error('the worker does not hear of runs any more');
}
