/** θ ← θ − ηg. */
import { z } from 'zod';
import { constant, mul, sub } from '../../expr.ts';
import type { OptimizerKind } from '../kind.ts';
import { learningRate } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('sgd'), learningRate: learningRate.default(0.01) })
  .meta({ id: 'SgdOptimizer', description: 'Stochastic gradient descent: θ ← θ − ηg' });

export const sgd: OptimizerKind<typeof schema> = {
  kind: 'sgd',
  schema,
  slots: () => [],
  scalarNames: ['learningRate'],
  scalars: (_, __, rate) => [rate],
  update: ({ parameter, gradient, scalars: { learningRate: rate = constant(NaN) } }) => ({
    parameter: sub(parameter, mul(rate, gradient)),
    slots: {},
  }),
};
