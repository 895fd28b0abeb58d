/** Every value the same. */
import { z } from 'zod';
import type { InitializerKind } from '../kind.ts';

const schema = z
  .strictObject({
    kind: z.literal('constant'),
    value: z.number().gte(-1e6).lte(1e6).describe('What every number starts at'),
  })
  .meta({ id: 'ConstantInitializer', description: 'Every value starts at the given number' });

export const constant: InitializerKind<typeof schema> = {
  kind: 'constant',
  schema,
  fill: ({ count }, { value }) => new Float32Array(count).fill(value),
};
