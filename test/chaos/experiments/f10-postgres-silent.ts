// F10: the line between a worker and Postgres goes silent, for less and for more than the lease; a second worker has
// a line of its own. A loopback proxy plays the network: nothing gets through, and nothing is closed.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import { openProxy } from '../places/proxy.ts';

const silentSeconds = { quick: [4, 15], full: [20, 120] };
const settleMsMax = 180_000;

export const postgresSilent: Experiment = {
  id: 'F10',
  title: 'the line from worker to Postgres is silent (proxy)',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 6 },
  boundSeconds: null,
  run: async ({ world, repetitions, mode, say }) => {
    const url = new URL(world.databaseUrl);
    const proxy = await openProxy(() => [Number(url.port)]);
    const through = new URL(url);
    through.port = String(proxy.port);
    try {
      await world.startApi();
      const worker = await world.startWorker({ env: { DATABASE_URL: through.href, WORKER_SLOTS: '1' } });
      const lengths = silentSeconds[mode];
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const seconds = lengths[repetition % lengths.length] ?? 0;
        const runId = await world.client.submit('steady', seedOf(repetition));
        await world.reachesEpoch(runId, 1);
        proxy.silence();
        const heir = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
        await wait(seconds * 1_000);
        proxy.resume();
        for (const late of await settle(world, settleMsMax)) world.violation(`after ${seconds} s: ${late}`);
        await heir.stop();
        say(`${repetition + 1} of ${repetitions}`);
      }
      if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
      // The worker that was cut off is of use again.
      await world.client.submit('brief', seedOf(0));
      for (const late of await settle(world, settleMsMax)) world.violation(`after the last silence: ${late}`);
    } finally {
      await proxy.close();
    }
  },
};
