/**
 * y = 1/(1 + e^−x), σ′ = σ(1 − σ). Written with e^−|x|, which never overflows; the side is chosen by `select` so that
 * the derived derivative at 0 is the true ¼.
 */
import { z } from 'zod';
import { add, div, exp, ge, mul, neg, select, sub } from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('sigmoid') })
  .meta({ id: 'SigmoidActivation', description: 'y = 1 / (1 + exp(−x))' });

export const sigmoid: ActivationKind<typeof schema> = {
  kind: 'sigmoid',
  schema,
  family: 'symmetric',
  formula: (x) => {
    const positive = ge(x, 0);
    const e = exp(select(positive, neg(x), x));
    return div(select(positive, 1, e), add(1, e));
  },
  derivativeFromOutput: (y) => mul(y, sub(1, y)),
};
