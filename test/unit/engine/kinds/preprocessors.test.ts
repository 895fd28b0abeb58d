import { describe, expect, it } from 'vitest';
import { categoricalPreprocessors } from '../../../../src/engine/kinds/categorical-preprocessors/registry.ts';
import { numericPreprocessors } from '../../../../src/engine/kinds/numeric-preprocessors/registry.ts';
import golden from '../../../golden/standardize.json' with { type: 'json' };

describe('standardize', () => {
  const kind = numericPreprocessors.get('standardize');
  const spec = { kind: 'standardize' };
  const learn = (values: readonly number[]) => kind.fit(Float64Array.from(values), spec);

  it.each(Object.entries(golden.cases))(
    `matches ${golden.source}: %s`,
    (_, { values, mean, scale, transformed }) => {
      const fitted = learn(values);
      const largest = Math.max(...values.map(Math.abs));
      // Both means err by at most a few roundings of the largest value; so do the differences from them.
      const slack = 4 * 2 ** -53 * largest;
      expect(Math.abs((fitted.mean ?? NaN) - mean)).toBeLessThanOrEqual(slack);
      expect(Math.abs((fitted.scale ?? NaN) / scale - 1)).toBeLessThan(1e-12);
      values.forEach((v, i) => {
        const error = Math.abs(kind.apply(v, fitted) - (transformed[i] ?? NaN));
        expect(error).toBeLessThanOrEqual(2 * (slack / scale) + 1e-12);
      });
    },
  );

  it('maps a constant column to exactly 0', () => {
    const fitted = learn([0.1, 0.1, 0.1]);
    expect(fitted).toEqual({ mean: 0.1, scale: 1 });
    expect(kind.apply(0.1, fitted)).toBe(0);
  });

  it('survives squares that overflow or vanish', () => {
    for (const size of [1e-300, 1e300]) {
      const fitted = learn([size, 3 * size]);
      expect(Math.abs((fitted.mean ?? NaN) / (2 * size) - 1)).toBeLessThan(1e-15);
      expect(Math.abs((fitted.scale ?? NaN) / size - 1)).toBeLessThan(1e-15);
    }
  });
});

describe('none', () => {
  it('changes nothing', () => {
    const kind = numericPreprocessors.get('none');
    expect(kind.apply(3.25, kind.fit(Float64Array.of(1, 2), { kind: 'none' }))).toBe(3.25);
  });
});

describe('oneHot', () => {
  it('sets the category’s own column, and none for an unknown one', () => {
    const kind = categoricalPreprocessors.get('oneHot');
    const out = new Float32Array(5).fill(7);
    kind.encode(2, out, 1, 3);
    expect([...out]).toEqual([7, 0, 0, 1, 7]);
    kind.encode(-1, out, 1, 3);
    expect([...out]).toEqual([7, 0, 0, 0, 7]);
    expect(kind.width(3)).toBe(3);
  });
});
