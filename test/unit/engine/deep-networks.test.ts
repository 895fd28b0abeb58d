/** Networks whose depth or windows once overflowed the stack, or took minutes to compile. */
import { describe, expect, it } from 'vitest';
import { backends } from '../../../src/engine/codegen/backends.ts';
import { losses } from '../../../src/engine/kinds/losses/registry.ts';
import { initialState, readState, writeState } from '../../../src/engine/parameters.ts';
import { createPlan } from '../../../src/engine/plan.ts';
import { engineSpec } from '../../../src/engine/spec.ts';
import { expectSameBits } from './codegen/compare.ts';

const many = (n: number, layer: object): object[] => Array.from({ length: n }, () => layer);
const activation = (kind: string) => ({ kind: 'activation', activation: { kind } });

/** One training step, the parameters after it. */
function trained(backend: keyof typeof backends, features: number, layers: readonly object[]) {
  const spec = engineSpec.parse({
    data: { dataset: 'none', target: 'none' },
    model: { layers: [...layers, { kind: 'dense', units: 2 }] },
    optimizer: { kind: 'sgd' },
    training: { epochs: 1, batchSize: 2 },
  });
  const loss = losses.schema.parse({ kind: 'crossEntropy' });
  const plan = createPlan({ ...spec, loss, metrics: [] }, { features, targets: 2 });
  const data = {
    rows: 2,
    features: Float32Array.from({ length: 2 * features }, (_, i) => Math.sin(i)),
    targets: Float32Array.of(1, 0, 0, 1),
  };
  const executor = backends[backend](plan, data, 1);
  writeState(executor, plan, initialState(plan, 1));
  const inputs = new Float32Array(plan.programs.train.inputs.length).fill(0.5);
  executor.run('train', { indices: Int32Array.of(0, 1), rows: Int32Array.of(2), inputs });
  const { values } = readState(executor, plan);
  executor.dispose();
  return values;
}

describe('networks compile and train', () => {
  it.each<[string, number, readonly object[]]>([
    ['of 600 dear formulas in a row', 3, [{ kind: 'dense', units: 3 }, ...many(600, activation('tanh'))]],
    [
      'with a maximum over the whole image',
      784,
      [
        { kind: 'reshape', height: 28, width: 28 },
        { kind: 'conv2d', channels: 2, kernel: 1 },
        { kind: 'maxPool2d', kernel: 28 },
        { kind: 'flatten' },
      ],
    ],
  ])('%s', (_, features, layers) => {
    const wanted = trained('interpreter', features, layers);
    expect(wanted.every((v) => v.every(Number.isFinite))).toBe(true);
    for (const [i, values] of trained('wasm', features, layers).entries()) {
      expectSameBits(values, wanted[i] ?? new Float32Array(), `parameter ${i}`);
    }
  });
});
