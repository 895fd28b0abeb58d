// F10: the line between a worker and Postgres goes silent, for less and for more than the lease; a second worker has
// a line of its own, and takes the run over where it has to.
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import { until } from '../until.ts';

const silentSeconds = { quick: [4, 15], full: [20, 120] };
const settleMsMax = 180_000;
const dropMsMax = 120_000;
/** Of a worker with one slot: what it keeps, and what it is just about to close. */
const sessionsMax = 12;
const forgetMsMax = 90_000;

export const postgresSilent: Experiment = {
  id: 'F10',
  title: 'the line from worker to Postgres is silent',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 2, full: 6 },
  boundSeconds: 20,
  lines: true,
  run: async ({ world, repetitions, mode, say }) => {
    const line = await world.openLine('postgres');
    const { env, ...place } = line.worker;
    await world.startApi();
    const worker = await world.startWorker({
      ...place,
      env: { ...env, WORKER_SLOTS: '1', LOG_LEVEL: 'info' },
    });
    const lengths = silentSeconds[mode];
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const seconds = lengths[repetition % lengths.length] ?? 0;
      const runId = await world.client.submit('steady', seedOf(repetition));
      await world.reachesEpoch(runId, 1);
      line.silence();
      const heir = await world.startWorker({ env: { WORKER_SLOTS: '1' } });
      await wait(seconds * 1_000);
      line.resume();
      const resumedAt = performance.now();
      // It hears that it has lost the run, or ends it.
      const done = () => doneWith(worker.output(), runId);
      await until(done, `the worker to be done with run ${runId} after ${seconds} s`, dropMsMax);
      const taken = await world.query('SELECT 1 FROM "Run" WHERE id = $1 AND fence > 1', [runId]);
      if (taken.length > 0) world.recovered((performance.now() - resumedAt) / 1_000);
      for (const late of await settle(world, settleMsMax)) world.violation(`after ${seconds} s: ${late}`);
      await heir.stop();
      say(`${repetition + 1} of ${repetitions}`);
    }
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
    const sessions = async () => {
      const [row] = await world.query<{ count: number }>(
        'SELECT count(*)::int FROM pg_stat_activity WHERE application_name = $1',
        [worker.name],
      );
      return row?.count ?? 0;
    };
    // Those whose line was cut, too, give their place back.
    await until(
      async () => (await sessions()) <= sessionsMax,
      'Postgres to forget lost sessions',
      forgetMsMax,
    );
    // The worker that was cut off is of use again.
    await world.client.submit('brief', seedOf(0));
    for (const late of await settle(world, settleMsMax)) world.violation(`after the last silence: ${late}`);
  },
};

/** By what the worker logged, at any time before now. */
function doneWith(output: string, runId: string): boolean {
  return output.split('\n').some((line) => line.includes('"training ended"') && line.includes(runId));
}
