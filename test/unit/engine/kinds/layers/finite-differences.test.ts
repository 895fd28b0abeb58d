/**
 * Gradients of all layers over odd sizes, as finite differences show them along random directions through everything
 * that a layer reads, by a difference of fourth order. Along a line, a layer that only multiplies and adds is a polynomial,
 * whose difference is its derivative whatever the step; on small whole numbers nothing is rounded, so both are equal.
 */
import { describe, expect, it } from 'vitest';
import { createInterpreter } from '../../../../../src/engine/codegen/interpreter.ts';
import type { LayerShape } from '../../../../../src/engine/kinds/kind.ts';
import { layers } from '../../../../../src/engine/kinds/layers/registry.ts';
import { below, permutations, stream } from '../../../../../src/engine/random.ts';
import type { LayerUnderTest, Named } from './one-layer.ts';
import { layerUnderTest } from './one-layer.ts';

const image = (features: number, height: number, width: number): LayerShape => ({
  features,
  image: { height, width },
});
const flat = (features: number): LayerShape => ({ features, image: null });

interface Case {
  readonly spec: { readonly kind: string; readonly [field: string]: unknown };
  readonly next?: readonly object[];
  readonly inputs: readonly LayerShape[];
  /** Values of one channel that stay in order on the way: the largest of a window stays the largest. */
  readonly ordered?: true;
}

const conv = (channels: number, kernel: unknown, more: object = {}) => ({
  kind: 'conv2d',
  channels,
  kernel,
  ...more,
});

/** Nothing is rounded where weights are whole and everything else adds or chooses. */
const exact: readonly Case[] = [
  { spec: conv(1, 1), inputs: [image(1, 1, 1)] },
  { spec: conv(3, [3, 2]), inputs: [image(1, 5, 4)] },
  { spec: conv(17, [2, 3], { stride: 2 }), inputs: [image(3, 4, 7)] },
  { spec: conv(1, [1, 2], { stride: [3, 4] }), inputs: [image(17, 7, 6)] },
  { spec: conv(3, 3, { stride: 2, padding: 1 }), inputs: [image(17, 6, 5)] },
  { spec: conv(2, 3, { padding: [2, 1], dilation: 2 }), inputs: [image(3, 4, 7)] },
  { spec: conv(3, [2, 3], { stride: [3, 2], padding: [2, 3], dilation: [3, 2] }), inputs: [image(2, 8, 3)] },
  { spec: conv(2, [5, 4], { padding: [3, 2] }), inputs: [image(3, 2, 3)] },
  { spec: conv(3, [1, 3], { stride: [1, 5] }), inputs: [image(1, 1, 9)] },
  { spec: conv(3, 2, { stride: 2 }), next: [conv(2, 2, { padding: 1 })], inputs: [image(3, 5, 6)] },
  { spec: { kind: 'dense', units: 3 }, inputs: [flat(17)] },
  { spec: { kind: 'dense', units: 17 }, inputs: [flat(1)] },
  { spec: { kind: 'avgPool2d', kernel: 2 }, inputs: [image(3, 5, 4)] },
  { spec: { kind: 'avgPool2d', kernel: [4, 2], stride: [1, 3], padding: [2, 1] }, inputs: [image(17, 3, 7)] },
  { spec: { kind: 'avgPool2d', kernel: [1, 2], stride: [3, 4] }, inputs: [image(1, 7, 6)] },
  { spec: { kind: 'maxPool2d', kernel: 2 }, inputs: [image(3, 5, 4)] },
  { spec: { kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1 }, inputs: [image(17, 6, 5)] },
  { spec: { kind: 'maxPool2d', kernel: [3, 2], stride: [1, 3], padding: [1, 0] }, inputs: [image(1, 4, 7)] },
  { spec: { kind: 'maxPool2d', kernel: [1, 2], stride: [3, 4] }, inputs: [image(3, 7, 6)] },
  { spec: { kind: 'flatten' }, next: [{ kind: 'dense', units: 3 }], inputs: [image(17, 3, 2)] },
  { spec: { kind: 'reshape', height: 2, width: 3, channels: 17 }, next: [conv(1, 2)], inputs: [flat(102)] },
  { spec: { kind: 'dropout' }, inputs: [flat(17)] },
  { spec: { kind: 'dropout', scaling: 'inference' }, next: [conv(2, 2)], inputs: [image(3, 3, 4)] },
  { spec: { kind: 'add', inputs: ['a', 'b', 'c'] }, inputs: [flat(17), flat(17), flat(17)] },
  { spec: { kind: 'add', inputs: ['a', 'b'] }, next: [conv(3, 2)], inputs: [image(3, 4, 2), image(3, 4, 2)] },
  { spec: { kind: 'concat', inputs: ['a', 'b', 'c'] }, inputs: [flat(1), flat(17), flat(3)] },
  {
    spec: { kind: 'concat', inputs: ['a', 'b'] },
    next: [conv(3, 2)],
    inputs: [image(1, 3, 4), image(17, 3, 4)],
  },
];

