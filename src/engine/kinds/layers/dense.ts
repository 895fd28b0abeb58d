/**
 * y = activation(x·Wᵀ + b), with W of shape [units, inputs] and b of shape [units], as in PyTorch's Linear.
 * Without a `weights` initialiser it takes Xavier's for a symmetric activation and He's for a rectifier.
 */
import { z } from 'zod';
import { initializers } from '../initializers/registry.ts';
import type { LayerKind } from '../kind.ts';
import { activate, defaultWeights } from './activate.ts';
import { activation, NEEDS_FLAT, oneInput, only } from './fields.ts';

const UNITS_MAX = 2 ** 31 - 1;

const schema = z
  .strictObject({
    kind: z.literal('dense'),
    ...oneInput,
    units: z.int().gte(1).lte(UNITS_MAX).describe('Outputs of the layer'),
    activation,
    weights: initializers.schema
      .optional()
      .describe('By default xavierUniform for symmetric activations, heNormal for the ReLU family'),
    bias: initializers.schema.default({ kind: 'zeros' }),
  })
  .meta({ id: 'DenseLayer', description: 'Fully connected layer: activation(x·Wᵀ + b)' });

export const dense: LayerKind<typeof schema> = {
  kind: 'dense',
  schema,
  takes: 'one',
  outputShape: (inputs, { units }) =>
    only(inputs).image === null ? { features: units, image: null } : NEEDS_FLAT,
  parameterCount: (inputs, { units }) => units * (only(inputs).features + 1),
  multiplications: (inputs, { units }) => 3 * units * only(inputs).features,
  build: (graph, [x], spec, name) => {
    const { units, activation: own, weights, bias } = spec;
    const fans = { fanIn: x.features, fanOut: units };
    const weight = graph.parameter(`${name}.weight`, {
      ...fans,
      shape: [units, x.features],
      initializer: weights ?? defaultWeights(own),
      role: 'weight',
    });
    const shift = graph.parameter(`${name}.bias`, {
      ...fans,
      shape: [units],
      initializer: bias,
      role: 'bias',
    });
    return activate(graph, graph.affine(x, weight, shift), own);
  },
  activation: (spec) => spec.activation,
};
