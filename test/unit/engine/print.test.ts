import { describe, expect, it } from 'vitest';
import {
  add,
  bits,
  constant,
  div,
  exp,
  input,
  ishr,
  le,
  max,
  mul,
  neg,
  rowMax,
  rowSum,
  select,
  sub,
} from '../../../src/engine/expr.ts';
import { print } from '../../../src/engine/print.ts';

const x = input('x');
const y = input('y');

describe('print', () => {
  it.each([
    ['x * (y + 1)', mul(x, add(y, 1))],
    ['x * y + 1', add(mul(x, y), 1)],
    ['x - (y - 1)', sub(x, sub(y, 1))],
    ['x - y - 1', sub(sub(x, y), 1)],
    ['x / (y * 2)', div(x, mul(y, 2))],
    ['-(x + y) * 0.1', mul(neg(add(x, y)), 0.1)],
    ['select(x <= 0, 0, x)', select(le(x, 0), 0, x)],
    ['max(exp(x - rowMax(x)), rowSum(y))', max(exp(sub(x, rowMax(x))), rowSum(y))],
    ['ishr(bits(x), 23)', ishr(bits(x), 23)],
    ['x + -Infinity', add(x, constant(-Infinity))],
  ])('%s', (text, e) => {
    expect(print(e)).toBe(text);
  });

  it('names what is used more than once, in order', () => {
    const e = exp(x);
    const s = rowSum(e);
    expect(print(mul(div(e, s), s))).toBe('t0 = exp(x)\nt1 = rowSum(t0)\nt0 / t1 * t1');
  });

  it('stays small for an expression that doubles at each level', () => {
    let e = x;
    for (let i = 0; i < 60; i++) e = add(e, e);
    expect(print(e).split('\n')).toHaveLength(60);
  });
});
