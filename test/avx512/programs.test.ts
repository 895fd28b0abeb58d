/**
 * AVX-512 code of whole networks on an emulated processor: training, evaluation and prediction give the interpreter's
 * bits, from memory whose padding is NaN, and touch nothing beyond their buffers.
 */
import { describe, expect, it } from 'vitest';
import { createInterpreter } from '../../src/engine/codegen/interpreter.ts';
import { losses } from '../../src/engine/kinds/losses/registry.ts';
import { optimizers } from '../../src/engine/kinds/optimizers/registry.ts';
import { createPlan } from '../../src/engine/plan.ts';
import { engineSpec } from '../../src/engine/spec.ts';
import { expectSameBits } from '../unit/engine/codegen/compare.ts';
import { outcomesOf, startOf } from '../unit/engine/outcomes.ts';
import type { RandomNetwork } from '../unit/engine/random-network.ts';
import { randomNetwork } from '../unit/engine/random-network.ts';
import type { EmulatedOptions } from './executor.ts';
import { createEmulated } from './executor.ts';

function expectInterpretersBits(network: RandomNetwork, seed: number, options: EmulatedOptions): void {
  const plan = createPlan(network.spec, network.shape, { panel: network.panel });
  const start = startOf(plan, network, seed);
  const expected = outcomesOf(createInterpreter, start);
  const actual = outcomesOf(createEmulated(options), start);
  expect(actual.map((o) => o.name)).toEqual(expected.map((o) => o.name));
  for (const [i, { name, values }] of expected.entries()) {
    const what = `${name}; ${JSON.stringify(network.spec.model)}`;
    expectSameBits(actual[i]?.values ?? new Float32Array(), values, what);
  }
}

interface Written {
  readonly layers: readonly object[];
  readonly optimizer: string;
  readonly features: number;
  readonly batchSize: number;
  readonly panel: number;
}

const CLASSES = 10;

/** A classifier: a full step, and one of what is left over. */
function classifier({ layers, optimizer, features, batchSize, panel }: Written): RandomNetwork {
  const parsed = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: { layers: [...layers, { kind: 'dense', units: CLASSES }] },
    optimizer: { kind: optimizer },
    regularization: { weights: { kind: 'l2', lambda: 0.01 } },
    training: { epochs: 1, batchSize, gradientClipping: { kind: 'norm', max: 1 } },
  });
  return {
    spec: { ...parsed, loss: losses.schema.parse({ kind: 'crossEntropy' }), metrics: ['accuracy'] },
    shape: { features, targets: CLASSES },
    panel,
    steps: [batchSize, batchSize - 5],
    rows: batchSize + 3,
    learningRate: 0.05,
  };
}

const relu = { kind: 'relu' };
// Wide enough for every shape of tile.
const dense = [
  { kind: 'dense', units: 130, activation: relu },
  { kind: 'dense', units: 67, activation: { kind: 'tanh' } },
  { kind: 'dense', units: 33, activation: { kind: 'sigmoid' } },
];
const convolutional = [
  { kind: 'reshape', height: 9, width: 8, channels: 2 },
  { kind: 'conv2d', channels: 17, kernel: 3, padding: 1, activation: relu },
  { kind: 'batchNorm' },
  { kind: 'maxPool2d', kernel: 2 },
  { kind: 'conv2d', channels: 35, kernel: 2, stride: [1, 2] },
  { kind: 'batchNorm' },
  { kind: 'activation', activation: relu },
  { kind: 'avgPool2d', kernel: 2 },
  { kind: 'dropout', probability: 0.3 },
  { kind: 'flatten' },
  { kind: 'layerNorm' },
];

describe('a dense network', () => {
  it.each(optimizers.names.map((name, i) => [name, i] as const))('with %s', (optimizer, i) => {
    const network = classifier({ layers: dense, optimizer, features: 41, batchSize: 22, panel: 16 });
    expectInterpretersBits(network, i, { threaded: i % 2 === 1, edge: i % 2 === 0 ? 'start' : 'end' });
  });
});

describe.each([16, 32])('a convolutional network in panels of %i', (panel) => {
  it.each([false, true])('threaded: %s', (threaded) => {
    const at = { optimizer: 'adam', features: 144, batchSize: 11, panel };
    const network = classifier({ layers: convolutional, ...at });
    expectInterpretersBits(network, panel, { threaded, edge: threaded ? 'start' : 'end' });
  });
});

describe('random networks', () => {
  const NETWORKS = 10;
  it.each(Array.from({ length: NETWORKS }, (_, number) => number))('number %i', (number) => {
    const options = { threaded: number % 2 === 1, edge: number % 4 < 2 ? 'start' : 'end' } as const;
    expectInterpretersBits(randomNetwork(number), number, options);
  });
});
