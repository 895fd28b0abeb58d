import { describe, expect, it } from 'vitest';
import { backends } from '../../../../src/engine/codegen/backends.ts';
import { add, convert, imul, index, input, integer, max, mul } from '../../../../src/engine/expr.ts';
import type { Binding, Dim, Grid, Kernel, MapKernel, Store, View } from '../../../../src/engine/kernels.ts';
import { expectSameBits, expectSameRun, oneStep, planOf } from './compare.ts';

const perSample = (rows: number): Dim => (rows === 1 ? 'batch' : { perSample: rows });
const columnCounts = [1, 3, 8, 10, 16, 17, 35];

interface Case {
  readonly grid: Grid;
  readonly columns: number;
  readonly panel: number;
  readonly to: 'row' | 'col' | null;
}

const cases: Case[] = [
  { height: 1, width: 1 },
  { height: 5, width: 7 },
  { height: 4, width: 4 },
  { height: 1, width: 9 },
  { height: 6, width: 1 },
].flatMap((grid, i) =>
  columnCounts.map((columns, j) => ({
    grid,
    columns,
    panel: [16, 32, 48][(i + j) % 3] ?? 16,
    to: ([null, 'row', 'col'] as const)[(i + 2 * j) % 3] ?? null,
  })),
);

/** Like max pooling: several views of one larger image, and an image inside a border. */
const planFor = ({ grid, columns, panel, to }: Case) =>
  planOf({
    batchSize: 3,
    panel,
    kernels: (buffers) => {
      const { height, width } = grid;
      const rows = perSample(height * width);
      const large = buffers.matrix('large', perSample(4 * height * width), columns);
      const framed = buffers.matrix('framed', perSample((height + 2) * (width + 2)), columns);
      const corner = (y: number, x: number): View => ({
        offset: y * 2 * width + x,
        yStride: 4 * width,
        xStride: 2,
      });
      const inside: View = { offset: width + 3, yStride: width + 2, xStride: 1 };
      const view = (name: string, buffer: number, v: View): Binding => ({
        name,
        source: { from: 'buffer', buffer, extent: 'full', view: v },
      });
      const own = buffers.matrix('own', rows, columns);
      const bindings: Binding[] = [
        view('a', large, corner(0, 0)),
        view('b', large, corner(0, 1)),
        view('c', large, corner(1, 0)),
        view('f', framed, inside),
        { name: 'own', source: { from: 'buffer', buffer: own, extent: 'full' } },
        { name: 'row', source: { from: 'buffer', buffer: buffers.vector('perRow', rows), extent: 'row' } },
        {
          name: 'col',
          source: { from: 'buffer', buffer: buffers.vector('perColumn', columns), extent: 'col' },
        },
        { name: 's', source: { from: 'buffer', buffer: buffers.vector('scalar', 5), extent: 'scalar' } },
      ];
      const largest = max(max(input('a'), input('b')), input('c'));
      const mixed = add(mul(input('f'), input('row', 'row')), mul(input('col', 'col'), input('s', 'scalar')));
      const stores: Store[] = [
        { expr: largest, target: { to: 'buffer', buffer: framed, view: inside } },
        { expr: add(mixed, input('own')), target: { to: 'buffer', buffer: large, view: corner(1, 1) } },
        { expr: mixed, target: { to: 'buffer', buffer: own } },
      ];
      if (to !== null) {
        const buffer = buffers.vector('reduced', to === 'row' ? rows : columns);
        stores.push({
          expr: mul(largest, mixed),
          reduce: { fn: 'sum', to },
          target: { to: 'buffer', buffer },
        });
      }
      return [{ kind: 'map', label: 'views', rows, columns, grid, bindings, stores }];
    },
  });

describe('map kernels with views', () => {
  it.each(cases)('$grid.height×$grid.width × $columns, reduced to $to, panel $panel', (c) => {
    for (const samples of [1, 2, 3]) expectSameRun(planFor(c), { batch: oneStep(samples) });
  });
});

const numbered = (rows: Dim, columns: Dim, panel: number, to: 'row' | 'col' | null, matrix: boolean) =>
  planOf({
    batchSize: 5,
    panel,
    kernels: (buffers) => {
      const number = add(mul(convert(index('row')), 1000), convert(imul(index('col'), integer(3))));
      const buffer =
        matrix && typeof columns === 'number'
          ? buffers.matrix('out', rows, columns)
          : buffers.vector('out', columns);
      const stores: Store[] = [{ expr: number, target: { to: 'buffer', buffer } }];
      if (to !== null) {
        const reduced = buffers.vector('reduced', to === 'row' ? rows : columns);
        stores.push({
          expr: number,
          reduce: { fn: 'max', to },
          target: { to: 'buffer', buffer: reduced },
        });
      }
      const kernel: MapKernel = { kind: 'map', label: 'numbers', rows, columns, bindings: [], stores };
      return [kernel];
    },
  });

