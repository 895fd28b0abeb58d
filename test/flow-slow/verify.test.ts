import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildTable } from '../../src/datasets/csv.ts';
import { defaultCsvLimits } from '../../src/datasets/limits.ts';
import { backends } from '../../src/engine/codegen/backends.ts';
import { engineSpec } from '../../src/engine/spec.ts';
import { createTraining } from '../../src/engine/train.ts';
import { packageRoot } from '../../src/package-root.ts';
import { controlRun } from '../../src/runs/control-store.ts';
import { attemptsMax } from '../../src/runs/verification-store.ts';
import { type RunDatabase, sha256, until } from '../flow/support/lifecycle.ts';
import {
  ended,
  endWorker,
  insertExample,
  queueTraining,
  reachesEpoch,
  readRun,
  startWorker,
  type TrainingSuite,
  useWorker,
} from '../flow/support/training.ts';

const epochs = 12;
let at: RunDatabase;
let suite: TrainingSuite;
let iris: string;

useWorker('iris', (given) => {
  suite = given;
  ({ at, dataset: iris } = given);
});

async function trained(): Promise<string> {
  const runId = await queueTraining(at, iris, { target: 'species', epochs });
  expect(await ended(at, runId)).toMatchObject({ status: 'succeeded', epoch: epochs });
  return runId;
}

async function verdict(runId: string, fromEpoch = 1, toEpoch = epochs) {
  const id = randomUUID();
  await at.db.verification.create({ data: { id, runId, fromEpoch, toEpoch } });
  const read = () => at.db.verification.findUniqueOrThrow({ where: { id } });
  await until(async () => ['done', 'failed'].includes((await read()).status), 'the verdict');
  return read();
}

const differs = (firstDifferentEpoch: number, detail: string) => ({
  ...{ status: 'done', verdict: 'differs', firstDifferentEpoch, detail: expect.stringContaining(detail) },
});

/** The run's one file of that role, and where it is. */
async function only(runId: string, role: 'state' | 'model') {
  const [file, another] = await at.db.checkpoint.findMany({ where: { runId, role } });
  if (file === undefined || another !== undefined) throw new Error(`not one ${role}`);
  const { epoch, stepsWithin, bytes } = file;
  if (bytes === null) throw new Error('it is a large one');
  return { bytes, where: { runId_role_epoch_stepsWithin: { runId, role, epoch, stepsWithin } } };
}

function rehashed(bytes: Uint8Array<ArrayBuffer>) {
  return { bytes, sha256: sha256(bytes), crc32: crc32(bytes).toString(16).padStart(8, '0') };
}

/** Changes a byte in the middle of a stored file, and its recorded hash too if asked to. */
async function damage(runId: string, role: 'state' | 'model', { rehash = false } = {}): Promise<void> {
  const { bytes, where } = await only(runId, role);
  const middle = bytes.length - 8;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await at.db.checkpoint.update({ where, data: rehash ? rehashed(bytes) : { bytes } });
}

