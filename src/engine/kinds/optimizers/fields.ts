/** Schema fields that optimisers share. */
import { z } from 'zod';

/** Any positive finite number: a run with an absurd one is accepted and diverges. */
export const learningRate = z
  .number()
  .positive()
  .describe('Step size η at the start; a schedule may scale it');

/** A decay that keeps part of a running mean, in [0, 1). */
export const decay = z.number().gte(0).lt(1);
