/**
 * y = activation(x·Wᵀ + b), with W of shape [units, inputs] and b of shape [units], as in PyTorch's Linear.
 * Without a `weights` initialiser it takes Xavier's for a symmetric activation and He's for a rectifier.
 */
import { z } from 'zod';
import { activations } from '../activations/registry.ts';
import { initializers } from '../initializers/registry.ts';
import type { LayerKind } from '../kind.ts';

const UNITS_MAX = 2 ** 31 - 1;

const schema = z
  .strictObject({
    kind: z.literal('dense'),
    units: z.int().gte(1).lte(UNITS_MAX).describe('Outputs of the layer'),
    activation: activations.schema.default({ kind: 'linear' }),
    weights: initializers.schema
      .optional()
      .describe('By default xavierUniform for symmetric activations, heNormal for the ReLU family'),
    bias: initializers.schema.default({ kind: 'zeros' }),
  })
  .meta({ id: 'DenseLayer', description: 'Fully connected layer: activation(x·Wᵀ + b)' });

const defaultWeights = { symmetric: { kind: 'xavierUniform' }, rectifier: { kind: 'heNormal' } } as const;

export const dense: LayerKind<typeof schema> = {
  kind: 'dense',
  schema,
  outputShape: (_, { units }) => ({ features: units }),
  parameterCount: ({ features }, { units }) => units * (features + 1),
  build: (graph, x, { units, activation, weights, bias }, name) => {
    const fans = { fanIn: x.features, fanOut: units };
    const { formula, derivativeFromOutput, family } = activations.get(activation.kind);
    const weight = graph.parameter(`${name}.weight`, {
      ...fans,
      shape: [units, x.features],
      initializer: weights ?? defaultWeights[family],
    });
    const shift = graph.parameter(`${name}.bias`, { ...fans, shape: [units], initializer: bias });
    return graph.map(
      graph.affine(x, weight, shift),
      (z) => formula(z, activation),
      derivativeFromOutput && ((y) => derivativeFromOutput(y, activation)),
    );
  },
  activation: (spec) => spec.activation,
};
