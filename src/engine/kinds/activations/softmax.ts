/** yᵢ = e^xᵢ / Σⱼ e^xⱼ over each row, shifted by the row's maximum so that nothing overflows. */
import { z } from 'zod';
import { div, exp, rowMax, rowSum, stopGradient, sub } from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('softmax') })
  .meta({ id: 'SoftmaxActivation', description: 'yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ) over each row' });

export const softmax: ActivationKind<typeof schema> = {
  kind: 'softmax',
  schema,
  family: 'symmetric',
  // The shift cancels out of the value, hence has no gradient of its own.
  formula: (x) => {
    const e = exp(sub(x, stopGradient(rowMax(x))));
    return div(e, rowSum(e));
  },
};
