import { describe, expect, it } from 'vitest';
import type { Expr } from '../../../src/engine/expr.ts';
import { add, exp, input, log, mul, operands, tanh } from '../../../src/engine/expr.ts';
import { expandCalls, laneFunctions } from '../../../src/engine/math.ts';
import { evaluate, evaluateAt } from './evaluate.ts';
import { ulp32 } from './ulp.ts';

const x = input('x');
const view = new DataView(new ArrayBuffer(4));
const fromBits = (bits: number): number => {
  view.setUint32(0, bits);
  return view.getFloat32(0);
};

/** Every 200,003rd of all f32 numbers (a prime: all exponents and all kinds of mantissa). */
const everywhere = Array.from({ length: Math.floor(2 ** 32 / 200_003) }, (_, i) => fromBits(i * 200_003));
const between = (from: number, to: number, n: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(from + ((to - from) * i) / (n - 1)));

/** The largest error in units in the last place of the true value; special values must agree outright. */
function worst(expr: Expr, truth: (x: number) => number, samples: readonly number[]): number {
  let most = 0;
  const values = evaluateAt(expr, samples);
  samples.forEach((sample, i) => {
    const exact = truth(sample);
    const value = values[i] ?? Number.NaN;
    const rounded = Math.fround(exact);
    if (Number.isFinite(rounded) && rounded !== value)
      most = Math.max(most, Math.abs(value - exact) / ulp32(exact));
    else if (!Number.isFinite(rounded)) expect([sample, value]).toEqual([sample, rounded]);
  });
  return most;
}

describe('exp', () => {
  it('is within 1 ulp everywhere, denormal results included', () => {
    expect(worst(exp(x), Math.exp, everywhere)).toBeLessThan(1);
    expect(worst(exp(x), Math.exp, between(-104, 89, 30_001))).toBeLessThan(1);
    expect(worst(exp(x), Math.exp, between(-1, 1, 20_001))).toBeLessThan(1);
  });

  it('has its edges', () => {
    const at = [0, -0, Infinity, -Infinity, NaN, 88.8, -104, 1e30, -1e30];
    expect([...evaluateAt(exp(x), at)]).toEqual([1, 1, Infinity, 0, NaN, Infinity, 0, Infinity, 0]);
    expect(evaluateAt(exp(x), [88.72283])[0]).toBeLessThan(Infinity);
    expect(evaluateAt(exp(x), [-103.5])[0]).toBe(2 ** -149);
  });
});

describe('log', () => {
  it('is within 1 ulp everywhere, denormal arguments included', () => {
    expect(worst(log(x), Math.log, everywhere)).toBeLessThan(1);
    expect(worst(log(x), Math.log, between(0.5, 2, 30_001))).toBeLessThan(1);
  });

  it('has its edges', () => {
    const at = [1, 0, -0, -1, -1e-40, Infinity, -Infinity, NaN];
    expect([...evaluateAt(log(x), at)]).toEqual([0, -Infinity, -Infinity, NaN, NaN, Infinity, NaN, NaN]);
  });
});

describe('tanh', () => {
  const samples = [...everywhere, ...between(-10, 10, 20_001), ...between(-0.01, 0.01, 5_001)];

  it('is within 2 ulp everywhere', () => {
    expect(worst(tanh(x), Math.tanh, samples)).toBeLessThan(2);
  });

  it('is odd and stays within ±1', () => {
    const values = evaluateAt(tanh(x), samples);
    const mirrored = evaluateAt(
      tanh(x),
      samples.map((v) => -v),
    );
    samples.forEach((_, i) => {
      const value = values[i] ?? NaN;
      if ((value === -(mirrored[i] ?? NaN) && Math.abs(value) <= 1) || Number.isNaN(samples[i])) return;
      expect.fail(`tanh(${samples[i]}) = ${value}, tanh(${-(samples[i] ?? NaN)}) = ${mirrored[i]}`);
    });
  });

  it('has its edges', () => {
    const at = [0, 9.1, -9.1, 1e30, Infinity, -Infinity, NaN, 1e-40];
    const expected = [0, 1, -1, 1, 1, -1, NaN, Math.fround(1e-40)];
    expect([...evaluateAt(tanh(x), at)]).toEqual(expected);
  });
});

describe('expandCalls', () => {
  const count = (root: Expr): number => {
    const seen = new Set<Expr>();
    const visit = (e: Expr): void => {
      if (seen.has(e)) return;
      seen.add(e);
      operands(e).forEach(visit);
    };
    visit(root);
    return seen.size;
  };

  it('leaves no call and keeps what is shared shared', () => {
    const e = exp(x);
    const twice = expandCalls(mul(e, add(e, 1)));
    expect(JSON.stringify(twice)).not.toContain('"call"');
    expect(count(twice)).toBe(count(expandCalls(e)) + 3);
  });

  it('returns an expression without calls as it is', () => {
    const plain = add(x, 1);
    expect(expandCalls(plain)).toBe(plain);
  });
});

describe('derivatives', () => {
  it.each([
    ['exp', Math.exp],
    ['log', Math.log],
    ['tanh', Math.tanh],
  ] as const)('%s matches central differences', (name, truth) => {
    for (const at of [0.1, 0.7, 1.9, 3.3]) {
      const derivative = laneFunctions[name].derivative(x, input('y'));
      const wanted = (truth(at + 1e-5) - truth(at - 1e-5)) / 2e-5;
      const inputs = { x: [at], y: [truth(at)] };
      const [value = NaN] = evaluate(derivative, { rows: 1, columns: 1, inputs }, 'f64');
      expect(Math.abs(value - wanted)).toBeLessThan(1e-8 * Math.max(1, Math.abs(wanted)));
    }
  });
});
