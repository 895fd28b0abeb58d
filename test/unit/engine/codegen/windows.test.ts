import { describe, expect, it } from 'vitest';
import { add, input, mul } from '../../../../src/engine/expr.ts';
import type { Binding, Dim, GemmKernel, Grid, Store, View } from '../../../../src/engine/kernels.ts';
import { expectSameRun, oneStep, planOf } from './compare.ts';

/** A convolution's geometry: an output grid whose windows lie in a padded image. */
interface Images {
  readonly grid: Grid;
  readonly kernel: readonly [number, number];
  readonly stride: number;
  readonly dilation: number;
  /** Rows of images beyond what the windows reach, on every side. */
  readonly margin: number;
}

function geometry({ grid, kernel: [height, width], stride, dilation, margin }: Images) {
  const reach = (outputs: number, taps: number) => (outputs - 1) * stride + (taps - 1) * dilation + 1;
  const [rows, columns] = [reach(grid.height, height) + 2 * margin, reach(grid.width, width) + 2 * margin];
  const view: View = { offset: margin * columns + margin, yStride: stride * columns, xStride: stride };
  const taps = Array.from({ length: height * width }, (_, t) => ({
    rowStep: Math.floor(t / width) * dilation * columns + (t % width) * dilation,
    // In an order of their own: backwards.
    block: height * width - 1 - t,
  }));
  return { positions: rows * columns, view, taps };
}

const perSample = (rows: number): Dim => (rows === 1 ? 'batch' : { perSample: rows });

interface Case extends Images {
  readonly channels: number;
  readonly n: number;
  readonly batchSize: number;
  readonly samples: number;
  readonly panel: number;
  readonly taps?: number;
}

type Form = 'plain' | 'bTransposed' | 'aTransposed';

function planFor(c: Case, form: Form) {
  const { view, ...image } = geometry(c);
  const taps = image.taps.slice(0, c.taps ?? image.taps.length);
  const rows = perSample(c.grid.height * c.grid.width);
  const { channels, n } = c;
  return planOf({
    batchSize: c.batchSize,
    panel: c.panel,
    stepInputs: ['scale'],
    kernels: (buffers) => {
      const a = buffers.matrix('a', perSample(image.positions), channels);
      const blocks = image.taps.length;
      const weights =
        form === 'plain' ? ([blocks * channels, n] as const) : ([blocks * n, channels] as const);
      const b =
        form === 'aTransposed' ? buffers.matrix('b', rows, n) : buffers.matrix('b', weights[0], weights[1]);
      const m = form === 'aTransposed' ? taps.length * channels : rows;
      const init = buffers.vector('bias', n);
      const windows = {
        grid: c.grid,
        view,
        channels,
        taps: form === 'aTransposed' ? taps.map((t, block) => ({ ...t, block })) : taps,
      };
      const bindings: Binding[] = [
        { name: 'scale', source: { from: 'stepInput', slot: 0 } },
        { name: 'row', source: { from: 'buffer', buffer: buffers.vector('perRow', m), extent: 'row' } },
        { name: 'col', source: { from: 'buffer', buffer: init, extent: 'col' } },
      ];
      const mixed = add(mul(input('acc'), input('row', 'row')), mul(input('col', 'col'), input('old')));
      const stores: Store[] = [
        { expr: input('acc'), target: { to: 'buffer', buffer: buffers.matrix('sum', m, n) } },
      ];
      if (form === 'aTransposed') {
        const old = buffers.matrix('updated', m, n);
        bindings.push({ name: 'old', source: { from: 'buffer', buffer: old, extent: 'full' } });
        stores.push({ expr: mul(mixed, input('scale', 'scalar')), target: { to: 'buffer', buffer: old } });
      } else {
        // The output goes inside a border, and every other position is read from a larger image.
        const { height, width } = c.grid;
        const inside: View = { offset: width + 3, yStride: width + 2, xStride: 1 };
        const strided: View = { offset: 1, yStride: 2 * (2 * width + 1), xStride: 2 };
        const framed = buffers.matrix('framed', perSample((height + 2) * (width + 2)), n);
        const large = buffers.matrix('large', perSample(2 * height * (2 * width + 1)), n);
        bindings.push({
          name: 'old',
          source: { from: 'buffer', buffer: large, extent: 'full', view: strided },
        });
        stores.push({
          expr: mul(mixed, input('scale', 'scalar')),
          target: { to: 'buffer', buffer: framed, view: inside },
        });
      }
      const kernel: GemmKernel = {
        kind: 'gemm',
        label: form,
        m,
        n,
        k: form === 'aTransposed' ? rows : taps.length * channels,
        a,
        aTransposed: form === 'aTransposed',
        b,
        bTransposed: form === 'bTransposed',
        init,
        windows,
        bindings,
        stores,
      };
      return [kernel];
    },
  });
}

