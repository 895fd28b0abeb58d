/** An image as flat features, channel by channel as in PyTorch: feature (c·height + y)·width + x. */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { oneInput, only, sizeOf } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('flatten'), ...oneInput })
  .meta({ id: 'FlattenLayer', description: 'An image as flat features, channel by channel' });

export const flatten: LayerKind<typeof schema> = {
  kind: 'flatten',
  schema,
  takes: 'one',
  outputShape: (inputs) => {
    const shape = only(inputs);
    if (shape.image === null) return { misfit: 'takes an image, and its input is flat already; remove it' };
    return { features: sizeOf(shape), image: null };
  },
  parameterCount: () => 0,
  multiplications: () => 0,
  build: (graph, [x]) => graph.flatten(x),
  activation: () => null,
};
