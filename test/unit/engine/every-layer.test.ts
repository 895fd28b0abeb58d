/** One network of every kind of layer: the same bits on all back ends, whatever the batches leave over. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { layers } from '../../../src/engine/kinds/layers/registry.ts';
import { createPredictor } from '../../../src/engine/predict.ts';
import type { EngineSpecInput } from '../../../src/engine/spec.ts';
import type { Table } from '../../../src/engine/table.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { exampleTable, specOf } from './example-table.ts';

const relu = { kind: 'relu' } as const;
const everyLayer: EngineSpecInput['model']['layers'] = [
  { kind: 'reshape', height: 8, width: 8, name: 'image' },
  { kind: 'conv2d', channels: 5, kernel: 3, padding: 1, activation: relu },
  { kind: 'batchNorm', name: 'first' },
  { kind: 'conv2d', channels: 5, kernel: [3, 1], padding: [2, 0], dilation: [2, 1], name: 'second' },
  { kind: 'add', inputs: ['first', 'second'] },
  { kind: 'activation', activation: relu },
  { kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1, name: 'largest' },
  { kind: 'avgPool2d', kernel: 2, input: 'second', name: 'mean' },
  { kind: 'concat', inputs: ['largest', 'mean'] },
  { kind: 'conv2d', channels: 17, kernel: 2, stride: [1, 2], activation: { kind: 'tanh' } },
  { kind: 'dropout', probability: 0.2 },
  { kind: 'flatten' },
  { kind: 'layerNorm' },
  { kind: 'dense', units: 10 },
];

const ROWS = 45;
const digits = exampleTable('digits');
const table: Table = {
  rowCount: ROWS,
  columns: digits.columns.map((column) =>
    column.type === 'numeric'
      ? { ...column, values: column.values.slice(0, ROWS) }
      : { ...column, codes: column.codes.slice(0, ROWS) },
  ),
};
const rows = Array.from({ length: ROWS }, (_, row) =>
  Object.fromEntries(
    table.columns.flatMap((c) =>
      c.type === 'numeric' && c.name !== 'digit' ? [[c.name, c.values[row]]] : [],
    ),
  ),
);

/** Everything that a run leaves: reports, state, results, and what its model predicts. */
function outcome(backend: keyof typeof backends, batchSize: number) {
  const spec = specOf(10, {
    data: { target: 'digit', split: { kind: 'random', validation: 0.2, test: 0.1 } },
    loss: { kind: 'crossEntropy' },
    model: { layers: everyLayer },
    optimizer: { kind: 'adamw', learningRate: 0.01 },
    regularization: { weights: { kind: 'l2', lambda: 0.001 } },
    training: { epochs: 2, batchSize, gradientClipping: { kind: 'norm', max: 1 } },
  });
  const training = createTraining({ spec, table, backend: backends[backend] });
  const reports = [1, 2].map(() => training.runEpoch({ shouldStop: () => false, onSteps: () => {} }));
  const predicted = createPredictor(training.model(), backends[backend]).predict(rows);
  const state = createHash('sha256').update(training.checkpoint()).digest('hex');
  const results = training.results();
  training.dispose();
  return { reports, state, results, predicted };
}

describe('a network of every layer', () => {
  it('has every layer', () => {
    expect([...new Set(everyLayer.map(({ kind }) => kind))].sort()).toEqual([...layers.names].sort());
  });

  // 32 training rows: a rest of two, a rest of one, and single rows.
  it.each([15, 31, 1])('ends with the same bits on every back end, with batches of %i', (batchSize) => {
    const expected = outcome('interpreter', batchSize);
    expect(expected.reports.every((r) => r !== null && !r.diverged)).toBe(true);
    for (const name of Object.keys(backends) as (keyof typeof backends)[]) {
      if (name !== 'interpreter') expect(outcome(name, batchSize), name).toEqual(expected);
    }
  });
});
