/**
 * Share of rows predicted right. One output: (y ≥ ½) must equal the 0/1 target. Several: the target's column must
 * hold the row's maximum, so a row whose maximum is shared counts as right if the target is among the tied.
 * A NaN prediction is never right.
 */
import { z } from 'zod';
import { eq, ge, lt, rowMax, rowSum, select, sub } from '../../expr.ts';
import type { MetricKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('accuracy') })
  .meta({ id: 'AccuracyMetric', description: 'Share of rows whose class is predicted right' });

export const accuracy: MetricKind<typeof schema> = {
  kind: 'accuracy',
  schema,
  targets: ['categorical'],
  better: 'higher',
  formula: (y, target, outputs) =>
    outputs === 1
      ? rowSum(select(ge(y, 0.5), target, select(lt(y, 0.5), sub(1, target), 0)))
      : rowMax(select(eq(y, rowMax(y)), target, 0)),
};