describe('numbers of rows and columns', () => {
  it.each(columnCounts)('in maps of %i columns', (columns) => {
    for (const panel of [16, 32]) {
      for (const rows of ['batch', { perSample: 3 }, 6, 1] as const) {
        for (const to of [null, 'row', 'col'] as const) {
          expectSameRun(numbered(rows, columns, panel, to, true), { batch: oneStep(4) });
        }
      }
      for (const length of ['batch', { perSample: 7 }, columns] as const) {
        expectSameRun(numbered(1, length, panel, null, false), { batch: oneStep(4) });
      }
    }
  });

  it.each(columnCounts)('in the tails of products of %i columns', (columns) => {
    for (const [m, aTransposed] of [
      ['batch', false],
      [{ perSample: 3 }, false],
      [7, true],
    ] as const) {
      const plan = planOf({
        batchSize: 5,
        kernels: (buffers) => {
          const k: Dim = aTransposed ? 'batch' : 3;
          const a = aTransposed ? buffers.matrix('a', 'batch', 7) : buffers.matrix('a', m, 3);
          const number = add(mul(convert(index('row')), 1000), convert(index('col')));
          const target = { to: 'buffer', buffer: buffers.matrix('out', m, columns) } as const;
          return [
            {
              kind: 'gemm',
              label: 'numbers',
              m,
              n: columns,
              k,
              a,
              aTransposed,
              b: buffers.matrix('b', k, columns),
              bTransposed: false,
              init: null,
              bindings: [],
              stores: [{ expr: mul(input('acc'), number), target }],
            },
          ];
        },
      });
      expectSameRun(plan, { batch: oneStep(4) });
    }
  });
});

describe('vectors per position', () => {
  it.each([1, 4, 7, 15, 16, 17])('of %i positions a sample are mapped and summed', (positions) => {
    const plan = planOf({
      batchSize: 5,
      stepOutputs: ['sum'],
      kernels: (buffers) => {
        const v = buffers.vector('v', perSample(positions));
        const kernel: MapKernel = {
          kind: 'map',
          label: 'vector',
          rows: 1,
          columns: perSample(positions),
          bindings: [{ name: 'v', source: { from: 'buffer', buffer: v, extent: 'col' } }],
          stores: [
            {
              expr: input('v', 'col'),
              reduce: { fn: 'sum', to: 'row' },
              target: { to: 'stepOutput', slot: 0 },
            },
            { expr: mul(input('v', 'col'), 2), target: { to: 'buffer', buffer: v } },
          ],
        };
        return [kernel];
      },
    });
    for (const samples of [1, 4, 5]) expectSameRun(plan, { batch: oneStep(samples) });
  });
});

describe('moves', () => {
  const shapes = [
    { positions: 1, channels: 1 },
    { positions: 1, channels: 17 },
    { positions: 1, channels: 40 },
    { positions: 9, channels: 3 },
    { positions: 4, channels: 16 },
    { positions: 49, channels: 5 },
    { positions: 3, channels: 35 },
  ].flatMap((s, i) =>
    (['flatten', 'unflatten'] as const).flatMap((direction) =>
      [true, false].map((accumulate, j) => ({
        ...s,
        direction,
        accumulate,
        panel: [16, 32, 48][(i + j) % 3] ?? 16,
        columns: [0, 3, 16, 21][(i + j) % 4] ?? 0,
      })),
    ),
  );

  it.each(shapes)(
    '$direction $positions positions × $channels channels, accumulate $accumulate, from column $columns, panel $panel',
    ({ positions, channels, direction, accumulate, panel, columns }) => {
      const plan = (rows: Dim) =>
        planOf({
          batchSize: 3,
          panel,
          kernels: (buffers): Kernel[] => {
            const imageRows: Dim = positions === 1 ? rows : { perSample: positions };
            return [
              {
                kind: 'move',
                label: 'move',
                direction,
                rows,
                positions,
                channels,
                image: buffers.matrix('image', imageRows, columns + channels + 2),
                imageColumn: columns,
                flat: buffers.matrix('flat', rows, columns + positions * channels + 1),
                flatColumn: columns + 1,
                accumulate,
              },
            ];
          },
        });
      for (const samples of [1, 3]) {
        expectSameRun(plan('batch'), { batch: oneStep(samples) });
        if (positions === 1) expectSameRun(plan({ perSample: 4 }), { batch: oneStep(samples) });
        if (positions === 1) expectSameRun(plan(7), { batch: oneStep(samples) });
      }
    },
  );
});

describe('buffers with a fill', () => {
  it('hold it before anything is written', () => {
    const plan = planOf({
      batchSize: 3,
      panel: 32,
      kernels: (buffers): Kernel[] => {
        buffers.matrix('lowest', { perSample: 5 }, 37, 'work', Number.NEGATIVE_INFINITY);
        buffers.matrix('zero', 'batch', 37);
        buffers.matrix('one', 4, 3, 'work', 1);
        return [];
      },
    });
    const data = { rows: 1, features: new Float32Array(1), targets: new Float32Array(1) };
    const [oracle, compiled] = [backends.interpreter(plan, data, 1), backends.wasm(plan, data, 1)];
    for (const b of plan.buffers) expectSameBits(compiled.read(b.id), oracle.read(b.id), b.name);
    expect(compiled.read(0).every((v) => v === Number.NEGATIVE_INFINITY)).toBe(true);
  });
});
