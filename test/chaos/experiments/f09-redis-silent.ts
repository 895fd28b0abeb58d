// F9: the line between worker and Redis goes silent. A loopback proxy plays the network: nothing gets through, and
// nothing is closed.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import { openProxy } from '../places/proxy.ts';

const silentMs = { quick: 15_000, full: 120_000 };
const settleMsMax = 60_000;

export const redisSilent: Experiment = {
  id: 'F9',
  title: 'the line from worker to Redis is silent (proxy)',
  queues: ['redis'],
  repetitions: { quick: 1, full: 3 },
  boundSeconds: null,
  run: async ({ world, repetitions, mode, say }) => {
    const { redis, client } = world;
    if (redis === null) throw new Error('this experiment wants Redis');
    const proxy = await openProxy(() => [redis.port]);
    try {
      await world.startApi();
      const worker = await world.startWorker({ env: { REDIS_URL: `redis://127.0.0.1:${proxy.port}` } });
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const steady = await client.submit('steady', seedOf(repetition));
        await world.reachesEpoch(steady, 1);
        proxy.silence();
        const silentAt = performance.now();
        await client.submit('brief', seedOf(repetition));
        // Both are to end although nothing gets through.
        for (const late of await settle(world, settleMsMax))
          world.violation(`while Redis was silent: ${late}`);
        await wait(Math.max(0, silentMs[mode] - (performance.now() - silentAt)));
        proxy.resume();
        say(`${repetition + 1} of ${repetitions}`);
      }
      const claims = await world.query('SELECT 1 FROM "Run" WHERE fence > 1');
      if (claims.length > 0) world.violation(`${claims.length} runs were taken from a worker that was well`);
      await client.submit('brief', seedOf(0));
      if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
      for (const late of await settle(world, settleMsMax)) world.violation(late);
    } finally {
      await proxy.close();
    }
  },
};
