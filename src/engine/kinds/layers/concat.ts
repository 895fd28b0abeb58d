/** Layers side by side: their features one after another, or their channels where they are images of one size. */
import { z } from 'zod';
import type { LayerKind } from '../kind.ts';
import { only, severalInputs } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('concat'), ...severalInputs })
  .meta({ id: 'ConcatLayer', description: 'Layers side by side: features or channels one after another' });

export const concat: LayerKind<typeof schema> = {
  kind: 'concat',
  schema,
  takes: 'several',
  outputShape: (inputs) => {
    const { image } = only(inputs);
    const same = inputs.every((s) => s.image?.height === image?.height && s.image?.width === image?.width);
    if (!same) return { misfit: 'joins flat features, or images of one height and width' };
    return { features: inputs.reduce((sum, s) => sum + s.features, 0), image };
  },
  parameterCount: () => 0,
  multiplications: () => 0,
  kernels: (inputs) => 2 * inputs.length,
  build: (graph, inputs) => graph.concat(inputs),
  activation: () => null,
};
