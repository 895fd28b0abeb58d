import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { decodeModel } from '../../../src/engine/model-file.ts';
import type { EngineSpec } from '../../../src/engine/spec.ts';
import { decodeSafetensors } from '../../../src/engine/state.ts';
import type { Table } from '../../../src/engine/table.ts';
import {
  createTraining,
  type EpochReport,
  type Training,
  UntrainableError,
} from '../../../src/engine/train.ts';
import { columnOf, exampleTable, specOf } from './example-table.ts';

type Backend = keyof typeof backends;
const BACKENDS: readonly Backend[] = ['interpreter', 'wasm'];

const iris = exampleTable('iris');
const irisSpec = specOf(3, { data: { target: 'species' } });
const go = { shouldStop: () => false, onSteps: () => {} };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const start = (
  spec: EngineSpec,
  table: Table,
  backend: Backend = 'interpreter',
  checkpoint?: Uint8Array,
): Training => createTraining({ spec, table, backend: backends[backend], ...(checkpoint && { checkpoint }) });

/** Trains up to `epochs` more epochs, or to the end. */
function train(training: Training, epochs = Number.POSITIVE_INFINITY): EpochReport[] {
  const reports: EpochReport[] = [];
  while (training.stopReason === null && reports.length < epochs) {
    const report = training.runEpoch(go);
    if (report === null) throw new Error('nobody asked it to stop');
    reports.push(report);
  }
  return reports;
}

