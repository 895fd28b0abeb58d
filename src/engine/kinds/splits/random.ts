/** Rows are dealt to the parts at random, whatever their target. Within a part they keep their order. */
import { z } from 'zod';
import { shuffle } from '../../random.ts';
import type { SplitKind } from '../kind.ts';
import { fraction, leavesTraining, leavesTrainingIssue, partSizes } from './fractions.ts';

const schema = z
  .strictObject({
    kind: z.literal('random'),
    validation: fraction.default(0.15).describe('Share of the rows held out for validation'),
    test: fraction.default(0.15).describe('Share of the rows held out for the final test'),
  })
  .refine(leavesTraining, leavesTrainingIssue)
  .meta({ id: 'RandomSplit', description: 'Rows are dealt to training, validation and test at random' });

export const random: SplitKind<typeof schema> = {
  kind: 'random',
  needsClasses: false,
  schema,
  sizes: partSizes,
  assign: ({ rows, random: source }, spec) => {
    const order = Int32Array.from({ length: rows }, (_, i) => i);
    shuffle(order, source);
    const { validation, test } = partSizes(rows, spec);
    return {
      validation: order.slice(0, validation).sort(),
      test: order.slice(validation, validation + test).sort(),
      training: order.slice(validation + test).sort(),
    };
  },
};
