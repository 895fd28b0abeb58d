/**
 * AdamW (Loshchilov, Hutter: arXiv:1711.05101) in PyTorch's form: θ ← θ − ηλθ − η·m̂/(√v̂ + ε); see adam-step.ts.
 * The decay follows a scheduled η and is no part of the gradient, so the means never see it: not an L2 penalty. It is
 * taken off as ηλ·θ: the factor 1 − ηλ of PyTorch's code rounds a small decay to few bits, the same for all weights.
 */
import { z } from 'zod';
import { add, constant, mul, sub } from '../../expr.ts';
import type { OptimizerKind } from '../kind.ts';
import { adamFields, adamScalarNames, adamScalars, adamSlots, adamStep } from './adam-step.ts';

const schema = z
  .strictObject({
    kind: z.literal('adamw'),
    ...adamFields,
    weightDecay: z
      .number()
      .gte(0)
      .default(0.01)
      .describe('Decoupled decay λ of every parameter, scaled by η: not a penalty in the loss'),
  })
  .meta({
    id: 'AdamwOptimizer',
    description: 'Adam with decoupled weight decay: θ ← θ − ηλθ − η·m̂/(√v̂ + ε)',
  });

export const adamw: OptimizerKind<typeof schema> = {
  kind: 'adamw',
  schema,
  slots: () => adamSlots,
  scalarNames: [...adamScalarNames, 'decay'],
  scalars: (spec, t, rate) => [...adamScalars(spec, t, rate), rate * spec.weightDecay],
  update: (at, spec) => {
    const { decay = constant(NaN) } = at.scalars;
    const { step, slots } = adamStep(at, spec);
    return { parameter: sub(at.parameter, add(mul(decay, at.parameter), step)), slots };
  },
};
