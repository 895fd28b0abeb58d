// F24: a cancel arrives while the run comes to its end.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf, sideBySide } from '../batches.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';
import type { World } from '../world.ts';

/** About as long as a brief run takes from its claim to its end. */
const raceMsMax = 120;

export const cancelRaces: Experiment = {
  id: 'F24',
  title: 'a cancel races the last epoch',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 20, full: 200 },
  boundSeconds: null,
  run: async (at) => {
    const { world } = at;
    const { client, query } = world;
    await world.startApi();
    await world.startWorker();
    await sideBySide(at, 4, async (repetition) => {
      const runId = await client.submit('brief', seedOf(repetition), { expectation: 'any' });
      const claimed = async () => {
        const [run] = await query<{ status: string }>('SELECT status FROM "Run" WHERE id = $1', [runId]);
        return run?.status !== 'queued';
      };
      await until(claimed, `run ${runId} to be claimed`, 60_000);
      await wait(Math.random() * raceMsMax);
      const { status, body } = await client.ask('POST', `/v1/runs/${runId}/cancel`);
      const late = status === 409 && body.code === 'illegal-transition';
      if (status !== 202 && !late) world.violation(`a cancel got ${status} ${JSON.stringify(body)}`);
      if (status === 202) await expectCancelled(world, runId);
    });
    const ends = await query<{ status: string; runs: number }>(
      'SELECT status, count(*)::int AS runs FROM "Run" GROUP BY status ORDER BY status',
    );
    at.say(ends.map(({ status, runs }) => `${runs} ${status}`).join(', '));
  },
};

/** An accepted cancel is kept. */
async function expectCancelled({ query, violation }: World, runId: string): Promise<void> {
  const ended = async () => {
    const [run] = await query<{ status: string }>('SELECT status FROM "Run" WHERE id = $1', [runId]);
    return run?.status === 'cancelling' ? null : run?.status;
  };
  const status = await until(ended, `run ${runId} to end after its cancel`, 30_000);
  if (status !== 'cancelled') violation(`run ${runId} is ${status} after an accepted cancel`);
}
