/** (1/K)·Σₖ |yₖ − tₖ| per row of K outputs, in the target's own unit. */
import { z } from 'zod';
import { abs, mul, rowSum, sub } from '../../expr.ts';
import type { MetricKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('meanAbsoluteError') })
  .meta({ id: 'MeanAbsoluteErrorMetric', description: 'Mean of |prediction − target|' });

export const meanAbsoluteError: MetricKind<typeof schema> = {
  kind: 'meanAbsoluteError',
  schema,
  targets: ['numeric'],
  better: 'lower',
  formula: (y, target, outputs) => mul(rowSum(abs(sub(y, target))), 1 / outputs),
};