const tanh = { activation: { kind: 'tanh' } };
const smooth: readonly Case[] = [
  { spec: { kind: 'batchNorm' }, inputs: [flat(1)] },
  { spec: { kind: 'batchNorm', epsilon: 0.1 }, inputs: [flat(17)] },
  { spec: { kind: 'batchNorm', epsilon: 0.1 }, inputs: [image(3, 2, 5)] },
  { spec: { kind: 'layerNorm', epsilon: 0.1 }, inputs: [flat(17)] },
  { spec: { kind: 'layerNorm', epsilon: 0.1 }, inputs: [flat(1)] },
  { spec: { kind: 'layerNorm', epsilon: 0.1 }, inputs: [image(3, 5, 2)] },
  { spec: { kind: 'activation', activation: { kind: 'softmax' } }, inputs: [flat(17)] },
  { spec: { kind: 'activation', activation: { kind: 'sigmoid' } }, inputs: [image(3, 2, 3)] },
  { spec: { kind: 'dense', units: 3, ...tanh }, next: [{ kind: 'dense', units: 17 }], inputs: [flat(3)] },
  // Ways back that pass a formula as they store, by the phases of a stride.
  {
    spec: conv(3, 2, tanh),
    next: [conv(2, 3, { stride: 2, padding: 1, ...tanh })],
    inputs: [image(1, 5, 6)],
  },
  {
    spec: conv(3, 1, tanh),
    next: [{ kind: 'maxPool2d', kernel: 3, stride: 2, padding: 1 }],
    inputs: [image(1, 5, 6)],
    ordered: true,
  },
  { spec: conv(17, 2, tanh), next: [{ kind: 'avgPool2d', kernel: 2, stride: 3 }], inputs: [image(1, 6, 5)] },
  {
    spec: conv(3, 3, { padding: 1 }),
    next: [
      { kind: 'batchNorm', epsilon: 0.1 },
      { kind: 'activation', activation: { kind: 'tanh' } },
      { kind: 'dropout', probability: 0.3 },
      conv(2, [2, 1], { stride: [1, 2], ...tanh }),
      { kind: 'layerNorm', epsilon: 0.1 },
      { kind: 'avgPool2d', kernel: [1, 2], padding: [0, 1] },
      { kind: 'flatten' },
      { kind: 'dense', units: 3, ...tanh },
    ],
    inputs: [image(3, 4, 5)],
  },
];

const titled = (cases: readonly Case[]) =>
  cases.map((c) => [[c.spec, ...(c.next ?? [])].map((s) => JSON.stringify(s)).join(' '), c] as const);

type Values = Named<Float32Array>;
const map = (values: Values, f: (v: number, name: string, i: number) => number): Values =>
  Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list.map((v, i) => f(v, name, i))]));

/** Exact for a polynomial of degree four at most. */
const differenceOf = (value: (t: number) => number, h: number): number =>
  (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h);

