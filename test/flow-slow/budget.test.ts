// A budget ends a run as a success. Time is what the epochs took that the run keeps, whoever trained them.
import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { controlRun } from '../../src/runs/control-store.ts';
import { eventsOf, type RunDatabase, until } from '../flow/support/lifecycle.ts';
import {
  ended,
  endWorker,
  queueTraining,
  reachesEpoch,
  readRun,
  startWorker,
  type TrainingSuite,
  useWorker,
} from '../flow/support/training.ts';

let at: RunDatabase;
let suite: TrainingSuite;
let digits: string;
useWorker('digits', (given) => {
  suite = given;
  ({ at, dataset: digits } = given);
});

const endless = { epochs: 1_000_000, units: 256, batchSize: 8 };

async function epochsOf(runId: string) {
  const rows = await at.db.epoch.findMany({ where: { runId }, orderBy: { epoch: 'asc' } });
  expect(rows.map(({ epoch }) => epoch)).toEqual(rows.map((_, i) => i + 1));
  return rows;
}

const hashesOf = async (runId: string) => (await epochsOf(runId)).map(({ weightsSha256 }) => weightsSha256);

/** On its epochs, and on the one that the budget cut short. */
async function spentMs(runId: string): Promise<number> {
  const [state] = await at.db.checkpoint.findMany({
    where: { runId, role: 'state' },
    orderBy: [{ epoch: 'desc' }, { stepsWithin: 'desc' }],
    take: 1,
  });
  const epochs = await epochsOf(runId);
  expect(state?.epoch).toBe(epochs.length);
  return epochs.reduce((sum, { durationMs }) => sum + durationMs, state?.withinMs ?? 0);
}

async function verdictOn(runId: string) {
  const id = randomUUID();
  const { epoch } = await readRun(at, runId);
  await at.db.verification.create({ data: { id, runId, fromEpoch: 1, toEpoch: epoch } });
  const read = () => at.db.verification.findUniqueOrThrow({ where: { id } });
  await until(async () => ['done', 'failed'].includes((await read()).status), 'the verdict', 60_000);
  return read();
}

/** A run that ended after its last epoch, with that epoch's weights, and stands up to being trained again. */
async function expectBudgetEnd(runId: string): Promise<void> {
  const run = await ended(at, runId);
  expect(run).toMatchObject({ status: 'succeeded', stopReason: 'budget', failure: null });
  expect(run.results).toMatchObject({ testAccuracy: expect.any(Number) });
  expect(run.weightsSha256).toBe((await hashesOf(runId)).at(-1));
  expect((await eventsOf(at, runId)).at(-1)).toMatchObject({
    ...{ type: 'done', data: { status: 'succeeded', stopReason: 'budget' } },
  });
  expect(await verdictOn(runId)).toMatchObject({ status: 'done', verdict: 'equal' });
}

it('of epochs ends a run after them, each as it is without a budget', async () => {
  const whole = await queueTraining(at, digits, { epochs: 8 });
  const runId = await queueTraining(at, digits, { epochs: 8, training: { budget: { epochs: 3 } } });
  await ended(at, whole);
  await expectBudgetEnd(runId);
  expect(await hashesOf(runId)).toEqual((await hashesOf(whole)).slice(0, 3));
});

it('of time goes on where it was when the run was paused, and the pause costs nothing', async () => {
  const runId = await queueTraining(at, digits, { ...endless, training: { budget: { seconds: 2 } } });
  const spentSoFar = async () => (await epochsOf(runId)).reduce((sum, { durationMs }) => sum + durationMs, 0);
  await until(async () => (await spentSoFar()) > 700, 'a third of the budget');
  await controlRun(at.db, at.projectId, runId, 'pause');
  await until(async () => (await readRun(at, runId)).status === 'paused', 'the pause');
  expect(await spentMs(runId)).toBeLessThan(2_000);
  // The pause is as long as this takes.
  const other = await queueTraining(at, digits, { ...endless, training: { budget: { seconds: 2 } } });
  await ended(at, other);
  await controlRun(at.db, at.projectId, runId, 'resume');
  await expectBudgetEnd(runId);
  expect(await spentMs(runId)).toBeGreaterThanOrEqual(2_000);
  // A chunk of steps more, on a machine that does other things too.
  expect(await spentMs(runId)).toBeLessThan(2_600);
});

