/** Every value 0. */
import { z } from 'zod';
import type { InitializerKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('zeros') })
  .meta({ id: 'ZerosInitializer', description: 'Every value starts at 0' });

export const zeros: InitializerKind<typeof schema> = {
  kind: 'zeros',
  schema,
  fill: ({ count }) => new Float32Array(count),
};
