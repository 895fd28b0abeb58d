// F6: Redis is killed and comes back empty, with many runs waiting and two being trained.
import { createLog } from '../../../src/log.ts';
import { createTicketQueue } from '../../../src/queue/queue.ts';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';
import type { World } from '../world.ts';

const queuedCount = { quick: 100, full: 1_000 };
const submitsAtOnce = 20;
const backMsMax = 60_000;
/** Tickets that a worker holds in its hands, waiting for room. */
const inHandMax = 4;

export const redisEmptied: Experiment = {
  id: 'F6',
  title: 'Redis is killed and comes back empty, with many runs waiting',
  queues: ['redis'],
  repetitions: { quick: 2, full: 20 },
  boundSeconds: 20,
  run: async ({ world, repetitions, mode, say }) => {
    const { client, redis, databaseUrl } = world;
    if (redis === null) throw new Error('this experiment wants Redis');
    await world.startApi();
    await world.startWorker({ env: { WORKER_SLOTS: '2' } });
    const log = createLog('silent', 'chaos');
    for (let repetition = 0; repetition < repetitions; repetition++) {
      await Promise.all([
        client.submit('steady', seedOf(repetition)),
        client.submit('steady', seedOf(repetition + 1)),
      ]);
      await submitUpTo(world, queuedCount[mode]);
      await redis.kill();
      redis.forget();
      await redis.start();
      const upAt = performance.now();
      const queue = createTicketQueue({ redisUrl: redis.url, databaseUrl, prefix: 'trainyard', log });
      try {
        const back = async () => {
          const queued = await queuedRuns(world);
          return (await queue.depth().catch(() => 0)) >= queued - inHandMax;
        };
        await until(back, 'the tickets to be back', backMsMax);
      } finally {
        await queue.close();
      }
      world.recovered((performance.now() - upAt) / 1_000);
      say(`${repetition + 1} of ${repetitions}`);
    }
  },
};

async function queuedRuns({ query }: World): Promise<number> {
  const [row] = await query<{ queued: number }>(
    `SELECT count(*)::int AS queued FROM "Run" WHERE status = 'queued'`,
  );
  return row?.queued ?? 0;
}

async function submitUpTo(world: World, wanted: number): Promise<void> {
  for (let missing = wanted - (await queuedRuns(world)); missing > 0; missing -= submitsAtOnce) {
    const submits = Array.from({ length: Math.min(missing, submitsAtOnce) }, (_, i) =>
      world.client.submit('brief', seedOf(i)),
    );
    await Promise.all(submits);
  }
}
