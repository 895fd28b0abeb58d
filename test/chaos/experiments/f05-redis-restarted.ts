// F5: Redis is restarted with its append-only file.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';

const awayMsMax = 1_000;
const betweenMsMax = 2_000;

export const redisRestarted: Experiment = {
  id: 'F5',
  title: 'Redis is restarted with its file',
  queues: ['redis'],
  repetitions: { quick: 4, full: 20 },
  boundSeconds: null,
  run: async ({ world, repetitions, say }) => {
    const { client, redis } = world;
    await world.startApi();
    await world.startWorker();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const submits = [
        client.submit('steady', seedOf(repetition)),
        client.submit('brief', seedOf(repetition)),
      ];
      await wait(Math.random() * betweenMsMax);
      await redis?.stop();
      submits.push(client.submit('brief', seedOf(repetition + 1)));
      await wait(Math.random() * awayMsMax);
      await redis?.start();
      await Promise.all(submits);
      say(`${repetition + 1} of ${repetitions}`);
    }
  },
};
