import { describe, expect, it } from 'vitest';
import type { Expr } from '../../../src/engine/expr.ts';
import {
  abs,
  add,
  constant,
  div,
  exp,
  floor,
  gt,
  input,
  max,
  min,
  mul,
  nearest,
  neg,
  rowSum,
  select,
  sqrt,
  sub,
} from '../../../src/engine/expr.ts';
import { simplify } from '../../../src/engine/simplify.ts';

const x = input('x');
const mask = gt(x, 0);

describe('simplify', () => {
  it.each<[string, Expr, Expr]>([
    ['x + 0', add(x, 0), x],
    ['0 + x', add(0, x), x],
    ['x − 0', sub(x, 0), x],
    ['0 − x', sub(0, x), neg(x)],
    ['x·1', mul(x, 1), x],
    ['1·x', mul(1, x), x],
    ['x·0', mul(x, 0), constant(0)],
    ['x·−1', mul(x, -1), neg(x)],
    ['x/1', div(x, 1), x],
    ['x/−1', div(x, -1), neg(x)],
    ['0/x', div(0, x), constant(0)],
    ['−−x', neg(neg(x)), x],
    ['max(x, x)', max(x, x), x],
    ['select(m, x, x)', select(mask, x, x), x],
    ['select(m, 2, 2)', select(mask, 2, 2), constant(2)],
    ['x·[m]', mul(x, select(mask, 1, 0)), select(mask, x, 0)],
    ['[¬m]·x', mul(select(mask, 0, 1), x), select(mask, 0, x)],
    ['Σ 0', rowSum(0), constant(0)],
    ['nested', exp(add(mul(x, 1), mul(0, exp(x)))), exp(x)],
  ])('%s', (_, e, wanted) => {
    expect(simplify(e)).toEqual(wanted);
  });

  it('folds constants as f32 lanes would compute them', () => {
    const value = (e: Expr): number => {
      const folded = simplify(e);
      return folded.op === 'const' ? folded.value : expect.fail(`${folded.op} is left`);
    };
    expect(value(add(0.1, 0.2))).toBe(Math.fround(Math.fround(0.1) + Math.fround(0.2)));
    expect(value(add(2 ** 24, 1))).toBe(2 ** 24);
    expect(value(mul(1e30, 1e30))).toBe(Infinity);
    expect(value(div(1, 3))).toBe(Math.fround(1 / 3));
    expect(value(sub(1, 3))).toBe(-2);
    expect(value(sqrt(2))).toBe(Math.fround(Math.SQRT2));
    expect(value(abs(-2))).toBe(2);
    expect(value(floor(-1.5))).toBe(-2);
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map((v) => value(nearest(v)) + 0)).toEqual([
      0, 2, 2, 0, -2, 2, 3,
    ]);
    expect([value(min(1, 2)), value(max(1, 2))]).toEqual([1, 2]);
    // The second operand on NaN, as the lanes have it.
    expect([value(min(NaN, 2)), value(max(NaN, 2)), value(min(2, NaN))]).toEqual([2, 2, NaN]);
  });

  it('does not reorder', () => {
    const e = add(add(x, 1), -1);
    expect(simplify(e)).toBe(e);
  });
});