it('of time survives its worker, and counts nothing that was lost with it', async () => {
  const runId = await queueTraining(at, digits, {
    ...{ ...endless, everySeconds: 0.5 },
    training: { budget: { seconds: 2.5 } },
  });
  await until(async () => (await at.db.checkpoint.count({ where: { runId } })) > 0, 'a state');
  await reachesEpoch(at, runId, (await readRun(at, runId)).epoch + 2);
  await endWorker(suite.worker, 'SIGKILL');
  const stored = await readRun(at, runId);
  suite.worker = await startWorker(at, { WORKER_SLOTS: '1' });
  await expectBudgetEnd(runId);
  expect(await readRun(at, runId)).toMatchObject({ fence: stored.fence + 1 });
  expect(await spentMs(runId)).toBeGreaterThanOrEqual(2_500);
  expect(await spentMs(runId)).toBeLessThan(3_100);
});

it('of less time than an epoch takes leaves the weights as they stand', async () => {
  const runId = await queueTraining(at, digits, {
    ...{ units: 8_192, batchSize: 1 },
    training: { budget: { seconds: 0.3 } },
  });
  const run = await ended(at, runId);
  expect(run).toMatchObject({ status: 'succeeded', stopReason: 'budget', epoch: 0, bestEpoch: null });
  expect(run.results).toMatchObject({ loss: expect.any(Number), testAccuracy: expect.any(Number) });
  expect(run.weightsSha256).toMatch(/^[0-9a-f]{64}$/);
  const [model] = await at.db.checkpoint.findMany({ where: { runId, role: 'model' } });
  expect(model).toMatchObject({ epoch: 0, stepsWithin: expect.any(Number) });
  expect(model?.stepsWithin).toBeGreaterThan(0);
  expect(await spentMs(runId)).toBeGreaterThanOrEqual(300);
});

it('of time counts what an unfinished epoch had taken when the run was paused', async () => {
  const runId = await queueTraining(at, digits, {
    ...{ units: 8_192, batchSize: 1, everySeconds: 0.5 },
    training: { budget: { seconds: 3_600 } },
  });
  const newest = () =>
    at.db.checkpoint.findFirst({ where: { runId, role: 'state' }, orderBy: { stepsWithin: 'desc' } });
  await until(async () => (await newest()) !== null, 'a state within the first epoch');
  await controlRun(at.db, at.projectId, runId, 'pause');
  await until(async () => (await readRun(at, runId)).status === 'paused', 'the pause');
  const paused = await newest();
  expect(paused).toMatchObject({ epoch: 0 });
  expect(paused?.withinMs).toBeGreaterThanOrEqual(500);
  // As if it had taken all of the budget.
  await at.db.checkpoint.updateMany({ where: { runId }, data: { withinMs: 3_600_000 } });
  await controlRun(at.db, at.projectId, runId, 'resume');
  expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', stopReason: 'budget', epoch: 0 });
  const model = await at.db.checkpoint.findFirst({ where: { runId, role: 'model' } });
  expect(model?.stepsWithin).toBe(paused?.stepsWithin);
});

it('restores the best epoch where the spec says so', async () => {
  const earlyStopping = { patience: 1_000, restoreBest: true };
  const runId = await queueTraining(at, digits, {
    ...{ ...endless, learningRate: 0.02 },
    training: { budget: { seconds: 2 }, earlyStopping },
  });
  const run = await ended(at, runId);
  expect(run).toMatchObject({ status: 'succeeded', stopReason: 'budget' });
  expect(run.bestEpoch).toBeLessThan(run.epoch);
  expect(run.weightsSha256).toBe((await hashesOf(runId))[(run.bestEpoch ?? 0) - 1]);
  expect(await verdictOn(runId)).toMatchObject({ status: 'done', verdict: 'equal' });
});
