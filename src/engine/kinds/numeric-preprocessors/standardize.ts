/**
 * (x − mean)/scale, where scale is the population's standard deviation √(Σ(x − mean)²/n), or 1 for a column that does
 * not vary: scikit-learn's StandardScaler. Two passes; the second corrects the first's rounding.
 */
import { z } from 'zod';
import type { NumericPreprocessorKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('standardize') }).meta({
  id: 'StandardizeNumericPreprocessor',
  description: 'Subtracts the training rows’ mean and divides by their standard deviation',
});

/** A power of two that keeps sums of squares of very large or very small numbers within range. */
function rangeFactor(largest: number): number {
  if (largest > 2 ** 400) return 2 ** -600;
  return largest < 2 ** -400 ? 2 ** 600 : 1;
}

export const standardize: NumericPreprocessorKind<typeof schema> = {
  kind: 'standardize',
  schema,
  fit: (values) => {
    const n = values.length;
    const first = values[0] ?? 0;
    if (values.every((x) => x === first)) return { mean: first, scale: 1 };
    const factor = rangeFactor(values.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    const rough = values.reduce((sum, x) => sum + x * factor, 0) / n;
    const drift = values.reduce((sum, x) => sum + (x * factor - rough), 0) / n;
    const mean = rough + drift;
    const variance = values.reduce((sum, x) => sum + (x * factor - mean) * (x * factor - mean), 0) / n;
    const scale = Math.sqrt(variance) / factor;
    return { mean: mean / factor, scale: scale > 0 ? scale : 1 };
  },
  apply: (value, { mean = NaN, scale = NaN }) => (value - mean) / scale,
  line: ({ mean = NaN, scale = NaN }) => ({ offset: mean, factor: 1 / scale }),
};
