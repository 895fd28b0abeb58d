import { describe, it } from 'vitest';
import { optimizers } from '../../../../src/engine/kinds/optimizers/registry.ts';
import type { PlanSpec } from '../../../../src/engine/plan.ts';
import { createPlan } from '../../../../src/engine/plan.ts';
import { expectSameRun, normals } from './compare.ts';

type Optimizer = PlanSpec['optimizer'];
const sgd: Optimizer = { kind: 'sgd', learningRate: 0.05 };
const adam: Optimizer = { kind: 'adam', learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
const momentum: Optimizer = { kind: 'momentum', learningRate: 0.05, momentum: 0.9, learningRateInside: true };

interface Case {
  readonly name: string;
  readonly units: readonly number[];
  readonly activations: readonly string[];
  readonly loss: string;
  readonly optimizer: Optimizer;
  readonly features: number;
  readonly batchSize: number;
  readonly metrics: readonly string[];
  readonly panel?: number;
}

const cases: readonly Case[] = [
  {
    name: 'a classifier',
    units: [64, 65, 10],
    activations: ['relu', 'tanh', 'softmax'],
    loss: 'crossEntropy',
    optimizer: adam,
    features: 33,
    batchSize: 32,
    metrics: ['accuracy'],
  },
  {
    name: 'a classifier in wide panels',
    units: [70, 35, 3],
    activations: ['sigmoid', 'relu', 'linear'],
    loss: 'crossEntropy',
    optimizer: momentum,
    features: 49,
    batchSize: 17,
    metrics: ['accuracy'],
    panel: 32,
  },
  {
    name: 'a binary classifier',
    units: [1],
    activations: ['sigmoid'],
    loss: 'binaryCrossEntropy',
    optimizer: sgd,
    features: 1,
    batchSize: 3,
    metrics: ['accuracy'],
  },
  {
    name: 'a regression through a hidden softmax',
    units: [17, 15, 1],
    activations: ['softmax', 'linear', 'linear'],
    loss: 'meanSquaredError',
    optimizer: adam,
    features: 7,
    batchSize: 16,
    metrics: ['meanAbsoluteError'],
  },
];

function specOf(c: Case): PlanSpec {
  return {
    model: {
      layers: c.units.map((units, i) => ({
        kind: 'dense',
        units,
        activation: { kind: c.activations[i] ?? 'linear' },
        weights: { kind: 'xavierUniform' },
        bias: { kind: 'zeros' },
      })),
    },
    loss: { kind: c.loss },
    optimizer: c.optimizer,
    training: { batchSize: c.batchSize },
    metrics: c.metrics,
  };
}

function dataOf(c: Case, rows: number) {
  const outputs = c.units.at(-1) ?? 1;
  const targets = Float32Array.from({ length: rows * outputs }, (_, i) =>
    outputs === 1 ? i % 2 : Number(Math.floor(i / outputs) % outputs === i % outputs),
  );
  return { rows, features: normals(rows * c.features, 'x'), targets };
}

describe.each(cases)('$name', (c) => {
  const outputs = c.units.at(-1) ?? 1;
  const plan = createPlan(
    specOf(c),
    { features: c.features, targets: outputs },
    c.panel === undefined ? {} : { panel: c.panel },
  );
  const steps = 12;
  const rows = c.batchSize * 2 + 1;
  const data = dataOf(c, rows);
  // Uneven steps, down to a single row.
  const rowsOf = Int32Array.from({ length: steps }, (_, s) =>
    s % 3 === 2 ? 1 + (s % c.batchSize) : c.batchSize,
  );
  const indices = Int32Array.from({ length: rowsOf.reduce((a, b) => a + b, 0) }, (_, i) => (i * 7) % rows);
  const zeroSlots = (name: string, length: number): Float32Array | null => {
    if (name.startsWith('layers.')) {
      return name.split('.').length > 3 ? new Float32Array(length) : normals(length, name).map((v) => v / 4);
    }
    return null;
  };

  it('trains to the same bits', () => {
    const optimizer = optimizers.get(c.optimizer.kind);
    const inputs = [...rowsOf].flatMap((n, s) => [1 / n, ...optimizer.scalars(c.optimizer, s + 1, 0.01)]);
    const batch = { indices, rows: rowsOf, inputs: Float32Array.from(inputs) };
    expectSameRun(plan, { batch, data, values: zeroSlots });
  });

  it.each(['evaluate', 'predict'] as const)('%ss to the same bits', (program) => {
    const batch = { indices, rows: rowsOf, inputs: new Float32Array(0) };
    expectSameRun(plan, { program, batch, data, values: zeroSlots });
  });
});
