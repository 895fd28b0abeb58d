/**
 * Nesterov's momentum in PyTorch's form by default: u ← γu + g; θ ← θ − η(g + γu).
 * With `learningRateInside`, the classical form, in which a changed η does not touch the speed already gathered:
 * u ← γu + η∇E(θ̂ − γu); θ̂ ← θ̂ − u. The gradient is taken at the point ahead, so that point is what is kept:
 * with θ = θ̂ − γu it reads u ← γu + ηg; θ ← θ − (ηg + γu). Under a constant η both take the same path.
 */
import { z } from 'zod';
import { add, constant, mul, sub } from '../../expr.ts';
import type { OptimizerKind } from '../kind.ts';
import { decay, learningRate } from './fields.ts';

const schema = z
  .strictObject({
    kind: z.literal('nesterov'),
    learningRate: learningRate.default(0.01),
    momentum: decay.default(0.9).describe('Share γ of the velocity that is kept from step to step'),
    learningRateInside: z
      .boolean()
      .default(false)
      .describe('u ← γu + η∇E(θ − γu); θ ← θ − u, seen from the point θ − γu'),
  })
  .meta({
    id: 'NesterovOptimizer',
    description: 'Gradient descent with Nesterov’s momentum: u ← γu + g; θ ← θ − η(g + γu)',
  });

export const nesterov: OptimizerKind<typeof schema> = {
  kind: 'nesterov',
  schema,
  slots: () => ['velocity'],
  scalarNames: ['learningRate'],
  scalars: (_, __, rate) => [rate],
  update: ({ parameter, gradient, slots, scalars }, spec) => {
    const { velocity = constant(NaN) } = slots;
    const { learningRate: rate = constant(NaN) } = scalars;
    const push = spec.learningRateInside ? mul(rate, gradient) : gradient;
    const next = add(mul(spec.momentum, velocity), push);
    const ahead = add(push, mul(spec.momentum, next));
    return {
      parameter: sub(parameter, spec.learningRateInside ? ahead : mul(rate, ahead)),
      slots: { velocity: next },
    };
  },
};
