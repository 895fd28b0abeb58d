/**
 * The largest value of each window, channel by channel, as PyTorch's MaxPool2d: padding is −∞, of equal values the
 * first takes the gradient, and a NaN in a window is its maximum.
 */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { gridOf } from './fields.ts';
import { poolFields, poolNeeds, poolShape, poolWindows } from './pools.ts';

const schema = z
  .strictObject({ kind: z.literal('maxPool2d'), ...poolFields })
  .meta({ id: 'MaxPool2dLayer', description: 'The largest value of each window' });

export const maxPool2d: LayerKind<typeof schema> = {
  kind: 'maxPool2d',
  schema,
  takes: 'one',
  outputShape: poolShape,
  parameterCount: () => 0,
  multiplications: () => 0,
  ...poolNeeds(2),
  build: (graph, [x], spec) =>
    graph.pool(graph.pad(x, gridOf(spec.padding), Number.NEGATIVE_INFINITY), 'max', poolWindows(spec)),
  activation: () => null,
};
