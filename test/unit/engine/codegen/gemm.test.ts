import { describe, expect, it } from 'vitest';
import { add, input, mul } from '../../../../src/engine/expr.ts';
import type { Dim, GemmKernel } from '../../../../src/engine/kernels.ts';
import { expectSameRun, normals, oneStep, planOf } from './compare.ts';

const sizes = [1, 3, 4, 7, 8, 15, 16, 17, 33, 64, 65];
const at = (i: number): number => sizes[i % sizes.length] ?? 1;

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly aTransposed: boolean;
  readonly bTransposed: boolean;
  /** Which dimension is the batch, and how many of its rows the step has. */
  readonly rows: number;
  readonly panel: number;
  readonly init: boolean;
}

/** Every size meets every side; the rest of the settings go round with different periods. */
const cases: Case[] = sizes.flatMap((n, i) =>
  sizes.map((k, j) => {
    const aTransposed = (i + j) % 3 === 1;
    const m = at(i * 3 + j * 5 + 2);
    const capacity = aTransposed ? k : m;
    return {
      m,
      n,
      k,
      aTransposed,
      bTransposed: (i + j) % 3 === 2,
      rows: j % 2 === 0 ? capacity : Math.ceil(capacity / 2),
      panel: [16, 32, 48][(i * 2 + j) % 3] ?? 16,
      init: (i + j) % 2 === 0,
    };
  }),
);

function planFor(c: Case) {
  return planOf({
    batchSize: c.aTransposed ? c.k : c.m,
    panel: c.panel,
    stepInputs: ['scale'],
    kernels: (buffers) => {
      const m: Dim = c.aTransposed ? c.m : 'batch';
      const k: Dim = c.aTransposed ? 'batch' : c.k;
      const a = c.aTransposed ? buffers.matrix('a', 'batch', c.m) : buffers.matrix('a', 'batch', c.k);
      // Only B's rows may be the batch.
      const b = c.bTransposed ? buffers.matrix('b', c.n, c.k) : buffers.matrix('b', k, c.n);
      const bias = buffers.vector('bias', c.n);
      const perRow = buffers.vector('perRow', m);
      const sum = buffers.matrix('sum', m, c.n);
      const updated = buffers.matrix('updated', m, c.n);
      const kernel: GemmKernel = {
        kind: 'gemm',
        label: 'product',
        m,
        n: c.n,
        k,
        a,
        aTransposed: c.aTransposed,
        b,
        bTransposed: c.bTransposed,
        init: c.init ? bias : null,
        bindings: [
          { name: 'old', source: { from: 'buffer', buffer: updated, extent: 'full' } },
          { name: 'row', source: { from: 'buffer', buffer: perRow, extent: 'row' } },
          { name: 'col', source: { from: 'buffer', buffer: bias, extent: 'col' } },
          { name: 'scale', source: { from: 'stepInput', slot: 0 } },
        ],
        stores: [
          { expr: input('acc'), target: { to: 'buffer', buffer: sum } },
          {
            expr: add(
              mul(input('acc'), mul(input('scale', 'scalar'), input('row', 'row'))),
              mul(input('old'), input('col', 'col')),
            ),
            target: { to: 'buffer', buffer: updated },
          },
        ],
      };
      return [kernel];
    },
  });
}

const special = [0, -0, 1e-40, -3e-45, 1e-38, Infinity, -Infinity, 3e38, NaN, 1, -1];

describe('matrix products', () => {
  it.each(cases)('$m×$n×$k, Aᵀ $aTransposed, Bᵀ $bTransposed, $rows rows, panel $panel', (c) => {
    expectSameRun(planFor(c), { batch: oneStep(c.rows, [0.37]) });
  });

  it.each([
    [false, false],
    [true, false],
    [false, true],
  ])('keep denormals, signed zeros, infinities and NaN: Aᵀ %s, Bᵀ %s', (aTransposed, bTransposed) => {
    const c: Case = { m: 7, n: 17, k: 3, aTransposed, bTransposed, rows: 3, panel: 16, init: true };
    for (let offset = 0; offset < special.length; offset++) {
      expectSameRun(planFor(c), {
        batch: oneStep(c.rows, [1]),
        values: (name, length) =>
          Float32Array.from(
            { length },
            (_, i) => special[(i * 3 + name.length * 5 + offset) % special.length] ?? 0,
          ),
      });
    }
  });

  it('start from the bias and add products for k ascending, each rounded on its own', () => {
    const c: Case = {
      m: 1,
      n: 1,
      k: 3,
      aTransposed: false,
      bTransposed: false,
      rows: 1,
      panel: 16,
      init: true,
    };
    const plan = planFor(c);
    const given: Record<string, number[]> = { a: [1, 1, 1], b: [2 ** -24, 2 ** -24, 1], bias: [1] };
    const executor = expectSameRun(plan, {
      batch: oneStep(1, [1]),
      values: (name, length) => Float32Array.from(given[name] ?? new Array<number>(length).fill(1)),
    });
    const sum = plan.buffers.find((b) => b.name === 'sum')?.id ?? -1;
    // 1 + 2⁻²⁴ rounds to 1, twice; summed the other way round it would be 2 + 2⁻²³.
    expect([...executor.read(sum)]).toEqual([2]);
  });

  it('leave the rows beyond the step alone', () => {
    const c: Case = {
      m: 9,
      n: 5,
      k: 4,
      aTransposed: false,
      bTransposed: false,
      rows: 6,
      panel: 16,
      init: false,
    };
    const plan = planFor(c);
    const executor = expectSameRun(plan, { batch: oneStep(6, [1]) });
    const sum = plan.buffers.find((b) => b.name === 'sum')?.id ?? -1;
    expect(executor.read(sum).slice(30)).toEqual(normals(45, 'sum').slice(30));
  });
});
