/**
 * y = max(x, 0), y′(0) = 0 as in PyTorch. A choice rather than `max`: NaN ≤ 0 is false, so a NaN passes through and
 * a diverged net cannot hide.
 */
import { z } from 'zod';
import { gt, le, select } from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('relu') })
  .meta({ id: 'ReluActivation', description: 'y = max(x, 0)' });

export const relu: ActivationKind<typeof schema> = {
  kind: 'relu',
  schema,
  family: 'rectifier',
  formula: (x) => select(le(x, 0), 0, x),
  derivativeFromOutput: (y) => select(gt(y, 0), 1, 0),
};
