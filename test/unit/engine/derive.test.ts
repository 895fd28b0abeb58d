import { describe, expect, it } from 'vitest';
import { vjp } from '../../../src/engine/derive.ts';
import type { Expr } from '../../../src/engine/expr.ts';
import {
  abs,
  add,
  bits,
  colMax,
  colSum,
  div,
  exp,
  extentOf,
  floatFromBits,
  floor,
  gt,
  input,
  joinExtent,
  log,
  max,
  min,
  mul,
  nearest,
  neg,
  operands,
  rowMax,
  rowSum,
  select,
  sqrt,
  stopGradient,
  sub,
  tanh,
} from '../../../src/engine/expr.ts';
import { evaluate, evaluateAt } from './evaluate.ts';

const x = input('x');
const one = input('one', 'scalar');
const at = (e: Expr, ...values: number[]): number[] => [
  ...evaluate(
    vjp(e, 'x', input('one')),
    { rows: 1, columns: values.length, inputs: { x: values, one: values.map(() => 1) } },
    'f64',
  ),
];

const size = (root: Expr): number => {
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    operands(e).forEach(visit);
  };
  visit(root);
  return seen.size;
};

describe('vjp, element by element', () => {
  it('knows every operation', () => {
    expect(at(neg(x), 3)).toEqual([-1]);
    expect(at(add(mul(x, x), mul(x, 3)), 2)).toEqual([7]);
    expect(at(sub(1, x), 2)).toEqual([-1]);
    expect(at(div(x, 4), 2)).toEqual([0.25]);
    expect(at(div(1, x), 2)).toEqual([-0.25]);
    expect(at(div(x, x), 2)).toEqual([0]);
    expect(at(sqrt(x), 4)).toEqual([0.25]);
    expect(at(exp(x), 1.5)).toEqual([Math.exp(1.5)]);
    expect(at(log(x), 4)).toEqual([0.25]);
    expect(at(tanh(x), 0.5)).toEqual([1 - Math.tanh(0.5) ** 2]);
    expect(at(floor(x), 1.5)).toEqual([0]);
    expect(at(nearest(x), 1.5)).toEqual([0]);
    expect(at(select(gt(x, 1), mul(x, x), neg(x)), 3, 0)).toEqual([6, -1]);
    expect(at(mul(stopGradient(x), x), 3)).toEqual([3]);
    expect(at(input('other'), 3)).toEqual([0]);
  });

  it('takes |x|′(0) = 0', () => {
    expect(at(abs(x), -2, 0, 2)).toEqual([-1, 0, 1]);
  });

  it('gives the gradient of min and max to the operand they return', () => {
    expect(at(max(x, 1), 0, 1, 2)).toEqual([0, 0, 1]);
    expect(at(max(1, x), 0, 1, 2)).toEqual([0, 1, 1]);
    expect(at(min(x, 1), 0, 1, 2)).toEqual([1, 0, 0]);
    expect(at(max(x, x), 5)).toEqual([1]);
  });

  it('refuses bit operations that depend on the input, and no others', () => {
    expect(() => vjp(floatFromBits(bits(x)), 'x', one)).toThrow('cannot differentiate through float');
    expect(() => vjp(floatFromBits(bits(stopGradient(x))), 'x', one)).not.toThrow();
    expect(() => vjp(mul(x, floatFromBits(bits(input('y')))), 'x', one)).not.toThrow();
  });
});

