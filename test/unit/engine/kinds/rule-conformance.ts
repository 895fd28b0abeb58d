/** What every kind that is a plain rule must satisfy: schedules, initialisers, layers, preprocessors and splits. */
import { expect, it } from 'vitest';
import { tanh } from '../../../../src/engine/expr.ts';
import type { Graph, Node } from '../../../../src/engine/graph.ts';
import { createGraph } from '../../../../src/engine/graph.ts';
import { activations } from '../../../../src/engine/kinds/activations/registry.ts';
import { initializers } from '../../../../src/engine/kinds/initializers/registry.ts';
import type {
  CategoricalPreprocessorKind,
  InitializerKind,
  LayerKind,
  NumericPreprocessorKind,
  ScheduleKind,
  SplitKind,
} from '../../../../src/engine/kinds/kind.ts';
import { stream } from '../../../../src/engine/random.ts';
import { exampleSpec } from './example-spec.ts';

export function describeSchedule(kind: ScheduleKind): void {
  it('gives a finite rate, never negative, at every position, the same each time', () => {
    const spec = exampleSpec(kind);
    for (const epochs of [1, 7]) {
      for (const perEpoch of [1, 13]) {
        for (let step = 0; step < epochs * perEpoch; step++) {
          const at = { step, epoch: Math.floor(step / perEpoch), steps: epochs * perEpoch, epochs };
          const rate = kind.learningRate(0.5, at, spec);
          expect(Number.isFinite(rate) && rate >= 0).toBe(true);
          expect(kind.learningRate(0.5, at, spec)).toBe(rate);
        }
      }
    }
  });
}

export function describeInitializer(kind: InitializerKind): void {
  const spec = exampleSpec(kind);
  const fill = (count: number, seed: number): Float32Array =>
    kind.fill({ count, fanIn: 7, fanOut: 11, random: stream(seed, 'weights') }, spec);

  it.each([1, 7, 77, 1001])('fills %i values with finite numbers, a function of the stream', (count) => {
    const values = fill(count, 1);
    expect(values).toHaveLength(count);
    expect(values.every((v) => Number.isFinite(v))).toBe(true);
    expect(fill(count, 1)).toEqual(values);
  });

  it('gives all streams the same distribution', () => {
    const spread = (seed: number): number => fill(10_000, seed).reduce((sum, v) => sum + v * v, 0) / 10_000;
    // The relative standard error of a variance over n values is at most √((κ − 1)/n): 1.4 % for a normal.
    expect(Math.abs(spread(1) - spread(2))).toBeLessThanOrEqual(0.1 * spread(1));
  });
}

/** As many inputs as a layer takes, flat or images, whichever fit. */
function layerInputs(kind: LayerKind, graph: Graph, features: number): readonly [Node, ...Node[]] {
  const image = graph.unflatten(graph.data, { height: 4, width: 5 });
  const flat = graph.map(graph.data, tanh);
  const spec = layerSpec(kind, features);
  for (const x of [flat, image]) {
    const inputs: [Node, ...Node[]] = kind.takes === 'one' ? [x] : [x, x, x];
    if (!('misfit' in kind.outputShape(inputs, spec))) return inputs;
  }
  throw new Error(`${kind.kind} takes neither flat features nor an image`);
}

/** The example, of a size that the data has. */
const layerSpec = (kind: LayerKind, features: number): Record<string, unknown> => {
  const spec = exampleSpec(kind);
  return 'height' in spec ? { ...spec, height: 4, width: 5, channels: features / 20 } : spec;
};

export function describeLayer(kind: LayerKind): void {
  it.each([20, 60, 340])('builds what it announces, on %i features', (features) => {
    const spec = layerSpec(kind, features);
    const graph = createGraph(features);
    const inputs = layerInputs(kind, graph, features);
    const out = kind.build(graph, inputs, spec, 'layers.4');
    expect(kind.outputShape(inputs, spec)).toMatchObject({ features: out.features, image: out.image });
    const trained = graph.parameters.filter((p) => p.role !== 'statistic');
    const counts = trained.map((p) => p.shape.reduce((a, b) => a * b, 1));
    expect(counts.reduce((a, b) => a + b, 0)).toBe(kind.parameterCount(inputs, spec));
    expect(kind.multiplications(inputs, spec)).toBeGreaterThanOrEqual(0);
    for (const p of graph.parameters) {
      expect(p.name.startsWith('layers.4.')).toBe(true);
      expect(initializers.names).toContain(p.initializer.kind);
      expect(p.fanIn > 0 && p.fanOut > 0).toBe(true);
    }
    const again = createGraph(features);
    kind.build(again, layerInputs(kind, again, features), spec, 'layers.4');
    expect(again.parameters).toEqual(graph.parameters);
  });

  it('names an activation that exists, or none', () => {
    const activation = kind.activation(exampleSpec(kind));
    expect([null, ...activations.names]).toContain(activation?.kind ?? null);
  });
}

export function describeNumericPreprocessor(kind: NumericPreprocessorKind): void {
  const spec = exampleSpec(kind);

  it.each([[[1, 2, 4]], [[5]], [[3, 3, 3]], [[-1e9, 1e9, 0.5, 7]], [[0, 1e-300, 2e-300]], [[1e300, -1e300]]])(
    'fits %j with numbers that survive JSON, and maps it to finite ones',
    (list) => {
      const fitted = kind.fit(Float64Array.from(list), spec);
      expect(JSON.parse(JSON.stringify(fitted))).toEqual(fitted);
      expect(kind.fit(Float64Array.from(list), spec)).toEqual(fitted);
      for (const v of [...list, 0, 12.5]) expect(Number.isFinite(kind.apply(v, fitted))).toBe(true);
    },
  );

  it('keeps different values different', () => {
    const fitted = kind.fit(Float64Array.from([1, 2, 4]), spec);
    expect(new Set([1, 2, 4].map((v) => kind.apply(v, fitted))).size).toBe(3);
  });
}

export function describeCategoricalPreprocessor(kind: CategoricalPreprocessorKind): void {
  it.each([1, 2, 17])('encodes %i categories apart, inside its own columns', (categories) => {
    const width = kind.width(categories);
    expect(Number.isInteger(width) && width > 0).toBe(true);
    const seen = new Set<string>();
    for (let code = -1; code < categories; code++) {
      const out = new Float32Array(width + 4).fill(9);
      kind.encode(code, out, 2, categories);
      expect([...out.subarray(0, 2), ...out.subarray(width + 2)]).toEqual([9, 9, 9, 9]);
      const own = out.subarray(2, width + 2);
      expect(own.every((v) => Number.isFinite(v) && v !== 9)).toBe(true);
      seen.add(own.join());
    }
    expect(seen.size).toBe(categories + 1);
  });
}

export function describeSplit(kind: SplitKind): void {
  const spec = exampleSpec(kind);
  const strata = (rows: number): Int32Array => Int32Array.from({ length: rows }, (_, i) => (i * i) % 3);

  it.each([1, 2, 3, 10, 101])('uses each of %i rows once, a function of the stream', (rows) => {
    for (const classes of [strata(rows), null]) {
      const assign = () => kind.assign({ rows, strata: classes, random: stream(3, 'split') }, spec);
      const parts = assign();
      const all = [...parts.training, ...parts.validation, ...parts.test].sort((a, b) => a - b);
      expect(all).toEqual(Array.from({ length: rows }, (_, i) => i));
      expect(assign()).toEqual(parts);
    }
  });
}