describe('a verification', () => {
  it('of an honest run finds all equal, whatever part is asked about', async () => {
    const runId = await trained();
    expect(await verdict(runId)).toMatchObject({
      ...{ status: 'done', verdict: 'equal', firstDifferentEpoch: null, replayedFrom: 0, attempts: 1 },
      detail: 'Trained again, epochs 1 to 12 gave the same bits.',
    });
    expect(await verdict(runId, 5, 7)).toMatchObject({ verdict: 'equal', replayedFrom: 0 });
  });

  it('names the epoch of a checkpoint with another byte, and does not mind where it is not asked about', async () => {
    const runId = await trained();
    await damage(runId, 'state');
    expect(await verdict(runId)).toMatchObject(differs(epochs, 'The stored checkpoint of epoch 12'));
    expect(await verdict(runId, 1, epochs - 1)).toMatchObject({ verdict: 'equal' });
  });

  it('names the epoch with another hash', async () => {
    const runId = await trained();
    const where = { runId_epoch: { runId, epoch: 4 } };
    const { weightsSha256 } = await at.db.epoch.findUniqueOrThrow({ where });
    const other = weightsSha256.startsWith('0') ? '1' : '0';
    await at.db.epoch.update({ where, data: { weightsSha256: other + weightsSha256.slice(1) } });
    expect(await verdict(runId)).toMatchObject({ ...differs(4, 'breaks at epoch 4'), replayedFrom: null });
    expect(await verdict(runId, 1, 3)).toMatchObject({ verdict: 'equal' });
  });

  it('is not deceived by another hash with a chain to match', async () => {
    const honest = await trained();
    const forged = await queueTraining(at, iris, { target: 'species', epochs, learningRate: 0.002 });
    await ended(at, forged);
    await at.db.$executeRaw`
      UPDATE "Run" AS run SET "spec" = honest."spec", "recipeSha256" = honest."recipeSha256",
        "chainSha256" = honest."chainSha256"
      FROM "Run" AS honest WHERE honest."id" = ${honest}::uuid AND run."id" = ${forged}::uuid`;
    await at.db.$executeRaw`
      UPDATE "Epoch" AS epoch SET "weightsSha256" = honest."weightsSha256", "chainSha256" = honest."chainSha256"
      FROM "Epoch" AS honest
      WHERE honest."runId" = ${honest}::uuid AND epoch."runId" = ${forged}::uuid AND epoch."epoch" = honest."epoch"`;
    expect(await verdict(forged)).toMatchObject({ ...differs(epochs, 'model file'), replayedFrom: 0 });
    await at.db.runAttempt.updateMany({ where: { runId: forged }, data: { engineVersion: '0' } });
    expect(await verdict(forged)).toMatchObject(differs(epochs, 'trained by version 0 of the engine'));
    await at.db.$executeRaw`
      UPDATE "Run" SET "spec" = jsonb_set("spec", '{seed}', '8') WHERE "id" = ${forged}::uuid`;
    expect(await verdict(forged)).toMatchObject(differs(0, 'recipe'));
  });

  it('names the last epoch for a model with another byte, with its hash to match too', async () => {
    const runId = await trained();
    await damage(runId, 'model');
    expect(await verdict(runId)).toMatchObject({ ...differs(epochs, 'model file'), replayedFrom: 0 });
    const rehashed = await trained();
    await damage(rehashed, 'model', { rehash: true });
    expect(await verdict(rehashed)).toMatchObject(differs(epochs, 'model file'));
  });

  it('has no verdict where the data is gone', async () => {
    const dataset = await insertExample(at, 'iris');
    const runId = await queueTraining(at, dataset, { target: 'species', epochs, units: 24 });
    await ended(at, runId);
    await at.db.datasetChunk.deleteMany({ where: { datasetId: dataset } });
    // Another worker has not read it before.
    await endWorker(suite.worker, 'SIGTERM');
    suite.worker = await startWorker(at, { WORKER_SLOTS: '1' });
    expect(await verdict(runId)).toMatchObject({
      ...{ status: 'failed', verdict: null },
      detail: expect.stringContaining('The stored dataset is incomplete at part 1.'),
    });
  });
});

