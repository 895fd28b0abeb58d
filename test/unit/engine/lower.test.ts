import { describe, expect, it } from 'vitest';
import type { Expr } from '../../../src/engine/expr.ts';
import { add, colSum, div, exp, input, log, mul, rowMax, rowSum, sub } from '../../../src/engine/expr.ts';
import type { Dim } from '../../../src/engine/kernels.ts';
import { lower } from '../../../src/engine/lower.ts';
import { expectSameRun, normals, oneStep, planOf } from './codegen/compare.ts';

const ROWS = 5;
const COLUMNS = 18;
const x = input('x');

type Shape = 'full' | 'row' | 'col';
interface Wanted {
  readonly expr: Expr;
  readonly as: Shape;
  /** Overwrites the input instead of a buffer of its own. */
  readonly inPlace?: boolean;
}

/** Lowers some outputs of one matrix x and runs them on both back ends. */
function run(wanted: readonly Wanted[], rows: Dim = 'batch') {
  const plan = planOf({
    batchSize: ROWS,
    kernels: (buffers) => {
      const matrix = buffers.matrix('x', rows, COLUMNS);
      const outputs = wanted.map(({ expr, as, inPlace }, i) => {
        const made = {
          full: () => buffers.matrix(`out${i}`, rows, COLUMNS),
          row: () => buffers.vector(`out${i}`, rows),
          col: () => buffers.vector(`out${i}`, COLUMNS),
        };
        return { expr, target: { to: 'buffer', buffer: inPlace ? matrix : made[as]() } as const };
      });
      const sources = { x: { from: 'buffer', buffer: matrix, extent: 'full' } as const };
      return lower({ label: 'test', rows, columns: COLUMNS, sources, outputs }, buffers);
    },
  });
  const executor = expectSameRun(plan, { batch: oneStep(ROWS) });
  const read = (name: string) => executor.read(plan.buffers.find((b) => b.name === name)?.id ?? -1);
  return { plan, read, kernels: plan.programs.train.kernels };
}

const given = normals(ROWS * COLUMNS, 'x');
const rowOf = (r: number): number[] => [...given.slice(r * COLUMNS, (r + 1) * COLUMNS)];

describe('lower', () => {
  it('writes softmax as a maximum, a sum with its exponentials kept, and a quotient', () => {
    const e = exp(sub(x, rowMax(x)));
    const { read, kernels, plan } = run([{ expr: div(e, rowSum(e)), as: 'full' }]);
    expect(kernels).toHaveLength(3);
    // x, the result, the maximum, the sum, and the exponentials, computed once.
    expect(plan.buffers).toHaveLength(5);
    const out = read('out0');
    for (let r = 0; r < ROWS; r++) {
      const es = rowOf(r).map((v) => Math.exp(v));
      const sum = es.reduce((a, b) => a + b, 0);
      for (const [c, v] of es.entries()) expect(out[r * COLUMNS + c]).toBeCloseTo(v / sum, 6);
    }
  });

  it('shares a reduction among outputs, and stores it where it is wanted', () => {
    const { read, kernels } = run([
      { expr: rowSum(x), as: 'row' },
      { expr: mul(x, rowSum(x)), as: 'full' },
      { expr: log(exp(rowSum(x))), as: 'row' },
    ]);
    expect(kernels.map((k) => k.kind === 'map' && k.stores.length)).toEqual([1, 1, 1]);
    expect(read('out0')[2]).toBeCloseTo(
      rowOf(2).reduce((a, b) => a + b, 0),
      5,
    );
    expect(read('out2')[2]).toBeCloseTo(read('out0')[2] ?? Number.NaN, 5);
  });

  it('normalises columns: two reductions to a column, one after another', () => {
    const mean = mul(colSum(x), 1 / ROWS);
    const centred = sub(x, mean);
    const variance = mul(colSum(mul(centred, centred)), 1 / ROWS);
    const { read } = run([{ expr: div(centred, add(variance, 1)), as: 'full' }]);
    const column = Array.from({ length: ROWS }, (_, r) => given[r * COLUMNS + 3] ?? 0);
    const m = column.reduce((a, b) => a + b, 0) / ROWS;
    const v = column.reduce((a, b) => a + (b - m) ** 2, 0) / ROWS;
    expect(read('out0')[3]).toBeCloseTo(((column[0] ?? 0) - m) / (v + 1), 5);
  });

  it('overwrites an input only after everything has read it', () => {
    const { read } = run([
      { expr: add(x, 1), as: 'full', inPlace: true },
      { expr: mul(x, rowMax(exp(x))), as: 'full' },
    ]);
    expect(read('x')[0]).toBe(Math.fround((given[0] ?? 0) + 1));
    const largest = Math.exp(Math.max(...rowOf(0)));
    expect(read('out1')[0]).toBeCloseTo((given[0] ?? 0) * largest, 4);
  });

  it('works on as many fixed rows, too', () => {
    const { read } = run([{ expr: sub(x, rowMax(x)), as: 'full' }], ROWS);
    expect(Math.max(...read('out0').slice(0, COLUMNS))).toBe(0);
  });

  it('works on a single row of columns', () => {
    const v = input('v', 'col');
    const e = exp(sub(v, rowMax(v)));
    const plan = planOf({
      batchSize: 1,
      kernels: (buffers) => {
        const sources = {
          v: { from: 'buffer', buffer: buffers.vector('v', COLUMNS), extent: 'col' } as const,
        };
        const target = { to: 'buffer', buffer: buffers.vector('out', COLUMNS) } as const;
        const outputs = [{ expr: div(e, rowSum(e)), target }];
        return lower({ label: 'test', rows: 1, columns: COLUMNS, sources, outputs }, buffers);
      },
    });
    const executor = expectSameRun(plan, { batch: oneStep(1) });
    expect(executor.read(1).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
  });

  it('fills a matrix from values per row, and reduces reductions', () => {
    const { read } = run([
      { expr: rowSum(x), as: 'full' },
      { expr: log(exp(rowMax(x))), as: 'full' },
      { expr: colSum(rowMax(x)), as: 'col' },
      { expr: rowSum(div(1, exp(colSum(x)))), as: 'row' },
    ]);
    expect(read('out0')[COLUMNS]).toBeCloseTo(
      rowOf(1).reduce((a, b) => a + b, 0),
      5,
    );
    expect(read('out1')[COLUMNS]).toBeCloseTo(Math.max(...rowOf(1)), 5);
    const maxima = Array.from({ length: ROWS }, (_, r) => Math.max(...rowOf(r)));
    expect(read('out2')[7]).toBeCloseTo(
      maxima.reduce((a, b) => a + b, 0),
      5,
    );
    const columns = Array.from({ length: COLUMNS }, (_, c) =>
      maxima.reduce((a, _m, r) => a + (rowOf(r)[c] ?? 0), 0),
    );
    expect(read('out3')[0]).toBeCloseTo(
      columns.reduce((a, v) => a + Math.exp(-v), 0),
      3,
    );
  });

  it('leaves no reduction and no call in a kernel', () => {
    const { kernels } = run([{ expr: log(rowSum(exp(sub(x, rowMax(x))))), as: 'row' }]);
    const text = JSON.stringify(kernels.map((k) => k.kind === 'map' && k.stores.map((s) => s.expr)));
    expect(text).not.toMatch(/"op":"(reduce|call|stop)"/);
  });

  it('refuses inputs without a source, or bound with another extent', () => {
    expect(() => run([{ expr: input('nothing'), as: 'full' }])).toThrow('no source');
    expect(() => run([{ expr: add(input('x', 'row'), 1), as: 'row' }])).toThrow('bound as');
  });
});
