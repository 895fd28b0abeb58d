// F13: SIGKILL to the one Postgres backend that is inside an epoch's transaction; the gate of the audit holds it there.
import { seedOf } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';
import type { World } from '../world.ts';

const waitMsMax = 60_000;

export const backendKilled: Experiment = {
  id: 'F13',
  title: 'the Postgres backend inside an epoch’s transaction is killed',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 3, full: 50 },
  boundSeconds: null,
  alone: true,
  run: async ({ world, repetitions, say }) => {
    await world.startApi();
    const worker = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
    for (let repetition = 0; repetition < repetitions; repetition++) {
      // One that is about to end does not come to the gate any more: another waits behind it.
      const open = await world.query(`SELECT 1 FROM "Run" WHERE status IN ('queued', 'running')`);
      for (let missing = 2 - open.length; missing > 0; missing--) {
        await world.client.submit('steady', seedOf(repetition + missing));
      }
      await killInside(world);
      await until(world.postgres.accepts, 'Postgres to accept connections again', waitMsMax);
      await expectAllOrNothing(world);
      await world.query('UPDATE chaos.gate SET closed = false');
      world.disturbed(await world.heldBy(worker));
      await storesAgain(world);
      say(`${repetition + 1} of ${repetitions}`);
    }
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
  },
};

/** Killed again before that, a run would come no further. */
async function storesAgain({ query }: World): Promise<void> {
  const stored = async () =>
    (await query<{ last: number }>('SELECT max(id)::int AS last FROM chaos.write'))[0]?.last;
  const before = (await stored()) ?? 0;
  await until(async () => ((await stored()) ?? 0) > before, 'the next epoch to be stored', waitMsMax);
}

/** Whoever waits at the gate has stored an epoch and has not committed it. */
async function killInside(world: World): Promise<void> {
  await world.withClient(async (client) => {
    await client.query('SELECT pg_advisory_lock(0)');
    await client.query('UPDATE chaos.gate SET closed = true');
    const waiting = async () => {
      const { rows } = await client.query<{ pid: number }>(
        `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = 0 AND objid = 0 AND NOT granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rows[0]?.pid;
    };
    process.kill(await until(waiting, 'an epoch’s transaction at the gate', waitMsMax), 'SIGKILL');
    await until(
      () =>
        client.query('SELECT 1').then(
          () => false,
          () => true,
        ),
      'Postgres to restart',
      waitMsMax,
    );
  });
}

async function expectAllOrNothing({ query, violation }: World): Promise<void> {
  const torn = await query<{ id: string; epoch: number; rows: number; others: number }>(
    `SELECT * FROM (
       SELECT id, epoch, "eventSequence", (SELECT count(*)::int FROM "Epoch" WHERE "runId" = id) AS rows,
         (SELECT count(*)::int FROM "RunEvent" WHERE "runId" = id) AS others
       FROM "Run"
     ) AS run WHERE rows <> epoch OR rows + others <> "eventSequence"`,
  );
  for (const run of torn) violation(`run ${run.id} was stored in part: ${JSON.stringify(run)}`);
}
