/** η = η₀. */
import { z } from 'zod';
import type { ScheduleKind } from '../kind.ts';

const schema = z
  .strictObject({ kind: z.literal('constant') })
  .meta({ id: 'ConstantSchedule', description: 'The learning rate stays as it is' });

export const constant: ScheduleKind<typeof schema> = {
  kind: 'constant',
  schema,
  learningRate: (initial) => initial,
};
