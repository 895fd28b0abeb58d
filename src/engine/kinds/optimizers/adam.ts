/** Adam (Kingma, Ba: arXiv:1412.6980) in PyTorch's form: θ ← θ − η·m̂/(√v̂ + ε); see adam-step.ts. */
import { z } from 'zod';
import { sub } from '../../expr.ts';
import type { OptimizerKind } from '../kind.ts';
import { adamFields, adamScalarNames, adamScalars, adamSlots, adamStep } from './adam-step.ts';

const schema = z
  .strictObject({ kind: z.literal('adam'), ...adamFields })
  .meta({ id: 'AdamOptimizer', description: 'Adam: θ ← θ − η·m̂/(√v̂ + ε)' });

export const adam: OptimizerKind<typeof schema> = {
  kind: 'adam',
  schema,
  slots: () => adamSlots,
  scalarNames: adamScalarNames,
  scalars: adamScalars,
  update: (at, spec) => {
    const { step, slots } = adamStep(at, spec);
    return { parameter: sub(at.parameter, step), slots };
  },
};
