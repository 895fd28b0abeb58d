/**
 * In training each value is zero with probability p (Srivastava et al., JMLR 15, 2014). `scaling: "training"` divides the
 * rest by 1 − p, as PyTorch's Dropout, and leaves inference alone; `"inference"`, the paper's form, multiplies there by
 * 1 − p instead. The mask is a pure function of (seed, layer, step, row, column).
 */
import { z } from 'zod';
import { constant, input, integer, lt, mul, select } from '../../expr.ts';
import { randomInteger } from '../../lane-random.ts';
import type { LayerKind } from '../kind.ts';
import { oneInput, only } from './fields.ts';

const schema = z
  .strictObject({
    kind: z.literal('dropout'),
    ...oneInput,
    probability: z.number().gte(0).lt(1).default(0.5).describe('That a value becomes zero'),
    scaling: z
      .enum(['training', 'inference'])
      .meta({
        id: 'DropoutScaling',
        description:
          'Whether the rest is divided by 1 − p in training, or everything multiplied by 1 − p at inference',
      })
      .default('training'),
  })
  .meta({ id: 'DropoutLayer', description: 'Zeroes values at random in training' });

const DRAWS = 2 ** 24;

export const dropout: LayerKind<typeof schema> = {
  kind: 'dropout',
  schema,
  takes: 'one',
  outputShape: (inputs) => only(inputs),
  parameterCount: () => 0,
  multiplications: () => 0,
  build: (graph, [x], { probability, scaling }, name) => {
    if (probability === 0) return x;
    const inTraining = scaling === 'training';
    const dropped = lt(randomInteger(name), integer(Math.round(probability * DRAWS)));
    const mask = select(dropped, 0, constant(inTraining ? 1 / (1 - probability) : 1));
    return graph.combine({
      inputs: { x },
      training: mul(input('x'), mask),
      inference: inTraining ? input('x') : mul(input('x'), 1 - probability),
      kept: [mask],
      random: [name],
    });
  },
  activation: () => null,
};
