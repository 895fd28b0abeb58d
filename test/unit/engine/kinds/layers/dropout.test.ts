import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { backends } from '../../../../../src/engine/codegen/backends.ts';
import type { Node } from '../../../../../src/engine/graph.ts';
import { layers } from '../../../../../src/engine/kinds/layers/registry.ts';
import type { EngineSpecInput } from '../../../../../src/engine/spec.ts';
import { createTraining } from '../../../../../src/engine/train.ts';
import { allBackends } from '../../codegen/candidates.ts';
import { compileGraph, stepOf } from '../../compiled-graph.ts';
import { exampleTable, specOf } from '../../example-table.ts';
import { expectWithin, golden, ROUNDING, samplesOf, shapeOf } from './golden.ts';
import { layerUnderTest } from './one-layer.ts';

type Layers = EngineSpecInput['model']['layers'];

const FEATURES = 40;
const ROWS = 50;
const COUNT = ROWS * FEATURES;
const ones = new Float32Array(COUNT).fill(1);

/** What becomes of ones, and of a cotangent of ones. */
function masked(probability: number, at: { seed?: number; step?: number } = {}, scaling = 'training') {
  const layer = layerUnderTest(backends.interpreter, {
    spec: { kind: 'dropout', probability, scaling },
    inputs: [{ features: FEATURES, image: null }],
    batchSize: ROWS,
  });
  layer.write({ input: ones });
  const { output, gradients } = layer.train({ rows: ROWS, gradient: ones, ...at });
  layer.dispose();
  return { output, gradient: gradients.input ?? new Float32Array() };
}
const dropped = (values: Float32Array): boolean[] => Array.from(values, (v) => v === 0);
const share = (flags: readonly boolean[]): number => flags.filter(Boolean).length / flags.length;

describe.each(Object.entries(allBackends))(`dropout against ${golden.source} on %s`, (_, backend) => {
  it.each(golden.tables.dropout.map((c) => [`${c.scaling}, rate ${c.rate}`, c] as const))(
    '%s',
    (_name, c) => {
      const { rate, scaling, mask, input, gradient } = c;
      const rows = samplesOf(input);
      const layer = layerUnderTest(backend, {
        spec: { kind: 'dropout', probability: rate, scaling },
        inputs: [shapeOf(input)],
        batchSize: rows,
      });
      layer.write({ input: input.values });
      // The scale and the product are rounded once each.
      const bound = (v: number): number => 2 * ROUNDING * Math.abs(v);
      const inference = layer.infer(rows);
      expectWithin(inference, c.inference.values, c.inference.values.map(bound), 'at inference');
      // The masks are not PyTorch's: compared is what both keep, until every value that it keeps has been seen.
      const unseen = new Set(mask.values.flatMap((kept, i) => (kept === 1 ? [i] : [])));
      for (let step = 0; unseen.size > 0 && step < 100; step++) {
        const { output, gradients } = layer.train({ rows, gradient: gradient.values, step });
        for (const [i, v] of output.entries()) {
          const g = gradients.input?.[i] ?? Number.NaN;
          if (v === 0) expect(g).toBe(0);
          else if (mask.values[i] === 1) {
            expectWithin([v], [c.output.values[i] ?? NaN], bound(v), 'output');
            expectWithin([g], [c.gradients.input.values[i] ?? NaN], bound(g), 'gradient');
            unseen.delete(i);
          }
        }
      }
      expect(unseen.size).toBe(0);
      layer.dispose();
    },
  );
});

