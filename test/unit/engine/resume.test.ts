/** A training may be left between any two steps and taken up on any back end: nothing of it is lost or done twice. */
import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { CreateExecutor } from '../../../src/engine/kernels.ts';
import { stream } from '../../../src/engine/random.ts';
import { decodeSafetensors } from '../../../src/engine/state.ts';
import { createTraining, type EpochReport, type Training } from '../../../src/engine/train.ts';
import { allBackends } from './codegen/candidates.ts';
import { exampleTable, specOf } from './example-table.ts';

const iris = exampleTable('iris');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Stops early. With gradient clipping and a last batch that is not full. */
const spec = specOf(3, {
  data: { target: 'species' },
  model: {
    layers: [
      { kind: 'dense', units: 64 },
      { kind: 'batchNorm', momentum: 0.2 },
      { kind: 'activation', activation: { kind: 'tanh' } },
      { kind: 'dropout', probability: 0.2 },
      { kind: 'dense', units: 64 },
      { kind: 'dense', units: 3 },
    ],
  },
  optimizer: { kind: 'adam', learningRate: 0.003 },
  schedule: { kind: 'exponential', per: 'step' },
  training: {
    epochs: 40,
    batchSize: 16,
    gradientClipping: { kind: 'norm', max: 1 },
    earlyStopping: { patience: 3 },
  },
});

/** A call for each step or two: the interpreter's are the shortest. */
const inShortCalls =
  (create: CreateExecutor): CreateExecutor =>
  (...made) => ({ ...create(...made), backend: 'interpreter' });
const creates = Object.values(allBackends).map(inShortCalls);

const begin = (create: CreateExecutor, checkpoint?: Uint8Array): Training =>
  createTraining({ spec, table: iris, backend: create, ...(checkpoint && { checkpoint }) });

function undisturbed(): { training: Training; reports: EpochReport[] } {
  const training = begin(allBackends.wasm);
  const reports: EpochReport[] = [];
  while (training.stopReason === null) {
    const report = training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
    if (report !== null) reports.push(report);
  }
  return { training, reports };
}

const whole = undisturbed();

it('stops early, undisturbed', () => {
  expect(whole.training.stopReason).toBe('earlyStopped');
});

it.each([1, 2, 3])('is the same after 20 moves between back ends at random steps (seed %i)', (seed) => {
  const random = stream(seed, 'moves');
  const draw = (below: number) => Math.floor(random.uniform() * below);
  const [first] = creates;
  if (first === undefined) throw new Error('there is no back end');
  let training = begin(first);
  const reports: EpochReport[] = [];
  let within = 0;
  let moves = 0;
  while (training.stopReason === null) {
    let left = moves < 20 ? draw(4) : Number.POSITIVE_INFINITY;
    const report = training.runEpoch({ shouldStop: () => left-- <= 0, onSteps: () => {} });
    if (report !== null) {
      reports.push(report);
      continue;
    }
    if (training.stepsWithin > 0) within++;
    const checkpoint = training.checkpoint();
    training.dispose();
    training = begin(creates[draw(creates.length)] ?? first, checkpoint);
    expect(sha256(training.checkpoint())).toBe(sha256(checkpoint));
    moves++;
  }
  expect(moves).toBe(20);
  expect(within).toBeGreaterThan(5);
  expect(reports).toEqual(whole.reports);
  expect(sha256(training.checkpoint())).toBe(sha256(whole.training.checkpoint()));
  expect(sha256(training.model())).toBe(sha256(whole.training.model()));
  expect(training.results()).toEqual(whole.training.results());
});

it('says in a checkpoint of the middle of an epoch what the epoch started from', () => {
  const training = begin(inShortCalls(allBackends.wasm));
  const started = sha256(training.parameterBytes());
  let asked = 0;
  training.runEpoch({ shouldStop: () => asked++ > 2, onSteps: () => {} });
  expect(training.stepsWithin).toBeGreaterThan(0);
  const names = decodeSafetensors(training.checkpoint()).tensors.map(({ name }) => name);
  expect(names).toContain('start.layers.0.weight');
  expect(names).toContain('sums');
  const taken = begin(inShortCalls(allBackends.interpreter), training.checkpoint());
  expect(taken.stepsWithin).toBe(training.stepsWithin);
  // What is known of the epochs that are finished.
  expect(sha256(taken.parameterBytes())).toBe(started);
});

it('falls back on the same values when an epoch that was left in the middle diverges', () => {
  const diverging = {
    ...spec,
    optimizer: { ...spec.optimizer, kind: 'sgd', learningRate: 1e30 },
  } as typeof spec;
  const run = (create: CreateExecutor, checkpoint?: Uint8Array) =>
    createTraining({ spec: diverging, table: iris, backend: create, ...(checkpoint && { checkpoint }) });
  const straight = run(allBackends.wasm);
  straight.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  expect(straight.stopReason).toBe('diverged');
  const left = run(inShortCalls(allBackends.wasm));
  let asked = 0;
  left.runEpoch({ shouldStop: () => asked++ > 4, onSteps: () => {} });
  expect(left.stepsWithin).toBeGreaterThan(0);
  const taken = run(inShortCalls(allBackends.interpreter), left.checkpoint());
  taken.runEpoch({ shouldStop: () => false, onSteps: () => {} });
  expect(taken.stopReason).toBe('diverged');
  expect(sha256(taken.checkpoint())).toBe(sha256(straight.checkpoint()));
});
