/** η = η₀·e^(−t/T), where t counts finished steps or epochs and T is as long as the run unless given. */
import { z } from 'zod';
import { exp } from '../../scalar-math.ts';
import type { ScheduleKind } from '../kind.ts';

const schema = z
  .strictObject({
    kind: z.literal('exponential'),
    per: z.enum(['step', 'epoch']).default('step').describe('What t counts'),
    timeConstant: z
      .number()
      .positive()
      .optional()
      .describe('T: steps or epochs after which η has fallen to η₀/e; by default all that the run plans'),
  })
  .meta({ id: 'ExponentialSchedule', description: 'η = η₀·exp(−t/T)' });

export const exponential: ScheduleKind<typeof schema> = {
  kind: 'exponential',
  schema,
  learningRate: (initial, at, { per, timeConstant }) => {
    const [done, planned] = per === 'step' ? [at.step, at.steps] : [at.epoch, at.epochs];
    return initial * exp(-done / (timeConstant ?? planned));
  },
};
