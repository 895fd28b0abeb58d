// Runs for which nothing rings: their tickets were lost, or the queue cannot take any.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Command } from './support/command.ts';
import { type RunDatabase, runDatabase } from './support/lifecycle.ts';
import { ended, endWorker, insertExample, queueTraining, startWorker } from './support/training.ts';

let at: RunDatabase;
let worker: Command | null = null;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
});
afterAll(async () => {
  if (worker !== null) await endWorker(worker, 'SIGTERM');
  await at.drop();
});

it('a worker that finds more of them than it has slots looks again whenever one has ended', async () => {
  const datasetId = await insertExample(at, 'iris');
  const runs: string[] = [];
  for (let i = 0; i < 4; i++) runs.push(await queueTraining(at, datasetId, { target: 'species', epochs: 3 }));
  // As far as the reconciler knows, their tickets have only just been sent.
  await at.db.$executeRaw`UPDATE "Run" SET "ticketedAt" = now() + interval '1 hour'`;
  worker = await startWorker(at, { WORKER_SLOTS: '1', RECONCILE_SECONDS: '60' });
  for (const run of runs) expect(await ended(at, run, 40_000)).toMatchObject({ status: 'succeeded' });
});
