// F12: Postgres is stopped at once, as if the power went, in the middle of an epoch, and started again.
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import type { Seed } from '../shapes.ts';
import { until } from '../until.ts';
import type { World } from '../world.ts';

const awayMsMax = 2_000;
const healMsMax = 60_000;
const retryMs = 100;

export const postgresStopped: Experiment = {
  id: 'F12',
  title: 'Postgres is stopped at once and started again',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 3, full: 30 },
  boundSeconds: 10,
  alone: true,
  run: async ({ world, repetitions, say }) => {
    const { postgres, client } = world;
    await world.startApi();
    const worker = await world.startWorker({ env: { WORKER_SLOTS: '2' } });
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const runId = await client.submit('steady', seedOf(repetition));
      await world.reachesEpoch(runId, 2);
      await wait(Math.random() * 300);
      const held = await world.heldBy(worker);
      await postgres.stop('immediate');
      const key = randomUUID();
      await submitWhileAway(world, Math.random() * awayMsMax, seedOf(repetition), key);
      await postgres.start();
      world.disturbed(held);
      const upSince = Date.now();
      const upAt = performance.now();
      const answers = () => client.ask('GET', `/v1/runs/${runId}`).then(({ status }) => status === 200);
      await until(() => answers().catch(() => false), 'the API to answer again', healMsMax);
      world.recovered((performance.now() - upAt) / 1_000);
      await client.submit('brief', seedOf(repetition), { key });
      await until(() => allTrainOn(world, held, upSince), 'every run to train on', healMsMax);
      say(`${repetition + 1} of ${repetitions}`);
    }
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
  },
};

/** A run that comes no further before the next stop would be measured over both. */
async function allTrainOn({ query }: World, runIds: readonly string[], since: number): Promise<boolean> {
  const seen = await query(
    `SELECT run FROM chaos.write WHERE run = ANY($1) AND kind = 'epoch' AND at > to_timestamp($2::float8)
     UNION
     SELECT run FROM chaos.change WHERE run = ANY($1) AND at > to_timestamp($2::float8)
       AND "newStatus" IN ('succeeded', 'failed', 'cancelled')`,
    [runIds, since / 1_000],
  );
  return seen.length === runIds.length;
}

/** Nobody is told more than that the service cannot answer now. */
async function submitWhileAway(
  { client, violation }: World,
  ms: number,
  seed: Seed,
  key: string,
): Promise<void> {
  const endAt = performance.now() + ms;
  do {
    const { status } = await client.attempt('brief', seed, { key });
    if (status !== 503) violation(`without Postgres a submit got ${status}`);
    await wait(retryMs);
  } while (performance.now() < endAt);
}
