/** A budget ends a training early and changes nothing of what was trained until then. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { decodeModel } from '../../../src/engine/model-file.ts';
import { type EngineSpec, engineSpec } from '../../../src/engine/spec.ts';
import { createTraining, type EpochReport, type Training } from '../../../src/engine/train.ts';
import { exampleTable, specOf } from './example-table.ts';

const iris = exampleTable('iris');
const wine = exampleTable('wine');
const go = { shouldStop: () => false, onSteps: () => {} };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
type Settings = NonNullable<Parameters<typeof specOf>[1]['training']>;

const irisSpec = (training: Settings = {}) =>
  specOf(3, {
    data: { target: 'species' },
    schedule: { kind: 'exponential', per: 'step' },
    training: { epochs: 8, ...training },
  });
/** Its validation loss soon gets worse again. */
const overfitting = (training: Settings) =>
  specOf(3, {
    data: { target: 'cultivar', split: { kind: 'stratified', validation: 0.3, test: 0.2 } },
    optimizer: { kind: 'adam', learningRate: 0.05 },
    training: { epochs: 200, ...training },
  });

const begin = (spec: EngineSpec, table = iris, checkpoint?: Uint8Array): Training =>
  createTraining({ spec, table, backend: backends.interpreter, ...(checkpoint && { checkpoint }) });

interface Trained {
  readonly reports: EpochReport[];
  /** Of the weights after each epoch. */
  readonly hashes: string[];
}

function train(training: Training, epochs = Number.POSITIVE_INFINITY): Trained {
  const reports: EpochReport[] = [];
  const hashes: string[] = [];
  while (training.stopReason === null && reports.length < epochs) {
    const report = training.runEpoch(go);
    if (report === null) throw new Error('nobody asked it to stop');
    reports.push(report);
    hashes.push(sha256(training.parameterBytes()));
  }
  return { reports, hashes };
}

/** Leaves it after a step of its next epoch. */
function trainOneCall(training: Training): void {
  let asked = 0;
  expect(training.runEpoch({ ...go, shouldStop: () => asked++ > 0 })).toBeNull();
  expect(training.stepsWithin).toBeGreaterThan(0);
}

function expectSameEnd(training: Training, spec: EngineSpec, table = iris): void {
  const taken = begin(spec, table, training.checkpoint());
  expect(taken.stopReason).toBe('budget');
  expect(taken.epoch).toBe(training.epoch);
  expect(sha256(taken.model())).toBe(sha256(training.model()));
  expect(taken.results()).toEqual(training.results());
  expect(() => taken.runEpoch(go)).toThrow('has ended: budget');
  expect(() => taken.endByBudget()).toThrow('has ended: budget');
}

it('names at least one limit, and limits that can be kept', () => {
  const issues = (budget: object) => {
    const given = { ...irisSpec(), training: { epochs: 8, budget } };
    return engineSpec.safeParse(given).error?.issues.map(({ path }) => path.join('/'));
  };
  expect(issues({})).toEqual(['training/budget']);
  expect(issues({ seconds: 0 })).toEqual(['training/budget/seconds']);
  expect(issues({ epochs: 0 })).toEqual(['training/budget/epochs']);
  expect(issues({ epochs: 1.5 })).toEqual(['training/budget/epochs']);
  expect(issues({ seconds: 1, minutes: 1 })).toEqual(['training/budget']);
  expect(issues({ seconds: 0.001, epochs: 1 })).toBeUndefined();
});

