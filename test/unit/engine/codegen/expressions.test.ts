import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Expr } from '../../../../src/engine/expr.ts';
import {
  bits,
  convert,
  exp,
  iand,
  input,
  integer,
  log,
  max,
  min,
  nearest,
  tanh,
} from '../../../../src/engine/expr.ts';
import { expandCalls } from '../../../../src/engine/math.ts';
import { expectSameRun, oneStep, planOf } from './compare.ts';
import { float, vector, WIDTH } from './random-expressions.ts';

const inputs = ['p', 'q'];

/** Runs some expressions of the inputs p and q over both vectors, on both back ends. */
function expectSame(exprs: readonly Expr[], p: Float32Array, q: Float32Array): Float32Array {
  const plan = planOf({
    batchSize: 1,
    kernels: (buffers) => {
      const bindings = inputs.map((name) => {
        const buffer = buffers.vector(name, WIDTH);
        return { name, source: { from: 'buffer', buffer, extent: 'col' } as const };
      });
      const stores = exprs.map((expr, i) => ({
        expr: expandCalls(expr),
        target: { to: 'buffer', buffer: buffers.vector(`out${i}`, WIDTH) } as const,
      }));
      return [{ kind: 'map', label: 'lanes', rows: 1, columns: WIDTH, bindings, stores }];
    },
  });
  const values = (name: string, length: number) => {
    if (name === 'p') return p;
    return name === 'q' ? q : new Float32Array(length);
  };
  return expectSameRun(plan, { batch: oneStep(1), values }).read(2);
}

describe('lane expressions', () => {
  it('have the same bits on both back ends, whatever is computed', () => {
    fc.assert(
      fc.property(fc.array(float, { minLength: 1, maxLength: 3 }), vector, vector, (exprs, p, q) => {
        expectSame(exprs, p, q);
      }),
      { numRuns: 150 },
    );
  });

  it.each([
    ['exp', exp],
    ['log', log],
    ['tanh', tanh],
  ] as const)('%s has the same bits everywhere', (_, f) => {
    fc.assert(
      fc.property(vector, (p) => {
        expectSame([f(input('p', 'col'))], p, p);
      }),
      { numRuns: 60 },
    );
  });

  it('min and max return the second operand when neither is smaller or larger', () => {
    const p = new Float32Array(WIDTH).fill(Number.NaN);
    const q = new Float32Array(WIDTH).fill(1);
    const [a, b] = [input('p', 'col'), input('q', 'col')];
    expect(expectSame([min(a, b)], p, q)[0]).toBe(1);
    expect(expectSame([max(a, b)], p, q)[0]).toBe(1);
    expect(expectSame([min(b, a)], p, q)[0]).toBeNaN();
    p.fill(-0);
    q.fill(0);
    expect(expectSame([max(b, a)], p, q)[0]).toBe(-0);
    expect(expectSame([min(a, b)], p, q)[0]).toBe(0);
  });

  it('round half to even and keep the sign of zero', () => {
    const p = new Float32Array(WIDTH);
    p.set([0.5, 1.5, 2.5, -0.5, -0.2, -1.5, 8388607.5]);
    const rounded = [...expectSame([nearest(input('p', 'col'))], p, p).slice(0, 7)];
    expect(rounded).toEqual([0, 2, 2, -0, -0, -2, 8388608]);
  });

  it('keep denormals', () => {
    const p = new Float32Array(WIDTH).fill(2 ** -149);
    const doubled: Expr = { op: 'add', a: input('p', 'col'), b: input('p', 'col') };
    expect(expectSame([doubled], p, p)[0]).toBe(2 ** -148);
    expect(expectSame([convert(iand(bits(input('p', 'col')), integer(-1)))], p, p)[0]).toBe(1);
  });
});
