import { describe, expect, it } from 'vitest';
import { stream } from '../../../src/engine/random.ts';
import { cos, exp, log, powInt, sin } from '../../../src/engine/scalar-math.ts';
import { ulp64 } from './ulp.ts';

/**
 * The largest distance from Math's function in ulp. V8's own functions err by under 1 ulp, so two implementations that
 * each do may differ by less than 2.
 */
function worst(
  ours: (x: number) => number,
  theirs: (x: number) => number,
  samples: readonly number[],
): number {
  let most = 0;
  for (const x of samples) most = Math.max(most, Math.abs(ours(x) - theirs(x)) / ulp64(theirs(x)));
  return most;
}

const random = stream(11, 'scalar-math');
const spread = (from: number, to: number, n = 100_000): number[] =>
  Array.from({ length: n }, () => from + (to - from) * (random.uniform() + random.uniform() * 2 ** -24));

describe('exp', () => {
  it('is within 1 ulp of the true value', () => {
    expect(worst(exp, Math.exp, [...spread(-708, 709), ...spread(-1, 1)])).toBeLessThan(2);
  });

  it('has its edges', () => {
    expect([0, -0, 710, -746, Infinity, -Infinity, NaN].map(exp)).toEqual([
      1,
      1,
      Infinity,
      0,
      Infinity,
      0,
      NaN,
    ]);
    expect(exp(709.7827128933839)).toBeLessThan(Infinity);
    expect(Math.abs(exp(-740) - Math.exp(-740))).toBeLessThanOrEqual(2 ** -1074);
  });
});

describe('log', () => {
  it('is within 1 ulp of the true value', () => {
    const samples = [...spread(0.5, 2), ...spread(0, 1), ...spread(1, 1e6), ...spread(1e-310, 1e-300, 1000)];
    expect(worst(log, Math.log, samples)).toBeLessThan(2);
  });

  it('has its edges', () => {
    expect([1, 0, -0, -1, Infinity, NaN, Math.E].map(log)).toEqual([
      0,
      -Infinity,
      -Infinity,
      NaN,
      Infinity,
      NaN,
      1,
    ]);
    expect(log(5e-324)).toBeCloseTo(-744.4400719213812, 12);
    expect(log(Number.MAX_VALUE)).toBeCloseTo(709.782712893384, 12);
  });
});

describe('sin and cos', () => {
  it('are within 1 ulp of the true value', () => {
    const samples = [...spread(-10, 10), ...spread(-8e5, 8e5)];
    expect(worst(sin, Math.sin, samples)).toBeLessThan(2);
    expect(worst(cos, Math.cos, samples)).toBeLessThan(2);
  });

  it('are accurate beside multiples of π/2, where the argument cancels', () => {
    const samples = Array.from({ length: 1000 }, (_, n) => (n - 500) * (Math.PI / 2));
    expect(worst(sin, Math.sin, samples)).toBeLessThan(2);
    expect(worst(cos, Math.cos, samples)).toBeLessThan(2);
  });

  it('refuse angles they cannot reduce', () => {
    for (const x of [1e6, Infinity, NaN]) {
      expect(() => sin(x)).toThrow(RangeError);
      expect(() => cos(x)).toThrow(RangeError);
    }
  });
});

describe('powInt', () => {
  it('multiplies', () => {
    expect(powInt(3, 0)).toBe(1);
    expect(powInt(3, 1)).toBe(3);
    expect(powInt(3, 13)).toBe(1594323);
    expect(powInt(0, 5)).toBe(0);
    expect(powInt(-2, 3)).toBe(-8);
    expect(powInt(2, 2000)).toBe(Infinity);
    expect(powInt(0.5, 2 ** 40)).toBe(0);
    expect(Math.abs(powInt(0.999, 1000) / 0.999 ** 1000 - 1)).toBeLessThan(1e-13);
  });

  it('refuses what is not a whole number', () => {
    for (const n of [-1, 0.5, NaN, 2 ** 53]) expect(() => powInt(2, n)).toThrow(RangeError);
  });
});
