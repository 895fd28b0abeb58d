/**
 * Gradients of all parameters together are scaled by min(1, max/(‖g‖ + 1e−6)), as PyTorch's clip_grad_norm_ (Pascanu,
 * Mikolov, Bengio, arXiv:1211.5063).
 */
import { z } from 'zod';
import { add, div, min, sqrt } from '../../expr.ts';
import type { GradientClippingKind } from '../kind.ts';

const schema = z
  .strictObject({
    kind: z.literal('norm'),
    max: z.number().gt(0).describe('Largest norm that the gradient of all parameters together may have'),
  })
  .meta({ id: 'NormGradientClipping', description: 'Scales the whole gradient down to a largest norm' });

export const norm: GradientClippingKind<typeof schema> = {
  kind: 'norm',
  schema,
  // A NaN norm stays NaN: min returns its second operand then.
  factor: (squares, { max }) => min(1, div(max, add(sqrt(squares), 1e-6))),
};
