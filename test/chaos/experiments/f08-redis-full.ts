// F8: Redis has no memory left and refuses every write.
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';

const settleMsMax = 120_000;

export const redisFull: Experiment = {
  id: 'F8',
  title: 'Redis has no memory left',
  queues: ['redis'],
  repetitions: { quick: 6, full: 50 },
  boundSeconds: null,
  run: async ({ world, repetitions }) => {
    const { redis, client } = world;
    await world.startApi();
    await world.startWorker();
    await client.submit('steady', seedOf(0));
    await redis?.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await redis?.command('CONFIG', 'SET', 'maxmemory', '1');
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const { status } = await client.attempt('brief', seedOf(repetition));
      if (status !== 201) world.violation(`a submit got ${status} while Redis was full`);
    }
    for (const late of await settle(world, settleMsMax)) world.violation(`while Redis was full: ${late}`);
    await redis?.command('CONFIG', 'SET', 'maxmemory', '0');
    await client.submit('brief', seedOf(0));
  },
};