describe('a replay', () => {
  /** The state after an epoch of the run, as a worker that died soon after would have left it. */
  async function stateAfter(runId: string, epoch: number): Promise<Uint8Array<ArrayBuffer>> {
    const csv = readFileSync(join(packageRoot(), 'examples', 'data', 'iris.csv'));
    const table = await buildTable([csv], ['species'], defaultCsvLimits);
    const spec = engineSpec.parse((await readRun(at, runId)).spec);
    const training = createTraining({ spec, table, backend: backends.interpreter });
    const control = { shouldStop: () => false, onSteps: () => undefined };
    while (training.epoch < epoch) training.runEpoch(control);
    return new Uint8Array(training.checkpoint());
  }

  it('starts from a state before the epochs in question, if it is what it should be', async () => {
    const runId = await trained();
    const bytes = await stateAfter(runId, 5);
    const last = await only(runId, 'state');
    await at.db.checkpoint.update({ where: last.where, data: { epoch: 5, ...rehashed(bytes) } });
    const { where } = await only(runId, 'state');
    expect(await verdict(runId, 6)).toMatchObject({
      ...{ verdict: 'equal', replayedFrom: 5, detail: 'Trained again, epochs 6 to 12 gave the same bits.' },
    });
    expect(await verdict(runId, 5)).toMatchObject({ verdict: 'equal', replayedFrom: 0 });
    // Other parameters under a hash of their own: not a state to start from.
    const names = new TextDecoder().decode(
      bytes.subarray(8, 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))),
    );
    expect(names.indexOf('layers.0.weight')).toBeLessThan(names.indexOf('slots.'));
    const first = 8 + names.length;
    bytes[first] = (bytes[first] ?? 0) ^ 1;
    await at.db.checkpoint.update({ where, data: rehashed(bytes) });
    expect(await verdict(runId, 7)).toMatchObject({ verdict: 'equal', replayedFrom: 0 });
    await at.db.checkpoint.update({ where, data: rehashed(new Uint8Array(9)) });
    expect(await verdict(runId, 7)).toMatchObject({ verdict: 'equal', replayedFrom: 0 });
  });

  it('of a run that was cancelled ends where it ended', async () => {
    const digits = await insertExample(at, 'digits');
    const runId = await queueTraining(at, digits, { epochs: 100_000 });
    await reachesEpoch(at, runId, 3);
    await controlRun(at.db, at.projectId, runId, 'cancel');
    const { epoch } = await ended(at, runId);
    expect(await verdict(runId, 1, epoch)).toMatchObject({ verdict: 'equal', replayedFrom: 0 });
  });
});

describe('a verification whose worker', () => {
  it('is told to stop is let go of, and done by the next one', async () => {
    const digits = await insertExample(at, 'digits');
    const runId = await queueTraining(at, digits, { epochs: 100_000, units: 256 });
    await reachesEpoch(at, runId, 40);
    await controlRun(at.db, at.projectId, runId, 'cancel');
    const { epoch } = await ended(at, runId);
    const id = randomUUID();
    await at.db.verification.create({ data: { id, runId, fromEpoch: 1, toEpoch: epoch } });
    const read = () => at.db.verification.findUniqueOrThrow({ where: { id } });
    await until(async () => (await read()).status === 'running', 'the verification to start');
    expect(await endWorker(suite.worker, 'SIGTERM')).toBe(0);
    expect(await read()).toMatchObject({ status: 'queued', attempts: 0, fence: 1, workerId: null });
    suite.worker = await startWorker(at, { WORKER_SLOTS: '1' });
    await until(async () => (await read()).status === 'done', 'the verdict');
    expect(await read()).toMatchObject({ verdict: 'equal', attempts: 1, fence: 2 });
  });

  it('dies is done by the next one', async () => {
    await endWorker(suite.worker, 'SIGKILL');
    const runId = await queueTraining(at, iris, { target: 'species', epochs });
    suite.worker = await startWorker(at, { WORKER_SLOTS: '1' });
    await ended(at, runId);
    const id = randomUUID();
    const dead = { status: 'running', attempts: attemptsMax - 1, fence: 2, workerId: 'dead' } as const;
    const leaseExpiresAt = new Date(0);
    await at.db.verification.create({
      data: { id, runId, fromEpoch: 1, toEpoch: epochs, ...dead, leaseExpiresAt },
    });
    const read = () => at.db.verification.findUniqueOrThrow({ where: { id } });
    await until(async () => (await read()).status === 'done', 'the verdict');
    expect(await read()).toMatchObject({ verdict: 'equal', attempts: attemptsMax, fence: 3, workerId: null });
  });
});