describe('vjp, along rows and columns', () => {
  const rows = 2;
  const columns = 3;
  const inputs = {
    x: [0.3, -0.7, 1.1, 2, 0.5, -1.3],
    g: [1, -2, 0.5, 0.25, 3, -1],
    r: [1.5, -0.5],
    c: [0.2, 0.4, -0.8],
  };
  const g = input('g');
  const r = input('r', 'row');
  const c = input('c', 'col');

  /** Compares with central differences of Σ g·e in f64. */
  function check(e: Expr, name: 'x' | 'r' | 'c'): void {
    const extent = { x: 'full', r: 'row', c: 'col' } as const;
    const gradient = vjp(e, name, g);
    expect([extent[name], joinExtent(extentOf(gradient), extent[name])]).toEqual([
      extent[name],
      extent[name],
    ]);
    const values = evaluate(gradient, { rows, columns, inputs }, 'f64');
    const total = (changed: readonly number[]): number => {
      const y = evaluate(mul(e, g), { rows, columns, inputs: { ...inputs, [name]: changed } }, 'f64');
      return y.reduce((a, b) => a + b, 0);
    };
    inputs[name].forEach((_, i) => {
      const step = 2 ** -17;
      const moved = (by: number): number[] => inputs[name].map((v, j) => (j === i ? v + by : v));
      const wanted = (total(moved(step)) - total(moved(-step))) / (2 * step);
      const place = { x: i, r: i * columns, c: i }[name];
      expect(Math.abs((values[place] ?? NaN) - wanted)).toBeLessThan(1e-8);
    });
  }

  it('spreads the gradient of a sum', () => {
    check(mul(rowSum(mul(x, x)), c), 'x');
    check(mul(colSum(mul(x, x)), r), 'x');
  });

  it('gives the gradient of a maximum to whoever holds it', () => {
    check(mul(rowMax(x), c), 'x');
    check(mul(colMax(x), r), 'x');
  });

  it('shares it evenly among ties', () => {
    const e = vjp(rowMax(x), 'x', input('h', 'row'));
    const domain = { rows: 1, columns: 4, inputs: { x: [1, 3, 3, 2], h: [1] } };
    expect([...evaluate(e, domain, 'f64')]).toEqual([0, 0.5, 0.5, 0]);
  });

  it('sums over what was broadcast', () => {
    for (const name of ['r', 'c'] as const) {
      check(mul(x, input(name, name === 'r' ? 'row' : 'col')), name);
      check(div(x, add(exp(input(name, name === 'r' ? 'row' : 'col')), 1)), name);
    }
    check(exp(add(r, c)), 'r');
    check(exp(add(r, c)), 'c');
    check(add(x, r), 'r');
    check(mul(rowSum(r), x), 'r');
    check(mul(rowSum(c), x), 'c');
    check(mul(colSum(r), x), 'r');
  });

  it('counts the columns for a cotangent that is the same along them', () => {
    const e = vjp(add(x, r), 'r', input('h', 'row'));
    const values = evaluate(e, { rows, columns, inputs: { ...inputs, h: [1, 10] } }, 'f64');
    expect([values[0], values[columns]]).toEqual([columns, 10 * columns]);
  });

  it('goes through normalisations', () => {
    const e = exp(sub(x, rowMax(x)));
    check(div(e, rowSum(e)), 'x');
    const centred = sub(x, mul(rowSum(x), 1 / columns));
    check(div(centred, sqrt(add(mul(rowSum(mul(centred, centred)), 1 / columns), 1e-3))), 'x');
    const byColumn = sub(x, mul(colSum(x), 1 / rows));
    check(div(byColumn, sqrt(add(mul(colSum(mul(byColumn, byColumn)), 1 / rows), 1e-3))), 'x');
  });

  it('refuses a gradient with respect to one scalar', () => {
    expect(() => vjp(mul(x, one), 'one', g)).toThrow(/scalar/);
  });
});

describe('vjp, on graphs', () => {
  it('visits a shared node once, however many paths lead to it', () => {
    let e: Expr = x;
    for (let i = 0; i < 60; i++) e = add(mul(e, 0.5), mul(e, 0.25));
    const gradient = vjp(e, 'x', input('one'));
    expect(size(gradient)).toBeLessThan(500);
    const values = evaluate(gradient, { rows: 1, columns: 1, inputs: { x: [2], one: [1] } }, 'f64');
    expect(Math.abs((values[0] ?? NaN) / 0.75 ** 60 - 1)).toBeLessThan(1e-12);
  });

  it('shares the value of exp between the way forward and the way back', () => {
    const e = exp(x);
    const gradient = vjp(e, 'x', one);
    expect(size(gradient)).toBe(size(mul(one, e)));
    expect(evaluateAt(vjp(e, 'x', e), [0])[0]).toBe(1);
  });
});
