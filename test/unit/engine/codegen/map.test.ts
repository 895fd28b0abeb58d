import { describe, expect, it } from 'vitest';
import type { ReduceFn } from '../../../../src/engine/expr.ts';
import { add, constant, div, input, max, mul, sqrt } from '../../../../src/engine/expr.ts';
import type { Binding, Dim, MapKernel } from '../../../../src/engine/kernels.ts';
import { expectSameRun, normals, oneStep, planOf } from './compare.ts';

const sizes = [1, 3, 7, 15, 16, 17, 31, 33, 64, 65, 130];
const x = input('x');
const row = input('row', 'row');
const col = input('col', 'col');
const scale = input('scale', 'scalar');

interface Case {
  readonly rows: number;
  readonly columns: number;
  readonly live: number;
  readonly to: 'row' | 'col';
  readonly fn: ReduceFn;
  readonly panel: number;
}

const cases: Case[] = sizes.flatMap((columns, i) =>
  sizes.map((rows, j) => ({
    rows,
    columns,
    live: j % 3 === 0 ? rows : Math.ceil(rows / 2),
    to: (i + j) % 2 === 0 ? 'row' : 'col',
    fn: j % 4 < 2 ? 'sum' : 'max',
    panel: [16, 32, 48][(i + 2 * j) % 3] ?? 16,
  })),
);

/** A value of each extent goes in; an elementwise store in place and a reduction come out. */
const planFor = (c: Case) =>
  planOf({
    batchSize: c.rows,
    panel: c.panel,
    stepInputs: ['scale'],
    kernels: (buffers) => {
      const matrix = buffers.matrix('x', 'batch', c.columns);
      const perRow = buffers.vector('row', 'batch');
      const perColumn = buffers.vector('col', c.columns);
      const reduced =
        c.to === 'row' ? buffers.vector('reduced', 'batch') : buffers.vector('reduced', c.columns);
      const bindings: Binding[] = [
        { name: 'x', source: { from: 'buffer', buffer: matrix, extent: 'full' } },
        { name: 'row', source: { from: 'buffer', buffer: perRow, extent: 'row' } },
        { name: 'col', source: { from: 'buffer', buffer: perColumn, extent: 'col' } },
        { name: 'scale', source: { from: 'stepInput', slot: 0 } },
      ];
      const mixed = add(mul(x, sqrt(mul(row, row))), div(col, add(scale, mul(row, 0.25))));
      const kernel: MapKernel = {
        kind: 'map',
        label: 'map',
        rows: 'batch',
        columns: c.columns,
        bindings,
        stores: [
          { expr: mixed, target: { to: 'buffer', buffer: matrix } },
          {
            expr: max(mixed, mul(x, scale)),
            reduce: { fn: c.fn, to: c.to },
            target: { to: 'buffer', buffer: reduced },
          },
        ],
      };
      return [kernel];
    },
  });

describe('map kernels', () => {
  it.each(cases)('$live of $rows rows × $columns, $fn to a $to, panel $panel', (c) => {
    expectSameRun(planFor(c), { batch: oneStep(c.live, [1.75]) });
  });

  it.each(['row', 'col'] as const)('keep NaN, infinities and signed zeros in reductions to a %s', (to) => {
    const special = [0, -0, 1e-40, NaN, -Infinity, Infinity, 2, -3];
    for (const fn of ['sum', 'max'] as const) {
      for (let offset = 0; offset < special.length; offset++) {
        expectSameRun(planFor({ rows: 9, columns: 19, live: 9, to, fn, panel: 16 }), {
          batch: oneStep(9, [0.5]),
          values: (name, length) =>
            Float32Array.from(
              { length },
              (_, i) => special[(i * 5 + name.length + offset) % special.length] ?? 0,
            ),
        });
      }
    }
  });
});

const vectorPlan = (length: Dim, batchSize: number, fn: ReduceFn) =>
  planOf({
    batchSize,
    stepOutputs: ['none', 'reduced'],
    kernels: (buffers) => {
      const v = buffers.vector('v', length);
      return [
        {
          kind: 'map',
          label: 'vector',
          rows: 1,
          columns: length,
          bindings: [{ name: 'v', source: { from: 'buffer', buffer: v, extent: 'col' } }],
          stores: [
            {
              expr: mul(input('v', 'col'), input('v', 'col')),
              reduce: { fn, to: 'row' },
              target: { to: 'stepOutput', slot: 1 },
            },
            { expr: add(input('v', 'col'), constant(1)), target: { to: 'buffer', buffer: v } },
          ],
        },
      ];
    },
  });

describe('vector kernels', () => {
  it.each(sizes)('reduce %i elements to a step output, in place beside it', (length) => {
    for (const fn of ['sum', 'max'] as const) {
      expectSameRun(vectorPlan(length, 2, fn), { batch: oneStep(2) });
      for (const live of [0, 1, Math.ceil(length / 2), length]) {
        expectSameRun(vectorPlan('batch', length, fn), { batch: oneStep(live) });
      }
    }
  });

  it('sum in the canonical order', () => {
    // Lane 0 takes elements 0 and 16: 1 + 2⁻²⁴ is 1. Then lanes join far ones first: 2⁻²⁴ + 2⁻²⁴ survives.
    const values = new Float32Array(17);
    values[0] = 1;
    values[16] = 2 ** -12;
    values[4] = 2 ** -12;
    values[12] = 2 ** -12;
    const plan = vectorPlan(17, 1, 'sum');
    const executor = expectSameRun(plan, { batch: oneStep(1), values: () => values });
    executor.write(0, values);
    expect(executor.run('train', oneStep(1))[1]).toBe(1 + 2 ** -23);
  });
});

describe('gather kernels', () => {
  it.each(sizes.flatMap((columns) => [16, 32].map((panel) => ({ columns, panel }))))(
    'copy rows of $columns columns into panels of $panel',
    ({ columns, panel }) => {
      const plan = planOf({
        batchSize: 5,
        panel,
        featureCount: columns,
        targetCount: 2,
        kernels: (buffers) => [
          {
            kind: 'gather',
            label: 'x',
            table: 'features',
            columns,
            out: buffers.matrix('x', 'batch', columns),
          },
          { kind: 'gather', label: 't', table: 'targets', columns: 2, out: buffers.matrix('t', 'batch', 2) },
        ],
      });
      const batch = {
        indices: Int32Array.of(4, 4, 0, 3, 1, 2),
        rows: Int32Array.of(4, 2),
        inputs: new Float32Array(0),
      };
      const executor = expectSameRun(plan, { batch });
      const table = normals(5 * columns, 'features');
      // The second step overwrites the first two rows.
      const rows = [1, 2, 0, 3].flatMap((r) => [...table.slice(r * columns, (r + 1) * columns)]);
      expect([...executor.read(0)].slice(0, 4 * columns)).toEqual(rows);
    },
  );
});