/** Σ cotangent · output along a line through the values, and the slope that the gradients give. */
function alongLine(
  layer: LayerUnderTest,
  values: Values,
  direction: Values,
  at: { rows: number; gradient: Float32Array },
) {
  const value = (t: number): number => {
    layer.write(map(values, (v, name, i) => v + t * (direction[name]?.[i] ?? 0)));
    return layer.train(at).output.reduce((sum, v, i) => sum + v * (at.gradient[i] ?? 0), 0);
  };
  layer.write(values);
  const { gradients } = layer.train(at);
  const slope = Object.entries(direction).reduce(
    (total, [name, d]) => d.reduce((sum, v, i) => sum + v * (gradients[name]?.[i] ?? Number.NaN), total),
    0,
  );
  return { value, slope };
}

/** Full batches, single rows, and a last smaller batch after a full one. */
const BATCHES = [
  [1, 1],
  [3, 3],
  [3, 1],
  [3, 2],
] as const;

describe.each(BATCHES)('with batches of %i, %i rows in the last', (batchSize, rows) => {
  const setUp = (c: Case) => {
    const layer = layerUnderTest(createInterpreter, { ...c, batchSize });
    const random = stream(11, JSON.stringify(c), rows);
    const sizes = Object.entries(layer.sizes).filter(([name]) => !name.includes('running'));
    const fill = (f: (name: string, i: number) => number): Values =>
      Object.fromEntries(
        sizes.map(([name, size]) => [name, Float32Array.from({ length: size }, (_, i) => f(name, i))]),
      );
    const whole = (least: number, most: number): number => least + below(random, most - least + 1);
    // What an earlier, larger step leaves behind must not matter.
    layer.write(fill(() => random.normal()));
    layer.train({ rows: batchSize, gradient: new Float32Array(batchSize * layer.outputSize).fill(1) });
    return { layer, random, fill, whole };
  };

  it.each(titled(exact))('exactly: %s', (_, c) => {
    const { layer, fill, whole } = setUp(c);
    const isMaximum = c.spec.kind === 'maxPool2d';
    // Whole numbers in some order: no two of them meet within two steps of an eighth.
    const order = permutations(5, layer.sizes.input ?? 0)(rows);
    const values = isMaximum ? { input: Float32Array.from(order) } : fill(() => whole(-3, 3));
    const gradient = Float32Array.from({ length: rows * layer.outputSize }, () => 4 * whole(-2, 2));
    const h = isMaximum ? 0.125 : 1;
    for (let n = 0; n < 6; n++) {
      const direction = fill(() => whole(-1, 1));
      const { value, slope } = alongLine(layer, values, direction, { rows, gradient });
      expect(differenceOf(value, h)).toBe(slope);
    }
    layer.dispose();
  });

  it.each(titled(smooth))('closely: %s', (_, c) => {
    const { layer, random, fill, whole } = setUp(c);
    const order = permutations(5, layer.sizes.input ?? 0)(rows);
    const values = c.ordered
      ? fill((name, i) => (name === 'input' ? (order[i] ?? 0) / 16 - 2 : 1 - 2 * below(random, 2)))
      : fill(() => random.normal() / 2);
    const gradient = Float32Array.from({ length: rows * layer.outputSize }, () => whole(-2, 2));
    const h = c.ordered ? 2 ** -7 : 2 ** -5;
    for (let n = 0; n < 6; n++) {
      const picked = fill(() => (random.uniform() < 0.2 ? whole(-1, 1) : 0));
      const { value, slope } = alongLine(layer, values, picked, { rows, gradient });
      const difference = differenceOf(value, h);
      // What the difference leaves out, h⁴·f⁗′/30, and roundings of f over h: both far below what a wrong term makes.
      expect(Math.abs(difference - slope)).toBeLessThan(2e-3 * (1 + Math.abs(slope)));
    }
    layer.dispose();
  });
});

it('covers every layer', () => {
  const kinds = [...exact, ...smooth].flatMap((c) => [
    c.spec.kind,
    ...(c.next ?? []).map((s) => Object(s).kind),
  ]);
  expect([...new Set(kinds)].sort()).toEqual([...layers.names].sort());
});
