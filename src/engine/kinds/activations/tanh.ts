/** y = tanh x, y′ = 1 − y². */
import { z } from 'zod';
import * as e from '../../expr.ts';
import type { ActivationKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('tanh') })
  .meta({ id: 'TanhActivation', description: 'y = tanh x' });

export const tanh: ActivationKind<typeof schema> = {
  kind: 'tanh',
  schema,
  family: 'symmetric',
  formula: (x) => e.tanh(x),
  derivativeFromOutput: (y) => e.sub(1, e.mul(y, y)),
};