const images: Images[] = [
  { grid: { height: 1, width: 1 }, kernel: [1, 1], stride: 1, dilation: 1, margin: 0 },
  { grid: { height: 5, width: 7 }, kernel: [3, 3], stride: 1, dilation: 1, margin: 0 },
  { grid: { height: 4, width: 4 }, kernel: [2, 3], stride: 2, dilation: 1, margin: 1 },
  { grid: { height: 3, width: 14 }, kernel: [3, 1], stride: 1, dilation: 2, margin: 0 },
  { grid: { height: 6, width: 1 }, kernel: [3, 3], stride: 3, dilation: 2, margin: 2 },
  { grid: { height: 1, width: 9 }, kernel: [1, 5], stride: 1, dilation: 1, margin: 0 },
  { grid: { height: 3, width: 3 }, kernel: [1, 1], stride: 2, dilation: 1, margin: 0 },
];
const channelCounts = [1, 3, 4, 16, 17, 33];
const widths = [1, 3, 8, 10, 16, 17, 35];

const cases: Case[] = images.flatMap((image, i) =>
  channelCounts.map((channels, j) => ({
    ...image,
    channels,
    n: widths[(i * 3 + j) % widths.length] ?? 1,
    batchSize: 3,
    samples: 1 + ((i + j) % 3),
    panel: [16, 32, 48][(i + 2 * j) % 3] ?? 16,
  })),
);

describe.each(['plain', 'bTransposed', 'aTransposed'] as const)('products through windows, %s', (form) => {
  it.each(cases)(
    '$grid.height×$grid.width, taps $kernel, stride $stride, dilation $dilation, $channels → $n, panel $panel',
    (c) => {
      expectSameRun(planFor(c, form), { batch: oneStep(c.samples, [0.37]) });
    },
  );
});

describe('windows', () => {
  it.each(['plain', 'bTransposed'] as const)('without taps leave the bias, %s', (form) => {
    const [image] = images;
    if (image === undefined) throw new Error('no images');
    const c: Case = {
      ...image,
      grid: { height: 2, width: 3 },
      channels: 3,
      n: 5,
      batchSize: 2,
      samples: 2,
      panel: 16,
      taps: 0,
    };
    const plan = planFor(c, form);
    const oracle = expectSameRun(plan, { batch: oneStep(2, [1]) });
    const id = (name: string) => plan.buffers.find((b) => b.name === name)?.id ?? -1;
    const bias = oracle.read(id('bias'));
    expect(oracle.read(id('sum'))).toEqual(Float32Array.from({ length: 60 }, (_, i) => bias[i % 5] ?? NaN));
  });

  it('reach back before their position', () => {
    const plan = planOf({
      batchSize: 2,
      kernels: (buffers) => {
        const rows = { perSample: 12 };
        const a = buffers.matrix('a', rows, 3);
        const wide = buffers.matrix('wide', rows, 17);
        const grid = { height: 2, width: 2 };
        const view = { offset: 5, yStride: 4, xStride: 1 };
        const taps = [
          { rowStep: 1, block: 1 },
          { rowStep: -5, block: 0 },
          { rowStep: -1, block: 2 },
        ];
        return [a, wide].map((buffer, i): GemmKernel => {
          const channels = i === 0 ? 3 : 17;
          return {
            kind: 'gemm',
            label: 'back',
            m: { perSample: 4 },
            n: 6,
            k: 3 * channels,
            a: buffer,
            aTransposed: false,
            b: buffers.matrix(`b${i}`, 3 * channels, 6),
            bTransposed: false,
            init: null,
            windows: { grid, view, channels, taps },
            bindings: [],
            stores: [
              {
                expr: input('acc'),
                target: { to: 'buffer', buffer: buffers.matrix(`out${i}`, { perSample: 4 }, 6) },
              },
            ],
          };
        });
      },
    });
    expectSameRun(plan, { batch: oneStep(2) });
  });
});
