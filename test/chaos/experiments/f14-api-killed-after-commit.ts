// F14: the API is killed when a submitted run is committed and its ticket not yet sent.
import { randomUUID } from 'node:crypto';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';

export const apiKilledAfterCommit: Experiment = {
  id: 'F14',
  title: 'the API is killed between COMMIT and ticket',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 100 },
  boundSeconds: 25,
  run: async ({ world, repetitions, say }) => {
    const { client } = world;
    await world.startWorker();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const api = await world.startApi({ env: { FAILPOINTS: 'submit.committed=kill' } });
      const key = randomUUID();
      const answer = await client.attempt('brief', seedOf(repetition), { key }).catch(() => null);
      if (answer !== null) world.violation(`a killed API answered ${JSON.stringify(answer)}`);
      await api.ended;
      const known = client.acknowledged.map(({ runId }) => runId);
      const committed = await world.query<{ id: string }>('SELECT id FROM "Run" WHERE id <> ALL($1)', [
        known,
      ]);
      if (committed.length !== 1) world.violation(`${committed.length} runs were committed by one submit`);
      world.disturbed(committed.map(({ id }) => id));
      await world.startApi();
      const told = await client.submit('brief', seedOf(repetition), { key });
      if (told !== committed[0]?.id)
        world.violation(`the retry told of ${told} instead of ${committed[0]?.id}`);
      await Promise.all(world.apis().map((one) => one.kill()));
      say(`${repetition + 1} of ${repetitions}`);
    }
    await world.startApi();
  },
};
