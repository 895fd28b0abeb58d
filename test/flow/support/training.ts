// Worker processes, and runs of the example data for them to train.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { scanCsv } from '../../../src/datasets/csv.ts';
import { defaultCsvLimits } from '../../../src/datasets/limits.ts';
import { type EngineSpecInput, engineSpec } from '../../../src/engine/spec.ts';
import { packageRoot } from '../../../src/package-root.ts';
import { isTerminal } from '../../../src/runs/status.ts';
import { type Command, startCommand } from './command.ts';
import { insertDataset, insertRun, type RunDatabase, runDatabase, until } from './lifecycle.ts';

/** A worker on the given database, ready to train. Short leases, so that a dead worker's runs come back soon. */
export async function startWorker(at: RunDatabase, env: Record<string, string> = {}): Promise<Command> {
  const worker = startCommand('workers/trainer.js', [], {
    DATABASE_URL: at.url,
    LEASE_SECONDS: '2',
    RECONCILE_SECONDS: '1',
    WORKER_SLOTS: '2',
    LOG_LEVEL: 'warn',
    ...env,
  });
  await until(() => {
    if (worker.child.exitCode !== null) {
      throw new Error(`the worker ended: ${worker.output()}`);
    }
    return worker.output().includes('worker is ready');
  }, 'the worker to be ready');
  return worker;
}

export interface TrainingSuite {
  readonly at: RunDatabase;
  readonly dataset: string;
  /** The one that is ended at last: a test may put another in its place. */
  worker: Command;
}

/** For the tests of a file: a database of their own with that example, and a worker that trains one run at a time. */
export function useWorker(example: 'iris' | 'digits', begin: (suite: TrainingSuite) => void): void {
  let suite: TrainingSuite;
  beforeAll(async () => {
    const at = await runDatabase(process.env.TEST_DATABASE_URL ?? '');
    const dataset = await insertExample(at, example);
    suite = { at, dataset, worker: await startWorker(at, { WORKER_SLOTS: '1' }) };
    begin(suite);
  });
  afterAll(async () => {
    await endWorker(suite.worker, 'SIGKILL');
    await suite.at.drop();
  });
}

/** Ends the worker if it still runs and waits for it. */
export async function endWorker(worker: Command, signal: NodeJS.Signals): Promise<number | null> {
  worker.child.kill(signal);
  return worker.exitCode;
}

/** Stores an example CSV as an upload does. */
export async function insertExample(at: RunDatabase, name: 'iris' | 'digits'): Promise<string> {
  const csv = readFileSync(join(packageRoot(), 'examples', 'data', `${name}.csv`), 'utf8');
  const bytes = new TextEncoder().encode(csv);
  const { columns, rowCount } = await scanCsv(
    () => [bytes],
    { categorical: name === 'digits' ? ['digit'] : [], numeric: [] },
    defaultCsvLimits,
  );
  return insertDataset(at, { csv, columns, rowCount, chunkBytes: 64 * 1024 });
}

/** Queues a classifier of that dataset. `units` of its hidden layer decide how long an epoch takes. */
export function queueTraining(
  at: RunDatabase,
  datasetId: string,
  {
    target = 'digit',
    epochs = 20,
    units = 32,
    learningRate = 0.001,
    batchSize = 32,
    everySeconds = 10,
    training = {} as object,
  } = {},
): Promise<string> {
  const classes = target === 'digit' ? 10 : 3;
  const spec = {
    seed: 7,
    data: { dataset: datasetId, target, split: { kind: 'stratified', validation: 0.15, test: 0.15 } },
    model: {
      layers: [
        { kind: 'dense', units, activation: { kind: 'relu' } },
        { kind: 'dense', units: classes, activation: { kind: 'softmax' } },
      ],
    },
    loss: { kind: 'crossEntropy' },
    optimizer: { kind: 'adam', learningRate },
    training: { epochs, batchSize, checkpoints: { everySeconds }, ...training },
    metrics: ['accuracy'],
  } as unknown as EngineSpecInput;
  const parsed = JSON.parse(JSON.stringify(engineSpec.parse(spec)));
  return insertRun(at, { datasetId, spec: parsed, epochsPlanned: epochs });
}

export function readRun({ db }: RunDatabase, id: string) {
  return db.run.findUniqueOrThrow({ where: { id } });
}

/** The run once it is over. */
export async function ended(at: RunDatabase, runId: string, limitMs = 60_000) {
  await until(async () => isTerminal((await readRun(at, runId)).status), `run ${runId} to end`, limitMs);
  return readRun(at, runId);
}

export function reachesEpoch(at: RunDatabase, runId: string, epoch: number) {
  return until(async () => (await readRun(at, runId)).epoch >= epoch, `epoch ${epoch} of run ${runId}`);
}