describe('a budget of epochs', () => {
  it('ends after them, each as it is without a budget', () => {
    const whole = train(begin(irisSpec()));
    const spec = irisSpec({ budget: { epochs: 3 } });
    const training = begin(spec);
    const { reports, hashes } = train(training);
    expect(training.stopReason).toBe('budget');
    expect(reports).toEqual(whole.reports.slice(0, 3));
    expect(hashes).toEqual(whole.hashes.slice(0, 3));
    expectSameEnd(training, spec);
  });

  it('that is not used up ends nothing', () => {
    for (const epochs of [8, 9]) {
      const training = begin(irisSpec({ budget: { epochs } }));
      train(training);
      expect(training.stopReason).toBe('completed');
      expect(training.epoch).toBe(8);
    }
  });

  it.each([true, false])('keeps the best epoch’s weights if they are to be restored: %s', (restoreBest) => {
    const earlyStopping = { patience: 50, restoreBest };
    const spec = overfitting({ budget: { epochs: 30 }, earlyStopping });
    const training = begin(spec, wine);
    const { reports, hashes } = train(training);
    const losses = reports.map(({ metrics }) => metrics.validationLoss ?? Number.NaN);
    const best = losses.indexOf(Math.min(...losses));
    expect(best).toBeLessThan(29);
    const straight = train(begin(overfitting({ earlyStopping }), wine), 30);
    const kept = restoreBest ? best : 29;
    expect(sha256(training.parameterBytes())).toBe(straight.hashes[kept]);
    expect(training.results().metrics.validationLoss).toBe(losses[kept]);
    expect(hashes.slice(0, 29)).toEqual(straight.hashes.slice(0, 29));
    expectSameEnd(training, spec, wine);
  });
});

describe('a training that is ended by its budget', () => {
  const spec = irisSpec({ budget: { seconds: 1 } });

  it('between two epochs keeps the last one’s weights', () => {
    const training = begin(spec);
    const { hashes } = train(training, 2);
    training.endByBudget();
    expect(sha256(training.parameterBytes())).toBe(hashes[1]);
    expectSameEnd(training, spec);
  });

  it('within an epoch drops what that did from the model', () => {
    const training = begin(spec);
    const { reports, hashes } = train(training, 2);
    const before = sha256(training.model());
    trainOneCall(training);
    training.endByBudget();
    expect(training.epoch).toBe(2);
    expect(sha256(training.parameterBytes())).toBe(hashes[1]);
    expect(sha256(training.model())).toBe(before);
    expect(training.results().metrics.validationLoss).toBe(reports[1]?.metrics.validationLoss);
    expectSameEnd(training, spec);
  });

  it('within an epoch restores the best one', () => {
    const restoring = overfitting({ budget: { seconds: 1 }, earlyStopping: { patience: 50 } });
    const training = begin(restoring, wine);
    const { hashes } = train(training, 30);
    const best = training.bestEpoch ?? 0;
    expect(best).toBeLessThan(30);
    trainOneCall(training);
    training.endByBudget();
    expect(sha256(training.parameterBytes())).toBe(hashes[best - 1]);
    expectSameEnd(training, restoring, wine);
  });

  it('within its first epoch keeps the weights as they stand', () => {
    const training = begin(spec);
    const initial = sha256(training.parameterBytes());
    trainOneCall(training);
    const steps = training.stepsWithin;
    training.endByBudget();
    expect(training).toMatchObject({ stopReason: 'budget', epoch: 0, stepsWithin: steps, bestEpoch: null });
    expect(sha256(training.parameterBytes())).not.toBe(initial);
    expect(Number.isFinite(training.results().metrics.testLoss)).toBe(true);
    expectSameEnd(training, spec);
  });

  it('before its first step keeps the weights that it would have started from', () => {
    const training = begin(spec);
    const initial = sha256(training.parameterBytes());
    training.endByBudget();
    expect(sha256(training.parameterBytes())).toBe(initial);
    expectSameEnd(training, spec);
  });

  it('has diverged if there is no finite model', () => {
    const hopeless = specOf(1, {
      data: { target: 'petal_width' },
      optimizer: { kind: 'sgd', learningRate: 1e38 },
      training: { epochs: 50, batchSize: 2, budget: { seconds: 1 } },
    });
    const training = begin(hopeless);
    trainOneCall(training);
    training.endByBudget();
    expect(training).toMatchObject({ stopReason: 'diverged', epoch: 0, stepsWithin: 0 });
    for (const values of decodeModel(training.model()).parameters.values()) {
      expect(values.every((value) => Number.isFinite(value))).toBe(true);
    }
    expect(begin(hopeless, iris, training.checkpoint()).stopReason).toBe('diverged');
  });
});
