/** One column per category: 1 in its own, 0 elsewhere; an unknown category (code −1) is all zeros. */
import { z } from 'zod';
import type { CategoricalPreprocessorKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('oneHot') })
  .meta({ id: 'OneHotCategoricalPreprocessor', description: 'One 0/1 column per category' });

export const oneHot: CategoricalPreprocessorKind<typeof schema> = {
  kind: 'oneHot',
  schema,
  width: (categories) => categories,
  encode: (code, out, offset, categories) => {
    out.fill(0, offset, offset + categories);
    if (code >= 0 && code < categories) out[offset + code] = 1;
  },
};
