// F20: one bit of the newest checkpoint is flipped while nobody holds the run.
import { seedOf, sideBySide } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';

const waitMsMax = 120_000;

export const checkpointDamaged: Experiment = {
  id: 'F20',
  title: 'one bit of the newest checkpoint is flipped',
  queues: ['postgres'],
  repetitions: { quick: 3, full: 50 },
  boundSeconds: null,
  run: async (at) => {
    const { world } = at;
    const { query } = world;
    await world.startApi();
    await sideBySide(at, 5, async (repetition) => {
      const worker = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
      await world.client.submit('steady', seedOf(repetition));
      const runId = await until(
        async () => (await world.heldBy(worker))[0],
        'a worker to take a run',
        waitMsMax,
      );
      const checkpointed = async () =>
        (await query(`SELECT 1 FROM "Checkpoint" WHERE "runId" = $1 AND role = 'state'`, [runId])).length > 1;
      await until(checkpointed, `two checkpoints of run ${runId}`, waitMsMax);
      await worker.kill();
      // Of a run that was over by then the checkpoint is of no use to anybody.
      const [run] = await query<{ flipped: number }>(
        `WITH flipped AS (
           UPDATE "Checkpoint" SET bytes = set_bit(bytes, $2::bigint % (octet_length(bytes)::bigint * 8),
             1 - get_bit(bytes, $2::bigint % (octet_length(bytes)::bigint * 8)))
           WHERE "runId" = $1 AND role = 'state'
             AND (epoch, "stepsWithin") = (
               SELECT epoch, "stepsWithin" FROM "Checkpoint" WHERE "runId" = $1 AND role = 'state'
               ORDER BY epoch DESC, "stepsWithin" DESC LIMIT 1)
             AND EXISTS (SELECT 1 FROM "Run" WHERE id = $1 AND status = 'running') RETURNING 1)
         SELECT count(*)::int AS flipped FROM flipped`,
        [runId, Math.trunc(Math.random() * 2 ** 40)],
      );
      const heir = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
      const ended = async () =>
        (await query('SELECT 1 FROM "Run" WHERE id = $1 AND "finishedAt" IS NOT NULL', [runId])).length > 0;
      await until(ended, `run ${runId} to end`, waitMsMax);
      const told = await query(
        `SELECT 1 FROM "RunEvent" WHERE "runId" = $1 AND type = 'log'
           AND data->>'message' LIKE '%is damaged; the training goes on from the one of epoch%'`,
        [runId],
      );
      if (run?.flipped === 1 && told.length === 0) {
        world.violation(`run ${runId} did not go on from the checkpoint before the damaged one`);
      }
      await heir.stop();
    });
    await world.startWorker();
  },
};
