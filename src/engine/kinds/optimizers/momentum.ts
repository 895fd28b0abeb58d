/**
 * PyTorch's form by default: u ← γu + g; θ ← θ − ηu. With `learningRateInside`, the classical form, in which a changed
 * η does not touch the speed already gathered: u ← γu + ηg; θ ← θ − u. Under a constant η both take the same path.
 */
import { z } from 'zod';
import { add, constant, mul, sub } from '../../expr.ts';
import type { OptimizerKind } from '../kind.ts';
import { decay, learningRate } from './fields.ts';

const schema = z
  .strictObject({
    kind: z.literal('momentum'),
    learningRate: learningRate.default(0.01),
    momentum: decay.default(0.9).describe('Share γ of the velocity that is kept from step to step'),
    learningRateInside: z.boolean().default(false).describe('u ← γu + ηg; θ ← θ − u instead of θ ← θ − ηu'),
  })
  .meta({ id: 'MomentumOptimizer', description: 'Gradient descent with momentum: u ← γu + g; θ ← θ − ηu' });

export const momentum: OptimizerKind<typeof schema> = {
  kind: 'momentum',
  schema,
  slots: () => ['velocity'],
  scalarNames: ['learningRate'],
  scalars: (_, __, rate) => [rate],
  update: ({ parameter, gradient, slots, scalars }, spec) => {
    const { velocity = constant(NaN) } = slots;
    const { learningRate: rate = constant(NaN) } = scalars;
    const push = spec.learningRateInside ? mul(rate, gradient) : gradient;
    const next = add(mul(spec.momentum, velocity), push);
    return {
      parameter: sub(parameter, spec.learningRateInside ? next : mul(rate, next)),
      slots: { velocity: next },
    };
  },
};
