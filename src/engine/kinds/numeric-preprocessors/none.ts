/** The value as it is. */
import { z } from 'zod';
import type { NumericPreprocessorKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('none') })
  .meta({ id: 'NoneNumericPreprocessor', description: 'Values are used as they are' });

export const none: NumericPreprocessorKind<typeof schema> = {
  kind: 'none',
  schema,
  fit: () => ({}),
  apply: (value) => value,
  line: () => ({ offset: 0, factor: 1 }),
};
