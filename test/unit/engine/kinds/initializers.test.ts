import { describe, expect, it } from 'vitest';
import { initializers } from '../../../../src/engine/kinds/initializers/registry.ts';
import { stream } from '../../../../src/engine/random.ts';

const COUNT = 100_000;
const fill = (kind: string, count = COUNT): Float32Array =>
  initializers
    .get(kind)
    .fill({ count, fanIn: 30, fanOut: 20, random: stream(1, 'initialize', 'layers.0.weight') }, { kind });
const moment = (values: Float32Array, power: number): number =>
  values.reduce((sum, v) => sum + v ** power, 0) / values.length;

describe('xavierUniform', () => {
  const values = fill('xavierUniform');
  const bound = Math.sqrt(6 / 50);

  it('is uniform within ±√(6/(fan in + fan out))', () => {
    expect(values.every((v) => Math.abs(v) <= Math.fround(bound))).toBe(true);
    expect(Math.min(...values.subarray(0, 10_000))).toBeLessThan(-0.99 * bound);
    expect(Math.max(...values.subarray(0, 10_000))).toBeGreaterThan(0.99 * bound);
    // Five standard errors: of the mean a/√(3n), of the second moment a²·√(4/45n), of the fourth a⁴·√(16/225n).
    expect(Math.abs(moment(values, 1))).toBeLessThan((5 * bound) / Math.sqrt(3 * COUNT));
    expect(Math.abs(moment(values, 2) - 2 / 50)).toBeLessThan(5 * bound ** 2 * Math.sqrt(4 / 45 / COUNT));
    expect(Math.abs(moment(values, 4) - bound ** 4 / 5)).toBeLessThan(
      5 * bound ** 4 * Math.sqrt(16 / 225 / COUNT),
    );
  });

  it('gives these bits, for ever', () => {
    expect(new Uint32Array(fill('xavierUniform', 6).buffer)).toMatchInlineSnapshot(`
      Uint32Array [
        3181087195,
        3198085375,
        1024218287,
        1031166476,
        1044262741,
        3172393103,
      ]
    `);
  });
});

describe('heNormal', () => {
  const values = fill('heNormal');

  it('is normal with variance 2/fan in', () => {
    const variance = 2 / 30;
    expect(Math.abs(moment(values, 1))).toBeLessThan(5 * Math.sqrt(variance / COUNT));
    expect(Math.abs(moment(values, 2) / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / COUNT));
    expect(Math.abs(moment(values, 4) / variance ** 2 - 3)).toBeLessThan(5 * Math.sqrt(96 / COUNT));
  });

  it('gives these bits, for ever', () => {
    expect(new Uint32Array(fill('heNormal', 6).buffer)).toMatchInlineSnapshot(`
      Uint32Array [
        1051441426,
        1038670337,
        3195493642,
        3189120410,
        3191174186,
        1031530464,
      ]
    `);
  });
});

describe('zeros', () => {
  it('is zero', () => {
    expect(fill('zeros', 5)).toEqual(new Float32Array(5));
  });
});