describe('dropout', () => {
  it.each([0.01, 0.2, 0.5, 0.9])('drops a share of %d, up to chance', (p) => {
    const flags = [0, 1, 2, 3, 4].flatMap((step) => dropped(masked(p, { step }).output));
    // Five standard deviations: one in two million tests of a true mask would fail, and this one always does the same.
    expect(Math.abs(share(flags) - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / flags.length));
  });

  it.each([
    ['training', 0.2, 1 / 0.8],
    ['inference', 0.2, 1],
  ] as const)('with scaling in %s makes the rest what it has to be', (scaling, p, wanted) => {
    const { output } = masked(p, {}, scaling);
    expect([...new Set(output)].sort()).toEqual([0, Math.fround(wanted)]);
  });

  it('passes the gradient on where it passed the value', () => {
    for (const scaling of ['training', 'inference']) {
      const { output, gradient } = masked(0.5, { step: 3 }, scaling);
      expect(gradient).toEqual(output);
    }
  });

  it('draws anew for each step and seed, and the same for the same', () => {
    const masks = [
      masked(0.5, { seed: 1, step: 0 }),
      masked(0.5, { seed: 1, step: 1 }),
      masked(0.5, { seed: 2, step: 0 }),
      masked(0.5, { seed: 1, step: 2 ** 32 }),
    ].map(({ output }) => dropped(output));
    for (const [i, a] of masks.entries()) {
      for (const b of masks.slice(i + 1)) {
        const agreement = share(a.map((flag, k) => flag === b[k]));
        expect(Math.abs(agreement - 0.5)).toBeLessThan(5 * Math.sqrt(0.25 / COUNT));
      }
    }
    expect(dropped(masked(0.5, { seed: 1, step: 1 }).output)).toEqual(masks[1]);
  });

  it('draws rows, columns and neighbours apart', () => {
    const flags = dropped(masked(0.5).output);
    for (const lag of [1, 2, 16, FEATURES, FEATURES + 1]) {
      const pairs = flags.slice(lag).map((flag, i) => flag === flags[i]);
      expect(Math.abs(share(pairs) - 0.5), `lag ${lag}`).toBeLessThan(5 * Math.sqrt(0.25 / pairs.length));
    }
  });

  it('keeps everything with probability 0, in training as at inference', () => {
    expect(masked(0).output).toEqual(ones);
  });

  it('does not depend on how many rows the step has', () => {
    const layer = layerUnderTest(backends.interpreter, {
      spec: { kind: 'dropout' },
      inputs: [{ features: FEATURES, image: null }],
      batchSize: ROWS,
    });
    layer.write({ input: ones });
    const few = layer.train({ rows: 3, gradient: ones }).output;
    expect(few).toEqual(masked(0.5).output.subarray(0, 3 * FEATURES));
    layer.dispose();
  });

  it('draws a mask for each layer', () => {
    const spec = layers.schema.parse({ kind: 'dropout', scaling: 'inference' });
    const compiled = compileGraph({
      batchSize: ROWS,
      features: FEATURES,
      build: (graph) =>
        ['layers.0', 'layers.1'].reduce<Node>(
          (x, name) => layers.get('dropout').build(graph, [x], spec, name),
          graph.data,
        ),
    });
    const data = { rows: ROWS, features: ones, targets: new Float32Array(ROWS) };
    const executor = backends.interpreter(compiled.plan, data, 1);
    executor.run('train', stepOf(compiled, ROWS));
    const kept = 1 - share(dropped(executor.read(compiled.output)));
    expect(Math.abs(kept - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / COUNT));
    executor.dispose();
  });
});

describe('training with dropout', () => {
  const table = exampleTable('iris');
  const trained = (seed: number, backend: string, more: Layers): string => {
    const spec = specOf(3, {
      seed,
      data: { target: 'species' },
      model: {
        layers: [
          { kind: 'dense', units: 8, activation: { kind: 'tanh' } },
          ...more,
          { kind: 'dense', units: 3 },
        ],
      },
      training: { epochs: 3 },
    });
    const create = allBackends[backend];
    if (create === undefined) throw new Error(`no back end ${backend}`);
    const training = createTraining({ spec, table, backend: create });
    while (training.stopReason === null) training.runEpoch({ shouldStop: () => false, onSteps: () => {} });
    return createHash('sha256').update(training.parameterBytes()).digest('hex');
  };
  const dropout = { kind: 'dropout', probability: 0.3 } as const;

  it('gives the same weights for the same seed, on every back end', () => {
    const first = trained(1, 'interpreter', [dropout]);
    for (const name of Object.keys(allBackends)) {
      expect(trained(1, name, [dropout])).toBe(first);
    }
    expect(trained(2, 'interpreter', [dropout])).not.toBe(first);
    expect(trained(1, 'interpreter', [])).not.toBe(first);
  });
});
