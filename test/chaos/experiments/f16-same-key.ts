// F16: the same submit under the same idempotency key, a hundred times at once.
import { randomUUID } from 'node:crypto';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';

const atOnce = 100;

export const sameKey: Experiment = {
  id: 'F16',
  title: 'a hundred submits share a key',
  queues: ['postgres'],
  repetitions: { quick: 2, full: 20 },
  boundSeconds: null,
  run: async ({ world, repetitions, say }) => {
    await world.startApi();
    await world.startWorker();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const key = randomUUID();
      const attempt = () => world.client.attempt('brief', seedOf(repetition), { key });
      const answers = await Promise.all(Array.from({ length: atOnce }, attempt));
      const ids = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => body.id));
      const others = answers.filter(
        ({ status, body }) => status !== 201 && body.code !== 'idempotency-in-flight',
      );
      if (ids.size !== 1) world.violation(`one key made ${ids.size} runs`);
      for (const answer of others.slice(0, 3)) world.violation(`a submit got ${JSON.stringify(answer)}`);
      const [count] = await world.query<{ runs: number }>('SELECT count(*)::int AS runs FROM "Run"');
      if (count?.runs !== repetition + 1) world.violation(`${count?.runs} runs after ${repetition + 1} keys`);
      say(`${repetition + 1} of ${repetitions}`);
    }
  },
};
