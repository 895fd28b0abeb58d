// F11: Postgres commits, and its reply is lost with the connection: of an epoch, of a run's end, of a submit.
import { randomUUID } from 'node:crypto';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import { openProxy } from '../places/proxy.ts';
import { until } from '../until.ts';

const waitMsMax = 60_000;
/** Stands in every statement that stores epochs, and in no other of the worker's. */
const storesEpochs = '"weightsSha256":"';

export const repliesLost: Experiment = {
  id: 'F11',
  title: 'replies are lost after COMMIT',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 4, full: 50 },
  boundSeconds: null,
  run: async ({ world, repetitions, say }) => {
    const url = new URL(world.databaseUrl);
    const [workers, apis] = await Promise.all([
      openProxy(() => [Number(url.port)]),
      openProxy(() => [Number(url.port)]),
    ]);
    const through = (port: number) => {
      const other = new URL(url);
      other.port = String(port);
      return { env: { DATABASE_URL: other.href } };
    };
    try {
      await world.startApi(through(apis.port));
      await world.startWorker(through(workers.port));
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const key = randomUUID();
        const shape = repetition % 2 === 0 ? 'steady' : 'brief';
        apis.loseReplyTo('COMMIT');
        workers.loseReplyTo(storesEpochs);
        await world.client.submit(shape, seedOf(repetition), { key });
        await until(() => workers.lost() === repetition + 1, 'a reply to the worker to be lost', waitMsMax);
        for (const late of await settle(world, waitMsMax)) world.violation(late);
        say(`${repetition + 1} of ${repetitions}`);
      }
      if (apis.lost() === 0) world.violation('no reply to the API was lost');
      const claims = await world.query('SELECT 1 FROM "Run" WHERE fence > 1');
      if (claims.length > 0) world.violation(`${claims.length} runs were claimed again`);
    } finally {
      await Promise.all([workers.close(), apis.close()]);
    }
  },
};
