import { describe, expect, it } from 'vitest';
import { below, permutations, shuffle, stream, threefry2x32 } from '../../../src/engine/random.ts';

describe('threefry2x32', () => {
  // Known answers of the Random123 distribution (kat_vectors, threefry2x32 with 20 rounds).
  it.each([
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x13198a2e, 0x03707344],
      [0x243f6a88, 0x85a308d3],
      [0xc4923a9c, 0x483df7a0],
    ],
  ] as const)('key %j, counter %j', (key, counter, answer) => {
    expect(threefry2x32(key, counter)).toEqual(answer);
  });
});

const draws = (n: number, next: () => number): number[] => Array.from({ length: n }, next);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('stream', () => {
  it('depends on the seed and the path alone', () => {
    const take = (...at: Parameters<typeof stream>): string => draws(8, stream(...at).uint32).join();
    expect(take(7, 'a', 1)).toBe(take(7, 'a', 1));
    const others = [
      take(8, 'a', 1),
      take(7 + 2 ** 32, 'a', 1),
      take(7, 'a', 2),
      take(7, 'a', 1 + 2 ** 32),
      take(7, 'a', '1'),
      take(7, 'b', 1),
      take(7, 'a'),
      take(7, 'a1'),
      take(7, 'a', 1, 0),
      take(7, 'a\0', 1),
      take(7),
    ];
    expect(new Set([...others, take(7, 'a', 1)]).size).toBe(others.length + 1);
  });

  it('gives these numbers, for ever', () => {
    const random = stream(7, 'initialize', 'layers.0.weight');
    expect([random.uint32(), random.uniform(), random.normal(), random.normal()]).toMatchInlineSnapshot(`
      [
        2092602578,
        0.8960766792297363,
        -0.7463421516676523,
        0.10700878336416593,
      ]
    `);
  });

  it('draws uniform numbers with 24 bits', () => {
    const random = stream(1, 'uniform');
    const values = draws(100_000, random.uniform);
    expect(values.every((v) => v >= 0 && v < 1 && v === Math.fround(v))).toBe(true);
    // Five standard errors of the mean (√(1/12/n)) and of the second moment (√(4/45/n)).
    expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(0.0046);
    expect(Math.abs(mean(values.map((v) => v * v)) - 1 / 3)).toBeLessThan(0.0048);
  });

  it('draws normal numbers', () => {
    const values = draws(100_000, stream(1, 'normal').normal);
    // Five standard errors of the moments: Var(x) = 1, Var(x²) = 2, Var(x³) = 15, Var(x⁴) = 96.
    expect(Math.abs(mean(values))).toBeLessThan(0.016);
    expect(Math.abs(mean(values.map((v) => v ** 2)) - 1)).toBeLessThan(0.023);
    expect(Math.abs(mean(values.map((v) => v ** 3)))).toBeLessThan(0.062);
    expect(Math.abs(mean(values.map((v) => v ** 4)) - 3)).toBeLessThan(0.155);
    const beyondTwo = values.filter((v) => Math.abs(v) > 2).length / values.length;
    expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(0.0033);
  });
});

describe('below', () => {
  it('is unbiased where 2^32 is not a multiple of the bound', () => {
    const answers = [0xffffffff, 5];
    const random = { ...stream(0), uint32: () => answers.shift() ?? 0 };
    expect(below(random, 3)).toBe(2);
    expect(below(stream(0), 1)).toBe(0);
  });

  it('reaches every number', () => {
    const random = stream(3, 'below');
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 60_000; i++) {
      const face = below(random, 6);
      counts[face] = (counts[face] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(457);
  });
});

describe('permutations', () => {
  it('holds every row once, and differs by seed and epoch', () => {
    const order = permutations(7, 1000)(3);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(permutations(7, 1000)(3)).toEqual(order);
    expect(permutations(7, 1000)(4)).not.toEqual(order);
    expect(permutations(8, 1000)(3)).not.toEqual(order);
    expect(permutations(7, 0)(3)).toHaveLength(0);
  });

  it("gives an epoch's order whatever was asked before", () => {
    const orderOf = permutations(7, 1000);
    const later = orderOf(4).slice();
    expect(orderOf(3)).toEqual(permutations(7, 1000)(3));
    expect(orderOf(4)).toEqual(later);
  });

  it('makes all orders equally likely', () => {
    const counts = new Map<string, number>();
    const random = stream(5, 'orders');
    for (let i = 0; i < 24_000; i++) {
      const order = Int32Array.from([0, 1, 2, 3]);
      shuffle(order, random);
      counts.set(order.join(), (counts.get(order.join()) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    // Five standard deviations of a binomial with mean 1000.
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(155);
  });
});
