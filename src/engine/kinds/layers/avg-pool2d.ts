/** The mean of each window, channel by channel, as PyTorch's AvgPool2d: padding is zeros, and they count. */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { gridOf } from './fields.ts';
import { poolFields, poolNeeds, poolShape, poolWindows } from './pools.ts';

const schema = z
  .strictObject({ kind: z.literal('avgPool2d'), ...poolFields })
  .meta({ id: 'AvgPool2dLayer', description: 'The mean of each window; padding counts as zeros' });

export const avgPool2d: LayerKind<typeof schema> = {
  kind: 'avgPool2d',
  schema,
  takes: 'one',
  outputShape: poolShape,
  parameterCount: () => 0,
  multiplications: () => 0,
  ...poolNeeds(1),
  build: (graph, [x], spec) =>
    graph.pool(graph.pad(x, gridOf(spec.padding), 0), 'average', poolWindows(spec)),
  activation: () => null,
};
