// One run through everything at once: its worker killed at 20 random moments, paused and resumed 5 times, moved between
// back ends. What it was made of is what depends on more than the weights: dropout's random numbers, batch
// normalisation's statistics, Adam's slots, a schedule by steps, early stopping's memory.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { stream } from '../../src/engine/random.ts';
import { engineSpec } from '../../src/engine/spec.ts';
import { controlRun } from '../../src/runs/control-store.ts';
import { isTerminal } from '../../src/runs/status.ts';
import type { Command } from '../flow/support/command.ts';
import {
  eventsOf,
  expireLease,
  insertRun,
  type RunDatabase,
  runDatabase,
  until,
} from '../flow/support/lifecycle.ts';
import { ended, endWorker, insertExample, readRun, startWorker } from '../flow/support/training.ts';

const kills = 20;
const pauses = 5;
const backends = ['auto', 'wasm'] as const;

let at: RunDatabase;
let digits: string;
let worker: Command | null = null;

beforeAll(async () => {
  at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
  digits = await insertExample(at, 'digits');
});
afterEach(async () => {
  if (worker !== null) await endWorker(worker, 'SIGKILL');
  worker = null;
});
afterAll(() => at.drop());

const work = async (backend: 'auto' | 'wasm'): Promise<Command> => {
  worker = await startWorker(at, { ENGINE_BACKEND: backend, WORKER_SLOTS: '1', LEASE_SECONDS: '15' });
  return worker;
};

function queue(): Promise<string> {
  const width = 256;
  const hidden = [
    { kind: 'dense', units: width },
    { kind: 'batchNorm' },
    { kind: 'activation', activation: { kind: 'relu' } },
    { kind: 'dropout', probability: 0.3 },
  ];
  const spec = engineSpec.parse({
    seed: 3,
    data: { dataset: digits, target: 'digit', split: { kind: 'stratified', validation: 0.2, test: 0.2 } },
    model: { layers: [...hidden, ...hidden, { kind: 'dense', units: 10, activation: { kind: 'softmax' } }] },
    optimizer: { kind: 'adam', learningRate: 0.0005 },
    schedule: { kind: 'exponential', per: 'step' },
    training: {
      epochs: 200,
      batchSize: 8,
      earlyStopping: { patience: 40 },
      checkpoints: { everySeconds: 0.5 },
    },
  });
  return insertRun(at, { datasetId: digits, spec: JSON.parse(JSON.stringify(spec)), epochsPlanned: 200 });
}

async function hashesOf(runId: string): Promise<string[]> {
  const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
  expect(rows.map(({ epoch }) => epoch)).toEqual(rows.map((_, i) => i + 1));
  return rows.map(({ weightsSha256 }) => weightsSha256);
}

/** How far the run has come, with the states within epochs. */
async function progressOf(runId: string): Promise<number> {
  const [state] = await at.db.checkpoint.findMany({
    where: { runId, role: 'state' },
    orderBy: [{ epoch: 'desc' }, { stepsWithin: 'desc' }],
    select: { epoch: true, stepsWithin: true },
    take: 1,
  });
  const { epoch } = await readRun(at, runId);
  return Math.max(epoch * 1e6, (state?.epoch ?? 0) * 1e6 + (state?.stepsWithin ?? 0));
}

it('ends with the bits of the undisturbed run', { timeout: 400_000 }, async () => {
  const undisturbed = await queue();
  await work('auto');
  const expected = await ended(at, undisturbed, 120_000);
  expect(expected).toMatchObject({ status: 'succeeded', stopReason: 'earlyStopped' });
  if (worker !== null) await endWorker(worker, 'SIGTERM');

  const runId = await queue();
  const random = stream(1, 'journey');
  const order = [...Array(kills).fill('kill'), ...Array(pauses).fill('pause')]
    .map((what: string) => ({ what, key: random.uniform() }))
    .sort((a, b) => a.key - b.key);
  let done = 0;
  for (const [i, { what }] of order.entries()) {
    const running = await work(backends[i % 2] ?? 'auto');
    const before = await progressOf(runId);
    await until(async () => (await progressOf(runId)) > before, 'some progress', 60_000);
    if (isTerminal((await readRun(at, runId)).status)) break;
    await new Promise((resolve) => setTimeout(resolve, random.uniform() * 150));
    if (what === 'pause') {
      await controlRun(at.db, at.projectId, runId, 'pause');
      await until(async () => (await readRun(at, runId)).status === 'paused', 'the pause', 10_000);
      await controlRun(at.db, at.projectId, runId, 'resume');
    }
    await endWorker(running, 'SIGKILL');
    if ((await readRun(at, runId)).status === 'running') await expireLease(at, runId);
    done++;
  }
  expect(done).toBe(kills + pauses);
  await work('auto');
  const run = await ended(at, runId, 120_000);
  const { weightsSha256, results, bestEpoch, epoch, stopReason, chainSha256 } = expected;
  expect(run).toMatchObject({ weightsSha256, results, bestEpoch, epoch, stopReason, chainSha256 });
  expect(await hashesOf(runId)).toEqual(await hashesOf(undisturbed));
  const events = await eventsOf(at, runId);
  expect(events.map(({ sequence }) => sequence)).toEqual(events.map((_, n) => n + 1));
  const attempts = await at.db.runAttempt.findMany({ where: { runId } });
  expect(attempts.length).toBeGreaterThanOrEqual(kills + pauses);
  expect(new Set(attempts.map(({ backend }) => backend)).size).toBeGreaterThan(1);
});
