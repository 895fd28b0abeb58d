/**
 * Adam (Kingma, Ba: arXiv:1412.6980) in PyTorch's form: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²;
 * θ ← θ − η·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) and ε outside the root.
 * The two corrections depend on t alone and come in as scalars: η/(1 − β₁ᵗ) and 1/√(1 − β₂ᵗ).
 */
import { z } from 'zod';
import { add, constant, div, mul, sqrt, sub } from '../../expr.ts';
import { powInt } from '../../scalar-math.ts';
import type { OptimizerKind } from '../kind.ts';
import { decay, learningRate } from './fields.ts';

const schema = z
  .strictObject({
    kind: z.literal('adam'),
    learningRate: learningRate.default(0.001),
    beta1: decay.default(0.9).describe('Decay of the mean of gradients'),
    beta2: decay.default(0.999).describe('Decay of the mean of squared gradients'),
    epsilon: z.number().gte(1e-37).lte(1).default(1e-8).describe('Added to the root, outside it'),
  })
  .meta({ id: 'AdamOptimizer', description: 'Adam: θ ← θ − η·m̂/(√v̂ + ε)' });

export const adam: OptimizerKind<typeof schema> = {
  kind: 'adam',
  schema,
  slots: () => ['mean', 'square'],
  scalarNames: ['stepSize', 'rootScale'],
  scalars: ({ beta1, beta2 }, t, rate) => [
    rate / (1 - powInt(beta1, t)),
    1 / Math.sqrt(1 - powInt(beta2, t)),
  ],
  update: ({ parameter, gradient, slots, scalars }, { beta1, beta2, epsilon }) => {
    const { mean: m = constant(NaN), square: v = constant(NaN) } = slots;
    const { stepSize = constant(NaN), rootScale = constant(NaN) } = scalars;
    const mean = add(mul(beta1, m), mul(1 - beta1, gradient));
    const square = add(mul(beta2, v), mul(1 - beta2, mul(gradient, gradient)));
    const scale = add(mul(sqrt(square), rootScale), epsilon);
    return {
      parameter: sub(parameter, mul(stepSize, div(mean, scale))),
      slots: { mean, square },
    };
  },
};
