import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partSizes } from '../../../../src/engine/kinds/splits/fractions.ts';
import { splits } from '../../../../src/engine/kinds/splits/registry.ts';
import { stream } from '../../../../src/engine/random.ts';

const PARTS = ['training', 'validation', 'test'] as const;

function assign(
  spec: { kind: string; validation?: number; test?: number },
  strata: readonly number[],
  seed = 1,
) {
  const kind = splits.get(spec.kind);
  const at = { rows: strata.length, strata: Int32Array.from(strata), random: stream(seed, 'split') };
  return kind.assign(at, kind.schema.parse(spec));
}

const fractions = fc
  .tuple(fc.double({ min: 0, max: 0.99, noNaN: true }), fc.double({ min: 0, max: 0.99, noNaN: true }))
  .filter(([a, b]) => a + b < 1);

describe.each(['random', 'stratified'])('%s', (kind) => {
  it('uses every row once, in parts of the announced sizes, each in the rows’ order', () => {
    fc.assert(
      fc.property(
        fractions,
        fc.array(fc.nat(4), { maxLength: 60 }),
        fc.nat(),
        ([validation, test], strata, seed) => {
          const parts = assign({ kind, validation, test }, strata, seed);
          const sizes = partSizes(strata.length, { validation, test });
          for (const part of PARTS) {
            expect(parts[part]).toHaveLength(sizes[part]);
            expect(parts[part]).toEqual(parts[part].slice().sort());
          }
          const all = PARTS.flatMap((part) => [...parts[part]]).sort((a, b) => a - b);
          expect(all).toEqual(strata.map((_, row) => row));
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('deals differently under another seed', () => {
    const strata = Array.from({ length: 100 }, (_, i) => i % 2);
    expect(assign({ kind }, strata, 1)).not.toEqual(assign({ kind }, strata, 2));
  });

  it.each([
    { validation: 0.5, test: 0.5 },
    { validation: 1, test: 0 },
    { validation: -0.1, test: 0 },
    { validation: 0, test: Number.NaN },
  ])('refuses %j', (shares) => {
    expect(splits.schema.safeParse({ kind, ...shares }).success).toBe(false);
  });
});

describe('partSizes', () => {
  it('rounds half up and gives training the rest', () => {
    expect(partSizes(100, { validation: 0.15, test: 0.15 })).toEqual({
      training: 70,
      validation: 15,
      test: 15,
    });
    expect(partSizes(5, { validation: 0.1, test: 0.3 })).toEqual({ training: 2, validation: 1, test: 2 });
    expect(partSizes(1, { validation: 0.5, test: 0.4 })).toEqual({ training: 0, validation: 1, test: 0 });
    expect(partSizes(0, { validation: 0.5, test: 0.4 })).toEqual({ training: 0, validation: 0, test: 0 });
  });
});

describe('stratified', () => {
  it('keeps every class’s share, to whole rows', () => {
    fc.assert(
      fc.property(
        fractions,
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
        (f, counts) => {
          const [validation, test] = f;
          const strata = counts.flatMap((count, code) => Array.from({ length: count }, () => code));
          const parts = assign({ kind: 'stratified', validation, test }, strata);
          const sizes = partSizes(strata.length, { validation, test });
          counts.forEach((count, code) => {
            for (const part of PARTS) {
              const got = [...parts[part]].filter((row) => strata[row] === code).length;
              // One rounding for validation; the test part is shared out among what that left.
              const slack = part === 'validation' ? 1 : 2;
              expect(Math.abs(got - (sizes[part] * count) / strata.length)).toBeLessThan(slack);
            }
          });
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });

  it('is exact where the shares are whole', () => {
    const strata = Array.from({ length: 150 }, (_, i) => Math.floor(i / 50));
    const parts = assign({ kind: 'stratified', validation: 0.2, test: 0.2 }, strata);
    for (const code of [0, 1, 2]) {
      const count = (rows: Int32Array): number => [...rows].filter((row) => strata[row] === code).length;
      expect(PARTS.map((part) => count(parts[part]))).toEqual([30, 10, 10]);
    }
  });

  it('gives the odd rows to the largest remainders', () => {
    const strata = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1];
    // Quotas 2.1 and 0.9.
    const { validation } = assign({ kind: 'stratified', validation: 0.3, test: 0 }, strata);
    expect([...validation].filter((row) => strata[row] === 1)).toHaveLength(1);
  });

  it('does not mind codes that no row has', () => {
    const parts = assign({ kind: 'stratified', validation: 0.5, test: 0 }, [5, 5, 2, 2]);
    expect(parts.validation).toHaveLength(2);
  });
});
