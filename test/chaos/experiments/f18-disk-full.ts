// F18: the disk that Postgres writes to is full. It gets a small one of its own for this.
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { seedOf } from '../batches.ts';
import { settle } from '../checker.ts';
import type { Experiment } from '../experiment.ts';
import type { PostgresPlace } from '../places/postgres.ts';
import type { World } from '../world.ts';

const fullMs = 10_000;
const settleMsMax = 120_000;

export const diskFull: Experiment = {
  id: 'F18',
  title: 'the disk of Postgres is full',
  queues: ['redis', 'postgres'],
  repetitions: { quick: 1, full: 10 },
  boundSeconds: null,
  alone: true,
  diskMegabytes: 400,
  run: async ({ world, repetitions, say }) => {
    await world.startApi();
    const worker = await world.startWorker();
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const runId = await world.client.submit('steady', seedOf(repetition));
      await world.reachesEpoch(runId, 2);
      await submitWhileFull(world, repetition);
      await world.client.submit('brief', seedOf(repetition));
      for (const late of await settle(world, settleMsMax)) world.violation(late);
      say(`${repetition + 1} of ${repetitions}`);
    }
    if (!worker.isAlive()) world.violation(`the worker ended: ${worker.output().slice(-300)}`);
  },
};

async function submitWhileFull({ client, postgres, violation }: World, repetition: number): Promise<void> {
  const free = fillDisk(postgres);
  const endAt = performance.now() + fullMs;
  const refusals = new Set<string>();
  while (performance.now() < endAt) {
    const answer = await client.attempt('brief', seedOf(repetition)).catch((error: unknown) => String(error));
    if (typeof answer === 'string') violation(`with a full disk a submit got ${answer}`);
    else if (answer.status !== 201) refusals.add(`${answer.status} ${answer.body.code}`);
    await wait(200);
  }
  free();
  if (refusals.size === 0) violation('the full disk stopped no submit');
  for (const refusal of refusals) {
    if (refusal !== '503 unavailable') violation(`with a full disk a submit got ${refusal}`);
  }
  // It gives up when it cannot write its log, and needs somebody to start it again.
  if (!(await postgres.accepts())) {
    await postgres.stop('immediate');
    await postgres.start();
  }
}

/** To the last byte. Answers with what undoes it. */
function fillDisk({ folder }: PostgresPlace): () => void {
  const path = join(folder, 'filler');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(1 << 16);
  try {
    while (statfsSync(folder).bavail > 0) writeSync(file, block);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    closeSync(file);
  }
  return () => rmSync(path);
}