describe.each(BACKENDS)('training on %s', (backend) => {
  it('lets the parameters of each epoch be followed while they are read', () => {
    const spec = specOf(1, {
      model: { layers: [50, 19, 1].map((units) => ({ kind: 'dense' as const, units })) },
      data: { target: 'sepal_length' },
      training: { epochs: 4 },
    });
    let values: Float32Array = new Float32Array();
    let seen = new Float32Array();
    let sizes: number[] = [];
    const follower = {
      allocate: (count: number) => new Float32Array(count).fill(Number.NaN),
      begin: (all: Float32Array) => {
        values = all;
        seen = new Float32Array(all.length);
        sizes = [];
      },
      filled: (count: number) => {
        seen.set(values.subarray(sizes.at(-1) ?? 0, count), sizes.at(-1) ?? 0);
        sizes.push(count);
      },
    };
    const training = createTraining({ spec, table: iris, backend: backends[backend], follower });
    const plain = start(spec, iris, backend);
    while (training.stopReason === null) {
      training.runEpoch(go);
      plain.runEpoch(go);
      // What was told to be there was there.
      expect(sha256(new Uint8Array(seen.buffer))).toBe(sha256(plain.parameterBytes()));
      expect(training.parameterValues()[0]?.buffer).toBe(values.buffer);
      expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
      expect(sizes.at(-1)).toBe(training.plan.parameterCount);
    }
  });

  it('learns iris: at least 95 % of the held-out rows', () => {
    const spec = specOf(3, {
      seed: 5,
      data: { target: 'species', split: { kind: 'stratified', validation: 0.1, test: 0.3 } },
      training: { epochs: 40 },
    });
    const training = start(spec, iris, backend);
    const reports = train(training);
    expect(training.stopReason).toBe('completed');
    expect(reports.map(({ epoch }) => epoch)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    const { metrics, rows, confusion } = training.results();
    expect(rows).toEqual({ training: 90, validation: 15, test: 45 });
    expect(metrics.testAccuracy).toBeGreaterThanOrEqual(0.95);
    const right = confusion?.counts.reduce((sum, row, i) => sum + (row[i] ?? 0), 0) ?? 0;
    expect(right / 45).toBeCloseTo(metrics.testAccuracy ?? 0, 12);
    expect(confusion?.counts.flat().reduce((a, b) => a + b)).toBe(45);
    expect(confusion).toMatchObject({ part: 'test', labels: ['setosa', 'versicolor', 'virginica'] });
  });

  it('learns a regression', () => {
    const spec = specOf(1, {
      data: { target: 'petal_width', features: ['petal_length', 'sepal_length', 'species'] },
      training: { epochs: 60 },
    });
    const training = start(spec, iris, backend);
    const [first] = train(training);
    const { metrics, confusion } = training.results();
    expect(confusion).toBeNull();
    expect(first?.metrics.meanAbsoluteError).toBeGreaterThan(0.3);
    expect(metrics.testMeanAbsoluteError).toBeLessThan(0.2);
    expect(metrics.testLoss).toBeLessThan(0.06);
  });

  it('learns two classes on one output', () => {
    const labels = Array.from(iris.columns[4]?.type === 'categorical' ? iris.columns[4].codes : []);
    const table = {
      rowCount: 150,
      columns: [
        ...iris.columns.slice(0, 4),
        columnOf(
          'sort',
          labels.map((code) => (code === 0 ? 'small' : 'large')),
        ),
      ],
    };
    const spec = specOf(1, { data: { target: 'sort' }, loss: { kind: 'binaryCrossEntropy' } });
    const training = start(spec, table, backend);
    train(training);
    expect(training.results().metrics.testAccuracy).toBe(1);
    expect(training.results().confusion?.labels).toEqual(['large', 'small']);
  });

  it('gives the same bits again', () => {
    const first = start(irisSpec, iris, backend);
    const second = start(irisSpec, iris, backend);
    expect(train(second)).toEqual(train(first));
    expect(sha256(second.checkpoint())).toBe(sha256(first.checkpoint()));
  });

  it('goes on where it was stopped, after any chunk', () => {
    const undisturbed = start(irisSpec, iris, backend);
    const reports = train(undisturbed, 3);
    const training = start(irisSpec, iris, backend);
    train(training, 2);
    const afterTwo = sha256(training.parameterBytes());
    let finished: EpochReport | null = null;
    let stops = 0;
    while (finished === null) {
      let asked = 0;
      finished = training.runEpoch({ ...go, shouldStop: () => asked++ > 0 });
      if (finished !== null) break;
      stops++;
      expect(training.epoch).toBe(2);
      expect(sha256(training.parameterBytes())).toBe(afterTwo);
    }
    expect(stops).toBeGreaterThan(0);
    expect(finished).toEqual(reports[2]);
    expect(training.stepsWithin).toBe(0);
    expect(sha256(training.checkpoint())).toBe(sha256(undisturbed.checkpoint()));
  });

  it('counts every step', () => {
    const training = start(irisSpec, iris, backend);
    let steps = 0;
    training.runEpoch({ ...go, onSteps: (n) => (steps += n) });
    expect(training.stepsPerEpoch).toBe(7);
    expect(steps).toBe(7);
  });

  it('diverges under an absurd learning rate and keeps the last finite parameters', () => {
    for (const rate of [1e6, 1e308]) {
      const training = start(hopelessSpec(rate), iris, backend);
      const initial = sha256(training.parameterBytes());
      const reports = train(training);
      expect(training.stopReason).toBe('diverged');
      expect(reports.map(({ diverged }) => diverged)).toEqual([...reports.slice(1).map(() => false), true]);
      for (const values of decodeModel(training.model()).parameters.values()) {
        expect(values.every((value) => Number.isFinite(value))).toBe(true);
      }
      if (reports.length === 1) expect(sha256(training.parameterBytes())).toBe(initial);
      expect(() => training.runEpoch(go)).toThrow('has ended');
      expect(start(hopelessSpec(rate), iris, backend, training.checkpoint()).stopReason).toBe('diverged');
      expect(() => JSON.stringify(training.results())).not.toThrow();
    }
  });
});

const hopelessSpec = (learningRate: number): EngineSpec =>
  specOf(1, {
    data: { target: 'petal_width' },
    optimizer: { kind: 'sgd', learningRate },
    training: { epochs: 50 },
  });

describe('resuming', () => {
  const spec = specOf(3, {
    data: { target: 'species' },
    optimizer: { kind: 'adam', learningRate: 0.02 },
    schedule: { kind: 'exponential', per: 'step' },
    training: { epochs: 8, batchSize: 16, earlyStopping: { patience: 3, monitor: 'validationLoss' } },
  });
  const whole = start(spec, iris);
  const reports = train(whole);

  it.each([0, 1, 3, 7])('from epoch %i, on either back end, equals never having stopped', (epoch) => {
    for (const [first, second] of [
      ['interpreter', 'interpreter'],
      ['interpreter', 'wasm'],
      ['wasm', 'interpreter'],
      ['wasm', 'wasm'],
    ] as const) {
      const left = start(spec, iris, first);
      const before = train(left, epoch);
      const taken = start(spec, iris, second, left.checkpoint());
      expect(taken.epoch).toBe(before.length);
      expect([...before, ...train(taken)]).toEqual(reports);
      expect(sha256(taken.checkpoint())).toBe(sha256(whole.checkpoint()));
      expect(sha256(taken.model())).toBe(sha256(whole.model()));
      expect(taken.results()).toEqual(whole.results());
    }
  });

  it('takes up a finished training as finished', () => {
    const again = start(spec, iris, 'interpreter', whole.checkpoint());
    expect(again.stopReason).toBe(whole.stopReason);
    expect(again.bestEpoch).toBe(whole.bestEpoch);
    expect(sha256(again.parameterBytes())).toBe(sha256(whole.parameterBytes()));
  });

  it('is refused under another spec, and from other bytes', () => {
    const checkpoint = whole.checkpoint();
    expect(() => start({ ...spec, seed: 8 }, iris, 'interpreter', checkpoint)).toThrow('another spec');
    expect(() => start(spec, iris, 'interpreter', whole.model())).toThrow('not a checkpoint');
    expect(() => start(spec, iris, 'interpreter', checkpoint.subarray(0, 100))).toThrow('safetensors');
  });
});

describe('early stopping', () => {
  // A large learning rate: the validation loss soon gets worse again.
  const overfitting = (restoreBest: boolean) =>
    specOf(3, {
      data: { target: 'cultivar', split: { kind: 'stratified', validation: 0.3, test: 0.2 } },
      optimizer: { kind: 'adam', learningRate: 0.05 },
      training: { epochs: 200, batchSize: 16, earlyStopping: { patience: 4, restoreBest } },
    });
  const wine = exampleTable('wine');

  it('stops, and restores the weights of the best epoch', () => {
    const training = start(overfitting(true), wine);
    const reports: EpochReport[] = [];
    const hashes: string[] = [];
    while (training.stopReason === null) {
      reports.push(...train(training, 1));
      // Before the end these are the current weights.
      if (training.stopReason === null) hashes.push(sha256(training.parameterBytes()));
    }
    const losses = reports.map(({ metrics }) => metrics.validationLoss ?? Number.NaN);
    const best = losses.indexOf(Math.min(...losses));
    expect(training.stopReason).toBe('earlyStopped');
    expect(training.bestEpoch).toBe(best + 1);
    expect(training.epoch).toBe(best + 1 + 4);
    expect(sha256(training.parameterBytes())).toBe(hashes[best]);
    expect(training.results().metrics.validationLoss).toBe(losses[best]);
  });

  it('keeps the last weights when asked to', () => {
    const kept = start(overfitting(false), wine);
    const reports = train(kept);
    expect(kept.stopReason).toBe('earlyStopped');
    expect(kept.results().metrics.validationLoss).toBe(reports.at(-1)?.metrics.validationLoss);
    expect(kept.results().metrics.validationLoss).not.toBe(
      reports[(kept.bestEpoch ?? 0) - 1]?.metrics.validationLoss,
    );
  });

  it('without it the last epoch’s weights are the model, and the best epoch is only named', () => {
    const training = start(irisSpec, iris);
    const reports = train(training);
    const losses = reports.map(({ metrics }) => metrics.validationLoss ?? Number.NaN);
    expect(training.bestEpoch).toBe(losses.indexOf(Math.min(...losses)) + 1);
    expect(training.results().metrics.validationLoss).toBe(losses.at(-1));
  });
});

describe('batches', () => {
  const steps = (training: Parameters<typeof specOf>[1]['training']) => {
    const made = start(
      specOf(3, { data: { target: 'species' }, training: { epochs: 1, ...training } }),
      iris,
    );
    return { steps: made.stepsPerEpoch, report: train(made)[0], made };
  };

  it('keeps or drops a last batch that is not full', () => {
    expect(steps({ batchSize: 16 }).steps).toBe(7);
    expect(steps({ batchSize: 16, lastBatch: 'drop' }).steps).toBe(6);
    expect(steps({ batchSize: 104 }).steps).toBe(1);
    expect(() => steps({ batchSize: 105, lastBatch: 'drop' })).toThrow(UntrainableError);
  });

  it('visits the rows in the table’s order without shuffling', () => {
    const plain = steps({ shuffle: false }).report;
    expect(plain).toEqual(steps({ shuffle: false }).report);
    expect(plain?.metrics.loss).not.toBe(steps({ shuffle: true }).report?.metrics.loss);
  });

  it('reports the learning rate that each epoch starts with', () => {
    const spec = specOf(3, {
      data: { target: 'species' },
      optimizer: { kind: 'sgd', learningRate: 0.5 },
      schedule: { kind: 'exponential', per: 'epoch', timeConstant: 2 },
      training: { epochs: 3 },
    });
    const rates = train(start(spec, iris)).map(({ metrics }) => metrics.learningRate);
    const wanted = [0, 1, 2].map((epoch) => 0.5 * Math.exp(-epoch / 2));
    for (const [i, rate] of rates.entries()) expect(rate).toBeCloseTo(wanted[i] ?? 0, 12);
  });
});

it('reports nothing of validation where there are no such rows', () => {
  const spec = specOf(3, {
    data: { target: 'species', split: { kind: 'random', validation: 0, test: 0.2 } },
  });
  const training = start(spec, iris);
  const [report] = train(training, 1);
  expect(Object.keys(report?.metrics ?? {})).toEqual(['loss', 'accuracy', 'learningRate']);
  expect(training.bestEpoch).toBe(1);
});

it('names the parameters as PyTorch’s Linear shapes them', () => {
  const { tensors } = decodeSafetensors(start(irisSpec, iris).model());
  expect(tensors.map(({ name, shape }) => [name, shape])).toEqual([
    ['layers.0.weight', [8, 4]],
    ['layers.0.bias', [8]],
    ['layers.1.weight', [3, 8]],
    ['layers.1.bias', [3]],
  ]);
});

it('gives parameterBytes in the order of the model file', () => {
  const training = start(irisSpec, iris);
  train(training, 1);
  const tensors = decodeSafetensors(training.model()).tensors;
  expect(Buffer.concat(tensors.map(({ bytes }) => bytes))).toEqual(Buffer.from(training.parameterBytes()));
});

it('refuses a table that cannot serve the spec', () => {
  expect(() => start(specOf(3, { data: { target: 'nothing' } }), iris)).toThrow(UntrainableError);
});
