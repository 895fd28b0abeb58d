/** (1/K)·Σₖ (zₖ − tₖ)² per row of K outputs: PyTorch's MSELoss once averaged over the rows. */
import { z } from 'zod';
import { mul, rowSum, sub } from '../../expr.ts';
import type { LossKind } from '../kind.ts';

const schema = z.strictObject({ kind: z.literal('meanSquaredError') }).meta({
  id: 'MeanSquaredErrorLoss',
  description: 'Mean over the outputs of (prediction − target)², for numeric targets',
});

export const meanSquaredError: LossKind<typeof schema> = {
  kind: 'meanSquaredError',
  schema,
  link: null,
  targets: ['numeric'],
  outputs: () => ({ units: 1, why: 'meanSquaredError predicts one number' }),
  formula: (prediction, target, _, outputs) => {
    const error = sub(prediction, target);
    return mul(rowSum(mul(error, error)), 1 / outputs);
  },
};
