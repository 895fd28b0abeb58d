// F15: the API is killed when a submitted run is written and not yet committed.
import { randomUUID } from 'node:crypto';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';

export const apiKilledBeforeCommit: Experiment = {
  id: 'F15',
  title: 'the API is killed before COMMIT',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 100 },
  boundSeconds: null,
  run: async ({ world, repetitions, say }) => {
    const { client, query } = world;
    await world.startWorker();
    const runs = async () => (await query('SELECT 1 FROM "Run"')).length;
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const api = await world.startApi({ env: { FAILPOINTS: 'submit.inserted=kill' } });
      const key = randomUUID();
      const answer = await client.attempt('brief', seedOf(repetition), { key }).catch(() => null);
      if (answer !== null) world.violation(`a killed API answered ${JSON.stringify(answer)}`);
      await api.ended;
      if ((await runs()) !== repetition) world.violation('a run is there that was never committed');
      await world.startApi();
      await client.submit('brief', seedOf(repetition), { key });
      if ((await runs()) !== repetition + 1) world.violation('the retry did not make exactly one run');
      await Promise.all(world.apis().map((one) => one.kill()));
      say(`${repetition + 1} of ${repetitions}`);
    }
    await world.startApi();
  },
};
