/** One network of every kind of layer: the same bits on all back ends, whatever the batches leave over. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { layers } from '../../../src/engine/kinds/layers/registry.ts';
import { createPredictor } from '../../../src/engine/predict.ts';
import { createTraining } from '../../../src/engine/train.ts';
import { allBackends } from './codegen/candidates.ts';
import { everyLayer, fewDigits, fewRows } from './every-layer.ts';
import { specOf } from './example-table.ts';

/** Everything that a run leaves: reports, state, results, and what its model predicts. */
function outcome(backend: string, batchSize: number) {
  const spec = specOf(10, {
    data: { target: 'digit', split: { kind: 'random', validation: 0.2, test: 0.1 } },
    loss: { kind: 'crossEntropy' },
    model: { layers: everyLayer },
    optimizer: { kind: 'adamw', learningRate: 0.01 },
    regularization: { weights: { kind: 'l2', lambda: 0.001 } },
    training: { epochs: 2, batchSize, gradientClipping: { kind: 'norm', max: 1 } },
  });
  const create = allBackends[backend];
  if (create === undefined) throw new Error(`no back end ${backend}`);
  const training = createTraining({ spec, table: fewDigits, backend: create });
  const reports = [1, 2].map(() => training.runEpoch({ shouldStop: () => false, onSteps: () => {} }));
  const predicted = createPredictor(training.model(), create).predict(fewRows);
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
    for (const name of Object.keys(allBackends)) {
      if (name !== 'interpreter') expect(outcome(name, batchSize), name).toEqual(expected);
    }
  });
});
