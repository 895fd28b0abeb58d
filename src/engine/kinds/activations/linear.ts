/** y = x. */
import { z } from 'zod';
import { constant } from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('linear') })
  .meta({ id: 'LinearActivation', description: 'y = x' });

export const linear: ActivationKind<typeof schema> = {
  kind: 'linear',
  schema,
  family: 'symmetric',
  formula: (x) => x,
  derivativeFromOutput: () => constant(1),
};
