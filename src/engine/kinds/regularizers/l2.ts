/** λ·Σw²: its gradient is 2λw, PyTorch's coupled weight decay of 2λ. */
import { z } from 'zod';
import { mul } from '../../expr.ts';
import type { RegularizerKind } from '../kind.ts';

const schema = z
  .strictObject({
    kind: z.literal('l2'),
    lambda: z.number().gte(0).describe('Weight λ of the penalty λ·Σw²'),
  })
  .meta({ id: 'L2Regularizer', description: 'λ·Σw²: keeps the numbers small' });

export const l2: RegularizerKind<typeof schema> = {
  kind: 'l2',
  schema,
  formula: (w, { lambda }) => mul(mul(w, w), lambda),
};
