// F17: the same run's ticket reaches every worker at once.
import { createLog } from '../../../src/log.ts';
import { createTicketQueue } from '../../../src/queue/queue.ts';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';

const workerCount = { quick: 4, full: 10 };

export const sameTicket: Experiment = {
  id: 'F17',
  title: 'one ticket reaches all workers',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 10, full: 100 },
  boundSeconds: null,
  run: async ({ world, repetitions, mode, say }) => {
    await world.startApi();
    const numbers = Array.from({ length: workerCount[mode] }, (_, i) => i + 1);
    await Promise.all(numbers.map(() => world.startWorker({ env: { WORKER_SLOTS: '2' } })));
    const { databaseUrl, redis } = world;
    const log = createLog('silent', 'chaos');
    const queue = createTicketQueue({ redisUrl: redis?.url, databaseUrl, prefix: 'trainyard', log });
    try {
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const runId = await world.client.submit('brief', seedOf(repetition));
        // Tickets of different fences are different to the queue.
        await queue.sendAll(numbers.map((n) => ({ runId, fence: 1_000 + n })));
        if ((repetition + 1) % 10 === 0) say(`${repetition + 1} of ${repetitions}`);
      }
      await until(async () => (await queue.depth()) === 0, 'every ticket to be received', 60_000);
    } finally {
      await queue.close();
    }
    const claimed = await world.query<{ id: string; fence: number }>(
      'SELECT id, fence FROM "Run" WHERE fence > 1',
    );
    for (const { id, fence } of claimed) world.violation(`run ${id} was claimed ${fence} times`);
  },
};
