/** An activation of its own, for behind a normalisation or a join. */
import { z } from 'zod';
import { activations } from '../activations/registry.ts';
import type { LayerKind } from '../kind.ts';
import { activate } from './activate.ts';
import { oneInput, only } from './fields.ts';

const schema = z
  .strictObject({ kind: z.literal('activation'), ...oneInput, activation: activations.schema })
  .meta({
    id: 'ActivationLayer',
    description: 'An activation of its own, for behind a normalisation or a join',
  });

export const activation: LayerKind<typeof schema> = {
  kind: 'activation',
  schema,
  takes: 'one',
  outputShape: (inputs) => only(inputs),
  parameterCount: () => 0,
  multiplications: () => 0,
  build: (graph, [x], spec) => activate(graph, x, spec.activation),
  activation: (spec) => spec.activation,
};
