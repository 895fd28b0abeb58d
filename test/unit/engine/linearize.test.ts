import { describe, expect, it } from 'vitest';
import { add, constant, exp, input, mul, rowSum, stopGradient } from '../../../src/engine/expr.ts';
import { linearize } from '../../../src/engine/linearize.ts';

const x = input('x');

describe('linearize', () => {
  it('computes equal expressions once, across results', () => {
    const square = () => mul(input('x'), input('x'));
    const { code, results, inputs } = linearize([add(square(), square()), square()]);
    expect(code.map((i) => i.op)).toEqual(['input', 'mul', 'add']);
    expect(results).toEqual([2, 1]);
    expect(inputs).toEqual([{ name: 'x', extent: 'full' }]);
  });

  it('puts operands before their users', () => {
    const { code } = linearize([mul(exp(x), add(x, 1))]);
    for (const [n, i] of code.entries()) for (const a of i.args) expect(a).toBeLessThan(n);
  });

  it('tells 0 from −0, and operands by their order', () => {
    const { code } = linearize([add(x, constant(0)), add(x, constant(-0)), add(constant(0), x)]);
    expect(code.filter((i) => i.op === 'const')).toHaveLength(2);
    expect(code.filter((i) => i.op === 'add')).toHaveLength(3);
  });

  it('expands calls, and takes a stop for what it stops', () => {
    const { code, results } = linearize([exp(x), stopGradient(x), x]);
    expect(code.every((i) => i.type === 'f32' || i.type === 'i32')).toBe(true);
    expect(code.length).toBeGreaterThan(10);
    expect(results[1]).toBe(results[2]);
  });

  it('knows how far each value spreads', () => {
    const { code, results } = linearize([
      add(mul(input('r', 'row'), input('s', 'scalar')), input('c', 'col')),
    ]);
    expect(code.map((i) => i.extent)).toEqual(['row', 'scalar', 'row', 'col', 'full']);
    expect(results).toEqual([4]);
  });

  it('refuses reductions, and one name seen two ways', () => {
    expect(() => linearize([rowSum(x)])).toThrow('reduce');
    expect(() => linearize([add(x, input('x', 'row'))])).toThrow('two extents');
  });

  it('stays small where an expression is shared many times over', () => {
    let e = x;
    for (let i = 0; i < 200; i++) e = add(e, e);
    expect(linearize([e]).code).toHaveLength(201);
  });
});
